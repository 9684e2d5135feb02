#include "services/kube/controllers/deployment.hpp"

#include <algorithm>

namespace services::kube::controllers {

using namespace rollout;

namespace {

// A set that its controller has seen but that does not count them makes the sum unknown.
std::optional<std::int64_t> sum_terminating(const Sets& sets) {
    std::int64_t sum = 0;
    for (const auto& set : sets) {
        const auto* count = field(*set, "status.terminatingReplicas");
        if (count == nullptr && number(*set, "status.observedGeneration") != 0) return std::nullopt;
        sum += number(*set, "status.terminatingReplicas");
    }
    return sum;
}

// The failure of the new set counts before those of old ones.
const json::object* failure_of(const ObjectPtr& newest, const Sets& old) {
    if (newest)
        if (const auto* failure = condition_of(*newest, "ReplicaFailure")) return failure;
    for (const auto& set : old)
        if (const auto* failure = condition_of(*set, "ReplicaFailure")) return failure;
    return nullptr;
}

void erase_condition(json::object& status, std::string_view type) {
    auto conditions = array_at(status, "conditions");
    remove_condition(conditions, type);
    status["conditions"] = std::move(conditions);
}

}  // namespace

json::object DeploymentController::condition(std::string_view type, std::string_view status, std::string_view reason,
                                             std::string message) const {
    const auto now = hal::rfc3339(environment_.clock.wall());
    return {{"type", type}, {"status", status}, {"reason", reason}, {"message", std::move(message)},
            {"lastUpdateTime", now}, {"lastTransitionTime", now}};
}

json::object DeploymentController::status_of(const Rollout& rollout) const {
    const auto& deployment = rollout.deployment;
    const auto all = rollout.all();
    const auto available = sum_status(all, "availableReplicas");
    json::object status;
    put_count(status, "observedGeneration", number(deployment, "metadata.generation"));
    put_count(status, "replicas", sum_status(all, "replicas"));
    put_count(status, "updatedReplicas", rollout.newest ? number(*rollout.newest, "status.replicas") : 0);
    put_count(status, "readyReplicas", sum_status(all, "readyReplicas"));
    put_count(status, "availableReplicas", available);
    put_count(status, "unavailableReplicas", std::max<std::int64_t>(sum_replicas(all) - available, 0));
    if (const auto terminating = sum_terminating(all)) status["terminatingReplicas"] = *terminating;
    if (const auto* collisions = field(deployment, "status.collisionCount")) status["collisionCount"] = *collisions;
    if (const auto& conditions = array_at(deployment, "status.conditions"); !conditions.empty()) status["conditions"] = conditions;
    if (available >= replicas_of(deployment) - max_unavailable(deployment))
        put_condition(status, condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability."));
    else
        put_condition(status, condition("Available", "False", "MinimumReplicasUnavailable",
                                        "Deployment does not have minimum availability."));
    return status;
}

Task<> DeploymentController::sync_status(Rollout& rollout) {
    auto status = status_of(rollout);
    if (object_at(rollout.deployment, "status") == status) co_return;
    rollout.deployment["status"] = std::move(status);
    co_await write_status(rollout);
}

void DeploymentController::put_progress(const Rollout& rollout, json::object& status) {
    const auto& deployment = rollout.deployment;
    const auto* before = condition_of(deployment, "Progressing");
    const bool was_complete = number(status, "replicas") == number(status, "updatedReplicas") && before != nullptr &&
                              text(*before, "reason") == "NewReplicaSetAvailable";
    if (was_complete) return;  // a look at something at rest: nothing to estimate
    const auto subject = rollout.newest ? "ReplicaSet \"" + std::string(name_of(*rollout.newest)) + "\""
                                        : "Deployment \"" + std::string(name_of(deployment)) + "\"";
    if (is_complete(deployment, status)) {
        put_condition(status, condition("Progressing", "True", "NewReplicaSetAvailable", subject + " has successfully progressed."));
    } else if (is_progress(deployment, status)) {
        // Its time of update moves with each step forward, so that the deadline counts from the last one.
        auto now = condition("Progressing", "True", "ReplicaSetUpdated", subject + " is progressing.");
        if (before != nullptr && text(*before, "status") == "True") now["lastTransitionTime"] = text(*before, "lastTransitionTime");
        erase_condition(status, "Progressing");
        put_condition(status, std::move(now));
    } else if (is_timed_out(rollout, status)) {
        put_condition(status, condition("Progressing", "False", "ProgressDeadlineExceeded", subject + " has timed out progressing."));
    }
}

bool DeploymentController::is_timed_out(const Rollout& rollout, const json::object& status) {
    const auto* progress = condition_in(status, "Progressing");
    if (progress == nullptr || text(*progress, "reason") == "NewReplicaSetAvailable") return false;
    if (text(*progress, "reason") == "ProgressDeadlineExceeded") return true;
    return deadline_of(rollout, *progress) < environment_.clock.steady();
}

hal::SteadyTime DeploymentController::deadline_of(const Rollout& rollout, const json::object& progress) {
    const std::string told(text(progress, "lastUpdateTime"));
    auto& known = progress_.try_emplace(rollout.key, Progress{told, environment_.clock.steady()}).first->second;
    if (known.told != told) known = {told, environment_.clock.steady()};
    return known.seen + std::chrono::seconds(number(rollout.deployment, "spec.progressDeadlineSeconds"));
}

Task<> DeploymentController::sync_rollout_status(Rollout& rollout) {
    auto& deployment = rollout.deployment;
    auto status = status_of(rollout);
    if (has_progress_deadline(deployment))
        put_progress(rollout, status);
    else
        erase_condition(status, "Progressing");
    if (const auto* failure = failure_of(rollout.newest, rollout.old)) {
        auto failed = condition("ReplicaFailure", text(*failure, "status"), text(*failure, "reason"),
                                std::string(text(*failure, "message")));
        for (const auto* time : {"lastTransitionTime", "lastUpdateTime"}) failed[time] = text(*failure, "lastTransitionTime");
        put_condition(status, std::move(failed));
    } else {
        erase_condition(status, "ReplicaFailure");
    }
    if (object_at(deployment, "status") == status) {
        requeue_for_deadline(rollout);
        co_return;
    }
    deployment["status"] = std::move(status);
    co_await write_status(rollout);
}

void DeploymentController::requeue_for_deadline(const Rollout& rollout) {
    const auto& deployment = rollout.deployment;
    const auto* progress = condition_of(deployment, "Progressing");
    if (!has_progress_deadline(deployment) || progress == nullptr) return;
    if (is_complete(deployment, object_at(deployment, "status")) || text(*progress, "reason") == "ProgressDeadlineExceeded") {
        progress_.erase(rollout.key);
        return;
    }
    // One second more: times are in whole seconds.
    const auto left = std::max<hal::SteadyTime::duration>(deadline_of(rollout, *progress) - environment_.clock.steady(), {});
    queue_.add_after(rollout.key, left + std::chrono::seconds(1));
}

Task<bool> DeploymentController::sync_paused_condition(Rollout& rollout) {
    auto& deployment = rollout.deployment;
    const auto* progress = condition_of(deployment, "Progressing");
    const auto reason = progress == nullptr ? std::string_view() : text(*progress, "reason");
    // A missed deadline stays told; one must not be missed because of a pause.
    if (!has_progress_deadline(deployment) || reason == "ProgressDeadlineExceeded") co_return false;
    const bool is_paused = flag(deployment, "spec.paused");
    if (is_paused == (reason == "DeploymentPaused")) co_return false;
    put_condition(make_object(deployment, "status"),
                  is_paused ? condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
                            : condition("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed"));
    co_await write_status(rollout);
    co_return true;
}

Task<> DeploymentController::write_status(Rollout& rollout) {
    auto written = co_await environment_.client.update_status(
        resources::deployments, std::string(namespace_of(rollout.deployment)), rollout.deployment);
    // Further writes of this sync rest on this version.
    make_object(rollout.deployment, "metadata")["resourceVersion"] = text(written, "metadata.resourceVersion");
}

}  // namespace services::kube::controllers
