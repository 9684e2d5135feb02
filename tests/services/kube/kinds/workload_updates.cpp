// Changes of Pods, Services and Deployments that a real Kubernetes 1.37.2 was asked for, and its answers: what it keeps, what
// it refuses and in which words. Each change starts from the object that the recording last answered with.
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch_test_macros.hpp>

#include <fstream>
#include <iostream>
#include <map>
#include <string>

#include "services/kube/kinds/rules.hpp"
#include "services/kube/schema/patch.hpp"
#include "services/kube/schema/strategic_merge.hpp"
#include "services/kubeclient/object.hpp"

using namespace services::kube;
namespace json = boost::json;
using services::kubeclient::array_at;
using services::kubeclient::as_object;
using services::kubeclient::number;
using services::kubeclient::object_at;
using services::kubeclient::text;

namespace {

struct Row {
    schema::GroupVersionKind gvk;
    const kinds::Rules& (*rules)();
};

const std::map<std::string, Row, std::less<>> rows{
    {"pods", {{"", "v1", "Pod"}, kinds::pod_rules}},
    {"services", {{"", "v1", "Service"}, kinds::service_rules}},
    {"deployments", {{"apps", "v1", "Deployment"}, kinds::deployment_rules}},
    {"replicasets", {{"apps", "v1", "ReplicaSet"}, kinds::replica_set_rules}},
};

// .../pods/p/status?dryRun=All
struct Target {
    std::string plural, name, subresource;
    bool is_dry_run = false;
};

Target target_of(std::string_view path) {
    Target target;
    target.is_dry_run = path.contains("dryRun");
    path = path.substr(0, path.find('?'));
    std::vector<std::string> parts;
    while (!path.empty()) {
        const auto slash = path.find('/');
        parts.emplace_back(path.substr(0, slash));
        path = slash == path.npos ? std::string_view() : path.substr(slash + 1);
    }
    for (std::size_t at = 0; at < parts.size(); ++at) {
        if (!rows.contains(parts[at])) continue;
        target.plural = parts[at];
        if (at + 1 < parts.size()) target.name = parts[at + 1];
        if (at + 2 < parts.size()) target.subresource = parts[at + 2];
    }
    return target;
}

json::object decoded(const schema::Type& type, const json::object& object) {
    auto out = schema::decode_json(type, json::serialize(object));
    REQUIRE(out.has_value());
    return std::move(out->object);
}

json::object patched(const schema::Type& type, const json::object& before, const json::object& request) {
    const auto patch = text(request, "body");
    auto out = text(object_at(request, "headers"), "Content-Type").contains("strategic")
                   ? schema::strategic_merge(type, before, json::parse(patch).as_object())
                   : schema::json_merge_patch(before, patch);
    REQUIRE(out.has_value());
    return decoded(type, *out);
}

// Without what the allocator changes, and what differs from run to run.
json::object comparable(json::object spec) {
    for (const auto* name : {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"}) spec.erase(name);
    if (auto* ports = spec.if_contains("ports"); ports != nullptr && ports->is_array())
        for (auto& port : ports->as_array()) port.as_object().erase("nodePort");
    return spec;
}

json::array own_causes(const json::object& status) {
    json::array out;
    for (const auto& cause : array_at(status, "details.causes"))
        if (!text(as_object(cause), "field").starts_with("metadata.")) out.push_back(cause);
    return out;
}

void check_same(const json::object& seen, const json::object& wanted) {
    INFO("seen   " << json::serialize(seen));
    INFO("wanted " << json::serialize(wanted));
    CHECK((seen == wanted));
}

bool same_member(const json::object& left, const json::object& right, std::string_view name) {
    const auto* one = left.if_contains(name);
    const auto* other = right.if_contains(name);
    return one == nullptr || other == nullptr ? one == other : *one == *other;
}

const kinds::Subresource* own_rules_of(const Target& target) {
    const auto& row = rows.at(target.plural);
    for (const auto& subresource : kinds::find(row.gvk.group, row.gvk.version, target.plural)->subresources)
        if (subresource.name == target.subresource && subresource.prepare != nullptr) return &subresource;
    return nullptr;
}

void compare(const std::string& id, const Target& target, const json::object& before, const json::object& request,
             const json::object& expect) {
    INFO(id);
    const auto& row = rows.at(target.plural);
    const auto& rules = row.rules();
    const auto& type = *schema::type_of(row.gvk);
    auto object = patched(type, before, request);
    schema::apply_schema_defaults(type, object);
    rules.apply_defaults(object);
    kinds::Causes causes;
    if (target.subresource == "status") {
        object["spec"] = object_at(before, "spec");
        if (rules.prepare_status != nullptr) rules.prepare_status(object, before);
        causes = rules.validate_status(object, before);
    } else if (const auto* own = own_rules_of(target)) {
        own->prepare(object, before);
        causes = own->validate(object, before);
    } else {
        rules.prepare_update(object, before);
        causes = rules.validate_update(object, before);
    }
    json::array seen;
    for (const auto& cause : causes)
        seen.push_back(json::object{{"reason", cause.reason}, {"message", cause.message}, {"field", cause.field}});
    const auto& body = object_at(expect, "body");
    CHECK(json::serialize(seen) == json::serialize(own_causes(body)));
    if (number(expect, "status") != 200) return;
    REQUIRE(schema::normalise(type, object).empty());
    check_same(comparable(object_at(object, "spec")), comparable(object_at(body, "spec")));
    // Controllers write in between, so most of a status is theirs.
    if (target.subresource != "status") CHECK((object_at(object, "status") == object_at(before, "status")));
    else for (const auto* name : {"phase", "qosClass", "podIP", "podIPs", "hostIPs", "collisionCount"})
        CHECK(same_member(object_at(object, "status"), object_at(body, "status"), name));
    check_same(object_at(object, "metadata.labels"), object_at(body, "metadata.labels"));
    CHECK(number(object, "metadata.generation") == number(body, "metadata.generation"));
}

// Placeholders of the recordings that stand where the rules want the real thing.
std::string plain(std::string line) {
    const auto replace = [&](std::string_view mark, std::string_view with) {
        for (auto at = line.find(mark); at != line.npos; at = line.find(mark, at + with.size()))
            line.replace(at, line.find('>', at) + 1 - at, with);
    };
    replace("<rand", "rrrrr");
    replace("<clusterip", "10.43.7.7");
    replace("<time>", "2026-01-02T03:04:05Z");
    return line;
}

}  // namespace

TEST_CASE("changes of workloads are kept and refused as the recorded server does it") {
    std::size_t compared = 0;
    for (const auto* theme : {"updates", "subresources"}) {
        std::ifstream in(std::string(RECORDINGS "/") + theme + ".jsonl");
        REQUIRE(in);
        std::map<std::string, json::object> objects;
        for (std::string line; std::getline(in, line);) {
            const auto step = json::parse(plain(line)).as_object();
            const auto& request = object_at(step, "input.request");
            const auto& expect = object_at(step, "expect");
            const auto target = target_of(text(request, "path"));
            if (target.plural.empty()) continue;
            const auto status = number(expect, "status");
            const auto scenario = std::string(text(step, "ns")) + "/" + target.plural + "/";
            const bool is_of_rules = target.subresource.empty() || target.subresource == "status" || own_rules_of(target) != nullptr;
            const auto known = objects.find(scenario + target.name);
            if (text(request, "method") == "PATCH" && is_of_rules && known != objects.end() && status != 400) {
                compare(std::string(text(step, "id")), target, known->second, request, expect);
                ++compared;
            }
            const auto& body = object_at(expect, "body");
            if (target.is_dry_run || (status != 200 && status != 201) || text(body, "kind") != rows.at(target.plural).gvk.kind) continue;
            auto object = decoded(*schema::type_of(rows.at(target.plural).gvk), body);
            // The scheduler has bound it by the next step.
            if (target.plural == "pods") object["spec"].as_object()["nodeName"] = "node-a";
            objects.insert_or_assign(scenario + std::string(text(body, "metadata.name")), std::move(object));
        }
    }
    CHECK(compared > 40);
    std::cout << "recorded changes of workloads compared: " << compared << '\n';
}
