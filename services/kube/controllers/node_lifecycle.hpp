// What becomes of a node whose kubelet falls silent: after the grace period without a renewed Lease or status its
// conditions read Unknown, its pods not ready, and taints keep new pods away. A node that answers again loses them.
//
// While no node is well (always so on a box with one), nothing is evicted: the fault is more likely ours than theirs, and
// there is nowhere else to go. Silence is measured on the monotonic clock from when a change was seen, never by comparing
// clocks.
#pragma once

#include "services/kube/controllers/controller.hpp"

namespace services::kube::controllers {

class NodeLifecycleController : public Controller {
public:
    NodeLifecycleController(Environment& environment, std::chrono::seconds grace_period);
    Task<> sync(std::string name) override;
    void start(hal::async::TaskGroup& group) override;

private:
    void seen(const std::string& node);
    [[nodiscard]] bool is_any_well() const;
    Task<> mark_unknown(ObjectPtr node);
    Task<> mark_pods_not_ready(std::string node);
    Task<> sync_taints(ObjectPtr node);

    Informer& nodes_;
    Informer& pods_;
    Informer& leases_;
    EventRecorder events_;
    std::chrono::seconds grace_period_;
    std::map<std::string, hal::SteadyTime> heard_;  // when each node was last heard of
};

// The taints that a node's conditions and spec call for, over those it has: others stay as they are. `may_evict`: NoExecute
// ones too.
json::array node_taints(const json::object& node, bool may_evict, hal::WallTime now);

}  // namespace services::kube::controllers
