#include "services/kube/scheduler/filters.hpp"

#include <algorithm>
#include <set>

#include "services/kube/scheduler/topology.hpp"
#include "services/kubeclient/selectors.hpp"

namespace services::kube::scheduler {

using namespace kubeclient;

namespace {

Refusal unresolvable(std::string reason) { return {.reasons = {std::move(reason)}, .is_helped_by_eviction = false}; }

std::optional<Refusal> by_unschedulable(const json::object& pod, const NodeView& view, const Snapshot&) {
    if (!flag(*view.node, "spec.unschedulable")) return std::nullopt;
    if (tolerates(pod, {{"key", "node.kubernetes.io/unschedulable"}, {"effect", "NoSchedule"}})) return std::nullopt;
    return unresolvable("node(s) were unschedulable");
}

std::optional<Refusal> by_taints(const json::object& pod, const NodeView& view, const Snapshot&) {
    for (const auto& entry : array_at(*view.node, "spec.taints")) {
        const auto& taint = as_object(entry);
        if (text(taint, "effect") != "PreferNoSchedule" && !tolerates(pod, taint))
            return unresolvable("node(s) had untolerated taint(s)");
    }
    return std::nullopt;
}

std::optional<Refusal> by_affinity(const json::object& pod, const NodeView& view, const Snapshot&) {
    if (is_selected(pod, *view.node)) return std::nullopt;
    return unresolvable("node(s) didn't match Pod's node affinity/selector");
}

struct HostPort {
    std::string ip, protocol;
    std::int64_t port;
};

std::vector<HostPort> host_ports(const json::object& pod) {
    std::vector<HostPort> found;
    for (const auto list : {"spec.containers", "spec.initContainers"}) {
        for (const auto& entry : array_at(pod, list)) {
            const auto& container = as_object(entry);
            // Init containers that end free their ports; those that go on keep them.
            if (std::string_view(list) == "spec.initContainers" && text(container, "restartPolicy") != "Always") continue;
            for (const auto& item : array_at(container, "ports")) {
                const auto& port = as_object(item);
                if (number(port, "hostPort") == 0) continue;
                found.push_back({std::string(text(port, "hostIP", "0.0.0.0")), std::string(text(port, "protocol", "TCP")),
                                 number(port, "hostPort")});
            }
        }
    }
    return found;
}

bool do_conflict(const HostPort& left, const HostPort& right) {
    const auto is_any = [](const std::string& ip) { return ip.empty() || ip == "0.0.0.0" || ip == "::"; };
    return left.port == right.port && left.protocol == right.protocol &&
           (is_any(left.ip) || is_any(right.ip) || left.ip == right.ip);
}

std::optional<Refusal> by_ports(const json::object& pod, const NodeView& view, const Snapshot&) {
    const auto wanted = host_ports(pod);
    if (wanted.empty()) return std::nullopt;
    for (const auto& other : view.pods)
        for (const auto& used : host_ports(*other))
            for (const auto& port : wanted)
                if (do_conflict(port, used))
                    return Refusal{.reasons = {"node(s) didn't have free ports for the requested pod ports"},
                                   .is_helped_by_eviction = true};
    return std::nullopt;
}

std::optional<Refusal> by_resources(const json::object& pod, const NodeView& view, const Snapshot&) {
    Refusal refusal{.reasons = {}, .is_helped_by_eviction = true};
    if (static_cast<std::int64_t>(view.pods.size()) + 1 > amount(view.allocatable, "pods")) refusal.reasons.emplace_back("Too many pods");
    for (const auto& [name, wanted] : requests(pod)) {
        const auto there = amount(view.allocatable, name);
        if (wanted == 0 || wanted <= there - amount(view.requested, name)) continue;
        refusal.reasons.push_back("Insufficient " + name);
        if (wanted > there) refusal.is_helped_by_eviction = false;
    }
    return refusal.reasons.empty() ? std::nullopt : std::optional(refusal);
}

std::optional<Refusal> by_spread(const json::object& pod, const NodeView& view, const Snapshot& snapshot) {
    switch (spread_of(pod, view, snapshot)) {
        case Spread::fits: return std::nullopt;
        case Spread::no_label:
            return unresolvable("node(s) didn't match pod topology spread constraints (missing required label)");
        case Spread::skewed:
            return Refusal{.reasons = {"node(s) didn't match pod topology spread constraints"}, .is_helped_by_eviction = true};
    }
    return std::nullopt;
}

std::optional<Refusal> by_other_pods(const json::object& pod, const NodeView& view, const Snapshot& snapshot) {
    switch (neighbours_of(pod, view, snapshot)) {
        case Neighbours::fit: return std::nullopt;
        case Neighbours::missing: return unresolvable("node(s) didn't match pod affinity rules");
        case Neighbours::unwanted:
            return Refusal{.reasons = {"node(s) didn't match pod anti-affinity rules"}, .is_helped_by_eviction = true};
        case Neighbours::refused_by_them:
            return Refusal{.reasons = {"node(s) didn't satisfy existing pods anti-affinity rules"}, .is_helped_by_eviction = true};
    }
    return std::nullopt;
}

using Filter = std::optional<Refusal> (*)(const json::object&, const NodeView&, const Snapshot&);
constexpr Filter filters[] = {by_unschedulable, by_taints, by_affinity, by_ports, by_resources, by_spread, by_other_pods};

// matchFields knows metadata.name alone.
json::object fields_of(const json::object& node) { return {{"metadata.name", name_of(node)}}; }

// "1 Insufficient cpu, 2 Too many pods": counted, in order of the text.
std::string histogram(const std::map<std::string, std::size_t>& reasons) {
    std::set<std::string> parts;
    for (const auto& [reason, count] : reasons) parts.insert(std::to_string(count) + " " + reason);
    std::string found;
    for (const auto& part : parts) found.append(found.empty() ? "" : ", ").append(part);
    return found;
}

}  // namespace

std::optional<Refusal> refusal_of(const json::object& pod, const NodeView& node, const Snapshot& snapshot) {
    for (const auto filter : filters)
        if (auto refusal = filter(pod, node, snapshot)) return refusal;
    return std::nullopt;
}

bool tolerates(const json::object& pod, const json::object& taint) {
    return std::ranges::any_of(array_at(pod, "spec.tolerations"), [&](const json::value& entry) {
        const auto& toleration = as_object(entry);
        const auto effect = text(toleration, "effect"), key = text(toleration, "key");
        if (!effect.empty() && effect != text(taint, "effect")) return false;
        if (!key.empty() && key != text(taint, "key")) return false;
        if (text(toleration, "operator") == "Exists") return true;
        return !key.empty() && text(toleration, "value") == text(taint, "value");
    });
}

bool matches_term(const json::object& term, const json::object& node) {
    const auto& expressions = array_at(term, "matchExpressions");
    const auto& fields = array_at(term, "matchFields");
    if (expressions.empty() && fields.empty()) return false;  // an empty term selects nothing
    const auto hold = [](const std::vector<Requirement>& requirements, const json::object& values) {
        return std::ranges::all_of(requirements, [&](const Requirement& requirement) { return requirement.matches(values); });
    };
    return hold(requirements_of(expressions), object_at(node, "metadata.labels")) && hold(requirements_of(fields), fields_of(node));
}

bool is_selected(const json::object& pod, const json::object& node) {
    if (!LabelSelector::from_map(object_at(pod, "spec.nodeSelector")).matches(object_at(node, "metadata.labels"))) return false;
    const auto* required = field(pod, "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution");
    if (required == nullptr) return true;
    return std::ranges::any_of(array_at(as_object(*required), "nodeSelectorTerms"),
                               [&](const json::value& term) { return matches_term(as_object(term), node); });
}

std::string explain(const json::object& pod, const std::vector<Refusal>& refusals) {
    if (refusals.empty()) return "no nodes available to schedule pods";
    const auto available = "0/" + std::to_string(refusals.size()) + " nodes are available: ";
    std::map<std::string, std::size_t> reasons, evictions;
    for (const auto& refusal : refusals) {
        for (const auto& reason : refusal.reasons) ++reasons[reason];
        ++evictions[refusal.is_helped_by_eviction ? "No preemption victims found for incoming pod"
                                                  : "Preemption is not helpful for scheduling"];
    }
    const auto preemption = text(pod, "spec.preemptionPolicy") == "Never" ? "not eligible due to preemptionPolicy=Never."
                                                                           : available + histogram(evictions) + ".";
    return available + histogram(reasons) + ". preemption: " + preemption;
}

}  // namespace services::kube::scheduler
