// Rules about where other pods are: required pod affinity and anti-affinity (both ways) and topology spread constraints
// that must hold (DoNotSchedule).
//
// Pure functions over a snapshot.
#pragma once

#include "services/kube/scheduler/snapshot.hpp"

namespace services::kube::scheduler {

enum class Neighbours { fit, missing, unwanted, refused_by_them };
Neighbours neighbours_of(const json::object& pod, const NodeView& node, const Snapshot& snapshot);

enum class Spread { fits, no_label, skewed };
Spread spread_of(const json::object& pod, const NodeView& node, const Snapshot& snapshot);

}  // namespace services::kube::scheduler
