// Deletion: grace, finalizers, preconditions, propagation, collections and namespaces.
#include "tests/services/kube/api/cluster.hpp"

using namespace api_test;
using services::kubeclient::number;
using services::kubeclient::text;

namespace {

constexpr auto maps = "/api/v1/namespaces/shop/configmaps";
constexpr auto pods = "/api/v1/namespaces/shop/pods";
constexpr auto merge = "application/merge-patch+json";

json::object make_map(Cluster& cluster, std::string_view name, json::array finalizers = {}) {
    json::object metadata{{"name", name}};
    if (!finalizers.empty()) metadata["finalizers"] = std::move(finalizers);
    const auto made = cluster.send("POST", maps, {{"metadata", std::move(metadata)}});
    REQUIRE(made.status == 201);
    return parsed(made);
}

void make_pod(Cluster& cluster, std::string_view name, std::string_view node) {
    json::object spec{{"containers", json::parse(R"([{"name":"c","image":"i"}])")}};
    if (!node.empty()) spec["nodeName"] = node;
    REQUIRE(cluster.send("POST", pods, {{"metadata", json::object{{"name", name}}}, {"spec", std::move(spec)}}).status == 201);
}

}  // namespace

TEST_CASE("a deleted object is gone, and its Status names it") {
    Cluster cluster;
    const auto made = make_map(cluster, "a");
    const auto gone = parsed(cluster.send("DELETE", std::string(maps) + "/a", {{"kind", "DeleteOptions"}, {"apiVersion", "v1"}}));
    CHECK(text(gone, "status") == "Success");
    CHECK(text(gone, "details.uid") == text(made, "metadata.uid"));
    CHECK(cluster.send("DELETE", std::string(maps) + "/a", {}).status == 404);
}

TEST_CASE("a precondition that does not hold deletes nothing") {
    Cluster cluster;
    const auto made = make_map(cluster, "a");
    const auto with = [&](std::string_view name, std::string value) {
        return cluster.send("DELETE", std::string(maps) + "/a", {{"preconditions", json::object{{name, std::move(value)}}}}).status;
    };
    CHECK(with("uid", "00000000-0000-0000-0000-000000000000") == 409);
    CHECK(with("resourceVersion", "1") == 409);
    CHECK(with("uid", std::string(text(made, "metadata.uid"))) == 200);
}

TEST_CASE("a finalizer keeps an object until its last one is taken") {
    Cluster cluster;
    make_map(cluster, "a", {"x/one", "x/two"});
    const auto waiting = parsed(cluster.send("DELETE", std::string(maps) + "/a", {}));
    CHECK_FALSE(text(waiting, "metadata.deletionTimestamp").empty());
    REQUIRE(cluster.send("PATCH", std::string(maps) + "/a", {{"metadata", json::object{{"finalizers", json::array{"x/two"}}}}}, merge).status == 200);
    CHECK(cluster.get(std::string(maps) + "/a").status == 200);
    REQUIRE(cluster.send("PATCH", std::string(maps) + "/a", {{"metadata", json::object{{"finalizers", nullptr}}}}, merge).status == 200);
    CHECK(cluster.get(std::string(maps) + "/a").status == 404);
}

TEST_CASE("propagation leaves the collector's finalizer: orphan, foreground, or none") {
    Cluster cluster;
    const auto policy = [&](std::string_view name, std::string_view wanted) {
        make_map(cluster, name);
        return parsed(cluster.send("DELETE", std::string(maps) + "/" + std::string(name), {{"propagationPolicy", wanted}}));
    };
    CHECK(policy("a", "Orphan").at("metadata").at("finalizers") == json::array{"orphan"});
    CHECK(policy("b", "Foreground").at("metadata").at("finalizers") == json::array{"foregroundDeletion"});
    CHECK(text(policy("c", "Background"), "status") == "Success");
    CHECK(cluster.send("DELETE", std::string(maps) + "/a?propagationPolicy=Nope", {}).status == 422);
}

TEST_CASE("a pod on a node waits for its kubelet, one on none goes at once") {
    Cluster cluster;
    make_pod(cluster, "free", "");
    REQUIRE(cluster.send("DELETE", std::string(pods) + "/free", {}).status == 200);
    CHECK(cluster.get(std::string(pods) + "/free").status == 404);
    make_pod(cluster, "bound", "box");
    const auto waiting = parsed(cluster.send("DELETE", std::string(pods) + "/bound", {}));
    CHECK(number(waiting, "metadata.deletionGracePeriodSeconds") == 30);
    CHECK(number(waiting, "metadata.generation") == 2);
    const auto shorter = parsed(cluster.send("DELETE", std::string(pods) + "/bound", {{"gracePeriodSeconds", 5}}));
    CHECK(number(shorter, "metadata.deletionGracePeriodSeconds") == 5);
    const auto longer = parsed(cluster.send("DELETE", std::string(pods) + "/bound", {{"gracePeriodSeconds", 50}}));
    CHECK(number(longer, "metadata.deletionGracePeriodSeconds") == 5);
    CHECK(cluster.send("DELETE", std::string(pods) + "/bound", {{"gracePeriodSeconds", 0}}).status == 200);
    CHECK(cluster.get(std::string(pods) + "/bound").status == 404);
}

TEST_CASE("a collection is deleted by selector, and what does not match stays") {
    Cluster cluster;
    for (const auto* name : {"a", "b", "c"}) make_map(cluster, name);
    const auto deleted = parsed(cluster.send("DELETE", std::string(maps) + "?fieldSelector=metadata.name%21%3Db", {}));
    CHECK(deleted.at("items").as_array().size() == 2);
    CHECK(cluster.get(std::string(maps) + "/b").status == 200);
    CHECK(cluster.get(std::string(maps) + "/a").status == 404);
    CHECK(cluster.send("DELETE", "/api/v1/namespaces", {}).status == 405);
}

TEST_CASE("a namespace ends only when its finalizers are gone, and some never do") {
    Cluster cluster;
    const auto ending = parsed(cluster.send("DELETE", "/api/v1/namespaces/shop", {}));
    CHECK(text(ending, "status.phase") == "Terminating");
    CHECK(cluster.send("DELETE", "/api/v1/namespaces/shop", {}).status == 200);
    CHECK(cluster.get("/api/v1/namespaces/shop").status == 200);
    REQUIRE(cluster.send("PUT", "/api/v1/namespaces/shop/finalize", {{"metadata", json::object{{"name", "shop"}}}, {"spec", json::object()}}).status == 200);
    CHECK(cluster.get("/api/v1/namespaces/shop").status == 404);
    REQUIRE(cluster.send("POST", "/api/v1/namespaces", {{"metadata", json::object{{"name", "default"}}}}).status == 201);
    CHECK(cluster.send("DELETE", "/api/v1/namespaces/default", {}).status == 403);
}
