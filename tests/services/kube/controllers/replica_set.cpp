#include "services/kube/controllers/replica_set.hpp"

#include <catch2/catch_test_macros.hpp>

#include "fixture.hpp"

using namespace tests;
namespace http = services::http;

TEST_CASE("a ReplicaSet makes the pods it lacks, named after it and owned by it, and says so") {
    Fixture box;
    box.add<controllers::ReplicaSetController>();
    const auto set = box.api.put(sets_path, replica_set("web", 3));
    box.start();
    REQUIRE(box.run_until([&] { return number(*box.api.find(sets_path, "web"), "status.replicas") == 3; }));
    const auto pods = box.api.list(pods_path);
    REQUIRE(pods.size() == 3);
    CHECK(name_of(pods[0]).starts_with("web-"));
    CHECK(label(pods[0], "app") == "web");
    CHECK(text(*controller_of(pods[0]), "uid") == uid_of(set));
    CHECK(number(*box.api.find(sets_path, "web"), "status.fullyLabeledReplicas") == 3);
    REQUIRE(box.run_until([&] { return box.event_messages("SuccessfulCreate").size() == 3; }));
    CHECK(box.event_messages("SuccessfulCreate")[0].starts_with("Created pod: web-"));
}

TEST_CASE("a ReplicaSet adopts matching pods without an owner and releases those that stop matching") {
    Fixture box;
    box.add<controllers::ReplicaSetController>();
    box.api.put(pods_path, {{"metadata", {{"name", "stray"}, {"labels", {{"app", "web"}}}}}});
    box.api.put(sets_path, replica_set("web", 1));
    box.start();
    REQUIRE(box.run_until([&] { return number(*box.api.find(sets_path, "web"), "status.replicas") == 1; }));
    CHECK(box.api.list(pods_path).size() == 1);
    CHECK(controller_of(*box.api.find(pods_path, "stray")) != nullptr);

    box.api.change(pods_path, "stray", [](json::object& pod) { make_object(pod, "metadata.labels")["app"] = "debug"; });
    REQUIRE(box.run_until([&] { return box.api.list(pods_path).size() == 2; }));
    CHECK(controller_of(*box.api.find(pods_path, "stray")) == nullptr);
}

TEST_CASE("slow start asks a full quota once, not for each pod, and the failure becomes a condition") {
    Fixture box;
    box.add<controllers::ReplicaSetController>();
    int asked = 0;
    box.api.refuse = [&](const http::Request& request) -> std::optional<http::Response> {
        if (request.method != "POST" || !request.path.ends_with("/pods")) return std::nullopt;
        ++asked;
        return http::json_response(403, R"({"kind":"Status","code":403,"reason":"Forbidden","message":"exceeded quota"})");
    };
    box.api.put(sets_path, replica_set("web", 100));
    box.start();
    REQUIRE(box.run_until([&] { return condition_of(*box.api.find(sets_path, "web"), "ReplicaFailure") != nullptr; }));
    CHECK(asked <= 3);
    const auto& failure = *condition_of(*box.api.find(sets_path, "web"), "ReplicaFailure");
    CHECK(text(failure, "reason") == "FailedCreate");
    CHECK(text(failure, "message") == "exceeded quota");
}

TEST_CASE("a pod that is being deleted is replaced at once and counted as terminating") {
    Fixture box;
    box.add<controllers::ReplicaSetController>();
    box.api.put(sets_path, replica_set("web", 1));
    box.start();
    REQUIRE(box.run_until([&] { return box.api.list(pods_path).size() == 1; }));
    const std::string name(name_of(box.api.list(pods_path)[0]));
    box.api.change(pods_path, name, [](json::object& pod) { make_object(pod, "metadata")["deletionTimestamp"] = "2026-11-24T09:00:00Z"; });
    REQUIRE(box.run_until([&] {
        const auto& set = *box.api.find(sets_path, "web");
        return number(set, "status.terminatingReplicas") == 1 && number(set, "status.replicas") == 1;
    }));
    CHECK(box.api.list(pods_path).size() == 2);
}

TEST_CASE("a pod counts as available once it has been ready for minReadySeconds") {
    json::object set = replica_set("web", 1);
    make_object(set, "spec")["minReadySeconds"] = 10;
    json::array conditions;
    conditions.emplace_back(condition("Ready", "True", "2026-11-24T09:00:00Z"));
    const auto pod = std::make_shared<const json::object>(
        json::object{{"metadata", {{"labels", {{"app", "web"}}}}}, {"status", {{"conditions", conditions}}}});
    const auto at = [&](const char* time) {
        return controllers::replica_set_status(set, {pod}, 0, "", hal::parse_rfc3339(time));
    };
    CHECK(number(at("2026-11-24T09:00:09Z"), "availableReplicas") == 0);
    CHECK(number(at("2026-11-24T09:00:10Z"), "availableReplicas") == 1);
    CHECK_FALSE(at("2026-11-24T09:00:09Z").contains("availableReplicas"));
}

TEST_CASE("of too many pods those go first that are not scheduled, not running, not ready, or cheap") {
    const auto pod = [](std::string_view name, std::string_view node, std::string_view phase, bool is_ready, std::string_view cost = "0") {
        json::array conditions;
        conditions.emplace_back(condition("Ready", is_ready ? "True" : "False"));
        return std::make_shared<const json::object>(json::object{
            {"metadata", {{"name", name}, {"uid", name}, {"creationTimestamp", "2026-11-24T08:00:00Z"},
                          {"annotations", {{"controller.kubernetes.io/pod-deletion-cost", cost}}}}},
            {"spec", {{"nodeName", node}}}, {"status", {{"phase", phase}, {"conditions", conditions}}}});
    };
    std::vector<ObjectPtr> pods{pod("dear", "n", "Running", true, "5"), pod("cheap", "n", "Running", true, "-5"),
                                pod("unready", "n", "Running", false), pod("pending", "n", "Pending", false),
                                pod("unassigned", "", "Pending", false)};
    controllers::order_for_deletion(pods, {}, hal::parse_rfc3339("2026-11-24T09:00:00Z"));
    std::vector<std::string> order;
    for (const auto& entry : pods) order.emplace_back(name_of(*entry));
    CHECK(order == std::vector<std::string>{"unassigned", "pending", "unready", "cheap", "dear"});
}

TEST_CASE("expectations hold until each pod was seen once, however often it is told") {
    hal::ManualClock clock(hal::parse_rfc3339("2026-11-24T09:00:00Z"));
    controllers::Expectations expectations(clock);
    CHECK(expectations.satisfied("x/a"));
    expectations.expect_deletions("x/a", {"x/p", "x/q"});
    expectations.deletion_observed("x/a", "x/p");
    expectations.deletion_observed("x/a", "x/p");
    CHECK_FALSE(expectations.satisfied("x/a"));
    expectations.deletion_observed("x/a", "x/q");
    CHECK(expectations.satisfied("x/a"));
    expectations.expect_creations("x/a", 1);
    clock.advance(std::chrono::minutes(5));
    CHECK_FALSE(expectations.satisfied("x/a"));
    clock.advance(std::chrono::seconds(1));
    CHECK(expectations.satisfied("x/a"));
}
