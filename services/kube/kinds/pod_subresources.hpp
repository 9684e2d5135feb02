// Writes of pods/ephemeralcontainers and pods/resize: what of the client's object counts, and what of it is refused. The API
// calls prepare_ first and stores the result when validate_ finds no cause.
//
// Pure.
#pragma once

#include "services/kube/kinds/kind.hpp"

namespace services::kube::kinds {

// Of `pod` only spec.ephemeralContainers counts; those that exist stay as they are.
void prepare_ephemeral_containers(json::object& pod, const json::object& before);
Causes validate_ephemeral_containers(const json::object& pod, const json::object& before);

// Of `pod` only resources and resize policies of containers count, and resources of the pod as a whole.
void prepare_resize(json::object& pod, const json::object& before);
Causes validate_resize(const json::object& pod, const json::object& before);

}  // namespace services::kube::kinds
