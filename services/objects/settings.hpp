// What the object store is told from outside: MINIO_* variables where it runs alone, its section of the configuration, and
// the credentials that it is given.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "services/config/service.hpp"
#include "services/objects/access/access.hpp"
#include "services/objects/api/call.hpp"

namespace services::objects {

using Variable = std::function<std::optional<std::string>(const std::string&)>;

// Throws Error{invalid} with MinIO's sentence, Error{not_found} when nobody made any.
access::Root root_of(const config::Service& service, const Variable& variable);

// Region, webhooks, whose metrics are public. Throws Error{invalid}.
api::ApiOptions options_of(const config::Service& service, const Variable& variable, std::string deployment_id);

// MINIO_NOTIFY_WEBHOOK_ENABLE_<ID>=on with _ENDPOINT_<ID> (ids that `names` lists, all variables there are), and
// "id=http://host:port/path" of objects.webhooks. By ARN, "arn:minio:sqs::<id>:webhook".
std::map<std::string, std::string> webhooks_of(const config::Service& service, const Variable& variable, const std::vector<std::string>& names);

}  // namespace services::objects
