// Deleting (rest.BeforeDelete and the generic registry's Delete): preconditions, the grace of pods, finalizers, what
// becomes of dependents, namespaces that end in two steps, and collections.
#pragma once

#include "services/kube/api/objects.hpp"

namespace services::kube::api {

// DELETE of one object and of a collection.
Task<http::Response> remove(Api& api, ResourceRequest& request);
Task<http::Response> remove_collection(Api& api, ResourceRequest& request);

struct DeleteOptions {
    std::optional<std::int64_t> grace_seconds;
    std::string uid, revision;          // preconditions; "" = none
    std::string propagation;            // Background, Foreground, Orphan; "" = the kind's default
    std::optional<bool> orphan_dependents;
};
// From the body or the query; StatusError 400, 415, 422.
DeleteOptions delete_options(ResourceRequest& request);

struct Removed {
    json::object object;     // as it is now, or its last state
    bool is_gone = false;    // else it waits for a grace period or finalizers
};
// One object by its rules; used by eviction too. StatusError 404, 409.
Task<Removed> remove_object(Api& api, ResourceRequest& request, const kinds::Kind& kind, std::string name_space, std::string name,
                            DeleteOptions options);

// True when this update lets go what was being deleted: no finalizer is left and no grace period runs.
bool ends_by_update(const kinds::Kind& kind, const json::object& object, const json::object& before);

// Takes it out of the store and gives back what it held; returns its last state.
Task<json::object> erase_object(Api& api, const ResourceRequest& request, const kinds::Kind& kind, json::object object, store::Revision expected);

}  // namespace services::kube::api
