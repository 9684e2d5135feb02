// PATCH in its four forms: JSON patch, merge patch, strategic merge patch, and server-side apply. The result is written as
// an update; where another writer came in between and the patch names no resourceVersion, it is applied again.
#pragma once

#include "services/kube/api/api.hpp"

namespace services::kube::api {

Task<http::Response> patch(Api& api, ResourceRequest& request);

}  // namespace services::kube::api
