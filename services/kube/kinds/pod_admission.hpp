// What the real server's admission plugins do to a Pod that is being created: ServiceAccount (name, token volume, pull
// secrets), Priority, DefaultTolerationSeconds. The API calls admit_pod after defaults and before validation.
//
// Pure: randomness and the ServiceAccount come in as arguments. PriorityClasses known are the two that every cluster has.
#pragma once

#include <boost/json/object.hpp>

#include <string>
#include <string_view>

namespace services::kube::kinds {

namespace json = boost::json;

// Why `pod` may not be created, as text of a 403 after `pods "x" is forbidden: `; "" when it may.
std::string pod_refusal(const json::object& pod);

// `suffix5`: five random characters for the name of the token volume. `service_account`: the one that the pod names, or
// null when it is not at hand; it then counts as one that says nothing about tokens and secrets.
void admit_pod(json::object& pod, std::string_view suffix5, const json::object* service_account = nullptr);

// The same plugins on an update: what they set stays when a client leaves it out.
void admit_pod_update(json::object& pod, const json::object& before);

// The name of the ServiceAccount that `pod` runs as.
std::string_view service_account_of(const json::object& pod);

}  // namespace services::kube::kinds
