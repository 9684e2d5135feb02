// Discovery (/api, /apis, /api/v1, /apis/GROUP/VERSION, /version) and OpenAPI v3 (/openapi/v3...) as routes, made from
// the kinds table. Owns no state but the documents it makes once; reachable without authorisation, as the real server's
// system:discovery role has it - who may ask is api's decision.
#pragma once

#include "services/http/server.hpp"

namespace services::kube::discovery {

void add_routes(http::Router& router);

}  // namespace services::kube::discovery
