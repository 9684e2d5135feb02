// What a scheduling decision looks at: the nodes with the pods on them, as of one moment.
//
// Taken per decision from the caches; cheap for the number of pods one box runs. Owns nothing but shared objects.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "services/kube/scheduler/resources.hpp"
#include "services/kubeclient/informer.hpp"

namespace services::kube::scheduler {

using kubeclient::ObjectPtr;

struct NodeView {
    ObjectPtr node;
    std::vector<ObjectPtr> pods;  // not finished
    Amounts allocatable, requested, scoring_requested;
};

struct Snapshot {
    std::vector<NodeView> nodes;
    std::unordered_map<std::string, json::object> namespace_labels;
};

// `assumed`: pods bound a moment ago whose nodeName the cache does not show yet, by key.
Snapshot take_snapshot(const kubeclient::Informer& nodes, const kubeclient::Informer& pods, const kubeclient::Informer& namespaces,
                       const std::unordered_map<std::string, std::string>& assumed);

}  // namespace services::kube::scheduler
