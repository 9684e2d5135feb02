#include "services/kube/schema/managed_fields.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch_test_macros.hpp>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

using namespace services::kube::schema;
namespace json = boost::json;

namespace {

const Type& type(const char* group, const char* kind) {
    const auto* found = type_of({group, "v1", kind});
    REQUIRE(found != nullptr);
    return *found;
}

json::object object_of(std::string_view text) { return json::parse(text).as_object(); }

Tracking by(std::string manager, std::string time, std::string subresource = "") {
    return {std::move(manager), "Update", std::move(subresource), std::move(time), "v1", true};
}

const json::array& entries(const json::object& object) { return object.at("metadata").at("managedFields").as_array(); }

json::object config_map(std::string_view data) {
    return object_of(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","uid":"u"},"data":)" + std::string(data) + "}");
}

constexpr const char* noon = "2026-01-01T12:00:00Z";
constexpr const char* later = "2026-01-01T12:00:05Z";

}  // namespace

TEST_CASE("a request's manager is its fieldManager, else the User-Agent up to the slash") {
    CHECK(manager_of("mine", "kubectl/v1.37.2 (linux)") == "mine");
    CHECK(manager_of("", "kubectl/v1.37.2 (linux)") == "kubectl");
    CHECK(manager_of("", "a\tb") == "ab");
    CHECK(manager_of("", std::string(128, 'x') + "/1").size() == 128);
    CHECK(manager_of("", std::string(129, 'x')).size() == 128);
}

TEST_CASE("a create owns what it states, less names and the like") {
    auto object = config_map(R"({"b":"2","a":"1"})");
    track_update(type("", "ConfigMap"), object, nullptr, by("me", noon));
    CHECK(json::serialize(entries(object)) ==
          R"([{"manager":"me","operation":"Update","apiVersion":"v1","time":"2026-01-01T12:00:00Z","fieldsType":"FieldsV1",)"
          R"("fieldsV1":{"f:data":{".":{},"f:a":{},"f:b":{}}}}])");
}

TEST_CASE("an update takes what it changes, and what is unchanged keeps owner and time") {
    auto before = config_map(R"({"a":"1","b":"2"})");
    track_update(type("", "ConfigMap"), before, nullptr, by("first", noon));
    auto after = config_map(R"({"a":"1","b":"3"})");
    track_update(type("", "ConfigMap"), after, &before, by("second", later));
    REQUIRE(entries(after).size() == 2);
    CHECK(json::serialize(entries(after)[0].at("fieldsV1")) == R"({"f:data":{".":{},"f:a":{}}})");
    CHECK(entries(after)[0].at("time") == noon);
    CHECK(json::serialize(entries(after)[1].at("fieldsV1")) == R"({"f:data":{"f:b":{}}})");

    auto same = config_map(R"({"a":"1","b":"3"})");
    track_update(type("", "ConfigMap"), same, &after, by("third", later));
    CHECK(entries(same) == entries(after));
}

TEST_CASE("a field that goes away is nobody's") {
    auto before = config_map(R"({"a":"1","b":"2"})");
    track_update(type("", "ConfigMap"), before, nullptr, by("first", noon));
    auto after = config_map(R"({"a":"1"})");
    track_update(type("", "ConfigMap"), after, &before, by("second", later));
    REQUIRE(entries(after).size() == 1);
    CHECK(json::serialize(entries(after)[0].at("fieldsV1")) == R"({"f:data":{".":{},"f:a":{}}})");
}

TEST_CASE("an empty list of managers ends the tracking") {
    auto before = config_map(R"({"a":"1"})");
    track_update(type("", "ConfigMap"), before, nullptr, by("first", noon));
    for (const char* reset : {"[]", "[{}]"}) {
        auto after = config_map(R"({"a":"2"})");
        after["metadata"].as_object()["managedFields"] = json::parse(reset);
        track_update(type("", "ConfigMap"), after, &before, by("second", later));
        CHECK_FALSE(after.at("metadata").as_object().contains("managedFields"));
        auto again = config_map(R"({"a":"3"})");
        track_update(type("", "ConfigMap"), again, &after, by("third", later));
        CHECK_FALSE(again.at("metadata").as_object().contains("managedFields"));
    }
}

TEST_CASE("managers written by a client are taken over, unreadable ones are not") {
    auto before = config_map(R"({"a":"1"})");
    track_update(type("", "ConfigMap"), before, nullptr, by("first", noon));
    auto after = config_map(R"({"a":"1"})");
    after["metadata"].as_object()["managedFields"] = json::parse(
        R"([{"manager":"x","operation":"Apply","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:data":{"f:a":{}}}}])");
    track_update(type("", "ConfigMap"), after, &before, by("second", later));
    REQUIRE(entries(after).size() == 1);
    CHECK(entries(after)[0].at("manager") == "x");

    auto wrong = config_map(R"({"a":"1"})");
    wrong["metadata"].as_object()["managedFields"] = json::parse(R"([{"manager":"x","operation":"Steal"}])");
    track_update(type("", "ConfigMap"), wrong, &before, by("second", later));
    CHECK(entries(wrong) == entries(before));
}

TEST_CASE("a status write owns only the status, and a main write never") {
    auto before = object_of(R"({"metadata":{"name":"a","uid":"u"},"spec":{},"status":{}})");
    track_update(type("", "Namespace"), before, nullptr, by("first", noon));
    auto after = object_of(R"({"metadata":{"name":"a","uid":"u","labels":{"x":"y"}},"spec":{"finalizers":["k"]},"status":{"phase":"Active"}})");
    auto main_write = after;
    track_update(type("", "Namespace"), main_write, nullptr, by("first", later));
    CHECK(json::serialize(entries(main_write)[0].at("fieldsV1")) ==
          R"({"f:metadata":{"f:labels":{".":{},"f:x":{}}},"f:spec":{"f:finalizers":{}}})");
    track_update(type("", "Namespace"), after, nullptr, by("first", later, "status"));
    CHECK(json::serialize(entries(after)[0].at("fieldsV1")) == R"({"f:metadata":{"f:labels":{".":{},"f:x":{}}},"f:status":{"f:phase":{}}})");
    CHECK(entries(after)[0].at("subresource") == "status");
}

TEST_CASE("the keys of ports have the protocol's default, and sort by number") {
    auto object = object_of(R"({"metadata":{"name":"a"},"spec":{"ports":[{"port":8080,"targetPort":1},{"port":80,"targetPort":1,"protocol":"UDP"}]}})");
    track_update(type("", "Service"), object, nullptr, by("me", noon));
    CHECK(json::serialize(entries(object)[0].at("fieldsV1").at("f:spec")) ==
          R"({"f:ports":{".":{},"k:{\"port\":80,\"protocol\":\"UDP\"}":{".":{},"f:port":{},"f:protocol":{},"f:targetPort":{}},)"
          R"("k:{\"port\":8080,\"protocol\":\"TCP\"}":{".":{},"f:port":{},"f:targetPort":{}}}})");
}

TEST_CASE("finalizers are a set of values, owner references one leaf each") {
    auto object = object_of(R"({"metadata":{"name":"a","finalizers":["x/<z>"],"ownerReferences":[{"uid":"7","name":"o"}]}})");
    track_update(type("", "ConfigMap"), object, nullptr, by("me", noon));
    CHECK(json::serialize(entries(object)[0].at("fieldsV1")) ==
          R"({"f:metadata":{"f:finalizers":{".":{},"v:\"x/\\u003cz\\u003e\"":{}},"f:ownerReferences":{".":{},"k:{\"uid\":\"7\"}":{}}}})");
}

TEST_CASE("a scale takes the replicas from whoever set them, and bears no time") {
    auto before = object_of(R"({"metadata":{"name":"a","uid":"u"},"spec":{"replicas":1,"paused":true}})");
    track_update(type("apps", "Deployment"), before, nullptr, {"first", "Update", "", noon, "apps/v1", true});
    auto after = object_of(R"({"metadata":{"name":"a","uid":"u"},"spec":{"replicas":2,"paused":true}})");
    track_update(type("apps", "Deployment"), after, &before, {"second", "Update", "scale", later, "apps/v1", true});
    REQUIRE(entries(after).size() == 2);
    CHECK(json::serialize(entries(after)[0]) ==
          R"({"manager":"second","operation":"Update","apiVersion":"apps/v1","fieldsType":"FieldsV1","fieldsV1":{"f:spec":{"f:replicas":{}}},"subresource":"scale"})");
    CHECK(json::serialize(entries(after)[1].at("fieldsV1")) == R"({"f:spec":{"f:paused":{}}})");
}

TEST_CASE("the eleventh updater merges the two oldest into ancient-changes") {
    auto object = config_map("{}");
    object["data"] = json::object{{"k0", "v"}};
    track_update(type("", "ConfigMap"), object, nullptr, by("m0", "2026-01-01T12:00:00Z"));
    for (int i = 1; i <= 10; ++i) {
        auto next = object;
        next.at("metadata").as_object().erase("managedFields");
        next["data"].as_object()["k" + std::to_string(i)] = "v";
        track_update(type("", "ConfigMap"), next, &object, by("m" + std::to_string(i), "2026-01-01T12:00:" + std::to_string(10 + i) + "Z"));
        object = std::move(next);
        if (i == 9) CHECK(entries(object)[0].at("manager") == "m0");
    }
    REQUIRE(entries(object).size() == update_managers_max);
    CHECK(entries(object)[0].at("manager") == "ancient-changes");
    CHECK(entries(object)[0].at("time") == "2026-01-01T12:00:11Z");
    CHECK(json::serialize(entries(object)[0].at("fieldsV1")) == R"({"f:data":{".":{},"f:k0":{},"f:k1":{}}})");
}

// Of the objects that the real server stored as they were sent (apart from names, status and the like), the recorded
// managedFields follow from the object alone, and after a change from the object before.
TEST_CASE("recorded creates and changes have these managedFields") {
    const std::filesystem::path folder(RECORDINGS);
    if (!std::filesystem::is_directory(folder)) SKIP("the recordings are not beside the tests");
    const std::set<std::string> plain{"ConfigMap", "Secret", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Role", "ClusterRole",
                                      "RoleBinding", "Lease", "Endpoints", "EndpointSlice", "ServiceAccount", "Event", "Ingress",
                                      "NetworkPolicy", "PodDisruptionBudget", "HorizontalPodAutoscaler", "CronJob", "PodTemplate", "LimitRange",
                                      "ControllerRevision", "ResourceQuota", "PriorityClass", "StorageClass"};
    std::map<std::string, json::object> last;  // by uid within a scenario's namespace
    std::size_t creates = 0, changes = 0;
    for (const char* theme : {"crud", "defaulting", "updates", "subresources"}) {
        std::ifstream in(folder / (std::string(theme) + ".jsonl"));
        for (std::string line; std::getline(in, line);) {
            const auto step = json::parse(line);
            const auto& input = step.at("input").as_object();
            if (input.at("type") != "http") continue;
            const auto& request = input.at("request").as_object();
            const auto* body = step.at("expect").as_object().if_contains("body");
            if (body == nullptr || !body->is_object() || !body->as_object().contains("metadata")) continue;
            const auto* fields = body->at("metadata").as_object().if_contains("managedFields");
            const auto* uid = body->at("metadata").as_object().if_contains("uid");
            const std::string kind(body->at("kind").as_string()), api_version(body->at("apiVersion").as_string());
            if (fields == nullptr || uid == nullptr || !plain.contains(kind)) continue;
            const std::string name = std::string(step.at("ns").as_string()) + std::string(uid->as_string());
            const std::string method(request.at("method").as_string()), path(request.at("path").as_string());
            const auto slash = api_version.find('/');
            const Type* found = slash == std::string::npos ? type_of({"", api_version, kind})
                                                           : type_of({api_version.substr(0, slash), api_version.substr(slash + 1), kind});
            if (found == nullptr) continue;
            json::object object = body->as_object();
            object.at("metadata").as_object().erase("managedFields");
            // A change is compared when nobody but the request's own manager was at the object.
            const bool is_create = method == "POST" && fields->as_array().size() == 1;
            const bool is_change = (method == "PUT" || method == "PATCH") && last.contains(name) && fields->as_array().size() == 1 &&
                                   line.find("apply-patch") == std::string::npos && !object.contains("status");
            if (is_create || is_change) {
                Tracking tracking{std::string(fields->as_array()[0].at("manager").as_string()), "Update", "", "<time>", api_version,
                                  object.contains("status")};
                track_update(*found, object, is_create ? nullptr : &last.at(name), tracking);
                INFO(step.at("id"));
                CHECK(json::serialize(entries(object)) == json::serialize(*fields));
                ++(is_create ? creates : changes);
            }
            if (path.find("dryRun") == std::string::npos) last[name] = body->as_object();
        }
    }
    CHECK(creates == 68);
    CHECK(changes >= 20);
}
