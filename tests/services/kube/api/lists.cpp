// Lists, continue tokens and watches.
#include "tests/services/kube/api/cluster.hpp"

#include "services/kube/api/list.hpp"

using namespace api_test;
using services::kubeclient::text;

namespace {

constexpr auto maps = "/api/v1/namespaces/shop/configmaps";

void make(Cluster& cluster, std::string_view name, json::object labels = {}) {
    json::object metadata{{"name", name}};
    if (!labels.empty()) metadata["labels"] = std::move(labels);
    REQUIRE(cluster.send("POST", maps, {{"metadata", std::move(metadata)}}).status == 201);
}

std::vector<std::string> names_of(const json::object& list) {
    std::vector<std::string> names;
    for (const auto& item : list.at("items").as_array()) names.emplace_back(text(item.as_object(), "metadata.name"));
    return names;
}

// The next event of a watch.
json::object event(Cluster& cluster, http::Response& watch) { return json::parse(cluster.run(watch.stream->read())).as_object(); }

http::Response watch(Cluster& cluster, const std::string& query) {
    auto response = cluster.run(cluster.server.handle(Cluster::request("GET", std::string(maps) + "?watch=1&" + query)));
    REQUIRE(response.status == 200);
    REQUIRE(response.stream);
    return response;
}

}  // namespace

TEST_CASE("pages of one list show one revision, whatever is written in between") {
    Cluster cluster;
    for (const auto* name : {"a", "b", "c", "d", "e"}) make(cluster, name);
    const auto first = cluster.object(std::string(maps) + "?limit=2");
    CHECK(names_of(first) == std::vector<std::string>{"a", "b"});
    CHECK(services::kubeclient::number(first, "metadata.remainingItemCount") == 3);
    make(cluster, "ab");
    REQUIRE(cluster.send("DELETE", std::string(maps) + "/e", {}).status == 200);
    const auto rest = cluster.object(std::string(maps) + "?limit=5&continue=" + std::string(text(first, "metadata.continue")));
    CHECK(names_of(rest) == std::vector<std::string>{"c", "d", "e"});
    CHECK(text(rest, "metadata.resourceVersion") == text(first, "metadata.resourceVersion"));
    CHECK(text(rest, "metadata.continue").empty());
}

TEST_CASE("a limit that is met exactly has no continuation") {
    Cluster cluster;
    for (const auto* name : {"a", "b"}) make(cluster, name);
    CHECK(text(cluster.object(std::string(maps) + "?limit=2"), "metadata.continue").empty());
    CHECK_FALSE(text(cluster.object(std::string(maps) + "?limit=1"), "metadata.continue").empty());
}

TEST_CASE("a continue token whose revision is compacted answers 410 with one that goes on") {
    Cluster cluster;
    for (const auto* name : {"a", "b", "c"}) make(cluster, name);
    const auto first = cluster.object(std::string(maps) + "?limit=1");
    make(cluster, "d");
    cluster.run(cluster.storage->compact(cluster.storage->revision()));
    const auto refused = cluster.get(std::string(maps) + "?limit=5&continue=" + std::string(text(first, "metadata.continue")));
    REQUIRE(refused.status == 410);
    const auto status = json::parse(refused.body).as_object();
    CHECK(text(status, "reason") == "Expired");
    const auto rest = cluster.object(std::string(maps) + "?limit=5&continue=" + std::string(text(status, "metadata.continue")));
    CHECK(names_of(rest) == std::vector<std::string>{"b", "c", "d"});
}

TEST_CASE("a list longer than a page of the store is streamed whole") {
    Cluster cluster;
    const auto count = api::page_max + 1;
    for (std::size_t i = 0; i < count; ++i) make(cluster, "m" + std::to_string(10'000 + i));
    auto response = cluster.run(cluster.server.handle(Cluster::request("GET", maps)));
    REQUIRE(response.stream);
    const auto list = json::parse(cluster.run(response.stream->read_all(8 << 20))).as_object();
    CHECK(names_of(list).size() == count);
}

TEST_CASE("a large answer is compressed for who takes it, a small one and a watch never") {
    Cluster cluster;
    const json::object large{{"metadata", json::object{{"name", "large"}}}, {"data", json::object{{"k", std::string(200 * 1024, 'x')}}}};
    REQUIRE(cluster.send("POST", maps, large).status == 201);
    make(cluster, "small");
    const auto ask = [&](const std::string& target, const std::string& accepted) {
        auto asked = Cluster::request("GET", target);
        asked.headers.set("Accept-Encoding", accepted);
        return cluster.run(cluster.server.handle(std::move(asked)));
    };
    const auto packed = ask(std::string(maps) + "/large", "gzip");
    CHECK(packed.headers.get("Content-Encoding") == "gzip");
    CHECK(packed.body.starts_with("\x1f\x8b"));
    CHECK(packed.body.size() < 4096);
    CHECK(ask(std::string(maps) + "/large", "identity").headers.find("Content-Encoding") == nullptr);
    CHECK(ask(std::string(maps) + "/small", "gzip").headers.find("Content-Encoding") == nullptr);
    CHECK(ask(std::string(maps) + "?watch=1&timeoutSeconds=1", "gzip").headers.find("Content-Encoding") == nullptr);
}

TEST_CASE("every answer names its audit id, and a kind on its way out is warned about once") {
    Cluster cluster;
    auto asked = Cluster::request("GET", "/api/v1/namespaces/shop/endpoints");
    asked.headers.set("Audit-ID", "mine");
    const auto answer = cluster.send(std::move(asked));
    CHECK(answer.headers.get("Audit-Id") == "mine");
    CHECK(answer.headers.get("Cache-Control") == "no-cache, private");
    CHECK(answer.headers.get("Warning") == "299 - \"v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice\"");
    CHECK(cluster.get(maps).headers.find("Warning") == nullptr);
    CHECK(cluster.get(maps).headers.get("Audit-Id").size() == 36);
}

TEST_CASE("health is told check by check, and readiness only once the server says so") {
    Cluster cluster;
    CHECK(cluster.get("/livez").body == "ok");
    CHECK(cluster.get("/readyz").status == 500);
    cluster.server.mark_ready();
    CHECK(cluster.get("/readyz").body == "ok");
    CHECK(cluster.get("/readyz?verbose").body.contains("[+]etcd ok\n"));
    CHECK(cluster.get("/readyz/nope").status == 404);
    CHECK(cluster.get("/metrics").body.contains("branchbox_store_revision"));
    cluster.server.begin_drain();
    CHECK(cluster.get("/readyz").status == 500);
}

TEST_CASE("selectors pick by label and field, and say what they cannot read") {
    Cluster cluster;
    make(cluster, "a", {{"tier", "front"}});
    make(cluster, "b", {{"tier", "back"}});
    CHECK(names_of(cluster.object(std::string(maps) + "?labelSelector=tier%3Dback")) == std::vector<std::string>{"b"});
    CHECK(names_of(cluster.object(std::string(maps) + "?fieldSelector=metadata.name%3Da")) == std::vector<std::string>{"a"});
    CHECK(names_of(cluster.object(std::string(maps) + "?fieldSelector=metadata.name%21%3Da")) == std::vector<std::string>{"b"});
    const auto refused = cluster.get(std::string(maps) + "?fieldSelector=spec.nope%3Dx");
    CHECK(refused.status == 400);
    CHECK(refused.body.contains("is not a known field selector"));
    CHECK(cluster.get(std::string(maps) + "?labelSelector=a%3D%3D%3Db").body.contains("unable to parse requirement: found '=', expected: identifier"));
}

TEST_CASE("a revision that is not reached yet is told apart from one that is gone") {
    Cluster cluster;
    const auto ahead = cluster.get(std::string(maps) + "?resourceVersion=" + std::to_string(cluster.storage->revision() + 1));
    CHECK(ahead.status == 504);
    CHECK(ahead.headers.get("Retry-After") == "1");
    CHECK(cluster.get(std::string(maps) + "?resourceVersion=" + std::to_string(cluster.storage->revision())).status == 200);
    CHECK(cluster.get(std::string(maps) + "?resourceVersion=x").status == 400);
}

TEST_CASE("a watch without a revision begins with what is there and goes on with what changes") {
    Cluster cluster;
    make(cluster, "a");
    auto stream = watch(cluster, "timeoutSeconds=60");
    auto seen = event(cluster, stream);
    CHECK(text(seen, "type") == "ADDED");
    CHECK(text(seen, "object.kind") == "ConfigMap");
    CHECK(text(seen, "object.metadata.name") == "a");
    REQUIRE(cluster.send("PUT", std::string(maps) + "/a", {{"metadata", json::object{{"name", "a"}}}, {"data", json::object{{"k", "v"}}}}).status == 200);
    CHECK(text(event(cluster, stream), "type") == "MODIFIED");
    REQUIRE(cluster.send("DELETE", std::string(maps) + "/a", {}).status == 200);
    seen = event(cluster, stream);
    CHECK(text(seen, "type") == "DELETED");
    CHECK(text(seen, "object.data.k") == "v");
}

TEST_CASE("what enters a selector is ADDED, what leaves it DELETED as it was last seen") {
    Cluster cluster;
    make(cluster, "a");
    auto stream = watch(cluster, "timeoutSeconds=60&labelSelector=on%3D1&resourceVersion=" + std::to_string(cluster.storage->revision()));
    const auto label = [&](json::value value) {
        REQUIRE(cluster.send("PATCH", std::string(maps) + "/a", {{"metadata", json::object{{"labels", json::object{{"on", std::move(value)}}}}}}, "application/merge-patch+json").status == 200);
    };
    label("1");
    CHECK(text(event(cluster, stream), "type") == "ADDED");
    label("2");
    const auto left = event(cluster, stream);
    CHECK(text(left, "type") == "DELETED");
    CHECK(text(left, "object.metadata.labels.on") == "1");
    CHECK(text(left, "object.metadata.resourceVersion") == std::to_string(cluster.storage->revision()));
}

TEST_CASE("initial events that were asked for end in an annotated bookmark") {
    Cluster cluster;
    auto stream = watch(cluster, "timeoutSeconds=60&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true");
    const auto mark = event(cluster, stream);
    CHECK(text(mark, "type") == "BOOKMARK");
    CHECK(services::kubeclient::annotation(mark.at("object").as_object(), "k8s.io/initial-events-end") == "true");
    CHECK(cluster.get(std::string(maps) + "?watch=1&sendInitialEvents=true").status == 422);
}

TEST_CASE("a watch from a compacted revision ends in an ERROR event 410") {
    Cluster cluster;
    make(cluster, "a");
    const auto old = cluster.storage->revision();
    make(cluster, "b");
    make(cluster, "c");
    cluster.run(cluster.storage->compact(cluster.storage->revision()));
    auto stream = watch(cluster, "timeoutSeconds=60&resourceVersion=" + std::to_string(old));
    const auto seen = event(cluster, stream);
    CHECK(text(seen, "type") == "ERROR");
    CHECK(services::kubeclient::number(seen, "object.code") == 410);
    CHECK(cluster.run(stream.stream->read()).empty());
}
