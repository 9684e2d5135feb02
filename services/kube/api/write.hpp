// Creating and updating: what the real server's handlers and its generic registry do between a decoded object and the
// store, in their order: defaults, managed fields, admission, the kind's preparation, validation, the write.
#pragma once

#include <string>

#include "services/kube/api/objects.hpp"
#include "services/kube/schema/managed_fields.hpp"

namespace services::kube::api {

Task<http::Response> create(Api& api, ResourceRequest& request);
Task<http::Response> update(Api& api, ResourceRequest& request);

// A new object, from its defaults to the store.
Task<json::object> create_object(Api& api, ResourceRequest& request, const kinds::Kind& kind, json::object object);

// One attempt to write `object` in place of `before`. Throws StatusError Conflict when somebody was faster. An update that
// changes nothing writes nothing; one that takes the last finalizer of what is being deleted deletes it.
// `is_applied`: managedFields are in the object already (server-side apply).
Task<json::object> update_object(Api& api, ResourceRequest& request, const kinds::Kind& kind, Stored before, json::object object,
                                 bool is_applied = false);

// Who writes what, as managed fields name it.
schema::Tracking tracking_of(const Api& api, const ResourceRequest& request, const kinds::Kind& kind);

// The object's defaults: the schema's, then the kind's.
void apply_defaults(const kinds::Kind& kind, json::object& object);

// metadata, made where missing.
json::object& metadata_of(json::object& object);

}  // namespace services::kube::api
