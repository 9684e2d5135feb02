#include <catch2/catch_test_macros.hpp>

#include "fixture.hpp"
#include "services/kube/controllers/event_ttl.hpp"
#include "services/kube/controllers/node_lifecycle.hpp"
#include "services/kube/controllers/pod_gc.hpp"
#include "services/kube/controllers/taint_eviction.hpp"

using namespace tests;
using namespace std::chrono_literals;

namespace {

const std::string nodes_path = "/api/v1/nodes";
const std::string leases_path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";

json::object node(std::string_view name, std::string_view ready) {
    json::array conditions;
    conditions.emplace_back(condition("Ready", ready));
    return {{"metadata", {{"name", name}}}, {"status", {{"conditions", std::move(conditions)}}}};
}

json::object running_pod(std::string_view name, std::string_view node_name) {
    json::array conditions;
    conditions.emplace_back(condition("Ready", "True"));
    return {{"metadata", {{"name", name}}}, {"spec", {{"nodeName", node_name}}},
            {"status", {{"phase", "Running"}, {"conditions", std::move(conditions)}}}};
}

json::object taint(std::string_view key, std::string_view effect) { return {{"key", key}, {"effect", effect}}; }

}  // namespace

TEST_CASE("a node unheard of for the grace period reads Unknown, its pods not ready, and takes no new pods") {
    Fixture box;
    box.add<controllers::NodeLifecycleController>(50s);
    box.api.put(nodes_path, node("n", "True"));
    box.api.put(leases_path, {{"metadata", {{"name", "n"}}}, {"spec", {{"renewTime", "1"}}}});
    box.api.put(pods_path, running_pod("p", "n"));
    box.start();
    const auto beat = [&](const char* time) {
        box.api.change(leases_path, "n", [&](json::object& lease) { make_object(lease, "spec")["renewTime"] = time; });
        box.settle();
    };
    box.clock.advance(49s);
    beat("2");
    box.clock.advance(49s);
    beat("3");
    CHECK(condition_status(*box.api.find(nodes_path, "n"), "Ready") == "True");
    box.clock.advance(51s);
    box.api.change(nodes_path, "n", [](json::object& object) { make_object(object, "metadata.labels")["look"] = "again"; });
    REQUIRE(box.run_until([&] { return condition_status(*box.api.find(nodes_path, "n"), "Ready") == "Unknown"; }));
    CHECK(text(*condition_of(*box.api.find(nodes_path, "n"), "Ready"), "message") == "Kubelet stopped posting node status.");
    REQUIRE(box.run_until([&] { return !array_at(*box.api.find(nodes_path, "n"), "spec.taints").empty(); }));
    CHECK(condition_status(*box.api.find(pods_path, "p"), "Ready") == "False");
    // The only node: pods are kept from it, none are driven out.
    for (const auto& entry : array_at(*box.api.find(nodes_path, "n"), "spec.taints")) CHECK(text(as_object(entry), "effect") == "NoSchedule");
    // The kubelet is back.
    box.api.change(nodes_path, "n", [](json::object& object) { object["status"] = node("n", "True").at("status"); });
    CHECK(box.run_until([&] { return array_at(*box.api.find(nodes_path, "n"), "spec.taints").empty(); }));
}

TEST_CASE("a sick node evicts only while another one is well") {
    const auto now = hal::parse_rfc3339("2026-11-24T09:00:00Z");
    auto sick = node("n", "False");
    make_object(sick, "spec")["taints"] = json::array{taint("example.com/mine", "NoExecute")};
    const auto alone = controllers::node_taints(sick, false, now);
    REQUIRE(alone.size() == 2);
    CHECK(text(as_object(alone[0]), "key") == "example.com/mine");
    CHECK(text(as_object(alone[1]), "effect") == "NoSchedule");
    const auto one_of_two = controllers::node_taints(sick, true, now);
    REQUIRE(one_of_two.size() == 3);
    CHECK(text(as_object(one_of_two[2]), "key") == "node.kubernetes.io/not-ready");
    CHECK(text(as_object(one_of_two[2]), "effect") == "NoExecute");
}

TEST_CASE("a pod stays as long as it tolerates every evicting taint") {
    const json::array taints{taint("a", "NoExecute"), taint("b", "NoExecute")};
    const auto pod = [](json::array tolerations) { return json::object{{"spec", {{"tolerations", std::move(tolerations)}}}}; };
    const json::object short_a{{"key", "a"}, {"operator", "Exists"}, {"effect", "NoExecute"}, {"tolerationSeconds", 5}};
    const json::object any_b{{"key", "b"}, {"operator", "Exists"}};
    CHECK(controllers::tolerated_time(pod({}), taints) == 0s);
    CHECK(controllers::tolerated_time(pod({short_a}), taints) == 0s);
    CHECK(controllers::tolerated_time(pod({short_a, any_b}), taints) == 5s);
    CHECK(controllers::tolerated_time(pod({json::object{{"operator", "Exists"}}}), taints) == std::nullopt);
}

TEST_CASE("an evicting taint deletes the pods that do not tolerate it") {
    Fixture box;
    box.add<controllers::TaintEvictionController>();
    box.api.put(nodes_path, node("n", "True"));
    box.api.put(pods_path, running_pod("p", "n"));
    auto tolerant = running_pod("q", "n");
    make_object(tolerant, "spec")["tolerations"] = json::array{json::object{{"operator", "Exists"}}};
    box.api.put(pods_path, std::move(tolerant));
    box.start();
    CHECK(box.api.list(pods_path).size() == 2);
    box.api.change(nodes_path, "n", [](json::object& object) {
        make_object(object, "spec")["taints"] = json::array{taint("maintenance", "NoExecute")};
    });
    REQUIRE(box.run_until([&] { return box.api.find(pods_path, "p") == nullptr; }));
    box.settle();
    CHECK(box.api.find(pods_path, "q") != nullptr);
}

TEST_CASE("a deleting pod that never had a node is removed; the oldest finished ones go beyond the limit") {
    Fixture box;
    box.add<controllers::PodGcController>();
    box.api.put(nodes_path, node("n", "True"));
    box.api.put(pods_path, {{"metadata", {{"name", "stuck"}, {"deletionTimestamp", "2026-11-24T09:00:00Z"}}}});
    for (std::size_t i = 0; i < controllers::PodGcController::finished_max + 1; ++i)
        box.api.put(pods_path, {{"metadata", {{"name", "p" + std::to_string(i)},
                                              {"creationTimestamp", i == 7 ? "2026-11-24T07:00:00Z" : "2026-11-24T08:00:00Z"}}},
                                {"spec", {{"nodeName", "n"}}}, {"status", {{"phase", "Succeeded"}}}});
    box.start();
    REQUIRE(box.run_until([&] { return box.api.list(pods_path).size() == controllers::PodGcController::finished_max; }));
    CHECK(box.api.find(pods_path, "stuck") == nullptr);
    CHECK(box.api.find(pods_path, "p7") == nullptr);
}

TEST_CASE("an Event goes an hour after it last happened") {
    Fixture box;
    box.add<controllers::EventTtlController>();
    const std::string events = "/api/v1/namespaces/x/events";
    box.api.put(events, {{"metadata", {{"name", "old"}, {"creationTimestamp", "2026-11-24T07:00:00Z"}}}});
    box.api.put(events, {{"metadata", {{"name", "again"}, {"creationTimestamp", "2026-11-24T07:00:00Z"}}},
                         {"lastTimestamp", "2026-11-24T08:30:00Z"}});
    box.start();
    REQUIRE(box.run_until([&] { return box.api.find(events, "old") == nullptr; }));
    CHECK(box.api.find(events, "again") != nullptr);
}
