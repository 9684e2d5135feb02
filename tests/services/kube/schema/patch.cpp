#include "services/kube/schema/patch.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch_test_macros.hpp>

#include <string>

using namespace services::kube::schema;

namespace {

json::object object_of(std::string_view text) { return json::parse(text).as_object(); }

std::string patched(std::string_view object, std::string_view patch) {
    auto result = json_patch(object_of(object), patch);
    return result ? json::serialize(*result) : result.error().message;
}
std::string merged(std::string_view object, std::string_view patch) {
    auto result = json_merge_patch(object_of(object), patch);
    return result ? json::serialize(*result) : result.error().message;
}

}  // namespace

TEST_CASE("a JSON patch adds, replaces, removes, moves, copies and tests") {
    CHECK(patched(R"({"a":1})", R"([{"op":"add","path":"/b","value":[1]},{"op":"add","path":"/b/-","value":2},{"op":"add","path":"/b/0","value":0}])") ==
          R"({"a":1,"b":[0,1,2]})");
    CHECK(patched(R"({"a":{"x/y~":1}})", R"([{"op":"replace","path":"/a/x~1y~0","value":2}])") == R"({"a":{"x/y~":2}})");
    CHECK(patched(R"({"a":[1,2,3]})", R"([{"op":"remove","path":"/a/1"},{"op":"remove","path":"/a/-1"}])") == R"({"a":[1]})");
    CHECK(patched(R"({"a":1,"b":{}})", R"([{"op":"move","from":"/a","path":"/b/c"},{"op":"copy","from":"/b","path":"/d"}])") ==
          R"({"b":{"c":1},"d":{"c":1}})");
    CHECK(patched(R"({"a":{"b":1,"c":2}})", R"([{"op":"test","path":"/a","value":{"c":2,"b":1}},{"op":"test","path":"/none","value":null}])") ==
          R"({"a":{"b":1,"c":2}})");
    CHECK(patched(R"({"a":1})", R"([{"op":"replace","path":"","value":{"b":2}}])") == R"({"b":2})");
}

TEST_CASE("what a patch opens comes out by its keys' order, the rest as it was") {
    constexpr const char* object = R"({"kind":"K","metadata":{"name":"a","labels":{"z":"1","b":"2"}},"data":{"z":"1","a":"2"}})";
    CHECK(patched(object, R"([{"op":"add","path":"/bogus","value":1}])") ==
          R"({"bogus":1,"data":{"z":"1","a":"2"},"kind":"K","metadata":{"name":"a","labels":{"z":"1","b":"2"}}})");
    CHECK(patched(object, R"([{"op":"add","path":"/data/b","value":"3"}])") ==
          R"({"data":{"a":"2","b":"3","z":"1"},"kind":"K","metadata":{"name":"a","labels":{"z":"1","b":"2"}}})");
    CHECK(merged(object, R"({"metadata":{"labels":{"c":"3"}}})") ==
          R"({"data":{"z":"1","a":"2"},"kind":"K","metadata":{"labels":{"b":"2","c":"3","z":"1"},"name":"a"}})");
}

TEST_CASE("replacing an absent member adds it, but not an absent item") {
    CHECK(patched("{}", R"([{"op":"replace","path":"/a","value":1}])") == R"({"a":1})");
    CHECK(patched(R"({"a":[]})", R"([{"op":"replace","path":"/a/0","value":1}])") ==
          "replace operation does not apply: doc is missing key: /a/0: missing value");
}

TEST_CASE("a JSON patch that does not apply says why in the real server's words") {
    CHECK(patched("{}", R"([{"op":"test","path":"/a","value":1}])") == "testing value /a failed: test failed");
    CHECK(patched("{}", R"([{"op":"remove","path":"/a"}])") == "error in remove for path: '/a': Unable to remove nonexistent key: a: missing value");
    CHECK(patched("{}", R"([{"op":"add","path":"/a/b","value":1}])") == "add operation does not apply: doc is missing path: \"/a/b\": missing value");
    CHECK(patched(R"({"a":[]})", R"([{"op":"add","path":"/a/1","value":1}])") ==
          "error in add for path: '/a/1': Unable to access invalid index: 1: invalid index referenced");
    CHECK(patched(R"({"a":[]})", R"([{"op":"add","path":"/a/x","value":1}])") ==
          "error in add for path: '/a/x': value was not a proper array index: 'x': strconv.Atoi: parsing \"x\": invalid syntax");
    CHECK(patched("{}", R"([{"op":"jump","path":"/a"}])") == "Unexpected kind: jump");
    const auto failed = json_patch({}, R"([{"op":"jump"}])");
    REQUIRE_FALSE(failed.has_value());
    CHECK(failed.error().kind == PatchError::Kind::unprocessable);
}

TEST_CASE("what is no JSON patch is malformed") {
    CHECK(patched("{}", "{}") == "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp");
    CHECK(patched("{}", R"([{"op":1}])") == "error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.op of type string");
    CHECK(json_patch({}, "[").error().kind == PatchError::Kind::malformed);
    CHECK(patched(R"({"a":1})", "[]") == R"({"a":1})");
}

TEST_CASE("a JSON patch holds at most ten thousand operations and copies at most three mebibytes") {
    const auto operations = [](std::size_t count) {
        std::string text = "[";
        for (std::size_t i = 0; i < count; ++i) text += (i == 0 ? "" : ",") + std::string(R"({"op":"add","path":"/a","value":1})");
        return text + "]";
    };
    CHECK(json_patch({}, operations(patch_operations_max)).has_value());
    const auto many = json_patch({}, operations(patch_operations_max + 1));
    REQUIRE_FALSE(many.has_value());
    CHECK(many.error().kind == PatchError::Kind::too_large);
    CHECK(many.error().message == "The allowed maximum operations in a JSON patch is 10000, got 10001");

    const json::object large{{"a", std::string(1024 * 1024 - 2, 'x')}};
    const std::string copy = R"({"op":"copy","from":"/a","path":"/b"})";
    CHECK(json_patch(large, "[" + copy + "," + copy + "," + copy + "]").has_value());
    CHECK_FALSE(json_patch(large, "[" + copy + "," + copy + "," + copy + R"(,{"op":"copy","from":"/b","path":"/c"}])").has_value());
}

TEST_CASE("moves cannot nest an object without end") {
    std::string text = R"([{"op":"add","path":"/b","value":{}})";
    for (int i = 0; i < 4900; ++i) text += R"(,{"op":"add","path":"/a","value":{}},{"op":"move","from":"/b","path":"/a/x"},{"op":"move","from":"/a","path":"/b"})";
    text = text.substr(0, text.size());
    CHECK(json_patch({}, text + "]").error().message.starts_with("The allowed maximum"));
    std::string fewer = R"([{"op":"add","path":"/b","value":{}})";
    for (int i = 0; i < 3300; ++i) fewer += R"(,{"op":"add","path":"/a","value":{}},{"op":"move","from":"/b","path":"/a/x"},{"op":"move","from":"/a","path":"/b"})";
    const auto nested = json_patch({}, fewer + "]");
    CHECK((nested.has_value() || nested.error().message == "exceeded max depth"));
}

TEST_CASE("a merge patch sets, drops what is null, and adds nothing that is null") {
    CHECK(merged(R"({"a":{"b":1,"c":2},"d":3})", R"({"a":{"b":null,"e":5},"d":[1,null]})") == R"({"a":{"c":2,"e":5},"d":[1,null]})");
    CHECK(merged("{}", R"({"a":{"b":null,"c":{"d":null}}})") == R"({"a":{"c":{}}})");
    CHECK(merged(R"({"a":1})", R"({"a":{"b":null}})") == R"({"a":{}})");
    CHECK(merged("{}", "null") == "Invalid JSON Patch");
    CHECK(merged("{}", "[]") == "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}");
}
