// Strategic merge patch: a merge patch that knows by the table which lists merge by which key, with the directives $patch
// (replace, merge, delete), $retainKeys, $setElementOrder/x and $deleteFromPrimitiveList/x. Pure. A directive is spent where
// it applies; below an object that is new it stays, as the real library leaves it, and is an unknown field then.
#pragma once

#include <string>

#include "services/kube/schema/patch.hpp"
#include "services/kube/schema/schema.hpp"

namespace services::kube::schema {

std::expected<json::object, PatchError> strategic_merge(const Type& type, json::object current, const json::object& patch);

// As Go's %v prints it: `map[a:1 b:[x y] c:<nil>]`, which some of Kubernetes' messages quote.
std::string go_print(const json::value& value);

}  // namespace services::kube::schema
