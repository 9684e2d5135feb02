// Whether a pod's PersistentVolumeClaims let it be placed: each must be there and bound, or wait for its first consumer
// (then the chosen node is written into the claim, for whoever provisions the volume there).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "services/kubeclient/informer.hpp"

namespace services::kube::scheduler {

using kubeclient::ObjectPtr;

struct Claims {
    std::optional<std::string> problem;  // why no node can take the pod
    std::vector<ObjectPtr> unbound;      // wait for a node
};

Claims claims_of(const kubeclient::json::object& pod, const kubeclient::Informer& claims, const kubeclient::Informer& classes);
// True when the claim was given this node already.
bool is_selected_for(const kubeclient::json::object& claim, std::string_view node);

inline constexpr std::string_view selected_node_annotation = "volume.kubernetes.io/selected-node";

}  // namespace services::kube::scheduler
