#include "services/kube/scheduler/scheduler.hpp"

#include <catch2/catch_test_macros.hpp>

#include "../harness.hpp"
#include "services/kubeclient/object.hpp"

using namespace tests;
using namespace services::kubeclient;
namespace scheduler = services::kube::scheduler;

namespace {

const std::string nodes_path = "/api/v1/nodes";
const std::string pods_path = "/api/v1/namespaces/x/pods";

json::object node(std::string_view name, std::string_view cpu) {
    return {{"metadata", {{"name", name}, {"labels", {{"kubernetes.io/hostname", name}}}}},
            {"status", {{"allocatable", {{"cpu", cpu}, {"memory", "4Gi"}, {"pods", "10"}}}}}};
}

json::object pod(std::string_view name, std::string_view cpu = "100m") {
    json::array containers;
    containers.emplace_back(json::object{{"name", "c"}, {"resources", {{"requests", {{"cpu", cpu}}}}}});
    return {{"metadata", {{"name", name}}},
            {"spec", {{"schedulerName", "default-scheduler"}, {"containers", std::move(containers)}}},
            {"status", {{"phase", "Pending"}}}};
}

struct Box : Loop {
    hal::async::TaskGroup group{context.get_executor(), "test"};
    void start() {
        group.spawn("scheduler", scheduler::run({.executor = context.get_executor(), .api = api.handler(), .clock = &clock, .site = "vm"}));
        settle();
    }
    ~Box() { stop(group); }
    [[nodiscard]] std::string node_of(const char* name) const {
        return std::string(text(*api.find(pods_path, name), "spec.nodeName"));
    }
    [[nodiscard]] std::string why(const char* name) const {
        const auto* condition = condition_of(*api.find(pods_path, name), "PodScheduled");
        return condition == nullptr ? "" : std::string(text(*condition, "message"));
    }
};

}  // namespace

TEST_CASE("a pod is bound to the node that fits, and the Event says so") {
    Box box;
    box.api.put(nodes_path, node("small", "50m"));
    box.api.put(nodes_path, node("large", "4"));
    box.api.put(pods_path, pod("p"));
    box.start();
    REQUIRE(box.run_until([&] { return box.node_of("p") == "large"; }));
    REQUIRE(box.run_until([&] { return !box.api.list("/api/v1/events").empty(); }));
    const auto event = box.api.list("/api/v1/events")[0];
    CHECK(text(event, "message") == "Successfully assigned x/p to large");
    CHECK(text(event, "action") == "Binding");
    CHECK(text(event, "reportingComponent") == "default-scheduler");
    CHECK(text(event, "reportingInstance") == "default-scheduler-vm");
}

TEST_CASE("a pod that fits nowhere is told why, and is placed when room is made") {
    Box box;
    box.api.put(nodes_path, node("n", "1"));
    box.api.put(pods_path, pod("first", "800m"));
    box.api.put(pods_path, pod("second", "800m"));
    box.start();
    REQUIRE(box.run_until([&] { return !box.why("second").empty(); }));
    CHECK(box.why("second") == "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption "
                               "victims found for incoming pod.");
    const auto& condition = *condition_of(*box.api.find(pods_path, "second"), "PodScheduled");
    CHECK(condition.at("lastProbeTime").is_null());
    CHECK(number(condition, "observedGeneration") == 1);
    box.api.erase(pods_path, "first");
    box.settle();
    CHECK(box.node_of("second").empty());  // its back-off is not over
    box.clock.advance(std::chrono::seconds(1));
    box.api.put(pods_path, pod("third", "10m"));  // wakes the loop, as its timer would
    CHECK(box.run_until([&] { return box.node_of("second") == "n"; }));
}

TEST_CASE("without nodes, with gates, or with another scheduler's name a pod is not placed") {
    Box box;
    auto gated = pod("gated");
    make_object(gated, "spec")["schedulingGates"] = json::array{json::object{{"name", "g"}}};
    auto foreign = pod("foreign");
    make_object(foreign, "spec")["schedulerName"] = "other";
    box.api.put(pods_path, pod("p"));
    box.api.put(pods_path, std::move(gated));
    box.api.put(pods_path, std::move(foreign));
    box.start();
    REQUIRE(box.run_until([&] { return box.why("p") == "no nodes available to schedule pods"; }));
    box.api.put(nodes_path, node("n", "1"));
    box.clock.advance(std::chrono::seconds(1));
    box.api.change(nodes_path, "n", [](json::object& object) { make_object(object, "metadata.labels")["a"] = "b"; });
    REQUIRE(box.run_until([&] { return box.node_of("p") == "n"; }));
    CHECK(box.why("gated").empty());
    CHECK(box.node_of("foreign").empty());
    box.api.change(pods_path, "gated", [](json::object& object) { make_object(object, "spec").erase("schedulingGates"); });
    CHECK(box.run_until([&] { return box.node_of("gated") == "n"; }));
}

TEST_CASE("a missing claim keeps a pod waiting in the real words") {
    Box box;
    box.api.put(nodes_path, node("n", "1"));
    auto waiting = pod("p");
    make_object(waiting, "spec")["volumes"] =
        json::array{json::object{{"name", "d"}, {"persistentVolumeClaim", {{"claimName", "none"}}}}};
    box.api.put(pods_path, std::move(waiting));
    box.start();
    REQUIRE(box.run_until([&] { return !box.why("p").empty(); }));
    CHECK(box.why("p") == "0/1 nodes are available: persistentvolumeclaim \"none\" not found. not found");
}
