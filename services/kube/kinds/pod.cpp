// Pod: what create and update set and keep, and validation of what is created.
#include <algorithm>
#include <format>
#include <string>

#include "services/kube/kinds/names.hpp"
#include "services/kube/kinds/pod_admission.hpp"
#include "services/kube/kinds/pod_checks.hpp"
#include "services/kube/kinds/pod_spec.hpp"
#include "services/kube/kinds/pod_spec_checks.hpp"
#include "services/kube/kinds/pod_spec_defaults.hpp"
#include "services/kube/kinds/pod_spec_members.hpp"
#include "services/kube/kinds/pod_spec_resources.hpp"
#include "services/kube/kinds/rules.hpp"
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

constexpr std::string_view apparmor_prefix = "container.apparmor.security.beta.kubernetes.io/";
constexpr std::string_view mirror_key = "kubernetes.io/config.mirror";

// Adds `key op (label)` to the term's selector for each key that the pod has as a label.
void select_own_labels(json::object& term, const json::object& labels, std::string_view keys, std::string_view op) {
    auto* selector = object_member(term, "labelSelector");
    if (selector == nullptr) return;
    for (const auto& key : array_at(term, keys)) {
        const auto* value = labels.if_contains(as_text(key));
        if (value == nullptr) continue;
        if (array_member(*selector, "matchExpressions") == nullptr) (*selector)["matchExpressions"] = json::array();
        array_member(*selector, "matchExpressions")
            ->push_back(json::object{{"key", key}, {"operator", op}, {"values", json::array{*value}}});
    }
}

void merge_label_keys(json::object& spec, const json::object& labels) {
    const auto merge = [&](json::object& term) {
        select_own_labels(term, labels, "matchLabelKeys", "In");
        select_own_labels(term, labels, "mismatchLabelKeys", "NotIn");
    };
    if (auto* affinity = object_member(spec, "affinity")) {
        for (const auto* name : {"podAffinity", "podAntiAffinity"}) {
            auto* terms = object_member(*affinity, name);
            if (terms == nullptr) continue;
            for_each_object(*terms, "preferredDuringSchedulingIgnoredDuringExecution", [&](json::object& weighted) {
                if (auto* term = object_member(weighted, "podAffinityTerm")) merge(*term);
            });
            for_each_object(*terms, "requiredDuringSchedulingIgnoredDuringExecution", merge);
        }
    }
    for_each_object(spec, "topologySpreadConstraints",
                    [&](json::object& constraint) { select_own_labels(constraint, labels, "matchLabelKeys", "In"); });
}

// An AppArmor annotation of older times becomes the field, unless the pod as a whole says the same.
void adopt_apparmor_annotations(json::object& spec, const json::object& annotations) {
    if (text(spec, "os.name") == "windows") return;
    for_each_container(spec, [&](json::object& container) {
        const auto* annotation = annotations.if_contains(std::format("{}{}", apparmor_prefix, text(container, "name")));
        if (annotation == nullptr || field(container, "securityContext.appArmorProfile") != nullptr) return;
        const auto profile = apparmor_profile_of(as_text(*annotation));
        const auto* of_pod = field(spec, "securityContext.appArmorProfile");
        if (profile && (of_pod == nullptr || *of_pod != json::value(*profile)))
            kubeclient::make_object(container, "securityContext")["appArmorProfile"] = *profile;
    });
}

void prepare_create(json::object& pod) {
    auto& metadata = kubeclient::make_object(pod, "metadata");
    metadata["generation"] = 1;
    drop_disabled_annotations(metadata);
    pod["status"] = json::object{{"phase", "Pending"}};
    auto& spec = kubeclient::make_object(pod, "spec");
    drop_disabled_fields(spec);
    merge_label_keys(spec, object_at(pod, "metadata.labels"));
    adopt_apparmor_annotations(spec, object_at(pod, "metadata.annotations"));
    default_pod_level_resources(spec);
    auto& status = kubeclient::make_object(pod, "status");
    if (!array_at(pod, "spec.schedulingGates").empty()) {
        json::object condition{{"type", "PodScheduled"},
                               {"status", "False"},
                               {"reason", "SchedulingGated"},
                               {"message", "Scheduling is blocked due to non-empty scheduling gates"}};
        if (const auto* now = field(pod, "metadata.creationTimestamp")) condition["lastTransitionTime"] = *now;
        status["conditions"] = json::array{std::move(condition)};
    }
    status["qosClass"] = qos_class_of(object_at(pod, "spec"));
}

void prepare_update(json::object& pod, const json::object& before) {
    pod["status"] = object_at(before, "status");
    admit_pod_update(pod, before);
    auto& spec = kubeclient::make_object(pod, "spec");
    const auto& old_spec = object_at(before, "spec");
    // Clients from before pod-level resources do not send them back.
    if (const auto* resources = field(old_spec, "resources"); resources != nullptr && field(spec, "resources") == nullptr)
        spec["resources"] = *resources;
    drop_disabled_fields(spec);
    auto& metadata = kubeclient::make_object(pod, "metadata");
    drop_disabled_annotations(metadata);
    const auto generation = number(before, "metadata.generation");
    metadata["generation"] = generation + (object_at(pod, "spec") == old_spec ? 0 : 1);
}

Causes validate(const json::object& pod) {
    Report report;
    check_pod(report, pod);
    const Path spec_path("spec");
    const auto& spec = object_at(pod, "spec");
    const auto& annotations = object_at(pod, "metadata.annotations");
    if (!array_at(spec, "ephemeralContainers").empty())
        report.forbidden(spec_path.child("ephemeralContainers"), "cannot be set on create");
    if (!text(spec, "nodeName").empty() && !array_at(spec, "schedulingGates").empty())
        report.forbidden(spec_path.child("nodeName"), "cannot be set until all schedulingGates have been cleared");
    check_seccomp_agreement(report, spec_path, annotations, spec);
    check_apparmor_agreement(report, spec_path, annotations, spec);
    return report.take();
}

std::vector<std::string> warnings(const json::object& pod) {
    // Updates of pods come from machines: the real server says nothing. Only what is stored has a version.
    if (!text(pod, "metadata.resourceVersion").empty()) return {};
    auto out = host_name_warnings(kubeclient::name_of(pod), "the Pod's hostname");
    std::ranges::move(pod_warnings(Path(), pod), std::back_inserter(out));
    return out;
}

}  // namespace

void check_pod(Report& report, const json::object& pod) {
    const Path spec_path("spec");
    const auto& spec = object_at(pod, "spec");
    check_pod_annotations(report, Path("metadata.annotations"), object_at(pod, "metadata.annotations"), spec);
    check_pod_spec(report, spec_path, spec, &object_at(pod, "metadata"));
    if (text(spec, "serviceAccountName").empty()) {
        std::size_t at = 0;
        for (const auto& volume : array_at(spec, "volumes")) {
            const auto sources_path = spec_path.child("volumes").index(at++).child("projected").child("sources");
            std::size_t source_at = 0;
            for (const auto& source : array_at(as_object(volume), "projected.sources")) {
                const auto token_path = sources_path.index(source_at++).child("serviceAccountToken");
                if (field(as_object(source), "serviceAccountToken") != nullptr)
                    report.forbidden(token_path, "must not be specified when serviceAccountName is not set");
            }
        }
    }
    if (const auto grace = number(spec, "terminationGracePeriodSeconds"); grace < 0)
        report.invalid(spec_path.child("terminationGracePeriodSeconds"), grace, negative_message);
    for (const auto* list : {"containers", "initContainers"}) {
        std::size_t at = 0;
        for (const auto& container : array_at(spec, list))
            check_no_padded_image(report, spec_path.child(list).index(at++), as_object(container));
    }
}

void check_annotation_changes(Report& report, const json::object& pod, const json::object& before) {
    const Path path("metadata.annotations");
    const auto& now = object_at(pod, "metadata.annotations");
    const auto& old = object_at(before, "metadata.annotations");
    const auto refuse = [&](std::string_view key, std::string_view verb) {
        if (key.starts_with(apparmor_prefix)) report.forbidden(path.key(key), std::format("may not {} AppArmor annotations", verb));
        if (key == mirror_key) report.forbidden(path.key(key), std::format("may not {} mirror pod annotation", verb));
    };
    for (const auto& member : old)
        if (const auto* value = now.if_contains(member.key()); value == nullptr || *value != member.value())
            refuse(member.key(), "remove or update");
    for (const auto& member : now)
        if (!old.contains(member.key())) refuse(member.key(), "add");
    check_pod_annotations(report, path, now, object_at(pod, "spec"));
}

const Rules& pod_rules() {
    static constexpr Rules rules{.apply_defaults = default_pod,
                                 .prepare_create = prepare_create,
                                 .prepare_update = prepare_update,
                                 .validate = validate,
                                 .validate_update = validate_pod_update,
                                 .validate_status = validate_pod_status,
                                 .warnings = warnings,
                                 .prepare_status = prepare_pod_status};
    return rules;
}

}  // namespace services::kube::kinds
