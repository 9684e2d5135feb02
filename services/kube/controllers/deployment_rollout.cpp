#include "services/kube/controllers/deployment.hpp"

#include <algorithm>

namespace services::kube::controllers {

using namespace rollout;

Task<> DeploymentController::roll(Rollout& rollout) {
    co_await sync_newest(rollout, true);
    const auto wanted = replicas_of(rollout.deployment);
    const auto size = replicas_of(*rollout.newest);
    bool is_scaled = false;
    if (size > wanted)
        is_scaled = co_await scale_set(rollout, rollout.newest, wanted);
    else if (size < wanted)
        is_scaled = co_await scale_set(rollout, rollout.newest, new_set_size(rollout.deployment, rollout.all(), size));
    if (!is_scaled && !co_await scale_down_old(rollout) && is_complete(rollout.deployment, object_at(rollout.deployment, "status")))
        co_await clean_up(rollout);
    co_await sync_rollout_status(rollout);
}

Task<bool> DeploymentController::scale_down_old(Rollout& rollout) {
    const auto old = active(rollout.old);
    if (old.empty()) co_return false;
    const auto& newest = *rollout.newest;
    const auto available_min = replicas_of(rollout.deployment) - max_unavailable(rollout.deployment);
    // New pods that are not available yet count as if they were missing: they may never become so.
    const auto new_unavailable = replicas_of(newest) - number(newest, "status.availableReplicas");
    const auto down_max = sum_replicas(rollout.all()) - available_min - new_unavailable;
    if (down_max <= 0) co_return false;

    // Old pods that serve nobody go first: that costs no availability, and they would block the rest.
    std::int64_t cleaned = 0;
    for (const auto& set : old) {
        if (cleaned >= down_max) break;
        const auto unhealthy = replicas_of(*set) - number(*set, "status.availableReplicas");
        if (unhealthy <= 0) continue;
        const auto count = std::min(down_max - cleaned, unhealthy);
        co_await scale_set(rollout, set, replicas_of(*set) - count);
        cleaned += count;
    }

    auto spare = sum_status(rollout.all(), "availableReplicas") - available_min;
    std::int64_t scaled = 0;
    for (const auto& set : active(rollout.old)) {
        if (spare <= 0) break;
        const auto count = std::min(replicas_of(*set), spare);
        co_await scale_set(rollout, set, replicas_of(*set) - count);
        spare -= count;
        scaled += count;
    }
    co_return cleaned + scaled > 0;
}

Task<> DeploymentController::recreate(Rollout& rollout) {
    bool is_scaled_down = false;
    for (const auto& set : active(rollout.old)) is_scaled_down |= co_await scale_set(rollout, set, 0);
    if (is_scaled_down || are_old_pods_running(rollout)) co_return co_await sync_rollout_status(rollout);
    if (!rollout.newest) co_await sync_newest(rollout, true);
    co_await scale_set(rollout, rollout.newest, replicas_of(rollout.deployment));
    if (is_complete(rollout.deployment, object_at(rollout.deployment, "status"))) co_await clean_up(rollout);
    co_await sync_rollout_status(rollout);
}

bool DeploymentController::are_old_pods_running(const Rollout& rollout) const {
    if (sum_status(rollout.old, "replicas") > 0) return true;
    return std::ranges::any_of(rollout.old, [this](const ObjectPtr& set) {
        return std::ranges::any_of(pods_.by_index("owner", uid_of(*set)),
                                   [](const ObjectPtr& pod) { return !is_pod_finished(*pod); });
    });
}

}  // namespace services::kube::controllers
