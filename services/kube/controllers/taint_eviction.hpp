// Pods on a node with NoExecute taints go, at once or after the time they tolerate it.
//
// The time counts from when the taint was seen, on the monotonic clock: a clock that is set must not evict anyone.
#pragma once

#include "services/kube/controllers/controller.hpp"

namespace services::kube::controllers {

class TaintEvictionController : public Controller {
public:
    explicit TaintEvictionController(Environment& environment);
    Task<> sync(std::string pod_key) override;
    void start(hal::async::TaskGroup& group) override;

private:
    void node_changed(const json::object& node);
    Task<> evict(ObjectPtr pod);

    Informer& nodes_;
    Informer& pods_;
    EventRecorder events_;
    std::map<std::string, hal::SteadyTime> tainted_;  // node -> since when it has NoExecute taints
};

// How long a pod may stay under these NoExecute taints: nullopt for ever, zero not at all.
std::optional<std::chrono::seconds> tolerated_time(const json::object& pod, const json::array& taints);

}  // namespace services::kube::controllers
