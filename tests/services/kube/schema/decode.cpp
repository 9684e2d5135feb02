#include "services/kube/schema/schema.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace services::kube::schema;

namespace {

const Type& type(const char* group, const char* kind) {
    const auto* found = type_of({group, "v1", kind});
    REQUIRE(found != nullptr);
    return *found;
}

}  // namespace

TEST_CASE("the table knows the built-in kinds and no others") {
    CHECK(type("", "Pod").find("spec") != nullptr);
    CHECK(type("apps", "Deployment").find("nonsense") == nullptr);
    CHECK(type_of({"", "v1", "Nonsense"}) == nullptr);
}

TEST_CASE("an unknown field deep in a Deployment is named with its path") {
    const auto decoded = decode_yaml(type("apps", "Deployment"),
                                     "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  template:\n    spec:\n"
                                     "      containers:\n      - name: c\n        env:\n        - name: U\n          valueFrom:\n"
                                     "            secretRef: {name: s, key: k}\n");
    REQUIRE(decoded.has_value());
    REQUIRE(decoded->unknown_fields.size() == 1);
    CHECK(decoded->unknown_fields[0] == "unknown field \"spec.template.spec.containers[0].env[0].valueFrom.secretRef\"");
}

TEST_CASE("a duplicate field is told, and JSON and YAML read alike") {
    const auto twice = decode_json(type("", "ConfigMap"), R"({"metadata":{"name":"a","name":"b"},"data":{"k":"v"}})");
    REQUIRE(twice.has_value());
    REQUIRE(twice->duplicate_fields.size() == 1);
    CHECK(twice->duplicate_fields[0] == "duplicate field \"metadata.name\"");
    const auto from_json = decode_json(type("", "ConfigMap"), R"({"metadata":{"name":"a"},"data":{"k":"v"}})");
    const auto from_yaml = decode_yaml(type("", "ConfigMap"), "metadata:\n  name: a\ndata:\n  k: v\n");
    REQUIRE(from_json.has_value());
    REQUIRE(from_yaml.has_value());
    CHECK(from_json->object == from_yaml->object);
}

TEST_CASE("what is no JSON, or of the wrong type, is an error") {
    CHECK_FALSE(decode_json(type("", "ConfigMap"), "{").has_value());
    CHECK_FALSE(decode_json(type("", "ConfigMap"), "[]").has_value());
    CHECK_FALSE(decode_json(type("", "ConfigMap"), R"({"data":{"k":1}})").has_value());
    CHECK_FALSE(decode_json(type("", "Pod"), R"({"spec":{"containers":{}}})").has_value());
}

TEST_CASE("an object survives the way to protobuf and back") {
    const GroupVersionKind kind{"", "v1", "ConfigMap"};
    const auto decoded = decode_json(type("", "ConfigMap"), R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","labels":{"x":"y"}},"data":{"k":"v"}})");
    REQUIRE(decoded.has_value());
    const auto bytes = encode_protobuf(kind, type("", "ConfigMap"), decoded->object);
    const auto envelope = open_envelope(bytes);
    REQUIRE(envelope.has_value());
    CHECK(envelope->kind == kind);
    const auto back = decode_protobuf(type("", "ConfigMap"), envelope->raw);
    REQUIRE(back.has_value());
    CHECK(back->object.at("data") == decoded->object.at("data"));
    CHECK(back->object.at("metadata").at("labels") == decoded->object.at("metadata").at("labels"));
}

TEST_CASE("a cut protobuf message is an error") {
    const auto decoded = decode_json(type("", "ConfigMap"), R"({"metadata":{"name":"a"},"data":{"k":"v"}})");
    REQUIRE(decoded.has_value());
    const auto bytes = encode_protobuf({"", "v1", "ConfigMap"}, type("", "ConfigMap"), decoded->object);
    CHECK_FALSE(open_envelope(std::string_view(bytes).substr(0, 3)).has_value());
    CHECK_FALSE(open_envelope("not protobuf").has_value());
}

TEST_CASE("quantities have one canonical form") {
    CHECK(canonical_quantity("1000m") == "1");
    CHECK(canonical_quantity("1024Mi") == "1Gi");
    CHECK_FALSE(canonical_quantity("1x").has_value());
}
