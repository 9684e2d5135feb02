// EndpointSlices that mirror Endpoints written by hand for a Service without a selector (a database outside the cluster):
// proxies read slices alone. A slice per family and set of ports.
#pragma once

#include "services/kube/controllers/controller.hpp"

namespace services::kube::controllers {

class EndpointMirrorController : public Controller {
public:
    static constexpr std::size_t addresses_max = 1000;  // of a subset; further ones are left out

    explicit EndpointMirrorController(Environment& environment);
    Task<> sync(std::string key) override;

private:
    [[nodiscard]] bool is_mirrored(const ObjectPtr& endpoints) const;
    Task<> remove(std::vector<ObjectPtr> slices);

    Informer& services_;
    Informer& endpoints_;
    Informer& slices_;
};

// The slices that mirror `endpoints`, without names.
std::vector<json::object> mirrored_slices(const json::object& endpoints);

}  // namespace services::kube::controllers
