#include "services/kube/controllers/garbage_collector.hpp"

#include <catch2/catch_test_macros.hpp>

#include "fixture.hpp"

using namespace tests;

namespace {

std::vector<controllers::Served> served() {
    return {{resources::deployments, "Deployment"}, {resources::replica_sets, "ReplicaSet"}, {resources::pods, "Pod"}};
}

json::object owned(std::string_view name, std::string_view kind, std::string_view api_version, std::string_view owner,
                   std::string_view uid) {
    json::array owners;
    owners.emplace_back(json::object{{"apiVersion", api_version}, {"kind", kind}, {"name", owner}, {"uid", uid},
                                     {"blockOwnerDeletion", true}, {"controller", true}});
    return {{"metadata", {{"name", name}, {"uid", name}, {"ownerReferences", std::move(owners)}}}};
}

struct Family : Fixture {
    Family() {
        add<controllers::GarbageCollector>(served());
        api.put(deployments_path, {{"metadata", {{"name", "d"}, {"uid", "d"}}}});
        api.put(sets_path, owned("s", "Deployment", "apps/v1", "d", "d"));
        api.put(pods_path, owned("p", "ReplicaSet", "apps/v1", "s", "s"));
        start();
    }
    void remove(std::string propagation) {
        struct Script {
            static Task<> run(Client client, std::string propagation) {
                co_await client.remove(resources::deployments, "x", "d",
                                       {.grace_seconds = std::nullopt, .propagation = std::move(propagation), .uid = ""});
            }
        };
        group.spawn("remove", Script::run(client, std::move(propagation)));
    }
};

}  // namespace

TEST_CASE("objects go once their owner is gone, and theirs after them") {
    Family box;
    CHECK(box.api.list(pods_path).size() == 1);
    box.remove("Background");
    CHECK(box.run_until([&] { return box.api.list(pods_path).empty() && box.api.list(sets_path).empty(); }));
}

TEST_CASE("a foreground deletion takes the dependents first") {
    Family box;
    box.api.change(pods_path, "p", [](json::object& pod) { make_object(pod, "metadata")["finalizers"] = json::array{"kubelet"}; });
    box.remove("Foreground");
    REQUIRE(box.run_until([&] { return is_deleting(*box.api.find(pods_path, "p")); }));
    box.settle();
    CHECK(box.api.find(deployments_path, "d") != nullptr);
    CHECK(box.api.find(sets_path, "s") != nullptr);
    box.api.erase(pods_path, "p");
    CHECK(box.run_until([&] { return box.api.find(deployments_path, "d") == nullptr; }));
    CHECK(box.api.list(sets_path).empty());
}

TEST_CASE("an orphaning deletion leaves the dependents without an owner") {
    Family box;
    box.remove("Orphan");
    REQUIRE(box.run_until([&] { return box.api.find(deployments_path, "d") == nullptr; }));
    box.settle();
    REQUIRE(box.api.find(sets_path, "s") != nullptr);
    CHECK(array_at(*box.api.find(sets_path, "s"), "metadata.ownerReferences").empty());
    CHECK(box.api.find(pods_path, "p") != nullptr);
}

TEST_CASE("an object whose owner never was, or has another uid, is collected; one of an unknown kind is left alone") {
    Fixture box;
    box.add<controllers::GarbageCollector>(served());
    box.api.put(sets_path, {{"metadata", {{"name", "s"}, {"uid", "new"}}}});
    box.api.put(pods_path, owned("never", "ReplicaSet", "apps/v1", "none", "none"));
    box.api.put(pods_path, owned("before", "ReplicaSet", "apps/v1", "s", "old"));
    box.api.put(pods_path, owned("foreign", "Widget", "example.com/v1", "w", "w"));
    box.start();
    REQUIRE(box.run_until([&] { return box.api.list(pods_path).size() == 1; }));
    box.settle();
    CHECK(box.api.find(pods_path, "foreign") != nullptr);
}

TEST_CASE("one of two owners that goes is only let go of") {
    Fixture box;
    box.add<controllers::GarbageCollector>(served());
    box.api.put(sets_path, {{"metadata", {{"name", "s"}, {"uid", "s"}}}});
    auto pod = owned("p", "ReplicaSet", "apps/v1", "s", "s");
    auto other = array_at(owned("p", "ReplicaSet", "apps/v1", "gone", "gone"), "metadata.ownerReferences")[0];
    make_object(pod, "metadata")["ownerReferences"].as_array().push_back(other);
    box.api.put(pods_path, std::move(pod));
    box.start();
    REQUIRE(box.run_until([&] { return array_at(*box.api.find(pods_path, "p"), "metadata.ownerReferences").size() == 1; }));
    CHECK(text(*controller_of(*box.api.find(pods_path, "p")), "uid") == "s");
}
