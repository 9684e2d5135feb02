// ReplicaSets: as many pods of a template as asked for. Pods that match without an owner are adopted, those that stop
// matching are released; missing ones are made in batches of 1, 2, 4 ... that stop at the first failure (a quota that is
// full is asked a few times, not 500); of too many, those least worth keeping go first.
#pragma once

#include "services/kube/controllers/controller.hpp"
#include "services/kube/controllers/expectations.hpp"
#include "services/kube/controllers/ownership.hpp"
#include "services/kube/controllers/pods.hpp"

namespace services::kube::controllers {

class ReplicaSetController : public Controller {
public:
    static constexpr std::size_t burst_max = 500;  // pods made or deleted before the cache must have seen them

    explicit ReplicaSetController(Environment& environment);
    Task<> sync(std::string key) override;
    void start(hal::async::TaskGroup& group) override;

private:
    void pod_added(const ObjectPtr& pod);
    void pod_updated(const ObjectPtr& before, const ObjectPtr& pod);
    void pod_deleted(const ObjectPtr& pod);
    // The ReplicaSet that controls `pod`, or null.
    ObjectPtr owner_of(const json::object& pod) const;
    void add_matching(const json::object& pod);

    Task<> manage(ObjectPtr set, std::vector<ObjectPtr> active);
    Task<> create_slowly(ObjectPtr set, std::size_t count);
    Task<> remove_pods(ObjectPtr set, std::vector<ObjectPtr> pods);
    // Active pods per node, of all ReplicaSets of the same owner: a new pod and an old one are doubled up, too.
    std::unordered_map<std::string, std::size_t> related_on_nodes(const json::object& set) const;
    Task<> update_status(ObjectPtr set, json::object status);

    Informer& sets_;
    Informer& pods_;
    Expectations expectations_;
    EventRecorder events_;
    PodControl control_;
    Ownership ownership_;
};

// The status that follows from the pods. `failure`: what managing them threw, or "".
json::object replica_set_status(const json::object& set, const std::vector<ObjectPtr>& active, std::size_t terminating,
                                const std::string& failure, hal::WallTime now);

}  // namespace services::kube::controllers
