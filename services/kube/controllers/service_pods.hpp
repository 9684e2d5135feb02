// What EndpointSlices and Endpoints share: which pods stand behind a Service, on which ports, and when that last changed.
#pragma once

#include <set>

#include "services/kube/controllers/controller.hpp"

namespace services::kube::controllers {

// Services that get endpoints from us: with a selector, and not just another name.
bool has_endpoints(const json::object& service);
bool is_headless(const json::object& service);
// Has an address and is not finished; one being deleted counts only `with_terminating`.
bool is_endpoint(const json::object& pod, bool with_terminating);
// The number a Service port reaches on this pod; 0 when the pod has no port of that name.
std::int64_t target_port(const json::object& pod, const json::object& service_port);
// What endpoint ports show of a service port, with the pod's number.
json::object endpoint_port(const json::object& service_port, std::int64_t number);
// The pod's addresses of a family ("IPv4", "IPv6").
std::vector<std::string> addresses_of(const json::object& pod, std::string_view family);
json::object target_reference(const json::object& pod);
// The pod has its own name under the Service's (spec.hostname, spec.subdomain).
bool has_own_name(const json::object& pod, const json::object& service);
// The Service's labels but those that are the controller's own.
json::object labels_for_endpoints(const json::object& service);
// Keys of the Services whose endpoints a change of the pod may concern (`before` may be null).
std::set<std::string> services_of(const Informer& services, const json::object* before, const json::object& pod);

// When what a Service stands for last changed, for the annotation by which proxies measure how late they are.
class TriggerTimes {
public:
    // The earliest change not seen before (the Service's creation, a pod's readiness), or "".
    std::string next(const std::string& service_key, const json::object& service, const std::vector<ObjectPtr>& pods);
    void forget(const std::string& service_key) { seen_.erase(service_key); }

private:
    std::map<std::string, std::map<std::string, std::string>> seen_;  // per service: pod name ("" the service) -> time
};

inline constexpr std::string_view trigger_annotation = "endpoints.kubernetes.io/last-change-trigger-time";
inline constexpr std::string_view headless_label = "service.kubernetes.io/headless";

}  // namespace services::kube::controllers
