// Services of type LoadBalancer get the box's own address. A port that the box itself or an earlier Service uses leaves
// the later one pending, with an Event that says who holds it.
#pragma once

#include "services/kube/controllers/controller.hpp"
#include "services/kube/controllers/controllers.hpp"

namespace services::kube::controllers {

class LoadBalancerController : public Controller {
public:
    LoadBalancerController(Environment& environment, std::vector<PortHolder> box_ports);
    Task<> sync(std::string key) override;
    void start(hal::async::TaskGroup& group) override;

private:
    // "port 80/TCP is held by ...", or "".
    std::string conflict_of(const json::object& service) const;
    json::array ingress(const json::object& service) const;
    void add_all();

    Informer& services_;
    Informer& nodes_;
    EventRecorder events_;
    std::vector<PortHolder> box_ports_;
    std::map<std::string, std::string> told_;  // service key -> the conflict told last
};

}  // namespace services::kube::controllers
