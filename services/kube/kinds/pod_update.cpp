// Pod updates: few fields may change once a pod exists; a refused change is shown as the difference between the specs.
#include <algorithm>
#include <format>
#include <limits>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "services/kube/kinds/names.hpp"
#include "services/kube/kinds/pod_checks.hpp"
#include "services/kube/kinds/pod_spec_checks.hpp"
#include "services/kube/kinds/pod_spec_diff.hpp"
#include "services/kube/kinds/pod_spec_go_form.hpp"
#include "services/kube/kinds/pod_spec_members.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {

namespace {

using kubeclient::array_at;
using kubeclient::as_object;
using kubeclient::field;
using kubeclient::number;
using kubeclient::object_at;
using kubeclient::text;

constexpr std::string_view changeable =
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions "
    "to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

// False when the update need not be looked at further.
bool check_images(Report& report, const Path& path, const json::array& now, const json::array& before) {
    if (now.size() != before.size()) {
        report.forbidden(path, "pod updates may not add or remove containers");
        return false;
    }
    std::size_t at = 0;
    for (const auto& container : now) {
        const auto container_path = path.index(at++);
        if (text(as_object(container), "image").empty()) report.required(container_path.child("image"));
        check_no_padded_image(report, container_path, as_object(container));
    }
    return true;
}

// It may be set, and lowered.
bool check_deadline(Report& report, const Path& path, const json::object& now, const json::object& before) {
    const auto* value = field(now, "activeDeadlineSeconds");
    const auto* old = field(before, "activeDeadlineSeconds");
    if (value == nullptr) {
        if (old != nullptr) report.invalid(path, nullptr, "must not update from a positive integer to nil value");
        return true;
    }
    const auto seconds = number(now, "activeDeadlineSeconds");
    constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
    if (seconds < 0 || seconds > most) {
        report.invalid(path, *value, range_message(0, most));
        return false;
    }
    if (old != nullptr && number(before, "activeDeadlineSeconds") < seconds) {
        report.invalid(path, *value, "must be less than or equal to previous value");
        return false;
    }
    return true;
}

// A toleration but for its seconds.
std::string identity_of(const json::value& toleration) {
    std::string out;
    for (const auto* name : {"key", "operator", "value", "effect"}) out.append(text(as_object(toleration), name)).push_back('\0');
    return out;
}

void check_added_tolerations(Report& report, const Path& path, const json::array& now, const json::array& before) {
    std::unordered_set<std::string> kept;
    for (const auto& toleration : now) kept.insert(identity_of(toleration));
    for (const auto& old : before) {
        if (!kept.contains(identity_of(old))) return report.forbidden(path, "existing toleration can not be modified except its tolerationSeconds");
    }
    check_tolerations(report, path, now);
}

void check_removed_gates(Report& report, const Path& path, const json::array& now, const json::array& before) {
    std::unordered_set<std::string_view> old;
    for (const auto& gate : before) old.insert(text(as_object(gate), "name"));
    std::unordered_map<std::string_view, std::size_t> added;  // of gates of one name the last one is reported
    for (std::size_t at = 0; at < now.size(); ++at)
        if (const auto name = text(as_object(now[at]), "name"); !old.contains(name)) added[name] = at;
    for (std::size_t at = 0; at < now.size(); ++at) {
        const auto name = text(as_object(now[at]), "name");
        if (const auto found = added.find(name); found != added.end() && found->second == at)
            report.forbidden(path.index(at).child("name"), std::format("only deletion is allowed, but found new scheduling gate '{}'", name));
    }
}

// A pod that still waits at a gate may be narrowed down to fewer nodes.
bool has_only_additions(const json::object& now, const json::object& before) {
    const auto begins_with = [](const json::array& list, const json::array& start) {
        return list.size() >= start.size() && std::ranges::equal(start, std::span(list).first(start.size()));
    };
    const auto& labels = array_at(before, "matchExpressions");
    const auto& fields = array_at(before, "matchFields");
    if (labels.empty() && fields.empty())
        return array_at(now, "matchExpressions").empty() && array_at(now, "matchFields").empty();
    return begins_with(array_at(now, "matchExpressions"), labels) && begins_with(array_at(now, "matchFields"), fields);
}

void check_gated_affinity(Report& report, const Path& path, const json::object& now, const json::object& before) {
    constexpr auto terms_of = "requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
    if (field(before, "requiredDuringSchedulingIgnoredDuringExecution") == nullptr) return;
    const auto& old_terms = array_at(before, terms_of);
    const auto& terms = array_at(now, terms_of);
    const auto terms_path = path.child("requiredDuringSchedulingIgnoredDuringExecution").child("nodeSelectorTerms");
    if (!old_terms.empty() && old_terms.size() != terms.size())
        return report.invalid(terms_path, terms.empty() ? json::value() : go_list_form("NodeSelectorTerm", terms),
                              "no additions/deletions to non-empty NodeSelectorTerms list are allowed");
    for (std::size_t at = 0; at < old_terms.size(); ++at)
        if (!has_only_additions(as_object(terms[at]), as_object(old_terms[at])))
            report.invalid(terms_path.index(at), go_form("NodeSelectorTerm", terms[at]),
                           "only additions are allowed (no mutations or deletions)");
}

void put_back(json::object& spec, const json::object& before, std::string_view name) {
    if (const auto* old = before.if_contains(name)) spec[name] = *old;
    else spec.erase(name);
}

// Checks what a gated pod may change, then puts it back in `spec`.
void settle_gated(Report& report, json::object& spec, const json::object& before) {
    const Path path("spec");
    const auto& selector = object_at(spec, "nodeSelector");
    for (const auto& entry : object_at(before, "nodeSelector")) {
        const auto* value = selector.if_contains(entry.key());
        if (value != nullptr && *value == entry.value()) continue;
        report.invalid(path.child("nodeSelector"), field(spec, "nodeSelector") == nullptr ? json::value() : json::value(selector),
                       "only additions to spec.nodeSelector are allowed (no mutations or deletions)");
        break;
    }
    put_back(spec, before, "nodeSelector");
    const auto& old_affinity = object_at(before, "affinity.nodeAffinity");
    if (object_at(spec, "affinity.nodeAffinity") == old_affinity) return;
    check_gated_affinity(report, path.child("affinity").child("nodeAffinity"), object_at(spec, "affinity.nodeAffinity"), old_affinity);
    auto& affinity = kubeclient::make_object(spec, "affinity");
    put_back(affinity, object_at(before, "affinity"), "nodeAffinity");
    if (affinity.empty() && field(before, "affinity") == nullptr) spec.erase("affinity");
}

void put_back_images(json::object& spec, const json::object& before, std::string_view list) {
    std::size_t at = 0;
    for_each_object(spec, list, [&](json::object& container) {
        put_back(container, as_object(array_at(before, list)[at++]), "image");
    });
}

}  // namespace

Causes validate_pod_update(const json::object& pod, const json::object& before) {
    Report report;
    check_pod(report, pod);
    check_annotation_changes(report, pod, before);
    const Path path("spec");
    const auto& spec = object_at(pod, "spec");
    const auto& old = object_at(before, "spec");
    for (const auto* list : {"containers", "initContainers"})
        if (!check_images(report, path.child(list), array_at(spec, list), array_at(old, list))) return report.take();
    if (!check_deadline(report, path.child("activeDeadlineSeconds"), spec, old)) return report.take();
    check_added_tolerations(report, path.child("tolerations"), array_at(spec, "tolerations"), array_at(old, "tolerations"));
    check_removed_gates(report, path.child("schedulingGates"), array_at(spec, "schedulingGates"), array_at(old, "schedulingGates"));
    if (spec == old) return report.take();

    // What may change is put back; anything that still differs is refused.
    auto rest = spec;
    for (const auto* list : {"containers", "initContainers"}) put_back_images(rest, old, list);
    for (const auto* name : {"activeDeadlineSeconds", "schedulingGates", "tolerations"}) put_back(rest, old, name);
    if (number(old, "terminationGracePeriodSeconds") < 0 && number(rest, "terminationGracePeriodSeconds") == 1)
        put_back(rest, old, "terminationGracePeriodSeconds");
    if (!array_at(old, "schedulingGates").empty()) settle_gated(report, rest, old);
    if (rest != old)
        report.forbidden(path, std::format("pod updates may not change fields other than {}\n{}", changeable,
                                           unified_diff(go_indented(go_form("PodSpec", old)), go_indented(go_form("PodSpec", rest)))));
    return report.take();
}

}  // namespace services::kube::kinds
