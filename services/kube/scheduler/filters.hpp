// Which nodes a pod can run on: the filters of the default profile in their order, with the real texts. The first that
// refuses a node says why.
//
// Pure functions over a snapshot.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "services/kube/scheduler/snapshot.hpp"

namespace services::kube::scheduler {

struct Refusal {
    std::vector<std::string> reasons;
    bool is_helped_by_eviction = false;  // would fit if other pods went away (Unschedulable, not ...AndUnresolvable)
};

// Empty: the pod fits.
std::optional<Refusal> refusal_of(const json::object& pod, const NodeView& node, const Snapshot& snapshot);

bool tolerates(const json::object& pod, const json::object& taint);
// nodeSelector and the required node affinity.
bool is_selected(const json::object& pod, const json::object& node);
// A NodeSelectorTerm.
bool matches_term(const json::object& term, const json::object& node);

// "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: ..." `refusals`: one per node.
std::string explain(const json::object& pod, const std::vector<Refusal>& refusals);

}  // namespace services::kube::scheduler
