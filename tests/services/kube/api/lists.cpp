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
