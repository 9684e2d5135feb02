// What the tests of this folder share to read the recordings of a real Kubernetes 1.37.2: steps with their placeholders
// filled, the kind a path or an object names, and objects without what the API gives each of them.
#pragma once

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch_test_macros.hpp>

#include <fstream>
#include <string>

#include "services/kube/kinds/kind.hpp"
#include "services/kubeclient/object.hpp"

namespace recording {

namespace json = boost::json;
namespace kinds = services::kube::kinds;
namespace schema = services::kube::schema;
using services::kubeclient::array_at;
using services::kubeclient::as_object;
using services::kubeclient::as_text;
using services::kubeclient::number;
using services::kubeclient::object_at;
using services::kubeclient::text;

inline std::string replaced(std::string line, std::string_view mark, std::string_view with) {
    for (auto at = line.find(mark); at != line.npos; at = line.find(mark, at + with.size()))
        line.replace(at, line.find('>', at) + 1 - at, with);
    return line;
}

// Calls visit(step) for each line of `theme`.
template <typename Visit>
void for_each_step(std::string_view theme, Visit&& visit) {
    std::ifstream in(std::string(RECORDINGS "/") + std::string(theme) + ".jsonl");
    REQUIRE(in);
    for (std::string line; std::getline(in, line);) {
        line = replaced(std::move(line), "<rand", "bcdfg");
        line = replaced(std::move(line), "<time", "2026-01-02T03:04:05Z");
        line = replaced(std::move(line), "<podcidr", "10.42.1.0/24");
        line = replaced(std::move(line), "<microtime", "2026-01-02T03:04:05.000000Z");  // what the requests say
        visit(json::parse(line).as_object());
    }
}

inline const kinds::Kind* kind_of(const json::object& object) {
    const auto version = std::string(text(object, "apiVersion"));
    const auto slash = version.find('/');
    return kinds::find_kind({slash == version.npos ? std::string() : version.substr(0, slash),
                             slash == version.npos ? version : version.substr(slash + 1), std::string(text(object, "kind"))});
}

inline bool is_workload(const kinds::Kind& kind) {
    const auto& name = kind.gvk.kind;
    return name == "Pod" || name == "Service" || name == "Deployment" || name == "ReplicaSet";
}

inline json::object decoded(const kinds::Kind& kind, const json::object& object) {
    auto out = schema::decode_json(*schema::type_of(kind.gvk), json::serialize(object));
    REQUIRE(out.has_value());
    return std::move(out->object);
}

inline json::array written(const kinds::Causes& causes) {
    json::array out;
    for (const auto& cause : causes)
        out.push_back(json::object{{"reason", cause.reason}, {"message", cause.message}, {"field", cause.field}});
    return out;
}

// Without what the API gives each object.
inline json::object comparable(json::object object) {
    for (const auto* name : {"kind", "apiVersion"}) object.erase(name);
    if (auto* metadata = object.if_contains("metadata"))
        for (const auto* name : {"uid", "creationTimestamp", "managedFields", "resourceVersion"}) metadata->as_object().erase(name);
    return object;
}

inline void check_same(const json::object& seen, const json::object& wanted) {
    INFO("seen   " << json::serialize(seen));
    INFO("wanted " << json::serialize(wanted));
    CHECK((seen == wanted));
}

}  // namespace recording
