// EndpointSlices: the pods behind each Service, with how each is (ready, serving, terminating), at most 100 to a slice.
// Pods that reach different numbers behind a named port are in slices of their own.
//
// A slice keeps the endpoints it has, so that a change of one pod rewrites one slice.
#pragma once

#include "services/kube/controllers/controller.hpp"
#include "services/kube/controllers/service_pods.hpp"

namespace services::kube::controllers {

class EndpointSliceController : public Controller {
public:
    static constexpr std::size_t endpoints_max = 100;  // in a slice

    explicit EndpointSliceController(Environment& environment);
    Task<> sync(std::string key) override;

private:
    struct Group {
        std::string family;
        json::array ports;
        json::array endpoints;
    };
    struct Changes {
        json::array create, update;
        std::vector<ObjectPtr> remove;
    };
    std::vector<Group> groups_of(const json::object& service, const std::vector<ObjectPtr>& pods) const;
    json::object endpoint_of(const json::object& pod, const json::object& service, std::vector<std::string> addresses) const;
    json::object slice_of(const json::object& service, const Group& group, const std::string& trigger) const;
    void reconcile(const json::object& service, Group group, std::vector<ObjectPtr>& existing, const std::string& trigger,
                   Changes& changes) const;
    Task<> apply(std::string name_space, Changes changes);

    Informer& services_;
    Informer& pods_;
    Informer& nodes_;
    Informer& slices_;
    TriggerTimes triggers_;
};

}  // namespace services::kube::controllers
