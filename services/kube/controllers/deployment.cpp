#include "services/kube/controllers/deployment.hpp"

#include <algorithm>

namespace services::kube::controllers {

using namespace rollout;

DeploymentController::DeploymentController(Environment& environment)
    : Controller(environment, "deployment-controller", 5), deployments_(environment.informers.of(resources::deployments)),
      sets_(environment.informers.of(resources::replica_sets)), pods_(environment.informers.of(resources::pods)),
      events_(environment.executor, environment.client, environment.clock, "deployment-controller"),
      ownership_(environment.client, resources::deployments, resources::replica_sets) {
    deployments_.on_change([this](const ObjectPtr& deployment) { queue_.add(key_of(*deployment)); });
    sets_.add_handlers({.added = [this](const ObjectPtr& set) { set_changed(*set); },
                        .updated = [this](const ObjectPtr& before, const ObjectPtr& set) {
                            if (controller_of(*before) != nullptr) set_changed(*before);
                            set_changed(*set);
                        },
                        .deleted = [this](const ObjectPtr& set) { set_changed(*set); }});
    pods_.add_handlers({.added = {}, .updated = {}, .deleted = [this](const ObjectPtr& pod) { pod_deleted(*pod); }});
}

void DeploymentController::start(hal::async::TaskGroup& group) {
    group.spawn("events of " + name(), events_.run());
    Controller::start(group);
}

Sets DeploymentController::Rollout::all() const {
    auto sets = old;
    if (newest) sets.push_back(newest);
    return sets;
}

ObjectPtr DeploymentController::owner_of(const json::object& set) const {
    const auto* reference = controller_of(set);
    if (reference == nullptr || text(*reference, "kind") != "Deployment") return nullptr;
    auto deployment = deployments_.find(namespace_of(set), text(*reference, "name"));
    return deployment && uid_of(*deployment) == text(*reference, "uid") ? deployment : nullptr;
}

void DeploymentController::set_changed(const json::object& set) {
    if (controller_of(set) != nullptr) {
        if (const auto deployment = owner_of(set)) queue_.add(key_of(*deployment));
        return;
    }
    // An orphan: whoever selects it may adopt it.
    for (const auto& deployment : deployments_.list(namespace_of(set))) {
        const auto selector = LabelSelector::from_object(field(*deployment, "spec.selector"));
        if (!selector.is_empty() && selector.matches(object_at(set, "metadata.labels"))) queue_.add(key_of(*deployment));
    }
}

void DeploymentController::pod_deleted(const json::object& pod) {
    const auto* reference = controller_of(pod);
    if (reference == nullptr || text(*reference, "kind") != "ReplicaSet") return;
    const auto set = sets_.find(namespace_of(pod), text(*reference, "name"));
    const auto deployment = set ? owner_of(*set) : nullptr;
    // Recreate waits for the last old pod; rolling follows the ReplicaSets' status.
    if (deployment && text(*deployment, "spec.strategy.type") == "Recreate") queue_.add(key_of(*deployment));
}

Task<Sets> DeploymentController::claim_sets(ObjectPtr deployment) {
    co_return co_await ownership_.claim(deployment, LabelSelector::from_object(field(*deployment, "spec.selector")),
                                        sets_.list(namespace_of(*deployment)));
}

bool DeploymentController::is_scaled(const Rollout& rollout) const {
    const auto wanted = std::to_string(replicas_of(rollout.deployment));
    for (const auto& set : active(rollout.all())) {
        const auto desired = annotation(*set, desired_annotation);
        if (!desired.empty() && desired != wanted) return true;
    }
    return false;
}

Task<> DeploymentController::sync(std::string key) {
    const auto deployment = deployments_.find_key(key);
    if (!deployment) progress_.erase(key);
    if (!deployment) co_return;
    Rollout rollout{.key = key, .deployment = *deployment, .newest = nullptr, .old = {}};
    if (object_at(*deployment, "spec.selector").empty()) {
        events_.record(*deployment, "Warning", "SelectingAll",
                       "This deployment is selecting all pods. A non-empty selector is required.");
        co_return;
    }
    auto sets = co_await claim_sets(deployment);
    std::ranges::sort(sets, [](const ObjectPtr& left, const ObjectPtr& right) { return is_older(*left, *right); });
    // Of several with the same template (after an upgrade) the oldest counts as the new one.
    for (auto& set : sets) {
        if (!rollout.newest && is_same_template(object_at(*set, "spec.template"), object_at(*deployment, "spec.template")))
            rollout.newest = std::move(set);
        else
            rollout.old.push_back(std::move(set));
    }
    if (is_deleting(*deployment)) {
        co_await sync_newest(rollout, false);
        co_return co_await sync_status(rollout);
    }
    if (co_await sync_paused_condition(rollout)) co_return;  // the write brings the key back
    const bool is_paused = flag(rollout.deployment, "spec.paused");
    co_await sync_newest(rollout, false);
    if (is_paused || is_scaled(rollout)) {
        co_await scale(rollout);
        if (is_paused) co_await clean_up(rollout);
        co_return co_await sync_status(rollout);
    }
    if (is_rolling(rollout.deployment))
        co_await roll(rollout);
    else
        co_await recreate(rollout);
}

}  // namespace services::kube::controllers
