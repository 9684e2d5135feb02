// Parts of a Service's rules; private to service*.cpp.
#pragma once

#include "services/kube/kinds/report.hpp"

namespace services::kube::kinds {

Causes validate_service(const json::object& service);
Causes validate_service_update(const json::object& service, const json::object& before);
Causes validate_service_status(const json::object& service, const json::object& before);
std::vector<std::string> service_warnings(const json::object& service);

// What validations of creation and update share. `before` is empty on create: what stood there stays valid.
// Addresses and families come first: the real server's allocator looks at them, and when it refuses them nothing else is said.
bool stops_at_addresses(Report& report, const json::object& service, const json::object& before);
void check_service(Report& report, const json::object& service, const json::object& before);
void check_load_balancer_class(Report& report, const json::object& service);

// spec.clusterIPs is ["None"].
bool is_headless(const json::object& service);
// Takes traffic from outside: by node port, load balancer or external address.
bool is_externally_accessible(const json::object& service);
// A load balancer that keeps traffic on the node asks there which nodes have endpoints.
bool needs_health_check(const json::object& service);

}  // namespace services::kube::kinds
