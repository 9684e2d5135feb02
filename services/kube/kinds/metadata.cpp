// ObjectMeta's rules (apimachinery pkg/api/validation): what holds for every kind before its own rules.
#include <algorithm>
#include <format>
#include <set>
#include <string>

#include "services/kube/kinds/kind.hpp"
#include "services/kube/kinds/labels.hpp"
#include "services/kube/kinds/names.hpp"
#include "services/kube/kinds/report.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {
namespace {

using kubeclient::array_at;
using kubeclient::as_object;
using kubeclient::as_text;
using kubeclient::field;
using kubeclient::number;
using kubeclient::object_at;
using kubeclient::text;

constexpr std::size_t manager_bytes_max = 128, subresource_bytes_max = 256;

// Events of v1 may have any name that fits into a path; namespaces and services are labels of a DNS name.
enum class NameRule { subdomain, label, path_segment };

bool is_core_event(const Kind& kind) { return kind.gvk.kind == "Event" && kind.gvk.group.empty(); }

NameRule name_rule_of(const Kind& kind) {
    if (kind.gvk.kind == "Namespace" || kind.gvk.kind == "Service") return NameRule::label;
    if (is_core_event(kind)) return NameRule::path_segment;
    return NameRule::subdomain;
}

Messages check_path_segment(std::string_view name, bool is_prefix) {
    if (!is_prefix && (name == "." || name == "..")) return {std::format("may not be '{}'", name)};
    Messages messages;
    for (const char c : {'/', '%'})
        if (name.contains(c)) messages.push_back(std::format("may not contain '{}'", c));
    return messages;
}

Messages check_name(NameRule rule, std::string_view name, bool is_prefix) {
    if (rule == NameRule::path_segment) return check_path_segment(name, is_prefix);
    const auto masked = is_prefix ? mask_trailing_dash(name) : std::string(name);
    return rule == NameRule::label ? check_dns1123_label(masked) : check_dns1123_subdomain(masked);
}

void check_names(Report& report, const Path& path, NameRule rule, const json::object& metadata) {
    const auto prefix = text(metadata, "generateName"), name = text(metadata, "name");
    if (!prefix.empty()) report.invalid(path.child("generateName"), prefix, check_name(rule, prefix, true));
    if (name.empty()) report.required(path.child("name"), "name or generateName is required");
    else report.invalid(path.child("name"), name, check_name(rule, name, false));
}

void check_namespace(Report& report, const Path& path, bool is_namespaced, const json::object& metadata) {
    const auto name = text(metadata, "namespace");
    if (!is_namespaced && !name.empty()) report.forbidden(path, "not allowed on this type");
    if (!is_namespaced) return;
    if (name.empty()) report.required(path);
    else report.invalid(path, name, check_dns1123_label(name));
}

// "v1" or "apps/v1"; the group may not be followed by more than a version.
bool is_group_version(std::string_view api_version) {
    const auto slash = api_version.find('/');
    if (slash == std::string_view::npos) return !api_version.empty();
    return slash + 1 < api_version.size() && !api_version.substr(slash + 1).contains('/');
}

void check_owner(Report& report, const Path& path, const json::object& owner) {
    const auto api_version = text(owner, "apiVersion"), kind = text(owner, "kind");
    if (api_version.empty()) report.required(path.child("apiVersion"), "must not be empty");
    else if (!is_group_version(api_version))
        report.invalid(path.child("apiVersion"), api_version, "must be <group>/<version> or <version>");
    for (const auto* name : {"kind", "name", "uid"})
        if (text(owner, name).empty()) report.required(path.child(name), "must not be empty");
    if (api_version == "v1" && kind == "Event") report.invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner");
}

void check_owners(Report& report, const Path& path, const json::array& owners) {
    std::string controller;
    for (std::size_t i = 0; i < owners.size(); ++i) {
        const auto& owner = as_object(owners[i]);
        check_owner(report, path.index(i), owner);
        if (!kubeclient::flag(owner, "controller")) continue;
        auto name = std::format("{}/{}", text(owner, "kind"), text(owner, "name"));
        if (controller.empty()) controller = std::move(name);
        else
            report.invalid(path, owners,
                           std::format("Only one reference can have Controller set to true. Found \"true\" in references for {} and {}",
                                       controller, name));
    }
}

void check_finalizers(Report& report, const Path& path, const json::array& finalizers) {
    bool orphans = false, deletes_first = false;
    for (const auto& element : finalizers) {
        const auto name = as_text(element);
        report.invalid(path, name, check_qualified_name(name));
        orphans |= name == "orphan";
        deletes_first |= name == "foregroundDeletion";
    }
    if (orphans && deletes_first) report.invalid(path, finalizers, "finalizer orphan and foregroundDeletion cannot be both set");
}

// The core server asks more of finalizers than the library it shares with others; Leases and Events of v1 are not checked by it.
void check_own_finalizers(Report& report, const Path& path, const json::array& finalizers) {
    for (std::size_t i = 0; i < finalizers.size(); ++i) {
        const auto name = as_text(finalizers[i]);
        const bool is_standard = name == "kubernetes" || name == "orphan" || name == "foregroundDeletion";
        if (!name.contains('/') && !is_standard)
            report.invalid(path.index(i), name, "name is neither a standard finalizer name nor is it fully qualified");
    }
}

void check_managed_fields(Report& report, const Path& path, const json::array& entries) {
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const auto& entry = as_object(entries[i]);
        const auto at = path.index(i);
        const auto operation = text(entry, "operation"), type = text(entry, "fieldsType");
        if (operation.empty()) report.required(at.child("operation"), "must not be empty");
        else if (operation != "Apply" && operation != "Update")
            report.not_supported(at.child("operation"), TypedText{operation}, {"Apply", "Update"});
        if (!type.empty() && type != "FieldsV1") report.invalid(at.child("fieldsType"), type, "must be `FieldsV1`");
        if (text(entry, "manager").size() > manager_bytes_max) report.too_long(at.child("manager"), manager_bytes_max);
        if (text(entry, "subresource").size() > subresource_bytes_max) report.too_long(at.child("subresource"), subresource_bytes_max);
    }
}

bool has_core_finalizer_rule(const Kind& kind) { return kind.gvk.kind != "Lease" && !is_core_event(kind); }

// Everything but the name, on create and on update.
void check_common(Report& report, const Kind& kind, const json::object& metadata) {
    const Path path("metadata");
    check_namespace(report, path.child("namespace"), kind.is_namespaced, metadata);
    if (number(metadata, "generation") < 0)
        report.invalid(path.child("generation"), number(metadata, "generation"), negative_message);
    check_labels(report, path.child("labels"), object_at(metadata, "labels"));
    check_annotations(report, path.child("annotations"), object_at(metadata, "annotations"));
    check_owners(report, path.child("ownerReferences"), array_at(metadata, "ownerReferences"));
    check_finalizers(report, path.child("finalizers"), array_at(metadata, "finalizers"));
    check_managed_fields(report, path.child("managedFields"), array_at(metadata, "managedFields"));
}

void check_immutable(Report& report, const Path& path, const json::object& metadata, const json::object& before, std::string_view name) {
    const auto* now = field(metadata, name);
    const auto* then = field(before, name);
    // Absent and empty are one in the real types.
    const auto is_empty = [](const json::value* value) { return value == nullptr || *value == ""; };
    if (is_empty(now) ? is_empty(then) : then != nullptr && *now == *then) return;
    const bool is_text = name == "name" || name == "namespace" || name == "uid";
    report.invalid(path.child(name), now != nullptr ? *now : is_text ? json::value("") : json::value(nullptr), immutable_message);
}

void check_new_finalizers(Report& report, const Path& path, const json::object& metadata, const json::object& before) {
    std::set<std::string_view> known, added;
    for (const auto& finalizer : array_at(before, "finalizers")) known.insert(as_text(finalizer));
    for (const auto& finalizer : array_at(metadata, "finalizers"))
        if (!known.contains(as_text(finalizer))) added.insert(as_text(finalizer));
    if (added.empty()) return;
    std::string listed;
    for (const auto name : added) listed += (listed.empty() ? "" : ", ") + go_quoted(name);
    report.forbidden(path, "no new finalizers can be added if the object is being deleted, found new finalizers []string{" + listed + "}");
}

void check_changes(Report& report, const json::object& metadata, const json::object& before) {
    const Path path("metadata");
    if (field(before, "deletionTimestamp") != nullptr) check_new_finalizers(report, path.child("finalizers"), metadata, before);
    if (text(metadata, "resourceVersion").empty()) report.invalid(path.child("resourceVersion"), "", "must be specified for an update");
    const auto generation = number(metadata, "generation");
    if (generation < number(before, "generation")) report.invalid(path.child("generation"), generation, "must not be decremented");
    for (const auto* name : {"name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"})
        check_immutable(report, path, metadata, before, name);
}

// An update asks first that names fit into a path, and most kinds then apply their own rule again.
bool checks_names_again(const Kind& kind) {
    static const std::set<std::string_view> spared{"Deployment", "ReplicaSet", "Lease", "Event"};
    return !spared.contains(kind.gvk.kind);
}

}  // namespace

Causes validate_metadata(const Kind& kind, const json::object& object) {
    // The real server looks at the metadata of an Event of v1 only when nothing else is wrong with it.
    if (is_core_event(kind) && !kind.validate(object).empty()) return {};
    Report report;
    const auto& metadata = object_at(object, "metadata");
    check_names(report, Path("metadata"), name_rule_of(kind), metadata);
    check_common(report, kind, metadata);
    if (has_core_finalizer_rule(kind)) check_own_finalizers(report, Path("metadata.finalizers"), array_at(metadata, "finalizers"));
    return report.take();
}

Causes validate_metadata_update(const Kind& kind, const json::object& object, const json::object& before) {
    Report report;
    const auto& metadata = object_at(object, "metadata");
    check_names(report, Path("metadata"), NameRule::path_segment, metadata);
    check_common(report, kind, metadata);
    check_changes(report, metadata, object_at(before, "metadata"));
    if (has_core_finalizer_rule(kind)) check_own_finalizers(report, Path("metadata.finalizers"), array_at(metadata, "finalizers"));
    if (checks_names_again(kind)) check_names(report, Path("metadata"), name_rule_of(kind), metadata);
    return report.take();
}

}  // namespace services::kube::kinds
