#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch_test_macros.hpp>

#include "hal/base/error.hpp"
#include "services/kubeclient/object.hpp"
#include "services/kubelet/pods/pod_files.hpp"
#include "services/kubelet/pods/resources.hpp"
#include "services/kubelet/pods/state.hpp"

using namespace services::kubelet::pods;
namespace kc = services::kubeclient;
using Phase = ContainerState::Phase;

namespace {

const hal::WallTime noon = hal::parse_rfc3339("2026-11-24T12:00:00Z");

json::object object(const std::string& text) { return json::parse(text).as_object(); }

PodState pod(const std::string& policy, const std::string& inits = "") {
    return PodState::of(object(R"({"metadata":{"name":"p","namespace":"ns","uid":"u","generation":3},"spec":{"restartPolicy":")" + policy +
                               R"(","initContainers":[)" + inits + R"(],"containers":[{"name":"a","image":"i"},{"name":"b","image":"i"}]}})"));
}

void run(ContainerState& one) {
    one.phase = Phase::running;
    one.attempts = 1;
    one.is_ready = one.is_started = true;
    one.started = noon;
    one.id = "x";
}

void end(ContainerState& one, int code) {
    run(one);
    one.phase = Phase::terminated;
    one.is_ready = false;
    one.ended = Termination{code, code == 0 ? "Completed" : "Error", "", noon, noon, "x"};
}

std::string_view condition(const json::object& status, std::string_view type) {
    for (const auto& one : kc::array_at(status, "conditions"))
        if (kc::text(one.as_object(), "type") == type) return kc::text(one.as_object(), "status");
    return "";
}

}  // namespace

TEST_CASE("a pod is Pending until each container has been started, then Running") {
    auto state = pod("Always");
    CHECK(phase_of(state) == "Pending");
    run(state.containers[0]);
    CHECK(phase_of(state) == "Pending");
    run(state.containers[1]);
    CHECK(phase_of(state) == "Running");
}

TEST_CASE("what becomes of a pod whose containers have ended is decided by its restart policy") {
    for (const auto& [policy, code, phase] : {std::tuple{"Always", 0, "Running"}, {"Always", 1, "Running"}, {"OnFailure", 0, "Succeeded"},
                                              {"OnFailure", 1, "Running"}, {"Never", 0, "Succeeded"}, {"Never", 1, "Failed"}}) {
        auto state = pod(policy);
        end(state.containers[0], 0);
        end(state.containers[1], code);
        CHECK(phase_of(state) == phase);
    }
}

TEST_CASE("an init container that fails for good fails the pod; one that runs keeps it Pending") {
    auto state = pod("Never", R"({"name":"i","image":"i"})");
    run(state.containers[0]);
    CHECK(phase_of(state) == "Pending");
    CHECK_FALSE(state.is_initialized());
    end(state.containers[0], 1);
    CHECK(phase_of(state) == "Failed");
    end(state.containers[0], 0);
    CHECK(state.is_initialized());
}

TEST_CASE("a sidecar counts as initialised once it has started, and its readiness counts for the pod") {
    auto state = pod("Always", R"({"name":"s","image":"i","restartPolicy":"Always"})");
    CHECK_FALSE(state.is_initialized());
    for (auto& one : state.containers) run(one);
    CHECK(state.is_initialized());
    CHECK(condition(status_of(state, {}, noon), "Ready") == "True");
    state.containers[0].is_ready = false;
    CHECK(condition(status_of(state, {}, noon), "Ready") == "False");
}

TEST_CASE("an ephemeral container has a status of its own and changes nothing of the pod's") {
    auto state = pod("Never");
    run(state.containers[0]);
    run(state.containers[1]);
    auto& first = state.containers[0];
    state.pod["spec"].as_object()["ephemeralContainers"] = json::parse(R"([{"name":"debug","image":"i"}])");
    state.add_ephemeral();
    state.add_ephemeral();
    REQUIRE(state.containers.size() == 3);
    CHECK(&first == &state.containers[0]);
    end(state.containers[2], 1);
    CHECK(phase_of(state) == "Running");
    const auto status = status_of(state, {}, noon);
    CHECK(condition(status, "Ready") == "True");
    CHECK(kc::array_at(status, "ephemeralContainerStatuses").size() == 1);
    CHECK(kc::array_at(status, "containerStatuses").size() == 2);
}

TEST_CASE("the status names unready containers and keeps times of conditions that stay") {
    auto state = pod("Always");
    run(state.containers[0]);
    run(state.containers[1]);
    state.containers[1].is_ready = false;
    state.addresses = {"10.42.0.2"};
    const auto first = status_of(state, {}, noon);
    CHECK(kc::text(*kc::condition_of({{"status", first}}, "Ready"), "message") == "containers with unready status: [b]");
    CHECK(kc::text(first, "podIP") == "10.42.0.2");
    CHECK(kc::number(first, "observedGeneration") == 3);
    const auto later = status_of(state, first, noon + std::chrono::hours(1));
    CHECK(later == first);
}

TEST_CASE("conditions of others stay in the status") {
    const auto before = object(R"({"conditions":[{"type":"DisruptionTarget","status":"True"}]})");
    CHECK(condition(status_of(pod("Always"), before, noon), "DisruptionTarget") == "True");
}

TEST_CASE("a container in back-off shows why it ended before") {
    auto state = pod("Always");
    end(state.containers[0], 3);
    auto& one = state.containers[0];
    one.last = std::exchange(one.ended, {});
    one.phase = Phase::waiting;
    one.waiting_reason = "CrashLoopBackOff";
    one.attempts = 2;
    const auto status = status_of(state, {}, noon);
    const auto& shown = kc::array_at(status, "containerStatuses")[0].as_object();
    CHECK(kc::text(shown, "state.waiting.reason") == "CrashLoopBackOff");
    CHECK(kc::number(shown, "lastState.terminated.exitCode") == 3);
    CHECK(kc::number(shown, "restartCount") == 1);
}

TEST_CASE("a checkpoint reads back as it was written") {
    auto state = pod("Always", R"({"name":"i","image":"i"})");
    end(state.containers[0], 0);
    run(state.containers[1]);
    state.containers[2].last = Termination{137, "OOMKilled", "m", noon, noon, "y"};
    state.boot = "b";
    state.started = noon;
    state.addresses = {"10.42.0.2"};
    state.objects["secret/s"] = object(R"({"data":{}})");
    const auto written = state.to_json();
    CHECK(PodState::from_json(written).to_json() == written);
    CHECK_THROWS_AS(PodState::from_json(json::parse(R"({"version":2,"pod":{}})")), hal::Error);
}

TEST_CASE("the class of service follows from requests and limits") {
    const auto with = [](const std::string& resources) { return object(R"({"metadata":{"uid":"u"},"spec":{"containers":[{"resources":)" + resources + "}]}}"); };
    CHECK(qos_class(with("{}")) == "BestEffort");
    CHECK(qos_class(with(R"({"requests":{"cpu":"1"}})")) == "Burstable");
    CHECK(qos_class(with(R"({"limits":{"cpu":"1","memory":"1Gi"}})")) == "Guaranteed");
    CHECK(qos_class(with(R"({"limits":{"cpu":"1","memory":"1Gi"},"requests":{"cpu":"500m","memory":"1Gi"}})")) == "Burstable");
    CHECK(pod_cgroup("/b", with("{}")) == "/b/pods/besteffort/podu");
}

TEST_CASE("limits become shares, quota and bytes") {
    const auto limits = container_limits(object(R"({"resources":{"requests":{"cpu":"250m"},"limits":{"cpu":"500m","memory":"64Mi"}}})"));
    CHECK(limits.cpu_shares == 256);
    CHECK(limits.cpu_quota_us == 50'000);
    CHECK(limits.memory_bytes == 64 << 20);
    CHECK(container_limits(object("{}")).cpu_shares == 2);
    CHECK_FALSE(container_limits(object("{}")).cpu_quota_us);
}

TEST_CASE("the kernel ends best effort first and guaranteed last") {
    const auto of = [](const std::string& resources) {
        const auto one = object(R"({"spec":{"containers":[{"resources":)" + resources + "}]}}");
        return oom_score_adjustment(one, one.at("spec").at("containers").at(0).as_object(), std::int64_t{1} << 30);
    };
    CHECK(of("{}") == 1000);
    CHECK(of(R"({"requests":{"memory":"256Mi"}})") == 750);
    CHECK(of(R"({"requests":{"memory":"2Gi"}})") == 3);
    CHECK(of(R"({"limits":{"cpu":"1","memory":"1Gi"}})") == -997);
}

TEST_CASE("resolv.conf follows the pod's DNS policy") {
    const auto with = [](const std::string& spec) { return object(R"({"metadata":{"name":"p","namespace":"ns"},"spec":)" + spec + "}"); };
    const std::string host = "nameserver 9.9.9.9\nsearch office.example\noptions edns0\n";
    CHECK(resolv_conf(with("{}"), {}, host) ==
          "search ns.svc.cluster.local svc.cluster.local cluster.local office.example\nnameserver 10.43.0.10\noptions ndots:5\n");
    CHECK(resolv_conf(with(R"({"dnsPolicy":"Default"})"), {}, host) == "search office.example\nnameserver 9.9.9.9\noptions edns0\n");
    CHECK(resolv_conf(with(R"({"hostNetwork":true})"), {}, host) == "search office.example\nnameserver 9.9.9.9\noptions edns0\n");
    CHECK(resolv_conf(with(R"({"hostNetwork":true,"dnsPolicy":"ClusterFirstWithHostNet"})"), {}, host).contains("nameserver 10.43.0.10"));
    CHECK(resolv_conf(with(R"({"dnsPolicy":"None","dnsConfig":{"nameservers":["1.1.1.1"],"searches":["a"],"options":[{"name":"ndots","value":"2"}]}})"), {}, host) ==
          "search a\nnameserver 1.1.1.1\noptions ndots:2\n");
}

TEST_CASE("a pod's host name is its own, cut to 63 bytes, with a full name in its subdomain") {
    const auto named = object(R"({"metadata":{"name":"p","namespace":"ns"},"spec":{"hostname":"h","subdomain":"s"}})");
    CHECK(host_name_of(named, "node") == "h");
    CHECK(hosts_file(named, {"10.42.0.2"}, "node", "cluster.local", "").ends_with("10.42.0.2\th.s.ns.svc.cluster.local\th\n"));
    const auto with_name = [](std::string name) { return object(R"({"metadata":{"name":")" + name + R"(","namespace":"ns"},"spec":{}})"); };
    CHECK(host_name_of(with_name(std::string(63, 'a')), "node").size() == 63);
    CHECK(host_name_of(with_name(std::string(64, 'a')), "node").size() == 63);
    CHECK(host_name_of(with_name(std::string(62, 'a') + "-b"), "node") == std::string(62, 'a'));
}
