// The operations on objects that server-side apply is made of, as structured-merge-diff does them: check a configuration
// against the table, merge it into the live object, take fields out again.
//
// Pure. Depth is bounded by the decoders.
#pragma once

#include <string>

#include "services/kube/schema/field_set.hpp"
#include "services/kube/schema/field_walk.hpp"

namespace services::kube::schema {

// Empty, or what is wrong with a configuration: `.spec.bogus: field not declared in schema`.
std::string configuration_error(const Type& type, const json::object& config);

// `config` has no duplicate keys in its lists (see above); those of `live` are kept.
json::object merge_configuration(const Type& type, const json::object& live, const json::object& config);

// Takes the members of `unwanted` out. What is left empty becomes null.
json::object without_items(const Type& type, const json::object& object, const FieldSet& unwanted);

// Every declared field that has members below is made a member itself.
FieldSet with_named_fields(const Type& type, FieldSet set);

}  // namespace services::kube::schema
