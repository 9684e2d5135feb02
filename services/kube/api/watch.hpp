// Watches (trap 5): changes of a selection as one JSON object a line, from a revision on, or after the objects that are
// there now; bookmarks; what leaves a selector is DELETED, what enters it ADDED.
//
// Bounded: a stream holds one page of initial objects or one change; the store keeps what a slow reader has not seen yet.
#pragma once

#include "services/kube/api/api.hpp"

namespace services::kube::api {

Task<http::Response> watch(Api& api, ResourceRequest& request);

}  // namespace services::kube::api
