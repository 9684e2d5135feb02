// What Kubernetes' own strategies make of objects of the kinds without a workload (answers/plain_kinds.jsonl): the causes
// of each refusal in their order, metadata's among them, and the object that a taken write leaves.
#include <algorithm>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "recording.hpp"

using namespace recording;

namespace {

json::array listed(const kinds::Causes& causes) {
    json::array out;
    for (const auto& cause : causes) out.push_back(json::array{cause.reason, cause.field, cause.message});
    return out;
}

void apply_defaults(const kinds::Kind& kind, json::object& object) {
    schema::apply_schema_defaults(*schema::type_of(kind.gvk), object);
    if (kind.apply_defaults != nullptr) kind.apply_defaults(object);
}

// The steps that the API takes before a kind's rules: rest.BeforeCreate and rest.BeforeUpdate.
kinds::Causes create(const kinds::Kind& kind, json::object& object) {
    apply_defaults(kind, object);
    auto& metadata = services::kubeclient::make_object(object, "metadata");
    metadata["uid"] = "u";
    if (text(metadata, "name").empty() && !text(metadata, "generateName").empty())
        metadata["name"] = std::string(text(metadata, "generateName")) + "bcdfg";
    if (kind.prepare_create != nullptr) kind.prepare_create(object);
    auto causes = kinds::validate_metadata(kind, object);
    if (kind.validate != nullptr) std::ranges::move(kind.validate(object), std::back_inserter(causes));
    return kinds::without_repeats(std::move(causes));
}

kinds::Causes update(const kinds::Kind& kind, json::object& object, json::object before) {
    apply_defaults(kind, before);
    apply_defaults(kind, object);
    auto& metadata = services::kubeclient::make_object(object, "metadata");
    const auto& old = object_at(before, "metadata");
    for (const auto* name : {"creationTimestamp", "generation"}) metadata[name] = old.at(name);
    if (!metadata.contains("uid")) metadata["uid"] = old.at("uid");
    if (kind.prepare_update != nullptr) kind.prepare_update(object, before);
    auto causes = kinds::validate_metadata_update(kind, object, before);
    if (kind.validate_update != nullptr) std::ranges::move(kind.validate_update(object, before), std::back_inserter(causes));
    return kinds::without_repeats(std::move(causes));
}

// A new node's taint is an admission plugin's in the real server, which the strategies do not know.
json::object plain(json::object object) {
    for (const auto* name : {"kind", "apiVersion"}) object.erase(name);
    if (auto* metadata = object.if_contains("metadata")) metadata->as_object().erase("creationTimestamp");
    auto* spec = object.if_contains("spec");
    auto* taints = spec == nullptr ? nullptr : spec->as_object().if_contains("taints");
    if (taints == nullptr) return object;
    json::array kept;
    for (const auto& taint : taints->as_array())
        if (text(as_object(taint), "key") != "node.kubernetes.io/not-ready") kept.push_back(taint);
    if (kept.empty()) spec->as_object().erase("taints");
    else *taints = std::move(kept);
    return object;
}

void compare(const json::object& line) {
    const auto& asked = line.at("object").get_object();
    const auto* kind = kind_of(asked);
    REQUIRE(kind != nullptr);
    INFO(json::serialize(line));
    auto object = decoded(*kind, asked);
    const auto* before = line.if_contains("before");
    const auto causes = before == nullptr ? create(*kind, object) : update(*kind, object, decoded(*kind, before->get_object()));
    CHECK(json::serialize(listed(causes)) == json::serialize(array_at(line, "causes")));
    if (!causes.empty()) return;
    REQUIRE(schema::normalise(*schema::type_of(kind->gvk), object).empty());
    check_same(plain(object), plain(object_at(line, "gives")));
}

}  // namespace

TEST_CASE("plain objects are created and changed as the real strategies do it") {
    std::ifstream in(BRANCHBOX_TEST_DIR "/answers/plain_kinds.jsonl");
    REQUIRE(in);
    std::size_t compared = 0;
    for (std::string line; std::getline(in, line); ++compared) compare(json::parse(line).as_object());
    CHECK(compared > 300);
    std::cout << "answers of the real strategies to plain objects compared: " << compared << '\n';
}
