#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch_test_macros.hpp>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include "services/kube/schema/managed_fields.hpp"

using namespace services::kube::schema;

namespace {

const Type& type(const char* group, const char* kind) {
    const auto* found = type_of({group, "v1", kind});
    REQUIRE(found != nullptr);
    return *found;
}

json::object object_of(std::string_view text) { return json::parse(text).as_object(); }

json::object config_map(std::string_view members) {
    return object_of(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"})" + std::string(members) + "}");
}

Tracking by(std::string manager, std::string time) { return {std::move(manager), "Apply", "", std::move(time), "v1", false}; }

json::object applied(const json::object* live, std::string_view members, std::string manager, std::string time = "2026-01-01T12:00:00Z",
                     bool force = false) {
    auto result = apply(type("", "ConfigMap"), live, config_map(members), by(std::move(manager), std::move(time)), force);
    INFO((result ? std::string() : result.error().message));
    REQUIRE(result.has_value());
    return *std::move(result);
}

std::string managers(const json::object& object) { return json::serialize(object.at("metadata").at("managedFields")); }
// Recordings are sorted by manager alone, and a controller wrote between the steps.
std::set<std::string> by_manager(const json::object& object) {
    std::set<std::string> out;
    for (const auto& entry : object.at("metadata").at("managedFields").as_array())
        if (entry.at("manager") != "kube-controller-manager") out.insert(json::serialize(entry));
    return out;
}
std::string data(const json::object& object) { return object.contains("data") ? json::serialize(object.at("data")) : ""; }

}  // namespace

TEST_CASE("applying makes an object, and applying it again changes nothing") {
    const auto first = applied(nullptr, R"(,"data":{"a":"1"})", "one");
    CHECK(data(first) == R"({"a":"1"})");
    CHECK(managers(first) == R"([{"manager":"one","operation":"Apply","apiVersion":"v1","time":"2026-01-01T12:00:00Z","fieldsType":"FieldsV1",)"
                             R"("fieldsV1":{"f:data":{"f:a":{}}}}])");
    CHECK(applied(&first, R"(,"data":{"a":"1"})", "one", "2026-01-01T13:00:00Z") == first);
    auto stored = first;
    stored.erase("kind");
    stored.erase("apiVersion");
    CHECK(managers(applied(&stored, R"(,"data":{"a":"1"})", "one", "2026-01-01T13:00:00Z")) == managers(first));
}

TEST_CASE("what a manager no longer applies goes, unless another one owns it") {
    const auto first = applied(nullptr, R"(,"data":{"a":"1","b":"2"})", "one");
    CHECK(data(applied(&first, R"(,"data":{"a":"1"})", "one")) == R"({"a":"1"})");
    const auto shared = applied(&first, R"(,"data":{"b":"2"})", "two");
    CHECK(data(applied(&shared, R"(,"data":{"a":"1"})", "one")) == R"({"a":"1","b":"2"})");
}

TEST_CASE("another manager's value is a conflict until it is forced") {
    const auto first = applied(nullptr, R"(,"data":{"a":"1","b":"1"})", "one");
    const auto refused = apply(type("", "ConfigMap"), &first, config_map(R"(,"data":{"a":"2"})"), by("two", "t"), false);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().is_conflict);
    CHECK(refused.error().message == R"(Apply failed with 1 conflict: conflict with "one": .data.a)");
    REQUIRE(refused.error().conflicts.size() == 1);
    CHECK(refused.error().conflicts[0].message == R"(conflict with "one")");
    CHECK(refused.error().conflicts[0].field == ".data.a");

    const auto both = apply(type("", "ConfigMap"), &first, config_map(R"(,"data":{"a":"2","b":"2"})"), by("two", "t"), false);
    REQUIRE_FALSE(both.has_value());
    CHECK(both.error().message == "Apply failed with 2 conflicts: conflicts with \"one\":\n- .data.a\n- .data.b");

    const auto forced = applied(&first, R"(,"data":{"a":"2"})", "two", "2026-01-01T13:00:00Z", true);
    CHECK(data(forced) == R"({"a":"2","b":"1"})");
    CHECK(managers(forced).find(R"("manager":"one","operation":"Apply","apiVersion":"v1","time":"2026-01-01T12:00:00Z","fieldsType":"FieldsV1","fieldsV1":{"f:data":{"f:b":{}}})") !=
          std::string::npos);
}

TEST_CASE("an object that nobody tracked belongs to before-first-apply") {
    auto live = config_map(R"(,"data":{"a":"1"})");
    live["metadata"].as_object()["uid"] = "u";
    const auto object = applied(&live, R"(,"data":{"b":"2"})", "one");
    CHECK(data(object) == R"({"a":"1","b":"2"})");
    CHECK(managers(object).find(R"("manager":"before-first-apply","operation":"Update")") != std::string::npos);
}

TEST_CASE("kubectl takes over what its own annotation says it set") {
    auto live = config_map(R"(,"data":{"a":"1","b":"1"})");
    auto& metadata = live["metadata"].as_object();
    metadata["uid"] = "u";
    metadata["annotations"] = json::object{{"kubectl.kubernetes.io/last-applied-configuration",
                                            R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"a":"1"}})"}};
    track_update(type("", "ConfigMap"), live, nullptr, {"kubectl-client-side-apply", "Update", "", "2026-01-01T11:00:00Z", "v1", false});
    const auto object = applied(&live, R"(,"data":{"a":"2"})", "kubectl");
    CHECK(data(object) == R"({"a":"2","b":"1"})");
    CHECK(object.at("metadata").at("annotations").at("kubectl.kubernetes.io/last-applied-configuration") ==
          "{\"apiVersion\":\"v1\",\"data\":{\"a\":\"2\"},\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\"}}\n");
    const auto refused = apply(type("", "ConfigMap"), &live, config_map(R"(,"data":{"b":"2"})"), by("kubectl", "t"), false);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().message == R"(Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using v1: .data.b)");
}

TEST_CASE("a configuration that does not fit the type is refused in the real server's words") {
    const auto refused = [](const char* group, const char* kind, const json::object& config, const char* version) {
        const auto result = apply(type(group, kind), nullptr, config, {"one", "Apply", "", "t", version, true}, false);
        return result ? std::string("accepted") : result.error().message;
    };
    CHECK(refused("", "ConfigMap", config_map(R"(,"bogus":1)"), "v1") ==
          "failed to create typed patch object (/a; /v1, Kind=ConfigMap): .bogus: field not declared in schema");
    CHECK(refused("apps", "Deployment",
                  object_of(R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":"x","template":{"spec":{"containers":[{"name":"c"},{"name":"c"}]}}}})"),
                  "apps/v1") ==
          "failed to create typed patch object (/web; apps/v1, Kind=Deployment): errors:\n  .spec.replicas: expected numeric (int or float), got string\n"
          "  .spec.template.spec.containers: duplicate entries for key [name=\"c\"]");
    CHECK(refused("", "Secret", config_map(""), "v1") == "invalid object type: /v1, Kind=ConfigMap");
    auto managed = config_map("");
    managed["metadata"].as_object()["managedFields"] = json::array();
    CHECK(refused("", "ConfigMap", managed, "v1") == "metadata.managedFields must be nil");
}

TEST_CASE("recorded applies have these managedFields and conflicts") {
    const std::filesystem::path folder(RECORDINGS);
    if (!std::filesystem::is_directory(folder)) SKIP("the recordings are not beside the tests");
    std::map<std::string, json::object> last;
    std::size_t compared = 0;
    std::ifstream in(folder / "apply.jsonl");
    for (std::string line; std::getline(in, line);) {
        if (line.find("\"apply/ssa-lists/") == std::string::npos) continue;
        for (std::size_t at = 0; (at = line.find("\"<time>\"", at)) != std::string::npos;) line.replace(at, 8, "\"2026-01-01T00:00:00Z\"");
        const auto step = json::parse(line);
        const auto& input = step.at("input").as_object();
        if (line.find("apply-patch") == std::string::npos) continue;
        const auto& body = step.at("expect").at("body").as_object();
        const std::string path(input.at("request").at("path").as_string());
        const std::string manager = path.substr(path.find("fieldManager=") + 13);
        const auto before = last.find("web");
        const auto result = apply(type("apps", "Deployment"), before == last.end() ? nullptr : &before->second,
                                  object_of(input.at("request").at("body").as_string()),
                                  {manager.substr(0, manager.find('&')), "Apply", "", "2026-01-01T00:00:00Z", "apps/v1", true}, false);
        INFO(step.at("id"));
        ++compared;
        if (body.at("kind") == "Status") {
            if (step.at("expect").at("status") == 422) continue;  // found by the kind's own rules
            REQUIRE_FALSE(result.has_value());
            CHECK(result.error().message == body.at("message").as_string());
            continue;
        }
        REQUIRE(result.has_value());
        CHECK(by_manager(*result) == by_manager(body));
        last["web"] = body;
    }
    CHECK(compared == 10);
}
