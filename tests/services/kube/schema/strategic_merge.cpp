#include "services/kube/schema/strategic_merge.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch_test_macros.hpp>

#include <string>

using namespace services::kube::schema;

namespace {

json::object object_of(std::string_view text) { return json::parse(text).as_object(); }

std::string merged(const char* group, const char* kind, std::string_view object, std::string_view patch) {
    const Type* type = type_of({group, "v1", kind});
    REQUIRE(type != nullptr);
    auto result = strategic_merge(*type, object_of(object), object_of(patch));
    return result ? json::serialize(*result) : result.error().message;
}
std::string pod(std::string_view spec, std::string_view patch) {
    return merged("", "Pod", R"({"spec":)" + std::string(spec) + "}", R"({"spec":)" + std::string(patch) + "}");
}

}  // namespace

TEST_CASE("containers merge by name, what is new stands in front as the patch's order says") {
    CHECK(pod(R"({"containers":[{"name":"a","image":"1"},{"name":"b"}]})", R"({"containers":[{"name":"b","image":"2"}]})") ==
          R"({"spec":{"containers":[{"name":"a","image":"1"},{"name":"b","image":"2"}]}})");
    CHECK(pod(R"({"containers":[{"name":"a"}]})", R"({"containers":[{"name":"c"}]})") == R"({"spec":{"containers":[{"name":"c"},{"name":"a"}]}})");
}

TEST_CASE("lists without a strategy are replaced, maps merge and null removes") {
    CHECK(pod(R"({"containers":[{"name":"a","args":["x","y"]}]})", R"({"containers":[{"name":"a","args":["z"]}]})") ==
          R"({"spec":{"containers":[{"name":"a","args":["z"]}]}})");
    CHECK(merged("", "ConfigMap", R"({"data":{"a":"1","b":"2"}})", R"({"data":{"a":null,"c":"3"}})") == R"({"data":{"b":"2","c":"3"}})");
    CHECK(merged("", "ConfigMap", "{}", R"({"data":{"a":null,"c":"3"}})") == R"({"data":{"c":"3"}})");
}

TEST_CASE("lists of scalars unite, and a parallel list takes away") {
    CHECK(merged("", "ConfigMap", R"({"metadata":{"finalizers":["a","b"]}})", R"({"metadata":{"finalizers":["c","a"]}})") ==
          R"({"metadata":{"finalizers":["c","a","b"]}})");
    CHECK(merged("", "ConfigMap", R"({"metadata":{"finalizers":["a","b"]}})", R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["a"]}})") ==
          R"({"metadata":{"finalizers":["b"]}})");
}

TEST_CASE("$patch deletes an item, replaces a list or a map, and empties one") {
    CHECK(pod(R"({"containers":[{"name":"a"},{"name":"b"}]})", R"({"containers":[{"name":"a","$patch":"delete"}]})") ==
          R"({"spec":{"containers":[{"name":"b"}]}})");
    CHECK(pod(R"({"containers":[{"name":"a"},{"name":"b"}]})", R"({"containers":[{"name":"c"},{"$patch":"replace"}]})") ==
          R"({"spec":{"containers":[{"name":"c"}]}})");
    CHECK(pod(R"({"nodeSelector":{"a":"1"},"hostNetwork":true})", R"({"$patch":"replace","hostPID":true})") == R"({"spec":{"hostPID":true}})");
    CHECK(pod(R"({"hostNetwork":true})", R"({"$patch":"delete"})") == R"({"spec":{}})");
    CHECK(pod("{}", R"({"$patch":"jump"})") == "unknown patch type: jump in map: map[$patch:jump]");
    CHECK(pod(R"({"containers":[{"name":"a"}]})", R"({"containers":[{"$patch":"merge"}]})") == "merging lists cannot yet be specified in the patch");
}

TEST_CASE("$retainKeys drops what it does not name, and must name what is set") {
    CHECK(merged("apps", "Deployment", R"({"spec":{"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":1}}}})",
                 R"({"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"}}})") == R"({"spec":{"strategy":{"type":"Recreate"}}})");
    CHECK(merged("apps", "Deployment", R"({"spec":{"strategy":{"type":"x"}}})", R"({"spec":{"strategy":{"$retainKeys":[],"type":"Recreate"}}})") ==
          "invalid patch format of retainKeys");
}

TEST_CASE("$setElementOrder orders the list, and items of the server alone keep their places") {
    CHECK(pod(R"({"containers":[{"name":"a"},{"name":"s"},{"name":"b"}]})",
              R"({"$setElementOrder/containers":[{"name":"b"},{"name":"a"},{"name":"c"}],"containers":[{"name":"c"}]})") ==
          R"({"spec":{"containers":[{"name":"s"},{"name":"b"},{"name":"a"},{"name":"c"}]}})");
    CHECK(pod(R"({"containers":[{"name":"a"},{"name":"b"}]})", R"({"$setElementOrder/containers":[{"name":"b"},{"name":"a"}]})") ==
          R"({"spec":{"containers":[{"name":"b"},{"name":"a"}]}})");
    CHECK(pod(R"({"containers":[{"name":"a"}]})", R"({"$setElementOrder/containers":[{"name":"a"}],"containers":[{"name":"z"}]})") ==
          "The order in patch list:\n[map[name:z]]\n doesn't match $setElementOrder list:\n[map[name:a]]\n");
}

TEST_CASE("an item without its merge key is refused") {
    CHECK(pod(R"({"containers":[{"name":"a"}]})", R"({"containers":[{"image":"x"}]})") ==
          "map: map[image:x] does not contain declared merge key: name");
    CHECK(pod(R"({"containers":[{"name":"a"}]})", R"({"containers":["x"]})").starts_with("list element types are not identical: ["));
}

TEST_CASE("service ports merge by port, and keep numbers apart from each other") {
    CHECK(merged("", "Service", R"({"spec":{"ports":[{"port":80,"name":"a"},{"port":81}]}})", R"({"spec":{"ports":[{"port":81,"name":"b"}]}})") ==
          R"({"spec":{"ports":[{"port":80,"name":"a"},{"port":81,"name":"b"}]}})");
}
