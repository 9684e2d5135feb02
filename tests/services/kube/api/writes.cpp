// Creating, updating and patching through the whole chain: what the real server answers, on both sides of each rule.
#include "tests/services/kube/api/cluster.hpp"

using namespace api_test;
using services::kubeclient::text;

namespace {

constexpr auto maps = "/api/v1/namespaces/shop/configmaps";

json::object config_map(std::string_view name, json::object data = {}) {
    json::object object{{"metadata", json::object{{"name", name}}}};
    if (!data.empty()) object["data"] = std::move(data);
    return object;
}

std::string revision_of(const json::object& object) { return std::string(text(object, "metadata.resourceVersion")); }

}  // namespace

TEST_CASE("an object that is made has a uid, a time, a revision and its manager, and is made once") {
    Cluster cluster;
    const auto made = cluster.send("POST", std::string(maps) + "?fieldManager=till", config_map("a", {{"k", "v"}}));
    REQUIRE(made.status == 201);
    const auto object = parsed(made);
    CHECK(text(object, "kind") == "ConfigMap");
    CHECK(text(object, "apiVersion") == "v1");
    CHECK(text(object, "metadata.uid").size() == 36);
    CHECK_FALSE(text(object, "metadata.creationTimestamp").empty());
    CHECK(object.at("metadata").at("managedFields").at(0).at("manager") == "till");
    CHECK(cluster.object(std::string(maps) + "/a") == object);
    const auto again = parsed(cluster.send("POST", maps, config_map("a")));
    CHECK(text(again, "message") == "configmaps \"a\" already exists");
    CHECK(text(again, "reason") == "AlreadyExists");
}

TEST_CASE("a generated name is its prefix and five characters, and need not be free at first") {
    Cluster cluster;
    const auto made = parsed(cluster.send("POST", maps, {{"metadata", json::object{{"generateName", "job-"}}}}));
    CHECK(text(made, "metadata.name").starts_with("job-"));
    CHECK(text(made, "metadata.name").size() == 9);
    const auto long_one = parsed(cluster.send("POST", maps, {{"metadata", json::object{{"generateName", std::string(80, 'g')}}}}));
    CHECK(text(long_one, "metadata.name").size() == 63);
}

TEST_CASE("a dry run answers as a write would and stores nothing") {
    Cluster cluster;
    CHECK(cluster.send("POST", std::string(maps) + "?dryRun=All", config_map("a")).status == 201);
    CHECK(cluster.get(std::string(maps) + "/a").status == 404);
    CHECK(cluster.send("POST", std::string(maps) + "?dryRun=Some", config_map("a")).status == 422);
    REQUIRE(cluster.send("POST", maps, config_map("a")).status == 201);
    CHECK(cluster.send("POST", std::string(maps) + "?dryRun=All", config_map("a")).status == 409);
    CHECK(cluster.send("DELETE", std::string(maps) + "/a?dryRun=All", {}).status == 200);
    CHECK(cluster.get(std::string(maps) + "/a").status == 200);
}

TEST_CASE("an update of a version that is gone is a conflict, one without a version is taken") {
    Cluster cluster;
    const auto first = parsed(cluster.send("POST", maps, config_map("a", {{"k", "1"}})));
    auto second = config_map("a", {{"k", "2"}});
    second["metadata"].as_object()["resourceVersion"] = revision_of(first);
    REQUIRE(cluster.send("PUT", std::string(maps) + "/a", second).status == 200);
    const auto late = cluster.send("PUT", std::string(maps) + "/a", second);
    CHECK(late.status == 409);
    CHECK(text(parsed(late), "message") == "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to "
                                            "the latest version and try again");
    CHECK(cluster.send("PUT", std::string(maps) + "/a", config_map("a", {{"k", "3"}})).status == 200);
}

TEST_CASE("a PUT makes a Lease that is not there, but no ConfigMap, and a Lease is never changed without a version") {
    Cluster cluster;
    const auto lease = std::string("/apis/coordination.k8s.io/v1/namespaces/shop/leases/box");
    const json::object object{{"metadata", json::object{{"name", "box"}}}, {"spec", json::object{{"leaseDurationSeconds", 40}}}};
    CHECK(cluster.send("PUT", lease, object).status == 201);
    CHECK(cluster.send("PUT", lease, object).status == 422);
    CHECK(cluster.send("PUT", std::string(maps) + "/a", config_map("a")).status == 404);
}

TEST_CASE("an update that changes nothing keeps the revision") {
    Cluster cluster;
    const auto first = parsed(cluster.send("POST", maps, config_map("a", {{"k", "1"}})));
    const auto same = parsed(cluster.send("PUT", std::string(maps) + "/a", config_map("a", {{"k", "1"}})));
    CHECK(revision_of(same) == revision_of(first));
    const auto other = parsed(cluster.send("PUT", std::string(maps) + "/a", config_map("a", {{"k", "2"}})));
    CHECK(std::stoll(revision_of(other)) > std::stoll(revision_of(first)));
}

TEST_CASE("what the URL says and what the body says must agree") {
    Cluster cluster;
    REQUIRE(cluster.send("POST", maps, config_map("a")).status == 201);
    CHECK(text(parsed(cluster.send("PUT", std::string(maps) + "/a", config_map("b"))), "message") ==
          "the name of the object (b) does not match the name on the URL (a)");
    auto elsewhere = config_map("c");
    elsewhere["metadata"].as_object()["namespace"] = "other";
    CHECK(text(parsed(cluster.send("POST", maps, elsewhere)), "message") == "the namespace of the provided object does not match the namespace sent on the request");
    CHECK(text(parsed(cluster.send("POST", maps, {{"kind", "Pod"}, {"apiVersion", "v1"}})), "message") ==
          "Pod in version \"v1\" cannot be handled as a ConfigMap: converting (v1.Pod) to (core.ConfigMap): unknown conversion");
}

TEST_CASE("an unknown field is refused, warned about or ignored, as the client asks") {
    Cluster cluster;
    auto object = config_map("a");
    object["dta"] = 1;
    const auto strict = cluster.send("POST", std::string(maps) + "?fieldValidation=Strict", object);
    CHECK(strict.status == 400);
    CHECK(text(parsed(strict), "message").ends_with("strict decoding error: unknown field \"dta\""));
    const auto warned = cluster.send("POST", std::string(maps) + "?fieldValidation=Warn&dryRun=All", object);
    CHECK(warned.status == 201);
    CHECK(warned.headers.get("Warning") == "299 - \"unknown field \\\"dta\\\"\"");
    const auto ignored = cluster.send("POST", std::string(maps) + "?fieldValidation=Ignore&dryRun=All", object);
    CHECK(ignored.status == 201);
    CHECK(ignored.headers.find("Warning") == nullptr);
}

TEST_CASE("merge, JSON and strategic patches change what they name") {
    Cluster cluster;
    REQUIRE(cluster.send("POST", maps, config_map("a", {{"k", "1"}, {"l", "2"}})).status == 201);
    const auto path = std::string(maps) + "/a";
    CHECK(parsed(cluster.send("PATCH", path, {{"data", json::object{{"k", nullptr}}}}, "application/merge-patch+json")).at("data") == json::object{{"l", "2"}});
    auto asked = Cluster::request("PATCH", path);
    asked.headers.set("Content-Type", "application/json-patch+json");
    asked.body = R"([{"op":"replace","path":"/data/l","value":"3"}])";
    CHECK(parsed(cluster.send(std::move(asked))).at("data") == json::object{{"l", "3"}});
    CHECK(parsed(cluster.send("PATCH", path, {{"data", json::object{{"m", "4"}}}}, "application/strategic-merge-patch+json")).at("data").as_object().size() == 2);
    CHECK(cluster.send("PATCH", path, {}, "application/json").status == 415);
    CHECK(cluster.send("PATCH", path, {{"metadata", json::object{{"name", "b"}}}}, "application/merge-patch+json").status == 400);
    CHECK(cluster.send("PATCH", path, {{"metadata", json::object{{"resourceVersion", "1"}}}, {"data", json::object{{"x", "y"}}}}, "application/merge-patch+json").status == 409);
}

TEST_CASE("an apply makes what is not there, and who wants another's field must force it") {
    Cluster cluster;
    const auto apply = [&](const std::string& query, std::string_view value) {
        return cluster.send("PATCH", std::string(maps) + "/a?" + query,
                            {{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", json::object{{"name", "a"}}}, {"data", json::object{{"k", value}}}},
                            "application/apply-patch+yaml");
    };
    CHECK(apply("fieldManager=one", "1").status == 201);
    CHECK(apply("fieldManager=one", "1").status == 200);
    const auto refused = apply("fieldManager=two", "2");
    CHECK(refused.status == 409);
    CHECK(text(parsed(refused), "message") == "Apply failed with 1 conflict: conflict with \"one\": .data.k");
    CHECK(apply("fieldManager=two&force=true", "2").status == 200);
    CHECK(apply("force=true", "2").status == 422);
}

TEST_CASE("the status is written through its subresource alone") {
    Cluster cluster;
    const auto path = std::string("/apis/apps/v1/namespaces/shop/deployments");
    const auto pod = json::parse(R"({"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":"i"}]}})");
    REQUIRE(cluster.send("POST", path, {{"metadata", json::object{{"name", "web"}}},
                                        {"spec", json::object{{"selector", json::object{{"matchLabels", json::object{{"app", "web"}}}}}, {"template", pod}}},
                                        {"status", json::object{{"replicas", 7}}}}).status == 201);
    CHECK(text(cluster.object(path + "/web"), "status.replicas").empty());
    const auto merge = std::string("application/merge-patch+json");
    const auto change = json::parse(R"({"spec":{"replicas":3},"status":{"replicas":5}})").as_object();
    const auto by_status = parsed(cluster.send("PATCH", path + "/web/status", change, merge));
    CHECK(by_status.at("spec").at("replicas") == 1);
    CHECK(by_status.at("status").at("replicas") == 5);
    CHECK(by_status.at("metadata").at("generation") == 1);
    const auto by_main = parsed(cluster.send("PATCH", path + "/web", json::parse(R"({"spec":{"replicas":3},"status":{"replicas":9}})").as_object(), merge));
    CHECK(by_main.at("spec").at("replicas") == 3);
    CHECK(by_main.at("status").at("replicas") == 5);
    CHECK(by_main.at("metadata").at("generation") == 2);
}

TEST_CASE("a namespace that is not there or that ends takes nothing new") {
    Cluster cluster;
    CHECK(text(parsed(cluster.send("POST", "/api/v1/namespaces/ghost/configmaps", config_map("a"))), "message") == "namespaces \"ghost\" not found");
    REQUIRE(cluster.send("DELETE", "/api/v1/namespaces/shop", {}).status == 200);
    const auto refused = cluster.send("POST", maps, config_map("a"));
    CHECK(refused.status == 403);
    CHECK(text(parsed(refused), "message") ==
          "configmaps \"a\" is forbidden: unable to create new content in namespace shop because it is being terminated");
}

TEST_CASE("what was stored can be read again, however deep it is") {
    Cluster cluster;
    const auto make = [&](std::string_view name, std::size_t depth) {
        std::string fields;
        for (std::size_t i = 0; i < depth; ++i) fields += "{\"f:a\":";
        fields += "{}" + std::string(depth, '}');
        auto asked = Cluster::request("POST", maps);
        asked.headers.set("Content-Type", "application/json");
        asked.body = R"({"metadata":{"name":")" + std::string(name) + R"(","managedFields":[{"manager":"m","operation":"Update","apiVersion":"v1",)" +
                     R"("time":"2026-11-24T12:00:00Z","fieldsType":"FieldsV1","fieldsV1":)" + fields + "}]}}";
        return cluster.send(std::move(asked)).status;
    };
    CHECK(make("flat", 3) == 201);
    for (const std::size_t depth : {100, 900, 1300, 20'000}) make("deep" + std::to_string(depth), depth);
    CHECK(cluster.get(std::string(maps) + "?labelSelector=%21x").status == 200);
    CHECK(cluster.get(std::string(maps) + "/flat").status == 200);
}

TEST_CASE("a body one byte over the bound is refused, whatever it says") {
    Cluster cluster;
    struct Text : http::BodyReader {
        explicit Text(std::string t) : text(std::move(t)) {}
        Task<std::string> read() override { co_return std::exchange(text, {}); }
        std::string text;
    };
    const auto send = [&](std::size_t bytes) {
        auto asked = Cluster::request("POST", maps);
        asked.headers.set("Content-Type", "application/json");
        asked.stream = std::make_unique<Text>(std::string(bytes, ' '));
        return cluster.send(std::move(asked));
    };
    CHECK(send(api::body_bytes_max).status == 400);
    const auto refused = send(api::body_bytes_max + 1);
    CHECK(refused.status == 413);
    CHECK(text(parsed(refused), "message") == "Request entity too large: limit is 3145728");
}

TEST_CASE("a Node's status that renews its heartbeat alone costs no commit, one that says more is durable") {
    Cluster cluster;
    REQUIRE(cluster.send("POST", "/api/v1/nodes", {{"metadata", json::object{{"name", "box"}}}}).status == 201);
    const auto write = [&](std::string_view time, std::string_view status) {
        const json::object condition{{"type", "Ready"}, {"status", status}, {"lastHeartbeatTime", time}};
        const auto answer = cluster.send("PATCH", "/api/v1/nodes/box/status", {{"status", json::object{{"conditions", json::array{condition}}}}},
                                         "application/merge-patch+json");
        REQUIRE(answer.status == 200);
        return parsed(answer);
    };
    write("2026-11-24T12:00:00Z", "True");
    const auto commits = cluster.storage->health().commits;
    const auto renewed = write("2026-11-24T12:05:00Z", "True");
    CHECK(cluster.storage->health().commits == commits);
    CHECK(cluster.object("/api/v1/nodes/box") == renewed);
    write("2026-11-24T12:10:00Z", "False");
    CHECK(cluster.storage->health().commits == commits + 1);
}
