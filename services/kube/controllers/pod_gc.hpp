// Pods that no kubelet will remove: those of a node that is gone (after 40 s: it may only be made anew), deleting ones
// that never had a node, and the oldest finished ones when there are too many.
#pragma once

#include "services/kube/controllers/controller.hpp"

namespace services::kube::controllers {

class PodGcController : public Controller {
public:
    static constexpr std::size_t finished_max = 1000;  // kept for whoever reads their logs and state
    static constexpr std::chrono::seconds quarantine{40};

    explicit PodGcController(Environment& environment);
    // A pod's key, or "" for the count of finished ones.
    Task<> sync(std::string key) override;

private:
    void look(const ObjectPtr& pod);
    Task<> remove_excess();
    Task<> remove_orphan(ObjectPtr pod);
    Task<> force_delete(ObjectPtr pod);

    Informer& pods_;
    Informer& nodes_;
};

}  // namespace services::kube::controllers
