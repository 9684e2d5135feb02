// Discovery (/api, /apis, /api/v1, /apis/GROUP/VERSION, /version) and OpenAPI (/openapi/v3..., /openapi/v2) as routes,
// made from the kinds table and the schemas. Owns no state: a document is made when it is asked for. Who may ask is the
// caller's decision.
#pragma once

#include "services/http/server.hpp"

namespace services::kube::discovery {

void add_routes(http::Router& router);

}  // namespace services::kube::discovery
