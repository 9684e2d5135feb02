#include "services/kube/kinds/pod_subresources.hpp"

#include <algorithm>
#include <format>
#include <map>
#include <string>

#include "services/kube/kinds/pod_checks.hpp"
#include "services/kube/kinds/pod_spec.hpp"
#include "services/kube/kinds/pod_spec_diff.hpp"
#include "services/kube/kinds/pod_spec_go_form.hpp"
#include "services/kube/kinds/pod_spec_members.hpp"
#include "services/kube/kinds/pod_spec_resources.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {

namespace {

using kubeclient::array_at;
using kubeclient::as_object;
using kubeclient::field;
using kubeclient::number;
using kubeclient::object_at;
using kubeclient::text;

constexpr std::string_view mirror_key = "kubernetes.io/config.mirror";
const Path no_path("[]");  // as the real server prints a path without a name
constexpr std::string_view only_cpu_and_memory = "only cpu and memory resources are mutable";

// The object's own metadata stays, but for what marks the write: resourceVersion and managedFields.
void keep_all_but_spec(json::object& pod, const json::object& before) {
    auto& metadata = kubeclient::make_object(pod, "metadata");
    const auto& old = object_at(before, "metadata");
    for (const auto* name : {"deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations", "ownerReferences", "finalizers"}) {
        if (const auto* value = field(old, name)) metadata[name] = *value;
        else metadata.erase(name);
    }
    pod["status"] = object_at(before, "status");
}

void count_generation(json::object& pod, const json::object& before) {
    const auto generation = number(before, "metadata.generation");
    kubeclient::make_object(pod, "metadata")["generation"] =
        generation + (object_at(pod, "spec") == object_at(before, "spec") ? 0 : 1);
}

void copy_member(json::object& to, const json::object& from, std::string_view name) {
    if (const auto* value = field(from, name)) to[name] = *value;
    else to.erase(name);
}

// What `now` says about resources, on `before`'s containers; false when they are not the same ones.
bool resize_containers(json::object& spec, const json::array& now, std::string_view list) {
    bool is_same = array_at(spec, list).size() == now.size();
    std::size_t at = 0;
    for_each_object(spec, list, [&](json::object& container) {
        if (!is_same) return;
        const auto& wanted = as_object(now[at++]);
        is_same = text(wanted, "name") == text(container, "name");
        for (const auto* name : {"resources", "resizePolicy"}) copy_member(container, wanted, name);
    });
    return is_same;
}

bool loses_a_resource(const json::object& now, const json::object& before) {
    return std::ranges::any_of(before, [&](const auto& entry) { return !now.contains(entry.key()); });
}

void check_no_removal(Report& report, const Path& path, const json::object& now, const json::object& before, std::string_view whose) {
    for (const auto* part : {"requests", "limits"})
        if (loses_a_resource(object_at(object_at(now, "resources"), part), object_at(object_at(before, "resources"), part)))
            report.forbidden(path.child(part), std::format("{}resource {} cannot be removed", whose, part));
}

// `holder` with cpu and memory as `before` has them.
json::object without_resize(json::object holder, const json::object& before) {
    json::object resources = object_at(holder, "resources");
    for (const auto* part : {"limits", "requests"}) {
        auto list = object_at(resources, part);
        for (const auto* name : {"cpu", "memory"}) {
            list.erase(name);
            if (const auto* old = object_at(object_at(before, "resources"), part).if_contains(name)) list[name] = *old;
        }
        if (list.empty()) resources.erase(part);
        else resources[part] = std::move(list);
    }
    if (resources.empty() && field(before, "resources") == nullptr) holder.erase("resources");
    else holder["resources"] = std::move(resources);
    return holder;
}

bool check_order(Report& report, const json::object& spec, const json::object& old) {
    const auto before = report.size();
    for (const auto* list : {"containers", "initContainers"}) {
        const auto path = Path("spec").child(list);
        const auto& now = array_at(spec, list);
        const auto& was = array_at(old, list);
        if (now.size() != was.size()) {
            report.forbidden(path, std::format("{} may not be added or removed on resize", list));
            continue;
        }
        for (std::size_t at = 0; at < now.size(); ++at)
            if (text(as_object(now[at]), "name") != text(as_object(was[at]), "name"))
                report.forbidden(path.index(at).child("name"), std::format("{} may not be renamed or reordered on resize", list));
    }
    return report.size() == before;
}

// False while a container runs that its node cannot resize.
bool node_can_resize(const json::object& pod) {
    for (const auto& status : array_at(pod, "status.containerStatuses"))
        if (field(as_object(status), "state.running") != nullptr) return field(as_object(status), "resources") != nullptr;
    return true;
}

bool has_pod_level_amounts(const json::object& spec) {
    return !object_at(spec, "resources.requests").empty() || !object_at(spec, "resources.limits").empty();
}

void check_pod_level_resize(Report& report, const json::object& spec, const json::object& old) {
    const Path path("spec");
    if (!has_pod_level_amounts(spec) && !has_pod_level_amounts(old)) return;
    if (field(old, "resources") != nullptr && field(spec, "resources") == nullptr)
        return report.forbidden(path.child("resources"), "pod-level resources cannot be removed");
    check_no_removal(report, path.child("resources"), spec, old, "pod-level ");
    if (object_at(without_resize(spec, old), "resources") != object_at(old, "resources"))
        report.forbidden(path, "only cpu and memory resources are mutable at pod-level");
}

void check_container_resizes(Report& report, const json::object& spec, const json::object& old) {
    const Path path("spec");
    for (const auto* list : {"initContainers", "containers"}) {
        const auto& was = array_at(old, list);
        for (std::size_t at = 0; at < was.size(); ++at)
            check_no_removal(report, path.child(list).index(at).child("resources"), as_object(array_at(spec, list)[at]), as_object(was[at]),
                             "");
    }
    std::size_t at = 0;
    for (const auto& container : array_at(spec, "containers")) {
        const auto& was = as_object(array_at(old, "containers")[at++]);
        if (without_resize(as_object(container), was) != was) report.forbidden(path, only_cpu_and_memory);
    }
    at = 0;
    for (const auto& container : array_at(spec, "initContainers")) {
        const auto container_path = path.child("initContainers").index(at);
        const auto& was = as_object(array_at(old, "initContainers")[at++]);
        if (without_resize(as_object(container), was) != was)
            report.forbidden(container_path, "only cpu and memory resources for init or sidecar containers are mutable");
    }
}

}  // namespace

void prepare_ephemeral_containers(json::object& pod, const json::object& before) {
    auto spec = object_at(before, "spec");
    copy_member(spec, object_at(pod, "spec"), "ephemeralContainers");
    drop_disabled_fields(spec);
    keep_all_but_spec(pod, before);
    pod["spec"] = std::move(spec);
    count_generation(pod, before);
}

Causes validate_ephemeral_containers(const json::object& pod, const json::object& before) {
    Report report;
    if (object_at(before, "metadata.annotations").contains(mirror_key)) {
        report.forbidden(no_path, "static pods do not support ephemeral containers");
        return report.take();
    }
    check_pod(report, pod);
    check_annotation_changes(report, pod, before);
    std::map<std::string_view, const json::object*> now;
    for (const auto& container : array_at(pod, "spec.ephemeralContainers"))
        now.insert_or_assign(text(as_object(container), "name"), &as_object(container));
    const Path path("spec.ephemeralContainers");
    for (const auto& old : array_at(before, "spec.ephemeralContainers")) {
        const auto name = text(as_object(old), "name");
        const auto found = now.find(name);
        if (found == now.end())
            report.forbidden(path, std::format("existing ephemeral containers {} may not be removed\n", go_quoted(name)));
        else if (*found->second != as_object(old))
            report.forbidden(path, std::format("existing ephemeral containers {} may not be changed\n{}", go_quoted(name),
                                               unified_diff(go_indented(go_form("EphemeralContainer", old)),
                                                            go_indented(go_form("EphemeralContainer", *found->second)))));
    }
    return report.take();
}

void prepare_resize(json::object& pod, const json::object& before) {
    auto spec = object_at(before, "spec");
    const auto& now = object_at(pod, "spec");
    // Other containers are left to validation, which refuses them.
    bool is_same = true;
    for (const auto* list : {"containers", "initContainers"}) is_same = resize_containers(spec, array_at(now, list), list) && is_same;
    if (is_same) {
        if (field(now, "resources") != nullptr) spec["resources"] = now.at("resources");
        keep_all_but_spec(pod, before);
        pod["spec"] = std::move(spec);
    }
    auto& result = kubeclient::make_object(pod, "spec");
    default_pod_level_resources(result);
    drop_disabled_fields(result);
    count_generation(pod, before);
}

Causes validate_resize(const json::object& pod, const json::object& before) {
    Report report;
    const Path path("spec");
    const auto& spec = object_at(pod, "spec");
    const auto& old = object_at(before, "spec");
    const bool is_static = object_at(before, "metadata.annotations").contains(mirror_key);
    if (is_static || text(old, "os.name") == "windows") {
        report.forbidden(no_path, is_static ? "static pods cannot be resized" : "windows pods cannot be resized");
        return report.take();
    }
    check_pod(report, pod);
    const auto quality = text(before, "status.qosClass", qos_class_of(old));
    if (quality != qos_class_of(spec))
        report.invalid(path, json::value(text(pod, "status.qosClass")), "Pod QOS Class may not change as a result of resizing");
    if (!node_can_resize(before)) report.forbidden(path, "Pod running on node without support for resize");
    check_pod_level_resize(report, spec, old);
    if (!check_order(report, spec, old)) return report.take();
    check_container_resizes(report, spec, old);
    const bool is_other_without_amounts = !has_pod_level_amounts(spec) && !has_pod_level_amounts(old) &&
                                          (field(spec, "resources") == nullptr) != (field(old, "resources") == nullptr);
    if (report.is_empty() && is_other_without_amounts) report.forbidden(path, only_cpu_and_memory);
    return report.take();
}

}  // namespace services::kube::kinds
