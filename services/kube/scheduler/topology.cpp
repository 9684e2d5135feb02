#include "services/kube/scheduler/topology.hpp"

#include <algorithm>
#include <map>

#include "services/kube/scheduler/filters.hpp"
#include "services/kubeclient/selectors.hpp"

namespace services::kube::scheduler {

using namespace kubeclient;

namespace {

constexpr std::string_view affinity_terms = "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution";
constexpr std::string_view anti_affinity_terms = "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution";

const json::object& labels_of(const json::object& object) { return object_at(object, "metadata.labels"); }

// Null when the node has no such label: it belongs to no domain.
const json::value* domain_of(const json::object& node, std::string_view key) { return labels_of(node).if_contains(key); }

// A PodAffinityTerm of `owner` selects `pod`.
bool selects(const json::object& term, const json::object& owner, const json::object& pod, const Snapshot& snapshot) {
    const auto space = namespace_of(pod);
    const auto& names = array_at(term, "namespaces");
    const auto* by_labels = field(term, "namespaceSelector");
    bool is_in_namespaces = std::ranges::any_of(names, [&](const json::value& name) { return as_text(name) == space; });
    if (by_labels != nullptr && !is_in_namespaces) {
        const auto labels = snapshot.namespace_labels.find(std::string(space));
        is_in_namespaces = labels != snapshot.namespace_labels.end() && LabelSelector::from_object(by_labels).matches(labels->second);
    }
    if (names.empty() && by_labels == nullptr) is_in_namespaces = space == namespace_of(owner);
    return is_in_namespaces && LabelSelector::from_object(field(term, "labelSelector")).matches(labels_of(pod));
}

// Some pod in `view`'s domain of `key` for which `wanted` holds.
template <class Wanted>
bool any_in_domain(const NodeView& view, std::string_view key, const Snapshot& snapshot, Wanted wanted) {
    const auto* domain = domain_of(*view.node, key);
    if (domain == nullptr) return false;
    return std::ranges::any_of(snapshot.nodes, [&](const NodeView& other) {
        const auto* there = domain_of(*other.node, key);
        return there != nullptr && *there == *domain &&
               std::ranges::any_of(other.pods, [&](const ObjectPtr& pod) { return wanted(*pod); });
    });
}

bool satisfies_affinity(const json::object& pod, const NodeView& view, const Snapshot& snapshot) {
    const auto& terms = array_at(pod, affinity_terms);
    if (terms.empty()) return true;
    // A pod counts only if it is selected by every term.
    const auto selected_by_all = [&](const json::object& other) {
        return std::ranges::all_of(terms, [&](const json::value& term) { return selects(as_object(term), pod, other, snapshot); });
    };
    bool is_satisfied = true, has_all_keys = true;
    for (const auto& entry : terms) {
        const auto key = text(as_object(entry), "topologyKey");
        has_all_keys &= domain_of(*view.node, key) != nullptr;
        is_satisfied &= any_in_domain(view, key, snapshot, selected_by_all);
    }
    if (is_satisfied) return true;
    // The first of a group that wants to be near itself has no one to be near to.
    const bool is_first = std::ranges::none_of(snapshot.nodes, [&](const NodeView& other) {
        return std::ranges::any_of(other.pods, [&](const ObjectPtr& there) { return selected_by_all(*there); });
    });
    return has_all_keys && is_first && selected_by_all(pod);
}

bool satisfies_anti_affinity(const json::object& pod, const NodeView& view, const Snapshot& snapshot) {
    return std::ranges::none_of(array_at(pod, anti_affinity_terms), [&](const json::value& entry) {
        const auto& term = as_object(entry);
        return any_in_domain(view, text(term, "topologyKey"), snapshot,
                             [&](const json::object& other) { return selects(term, pod, other, snapshot); });
    });
}

bool is_refused(const json::object& pod, const NodeView& view, const Snapshot& snapshot) {
    for (const auto& other : snapshot.nodes) {
        for (const auto& there : other.pods) {
            for (const auto& entry : array_at(*there, anti_affinity_terms)) {
                const auto& term = as_object(entry);
                const auto* domain = domain_of(*view.node, text(term, "topologyKey"));
                const auto* theirs = domain_of(*other.node, text(term, "topologyKey"));
                if (domain != nullptr && theirs != nullptr && *domain == *theirs && selects(term, *there, pod, snapshot)) return true;
            }
        }
    }
    return false;
}

// The constraint's selector, with the values of matchLabelKeys taken from the pod.
LabelSelector spread_selector(const json::object& constraint, const json::object& pod) {
    const auto* selector = field(constraint, "labelSelector");
    if (selector == nullptr) return LabelSelector::nothing();
    json::object whole = as_object(*selector);
    for (const auto& key : array_at(constraint, "matchLabelKeys"))
        if (const auto value = label(pod, as_text(key)); !value.empty()) make_object(whole, "matchLabels")[as_text(key)] = value;
    return LabelSelector::from_object(whole);
}

bool is_eligible(const json::object& constraint, const json::object& pod, const json::object& node) {
    if (text(constraint, "nodeAffinityPolicy", "Honor") == "Honor" && !is_selected(pod, node)) return false;
    if (text(constraint, "nodeTaintsPolicy", "Ignore") == "Ignore") return true;
    return std::ranges::all_of(array_at(node, "spec.taints"), [&](const json::value& taint) {
        return text(as_object(taint), "effect") == "PreferNoSchedule" || tolerates(pod, as_object(taint));
    });
}

bool is_skewed(const json::object& constraint, const json::object& pod, const NodeView& view, const Snapshot& snapshot) {
    const auto key = text(constraint, "topologyKey");
    const auto selector = spread_selector(constraint, pod);
    std::map<std::string, std::int64_t, std::less<>> counts;  // by domain
    for (const auto& other : snapshot.nodes) {
        const auto* domain = domain_of(*other.node, key);
        if (domain == nullptr || !is_eligible(constraint, pod, *other.node)) continue;
        counts[std::string(as_text(*domain))] += std::ranges::count_if(other.pods, [&](const ObjectPtr& there) {
            return namespace_of(*there) == namespace_of(pod) && !is_deleting(*there) && selector.matches(labels_of(*there));
        });
    }
    std::int64_t least = 0;
    if (!counts.empty() && static_cast<std::int64_t>(counts.size()) >= number(constraint, "minDomains", 1))
        least = std::ranges::min_element(counts, {}, [](const auto& count) { return count.second; })->second;
    const auto here = counts.find(as_text(*domain_of(*view.node, key)));
    const auto own = selector.matches(labels_of(pod)) ? 1 : 0;
    return (here == counts.end() ? 0 : here->second) + own - least > number(constraint, "maxSkew", 1);
}

}  // namespace

Neighbours neighbours_of(const json::object& pod, const NodeView& node, const Snapshot& snapshot) {
    if (!satisfies_affinity(pod, node, snapshot)) return Neighbours::missing;
    if (!satisfies_anti_affinity(pod, node, snapshot)) return Neighbours::unwanted;
    return is_refused(pod, node, snapshot) ? Neighbours::refused_by_them : Neighbours::fit;
}

Spread spread_of(const json::object& pod, const NodeView& node, const Snapshot& snapshot) {
    const auto& constraints = array_at(pod, "spec.topologySpreadConstraints");
    const auto must_hold = [](const json::value& entry) { return text(as_object(entry), "whenUnsatisfiable") == "DoNotSchedule"; };
    for (const auto& entry : constraints)
        if (must_hold(entry) && domain_of(*node.node, text(as_object(entry), "topologyKey")) == nullptr) return Spread::no_label;
    for (const auto& entry : constraints)
        if (must_hold(entry) && is_skewed(as_object(entry), pod, node, snapshot)) return Spread::skewed;
    return Spread::fits;
}

}  // namespace services::kube::scheduler
