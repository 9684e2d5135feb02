// Strategic merge patch: a merge patch that knows by the table which lists merge by which key, with the directives $patch
// (replace, merge, delete), $retainKeys, $setElementOrder/x and $deleteFromPrimitiveList/x. Pure; no schema, no directive
// is left in the result.
#pragma once

#include "services/kube/schema/patch.hpp"
#include "services/kube/schema/schema.hpp"

namespace services::kube::schema {

std::expected<json::object, PatchError> strategic_merge(const Type& type, json::object current, const json::object& patch);

}  // namespace services::kube::schema
