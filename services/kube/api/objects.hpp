// Objects in the store, read and written for handlers: the one place that knows how an object becomes a record. Stored
// texts are in the stored kind's form (kinds::Kind::stored_as), without kind and apiVersion, with metadata.resourceVersion.
#pragma once

#include <functional>
#include <optional>

#include "services/kube/api/api.hpp"

namespace services::kube::api {

// An object as a handler sees it: in the request's form, without kind and apiVersion.
struct Stored {
    json::object object;
    store::Revision revision = 0;
};

store::Key key_of(const kinds::Kind& kind, std::string_view name_space, std::string_view name);
// The text of a record as it is stored, and in the form of `kind`. As deep as a client may have written it.
json::object read_stored(const std::string& text);
json::object read_value(const kinds::Kind& kind, const std::string& text);

// Empty when absent.
Task<std::optional<Stored>> find_object(Api& api, const kinds::Kind& kind, std::string_view name_space, std::string_view name);
// StatusError NotFound when absent.
Task<Stored> load_object(Api& api, const kinds::Kind& kind, std::string_view name_space, std::string_view name);

// Writes `object` as it is (what create and update prepared); returns it with its resourceVersion. `expected`: 0 = must
// not exist. Under dry run nothing is stored. `is_chatter`: relaxed, though the kind is durable.
Task<json::object> store_object(Api& api, const ResourceRequest& request, const kinds::Kind& kind, json::object object,
                                store::Revision expected, bool is_chatter = false);

// What a subresource does to its object: reads it, lets `change` alter it (it may throw StatusError), and writes it with
// the kind's update rules, managed fields (request.subresource) and validation; again on a conflict with another writer
// unless the change itself names a resourceVersion. Returns what was stored.
using Change = std::function<void(json::object& object)>;
Task<json::object> modify_object(Api& api, ResourceRequest& request, const kinds::Kind& kind, std::string name_space,
                                 std::string name, Change change);

// The body, decoded as `gvk` by its Content-Type (JSON, YAML, protobuf), strictness by fieldValidation; StatusError 400,
// 415. For subresources whose body is of another kind than the object (Scale, Binding, TokenRequest).
json::object decode_body(ResourceRequest& request, const schema::GroupVersionKind& gvk);

// An answer in the form that Accept asks for: JSON, protobuf, Table or PartialObjectMetadata. `object` is without kind and
// apiVersion, `gvk` states them.
http::Response object_response(const Api& api, const ResourceRequest& request, unsigned code, const schema::GroupVersionKind& gvk,
                               json::object object);

}  // namespace services::kube::api
