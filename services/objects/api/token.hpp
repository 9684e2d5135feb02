// The bearer token of MinIO's metrics: a JWT (RFC 7519, HS512 of the secret key) as `mc admin prometheus generate` makes it,
// {"exp":..., "sub":"<access key>", "iss":"prometheus"}.
//
// Pure. Bounded: 4 KiB.
#pragma once

#include <string>
#include <string_view>

#include "hal/base/clock.hpp"
#include "services/objects/access/access.hpp"

namespace services::objects::api {

bool is_metrics_token(std::string_view token, const access::Access& access, hal::WallTime now);
std::string metrics_token(std::string_view access_key, std::string_view secret, hal::WallTime expires);

}  // namespace services::objects::api
