#include "tests/services/kube/api/cluster.hpp"

using namespace api_test;
using namespace std::chrono_literals;
using services::kubeclient::text;

namespace {

constexpr auto pods = "/api/v1/namespaces/shop/pods";
constexpr auto merge = "application/merge-patch+json";

json::object deployment(std::string_view name, int replicas) {
    const json::object labels{{"app", name}};
    const json::object pod_spec{{"containers", json::array{json::object{{"name", "c"}, {"image", "till:1"}}}}};
    return {{"metadata", json::object{{"name", name}}},
            {"spec", json::object{{"replicas", replicas},
                                  {"selector", json::object{{"matchLabels", labels}}},
                                  {"template", json::object{{"metadata", json::object{{"labels", labels}}}, {"spec", pod_spec}}}}}};
}

json::object binding(std::string_view pod, std::string_view node) {
    return {{"metadata", json::object{{"name", pod}}}, {"target", json::object{{"kind", "Node"}, {"name", node}}}};
}

json::object review(json::object spec) { return {{"spec", std::move(spec)}}; }

}  // namespace

TEST_CASE("a Scale is read, written and patched, and moves nothing but replicas") {
    Cluster cluster;
    REQUIRE(cluster.send("POST", "/apis/apps/v1/namespaces/shop/deployments", deployment("till", 2)).status == 201);
    const std::string path = "/apis/apps/v1/namespaces/shop/deployments/till/scale";
    auto scale = cluster.object(path);
    CHECK(scale.at("kind") == "Scale");
    CHECK(scale.at("apiVersion") == "autoscaling/v1");
    CHECK(scale.at("spec").at("replicas") == 2);
    CHECK(scale.at("status").at("selector") == "app=till");

    scale["spec"].as_object()["replicas"] = 5;
    CHECK(parsed(cluster.send("PUT", path, scale)).at("spec").at("replicas") == 5);
    CHECK(cluster.send("PUT", path, scale).status == 409);  // it names the resourceVersion that has passed
    CHECK(parsed(cluster.send("PATCH", path, {{"spec", json::object{{"replicas", 0}}}}, merge)).at("spec").as_object().empty());
    const auto refused = cluster.send("PATCH", path, {{"spec", json::object{{"replicas", -1}}}}, merge);
    CHECK(refused.status == 422);
    CHECK(parsed(refused).at("message") == "Scale.autoscaling \"till\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0");
    CHECK(cluster.get("/apis/apps/v1/namespaces/shop/deployments/none/scale").status == 404);
}

TEST_CASE("a pod is bound once, and says that it is scheduled") {
    Cluster cluster;
    REQUIRE(cluster.send("POST", pods, pod("p")).status == 201);
    CHECK(cluster.send("POST", std::string(pods) + "/p/binding", binding("other", "box")).status == 400);
    CHECK(cluster.send("POST", std::string(pods) + "/p/binding", binding("p", "box")).status == 201);
    const auto bound = cluster.object(std::string(pods) + "/p");
    CHECK(text(bound, "spec.nodeName") == "box");
    CHECK(services::kubeclient::condition_status(bound, "PodScheduled") == "True");
    const auto again = cluster.send("POST", std::string(pods) + "/p/binding", binding("p", "elsewhere"));
    CHECK(again.status == 409);
    CHECK(parsed(again).at("message") == "Operation cannot be fulfilled on pods/binding \"p\": pod p is already assigned to node \"box\"");
    CHECK(cluster.send("POST", "/api/v1/namespaces/shop/bindings", binding("none", "box")).status == 404);
    CHECK(parsed(cluster.send("POST", "/api/v1/namespaces/shop/bindings", binding("p", ""))).at("message") == "target.name: Required value");
}

TEST_CASE("an evicted pod ends with its grace and says why; a dry run or another uid leaves it alone") {
    Cluster cluster;
    REQUIRE(cluster.send("POST", pods, pod("p", "box")).status == 201);
    const auto path = std::string(pods) + "/p/eviction";
    const json::object eviction{{"apiVersion", "policy/v1"}, {"kind", "Eviction"}, {"metadata", json::object{{"name", "p"}}}};
    auto other = eviction;
    other["deleteOptions"] = json::object{{"preconditions", json::object{{"uid", "another"}}}};
    CHECK(cluster.send("POST", path, other).status == 409);
    CHECK(cluster.send("POST", path + "?dryRun=All", eviction).status == 201);
    auto stored = cluster.object(std::string(pods) + "/p");
    CHECK(text(stored, "metadata.deletionTimestamp").empty());
    CHECK(services::kubeclient::condition_of(stored, "DisruptionTarget") == nullptr);
    CHECK(cluster.send("POST", path, eviction).status == 201);
    stored = cluster.object(std::string(pods) + "/p");
    CHECK_FALSE(text(stored, "metadata.deletionTimestamp").empty());
    CHECK(services::kubeclient::condition_status(stored, "DisruptionTarget") == "True");
}

TEST_CASE("a token bound to a pod is its ServiceAccount's until the pod is gone") {
    Cluster cluster;
    REQUIRE(cluster.send("POST", pods, pod("p")).status == 201);
    const std::string path = "/api/v1/namespaces/shop/serviceaccounts/default/token";
    const json::object reference{{"kind", "Pod"}, {"apiVersion", "v1"}, {"name", "p"}};
    const auto made = cluster.send("POST", path, {{"spec", json::object{{"expirationSeconds", 600}, {"boundObjectRef", reference}}}});
    REQUIRE(made.status == 201);
    const auto token = std::string(text(parsed(made), "status.token"));
    CHECK(text(parsed(made), "status.expirationTimestamp") == "2026-11-24T12:10:00Z");

    const auto status = [&] {
        auto request = Cluster::request("GET", "/api/v1/namespaces/shop/pods");
        request.peer = {};
        request.headers.set("Authorization", "Bearer " + token);
        return cluster.send(std::move(request)).status;
    };
    CHECK(status() == 403);  // known, though not allowed
    const auto reviewed = parsed(cluster.send("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review({{"token", token}})));
    CHECK(reviewed.at("status").at("authenticated") == true);
    CHECK(reviewed.at("status").at("user").at("username") == "system:serviceaccount:shop:default");
    REQUIRE(cluster.send("DELETE", std::string(pods) + "/p?gracePeriodSeconds=0", {}).status == 200);
    CHECK(status() == 401);
    CHECK(cluster.send("POST", path, {{"spec", json::object{{"expirationSeconds", 599}}}}).status == 422);
    CHECK(cluster.send("POST", "/api/v1/namespaces/shop/serviceaccounts/none/token", {}).status == 404);
}

TEST_CASE("who am I, what may I do, and what may another") {
    Cluster cluster;
    CHECK(parsed(cluster.send("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})).at("status").at("userInfo").at("username") == "system:admin");
    const json::object attributes{{"verb", "get"}, {"resource", "pods"}, {"namespace", "shop"}};
    const auto allowed = [&](const char* resource, json::object spec) {
        return parsed(cluster.send("POST", std::string("/apis/authorization.k8s.io/v1/") + resource, review(std::move(spec)))).at("status").at("allowed").as_bool();
    };
    CHECK(allowed("selfsubjectaccessreviews", {{"resourceAttributes", attributes}}));
    CHECK_FALSE(allowed("subjectaccessreviews", {{"user", "ann"}, {"resourceAttributes", attributes}}));
    CHECK(allowed("subjectaccessreviews", {{"user", "ann"}, {"groups", json::array{"system:masters"}}, {"resourceAttributes", attributes}}));
    CHECK_FALSE(allowed("namespaces/shop/localsubjectaccessreviews", {{"user", "ann"}, {"resourceAttributes", attributes}}));
    CHECK(cluster.send("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review({})).status == 422);
    CHECK(cluster.send("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", review({})).status == 400);
    const auto rules = parsed(cluster.send("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", review({{"namespace", "shop"}})));
    CHECK(rules.at("status").at("resourceRules").at(0).at("verbs") == json::array{"*"});
}

TEST_CASE("acting as another is for those who may, and needs a user") {
    Cluster cluster;
    auto request = Cluster::request("GET", pods);
    request.headers.set("Impersonate-User", "ann");
    CHECK(cluster.send(std::move(request)).status == 403);
    request = Cluster::request("GET", pods);
    request.headers.set("Impersonate-Group", "ops");
    CHECK(cluster.send(std::move(request)).status == 400);
}

TEST_CASE("a namespace that is being deleted is gone with its last finalizer") {
    Cluster cluster;
    REQUIRE(cluster.send("DELETE", "/api/v1/namespaces/shop", {}).status == 200);
    auto ending = cluster.object("/api/v1/namespaces/shop");
    CHECK(text(ending, "status.phase") == "Terminating");
    ending["spec"].as_object().erase("finalizers");
    CHECK(cluster.send("PUT", "/api/v1/namespaces/shop/finalize", ending).status == 200);
    CHECK(cluster.get("/api/v1/namespaces/shop").status == 404);
}
