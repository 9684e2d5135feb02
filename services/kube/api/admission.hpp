// What the real server's admission plugins decide before a write: that the namespace exists and is not ending, and what a
// new pod is given (ServiceAccount, tolerations, priority). And the addresses and ports that a Service holds, which are
// set aside before the write and given back if it fails.
#pragma once

#include <string>

#include "services/kube/api/addresses.hpp"
#include "services/kube/api/api.hpp"

namespace services::kube::api {

// Throws StatusError 403, 404. May change `object`.
Task<> admit_create(Api& api, const ResourceRequest& request, const kinds::Kind& kind, json::object& object);

// Addresses and ports of a Service; nothing for other kinds. StatusError 422.
Addresses::Reservation reserve_for_create(Api& api, const ResourceRequest& request, const kinds::Kind& kind, json::object& object);
Addresses::Reservation reserve_for_update(Api& api, const ResourceRequest& request, const kinds::Kind& kind, json::object& object,
                                          const json::object& before);
// Of an object that is deleted.
void release(Api& api, const kinds::Kind& kind, const json::object& object);

// Five characters of the alphabet that generated names use.
std::string random_suffix();

}  // namespace services::kube::api
