// Endpoints, the older form of EndpointSlices that some clients still read: one object per Service, by its name.
#pragma once

#include "services/kube/controllers/controller.hpp"
#include "services/kube/controllers/service_pods.hpp"

namespace services::kube::controllers {

class EndpointsController : public Controller {
public:
    static constexpr std::size_t addresses_max = 1000;  // further ones are left out, and an annotation says so

    explicit EndpointsController(Environment& environment);
    Task<> sync(std::string key) override;

private:
    Task<> drop(std::string key);

    Informer& services_;
    Informer& pods_;
    Informer& endpoints_;
    TriggerTimes triggers_;
};

// The subsets for a Service: addresses with the same ports together, ready and not ready apart, both in order.
json::array endpoint_subsets(const json::object& service, const std::vector<ObjectPtr>& pods);

}  // namespace services::kube::controllers
