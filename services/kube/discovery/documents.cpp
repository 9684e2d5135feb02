#include "services/kube/discovery/documents.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>

#include "hal/base/bytes.hpp"
#include "hal/net/certificates.hpp"

namespace services::kube::discovery {
namespace {

namespace json = boost::json;

constexpr auto asked_table = std::to_array<Asked>({
    {"", "v1", "bindings", "binding", "Binding", true},
    {"authentication.k8s.io", "v1", "selfsubjectreviews", "selfsubjectreview", "SelfSubjectReview", false},
    {"authentication.k8s.io", "v1", "tokenreviews", "tokenreview", "TokenReview", false},
    {"authorization.k8s.io", "v1", "localsubjectaccessreviews", "localsubjectaccessreview", "LocalSubjectAccessReview", true},
    {"authorization.k8s.io", "v1", "selfsubjectaccessreviews", "selfsubjectaccessreview", "SelfSubjectAccessReview", false},
    {"authorization.k8s.io", "v1", "selfsubjectrulesreviews", "selfsubjectrulesreview", "SelfSubjectRulesReview", false},
    {"authorization.k8s.io", "v1", "subjectaccessreviews", "subjectaccessreview", "SubjectAccessReview", false},
});

// kubectl resolves a short name to the first group that knows it, so the order is part of the contract (the real
// aggregator's priorities). A group not named here comes last.
constexpr auto group_order = std::to_array<std::string_view>({
    "apps", "events.k8s.io", "authentication.k8s.io", "authorization.k8s.io", "autoscaling", "batch", "certificates.k8s.io",
    "networking.k8s.io", "policy", "rbac.authorization.k8s.io", "storage.k8s.io", "admissionregistration.k8s.io",
    "apiextensions.k8s.io", "scheduling.k8s.io", "coordination.k8s.io", "node.k8s.io", "discovery.k8s.io",
});

json::array words(std::string_view comma_separated) {
    json::array list;
    while (!comma_separated.empty()) {
        const auto end = std::min(comma_separated.find(','), comma_separated.size());
        list.emplace_back(comma_separated.substr(0, end));
        comma_separated.remove_prefix(std::min(end + 1, comma_separated.size()));
    }
    return list;
}

// "autoscaling/v1/Scale" names another group; a name alone is of the resource's own.
struct ResponseKind {
    std::string_view group, version, kind;
};
ResponseKind response_kind(const kinds::Kind& kind, const kinds::Subresource& subresource) {
    const auto text = subresource.response_kind;
    if (text.empty()) return {"", "", kind.gvk.kind};
    const auto last = text.rfind('/');
    if (last == std::string_view::npos) return {"", "", text};
    const auto first = text.find('/');
    return {text.substr(0, first), text.substr(first + 1, last - first - 1), text.substr(last + 1)};
}

// The first eight bytes of the stored form's SHA-256 (discovery.StorageVersionHash).
std::string storage_version_hash(const kinds::Kind& kind) {
    const auto& stored = kind.stored_as != nullptr ? *kind.stored_as : kind.gvk;
    return hal::base64(hal::net::sha256(stored.group + "/" + stored.version + "/" + stored.kind).substr(0, 8));
}

// Kinds and asked resources of one group version, by resource name.
struct Row {
    const kinds::Kind* kind = nullptr;
    const Asked* asked = nullptr;
    [[nodiscard]] std::string_view name() const { return kind != nullptr ? kind->plural : asked->resource; }
};
std::vector<Row> rows_of(std::string_view group, std::string_view version) {
    std::vector<Row> rows;
    for (const auto& kind : kinds::all())
        if (kind.gvk.group == group && kind.gvk.version == version) rows.push_back({&kind, nullptr});
    for (const auto& asked : asked_table)
        if (asked.group == group && asked.version == version) rows.push_back({nullptr, &asked});
    std::ranges::sort(rows, {}, &Row::name);
    return rows;
}

void add_version(std::vector<GroupVersions>& groups, std::string_view group, std::string_view version) {
    if (group.empty()) return;
    auto it = std::ranges::find(groups, group, &GroupVersions::group);
    if (it == groups.end()) it = groups.insert(it, {group, {}});
    if (!std::ranges::contains(it->versions, version)) it->versions.push_back(version);
}

json::object group_version(std::string_view group, std::string_view version) {
    return {{"groupVersion", std::string(group) + "/" + std::string(version)}, {"version", version}};
}

json::object group_object(const GroupVersions& group) {
    json::array versions;
    for (const auto version : group.versions) versions.push_back(group_version(group.group, version));
    return {{"name", group.group}, {"versions", std::move(versions)}, {"preferredVersion", group_version(group.group, group.versions.front())}};
}

void add_listed(json::array& list, const kinds::Kind& kind) {
    json::object row{{"name", kind.plural}, {"singularName", kind.singular}, {"namespaced", kind.is_namespaced},
                     {"kind", kind.gvk.kind}, {"verbs", words(kind.verbs)}};
    if (!kind.short_names.empty()) row["shortNames"] = words(kind.short_names);
    if (!kind.categories.empty()) row["categories"] = words(kind.categories);
    row["storageVersionHash"] = storage_version_hash(kind);
    list.push_back(std::move(row));
    for (const auto& subresource : kind.subresources) {
        const auto response = response_kind(kind, subresource);
        json::object sub{{"name", std::string(kind.plural) + "/" + std::string(subresource.name)}, {"singularName", ""}, {"namespaced", kind.is_namespaced}};
        if (!response.group.empty()) sub["group"] = response.group;
        if (!response.version.empty()) sub["version"] = response.version;
        sub["kind"] = response.kind;
        sub["verbs"] = words(subresource.verbs);
        list.push_back(std::move(sub));
    }
}

json::object kind_object(std::string_view group, std::string_view version, std::string_view kind) {
    return {{"group", group}, {"version", version}, {"kind", kind}};
}

json::object aggregated_row(const Row& row) {
    if (row.asked != nullptr)
        return {{"resource", row.asked->resource}, {"responseKind", kind_object("", "", row.asked->kind)},
                {"scope", row.asked->is_namespaced ? "Namespaced" : "Cluster"}, {"singularResource", row.asked->singular}, {"verbs", json::array{"create"}}};
    const auto& kind = *row.kind;
    json::object object{{"resource", kind.plural}, {"responseKind", kind_object("", "", kind.gvk.kind)},
                        {"scope", kind.is_namespaced ? "Namespaced" : "Cluster"}, {"singularResource", kind.singular}, {"verbs", words(kind.verbs)}};
    if (!kind.short_names.empty()) object["shortNames"] = words(kind.short_names);
    if (!kind.categories.empty()) object["categories"] = words(kind.categories);
    json::array subresources;
    for (const auto& subresource : kind.subresources) {
        const auto response = response_kind(kind, subresource);
        subresources.push_back(json::object{{"subresource", subresource.name},
                                            {"responseKind", kind_object(response.group, response.version, response.kind)},
                                            {"verbs", words(subresource.verbs)}});
    }
    if (!subresources.empty()) object["subresources"] = std::move(subresources);
    return object;
}

json::object aggregated_version(std::string_view group, std::string_view version) {
    json::array resources;
    for (const auto& row : rows_of(group, version)) resources.push_back(aggregated_row(row));
    return {{"version", version}, {"resources", std::move(resources)}, {"freshness", "Current"}};
}

}  // namespace

std::span<const Asked> asked_resources() { return asked_table; }

std::vector<GroupVersions> named_groups() {
    std::vector<GroupVersions> groups;
    for (const auto& kind : kinds::all()) add_version(groups, kind.gvk.group, kind.gvk.version);
    for (const auto& asked : asked_table) add_version(groups, asked.group, asked.version);
    std::ranges::stable_sort(groups, {}, [](const GroupVersions& group) { return std::ranges::find(group_order, group.group) - group_order.begin(); });
    return groups;
}

std::string path_list() {
    std::vector<std::string> paths{"/.well-known/openid-configuration", "/api", "/api/v1", "/apis", "/apis/", "/healthz", "/livez", "/metrics",
                                   "/openapi/v2", "/openapi/v3", "/openapi/v3/", "/openid/v1/jwks", "/readyz", "/version"};
    for (const auto& group : named_groups()) {
        const auto path = "/apis/" + std::string(group.group);
        paths.push_back(path);
        for (const auto version : group.versions) paths.push_back(path + "/" + std::string(version));
    }
    std::ranges::sort(paths);
    return json::serialize(json::object{{"paths", json::array(paths.begin(), paths.end())}});
}

std::string api_versions(std::string_view server_address) {
    const json::object address{{"clientCIDR", "0.0.0.0/0"}, {"serverAddress", server_address}};
    return json::serialize(json::object{{"kind", "APIVersions"}, {"versions", json::array{"v1"}}, {"serverAddressByClientCIDRs", json::array{address}}});
}

std::string group_list() {
    json::array groups;
    for (const auto& group : named_groups()) groups.push_back(group_object(group));
    return json::serialize(json::object{{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(groups)}});
}

std::string group_document(std::string_view group) {
    for (const auto& served : named_groups()) {
        if (served.group != group) continue;
        json::object document{{"kind", "APIGroup"}, {"apiVersion", "v1"}};
        for (auto& member : group_object(served)) document.emplace(member.key(), std::move(member.value()));
        return json::serialize(document);
    }
    return "";
}

std::string resource_list(std::string_view group, std::string_view version) {
    json::array resources;
    for (const auto& row : rows_of(group, version)) {
        if (row.kind != nullptr) {
            add_listed(resources, *row.kind);
            continue;
        }
        resources.push_back(json::object{{"name", row.asked->resource}, {"singularName", row.asked->singular}, {"namespaced", row.asked->is_namespaced},
                                         {"kind", row.asked->kind}, {"verbs", json::array{"create"}}});
    }
    if (resources.empty()) return "";
    const auto group_version = group.empty() ? std::string(version) : std::string(group) + "/" + std::string(version);
    json::object document{{"kind", "APIResourceList"}};
    if (!group.empty()) document["apiVersion"] = "v1";  // the core group's document has none in the real server either
    document["groupVersion"] = group_version;
    document["resources"] = std::move(resources);
    return json::serialize(document);
}

std::string aggregated(bool is_core, std::string_view version) {
    json::array items;
    if (is_core) {
        items.push_back(json::object{{"metadata", json::object{}}, {"versions", json::array{aggregated_version("", "v1")}}});
    } else {
        for (const auto& group : named_groups()) {
            json::array versions;
            for (const auto served : group.versions) versions.push_back(aggregated_version(group.group, served));
            items.push_back(json::object{{"metadata", json::object{{"name", group.group}}}, {"versions", std::move(versions)}});
        }
    }
    return json::serialize(json::object{{"kind", "APIGroupDiscoveryList"},
                                        {"apiVersion", "apidiscovery.k8s.io/" + std::string(version)},
                                        {"metadata", json::object{}},
                                        {"items", std::move(items)}});
}

}  // namespace services::kube::discovery
