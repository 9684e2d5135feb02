// How well a node fits a pod that could run there: room left (least allocated), evenly used (balanced allocation),
// preferred node affinity, and taints that would rather not have it. 0 to 100 each, with the default weights.
#pragma once

#include <vector>

#include "services/kube/scheduler/snapshot.hpp"

namespace services::kube::scheduler {

// The index into `fitting` of the best node; of equal ones the first by name. `fitting` must not be empty.
std::size_t best_of(const json::object& pod, const std::vector<const NodeView*>& fitting);

}  // namespace services::kube::scheduler
