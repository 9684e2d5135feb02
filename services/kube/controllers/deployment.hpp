// Deployments: one ReplicaSet per version of the template, rolled from the old to the new within what maxSurge and
// maxUnavailable allow, or recreated; revisions to go back to; conditions that say whether it moves.
//
// Every decision rests on the ReplicaSets as cached, and every write carries the version it rests on: a stale cache ends
// in a conflict and another look, never in fewer pods than were promised.
#pragma once

#include <map>

#include "services/kube/controllers/controller.hpp"
#include "services/kube/controllers/ownership.hpp"
#include "services/kube/controllers/rollout_rules.hpp"

namespace services::kube::controllers {

class DeploymentController : public Controller {
public:
    explicit DeploymentController(Environment& environment);
    Task<> sync(std::string key) override;
    void start(hal::async::TaskGroup& group) override;

private:
    // One sync's view: the Deployment as changed so far and its ReplicaSets, replaced as they are written.
    struct Rollout {
        std::string key;
        json::object deployment;
        ObjectPtr newest;  // the set of the present template; null: not made yet
        rollout::Sets old;
        [[nodiscard]] rollout::Sets all() const;
    };

    // deployment.cpp: who is to be looked at
    ObjectPtr owner_of(const json::object& set) const;
    void set_changed(const json::object& set);
    void pod_deleted(const json::object& pod);
    Task<rollout::Sets> claim_sets(ObjectPtr deployment);
    bool is_scaled(const Rollout& rollout) const;

    // deployment_sets.cpp: the ReplicaSets
    Task<> sync_newest(Rollout& rollout, bool may_create);
    Task<> sync_existing(Rollout& rollout, ObjectPtr existing, std::int64_t revision);
    Task<> create_newest(Rollout& rollout, std::int64_t revision);
    Task<> resolve_exists(Rollout& rollout, std::string name);
    Task<> scale(Rollout& rollout);
    Task<> scale_proportionally(Rollout& rollout);
    // Writes `size` (and the annotations when it differs or `force`); replaces the set in `rollout`. True when the size changed.
    Task<bool> scale_set(Rollout& rollout, ObjectPtr set, std::int64_t size, bool force = false);
    Task<> clean_up(Rollout& rollout);

    // deployment_rollout.cpp: the two strategies
    Task<> roll(Rollout& rollout);
    Task<bool> scale_down_old(Rollout& rollout);
    Task<> recreate(Rollout& rollout);
    bool are_old_pods_running(const Rollout& rollout) const;

    // deployment_status.cpp
    json::object status_of(const Rollout& rollout) const;
    void put_progress(const Rollout& rollout, json::object& status);
    bool is_timed_out(const Rollout& rollout, const json::object& status);
    // Of the progress that the condition tells of, by the clock that no one sets; a restart of this process begins it anew.
    hal::SteadyTime deadline_of(const Rollout& rollout, const json::object& progress);
    Task<> sync_status(Rollout& rollout);
    Task<> sync_rollout_status(Rollout& rollout);
    Task<> write_status(Rollout& rollout);
    Task<bool> sync_paused_condition(Rollout& rollout);
    void requeue_for_deadline(const Rollout& rollout);
    json::object condition(std::string_view type, std::string_view status, std::string_view reason, std::string message) const;

    Informer& deployments_;
    Informer& sets_;
    Informer& pods_;
    EventRecorder events_;
    Ownership ownership_;
    struct Progress {
        std::string told;  // the condition's time
        hal::SteadyTime seen;
    };
    std::map<std::string, Progress> progress_;  // by key, while a deadline runs
};

}  // namespace services::kube::controllers
