// Table rows: ages at each step, and what a pod's status column says in each of its states.
#include <catch2/catch_test_macros.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <string>

#include "services/kube/kinds/kind.hpp"

using namespace services::kube;
namespace json = boost::json;

namespace {

const auto now = hal::parse_rfc3339("2026-01-02T00:00:00Z");

std::string age(std::chrono::seconds seconds) { return kinds::human_duration(seconds); }

json::array cells(const char* group, const char* kind, const std::string& object) {
    return kinds::find_kind({group, "v1", kind})->cells(json::parse(object).as_object(), now);
}

// Ready, Status and Restarts of a pod with containers a and b.
std::string pod(const std::string& status, const std::string& spec = "", const std::string& metadata = "") {
    const auto row = cells("", "Pod",
                           R"({"metadata":{"name":"p","creationTimestamp":"2026-01-01T00:00:00Z")" + metadata +
                               R"(},"spec":{"containers":[{"name":"a"},{"name":"b"}])" + spec + R"(},"status":{)" + status + "}}");
    return json::serialize(json::array(row.begin() + 1, row.begin() + 4));
}

std::string states(const std::string& a, const std::string& b, const std::string& phase = "Running") {
    return R"("phase":")" + phase + R"(","containerStatuses":[{"name":"a",)" + a + R"(},{"name":"b",)" + b + "}]";
}

constexpr auto running = R"("ready":true,"restartCount":0,"state":{"running":{}})";
constexpr auto completed = R"("restartCount":0,"state":{"terminated":{"exitCode":0,"reason":"Completed"}})";

}  // namespace

TEST_CASE("ages keep two or three figures") {
    using namespace std::chrono_literals;
    CHECK(age(-2s) == "<invalid>");
    CHECK(age(-1s) == "0s");
    CHECK(age(119s) == "119s");
    CHECK(age(120s) == "2m");
    CHECK(age(185s) == "3m5s");
    CHECK(age(599s) == "9m59s");
    CHECK(age(601s) == "10m");
    CHECK(age(179min) == "179m");
    CHECK(age(180min) == "3h");
    CHECK(age(7h + 59min) == "7h59m");
    CHECK(age(8h + 59min) == "8h");
    CHECK(age(47h) == "47h");
    CHECK(age(48h) == "2d");
    CHECK(age(51h) == "2d3h");
    CHECK(age(24h * 8) == "8d");
    CHECK(age(24h * 729) == "729d");
    CHECK(age(24h * 730) == "2y");
    CHECK(age(24h * 731) == "2y1d");
    CHECK(age(24h * 365 * 8 + 24h) == "8y");
}

TEST_CASE("a pod shows the phase until containers say more") {
    CHECK(pod(R"("phase":"Pending")") == R"(["0/2","Pending","0"])");
    CHECK(pod(R"("phase":"Failed","reason":"Evicted")") == R"(["0/2","Evicted","0"])");
    CHECK(pod(R"("phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"SchedulingGated"}])") ==
          R"(["0/2","SchedulingGated","0"])");
    CHECK(pod(states(running, running)) == R"(["2/2","Running","0"])");
}

TEST_CASE("a pod shows why a container waits or how it ended") {
    CHECK(pod(states(running, R"("restartCount":3,"state":{"waiting":{"reason":"CrashLoopBackOff"}},"lastState":{"terminated":)"
                              R"({"finishedAt":"2026-01-01T23:59:00Z"}})")) == R"_(["1/2","CrashLoopBackOff","3 (60s ago)"])_");
    CHECK(pod(states(running, R"("restartCount":0,"state":{"terminated":{"exitCode":137,"signal":9}})")) == R"(["1/2","Signal:9","0"])");
    CHECK(pod(states(running, R"("restartCount":0,"state":{"terminated":{"exitCode":2}})")) == R"(["1/2","ExitCode:2","0"])");
    CHECK(pod(states(completed, completed, "Succeeded")) == R"(["0/2","Completed","0"])");
}

TEST_CASE("a pod of which one container completed runs on, ready or not") {
    CHECK(pod(states(completed, running)) == R"(["1/2","NotReady","0"])");
    CHECK(pod(states(completed, running) + R"(,"conditions":[{"type":"Ready","status":"True"}])") == R"(["1/2","Running","0"])");
    const auto failed = R"("restartCount":0,"state":{"terminated":{"exitCode":1,"reason":"Error"}})";
    CHECK(pod(states(completed, failed)) == R"(["0/2","Error","0"])");
}

TEST_CASE("a pod shows how far its init containers are") {
    const std::string spec = R"(,"initContainers":[{"name":"i"},{"name":"j"}])";
    CHECK(pod(R"("phase":"Pending","initContainerStatuses":[{"name":"i","restartCount":0,"state":{"terminated":{"exitCode":0}}},)"
              R"({"name":"j","restartCount":0,"state":{"waiting":{"reason":"PodInitializing"}}}])",
              spec) == R"(["0/2","Init:1/2","0"])");
    CHECK(pod(R"("phase":"Pending","initContainerStatuses":[{"name":"i","restartCount":1,"state":{"terminated":{"exitCode":3}}}])", spec) ==
          R"(["0/2","Init:ExitCode:3","1"])");
    CHECK(pod(R"("phase":"Pending","initContainerStatuses":[{"name":"i","restartCount":0,"state":{"waiting":{"reason":"ErrImagePull"}}}])",
              spec) == R"(["0/2","Init:ErrImagePull","0"])");
}

TEST_CASE("a sidecar counts among the containers, and its restarts among theirs") {
    const std::string spec = R"(,"initContainers":[{"name":"s","restartPolicy":"Always"}])";
    CHECK(pod(states(running, running) +
                  R"(,"initContainerStatuses":[{"name":"s","ready":true,"started":true,"restartCount":2,"state":{"running":{}}}])",
              spec) == R"(["3/3","Running","2"])");
}

TEST_CASE("a pod that is being deleted says so unless it has ended or its node is lost") {
    const std::string deleting = R"(,"deletionTimestamp":"2026-01-01T00:00:00Z")";
    CHECK(pod(states(running, running), "", deleting) == R"(["2/2","Terminating","0"])");
    CHECK(pod(states(completed, completed, "Succeeded"), "", deleting) == R"(["0/2","Completed","0"])");
    CHECK(pod(R"("phase":"Running","reason":"NodeLost")", "", deleting) == R"(["0/2","Unknown","0"])");
}

TEST_CASE("a service shows its addresses by type") {
    const auto external = [](const std::string& spec, const std::string& status = "") {
        return json::serialize(cells("", "Service", R"({"metadata":{"name":"s"},"spec":{)" + spec + R"(},"status":{)" + status + "}}").at(3));
    };
    CHECK(external(R"("type":"ClusterIP")") == R"("<none>")");
    CHECK(external(R"("type":"ClusterIP","externalIPs":["192.0.2.1","192.0.2.2"])") == R"("192.0.2.1,192.0.2.2")");
    CHECK(external(R"("type":"LoadBalancer")") == R"("<pending>")");
    CHECK(external(R"("type":"LoadBalancer")", R"("loadBalancer":{"ingress":[{"ip":"192.0.2.9"},{"hostname":"a.example"}]})") ==
          R"("192.0.2.9,a.example")");
    CHECK(external(R"("type":"ExternalName","externalName":"x.example")") == R"("x.example")");
}

TEST_CASE("a node shows readiness, cordons and roles") {
    const auto shown = [](const std::string& object) {
        const auto row = cells("", "Node", object);
        return std::string(row.at(1).as_string()) + " " + std::string(row.at(2).as_string());
    };
    CHECK(shown(R"({"metadata":{"name":"n"}})") == "Unknown <none>");
    CHECK(shown(R"({"metadata":{"name":"n","labels":{"node-role.kubernetes.io/worker":"","node-role.kubernetes.io/control-plane":"true"}},)"
                R"("spec":{"unschedulable":true},"status":{"conditions":[{"type":"Ready","status":"Unknown"}]}})") ==
          "NotReady,SchedulingDisabled control-plane,worker");
}

TEST_CASE("an event shows itself in either form alike") {
    const auto core = cells("", "Event",
                            R"({"metadata":{"name":"e"},"involvedObject":{"kind":"Pod","name":"p","fieldPath":"spec"},"reason":"R",)"
                            R"("message":" m\n","source":{"component":"kubelet","host":"n"},"eventTime":"2026-01-01T23:59:30.000000Z"})");
    const auto fresh = cells("events.k8s.io", "Event",
                             R"({"metadata":{"name":"e"},"regarding":{"kind":"Pod","name":"p","fieldPath":"spec"},"reason":"R",)"
                             R"("note":" m\n","deprecatedSource":{"component":"kubelet","host":"n"},"eventTime":"2026-01-01T23:59:30.000000Z"})");
    CHECK(json::serialize(core) == R"(["30s","","R","pod/p","spec","kubelet, n","m","30s",1,"e"])");
    CHECK(json::serialize(fresh) == json::serialize(core));
}

TEST_CASE("endpoints list three addresses and count the others") {
    const auto listed = [](const std::string& subsets) {
        return std::string(cells("", "Endpoints", R"({"metadata":{"name":"e"},"subsets":[)" + subsets + "]}").at(1).as_string());
    };
    CHECK(listed("") == "<none>");
    CHECK(listed(R"({"addresses":[{"ip":"fd00::1"}],"ports":[{"port":80}]})") == "[fd00::1]:80");
    const std::string four = R"("addresses":[{"ip":"10.0.0.1"},{"ip":"10.0.0.2"},{"ip":"10.0.0.3"},{"ip":"10.0.0.4"}])";
    CHECK(listed("{" + four + "}") == "10.0.0.1,10.0.0.2,10.0.0.3 + 1 more...");
    CHECK(listed("{" + four + R"(,"ports":[{"port":1},{"port":2}]})") == "10.0.0.1:1,10.0.0.2:1,10.0.0.3:1 + 5 more...");
}
