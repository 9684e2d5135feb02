#include "services/kube/controllers/deployment.hpp"

#include <algorithm>
#include <cstdlib>
#include <limits>

namespace services::kube::controllers {

using namespace rollout;

namespace {

constexpr std::int64_t unlimited = std::numeric_limits<std::int32_t>::max();

std::int64_t revision_max(const Sets& sets) {
    std::int64_t most = 0;
    for (const auto& set : sets) most = std::max(most, revision_of(*set));
    return most;
}

bool put_revision(json::object& deployment, std::int64_t revision) {
    const auto wanted = std::to_string(revision);
    if (annotation(deployment, revision_annotation) == wanted) return false;
    make_object(deployment, "metadata.annotations")[revision_annotation] = wanted;
    return true;
}

}  // namespace

Task<> DeploymentController::sync_newest(Rollout& rollout, bool may_create) {
    const auto revision = revision_max(rollout.old) + 1;
    if (rollout.newest) co_return co_await sync_existing(rollout, rollout.newest, revision);
    if (may_create) co_await create_newest(rollout, revision);
}

Task<> DeploymentController::sync_existing(Rollout& rollout, ObjectPtr existing, std::int64_t revision) {
    auto set = *existing;
    const auto min_ready_seconds = number(rollout.deployment, "spec.minReadySeconds");
    const bool is_annotated = put_annotations(set, rollout.deployment, revision, true);
    if (is_annotated || number(set, "spec.minReadySeconds") != min_ready_seconds) {
        put_count(make_object(set, "spec"), "minReadySeconds", min_ready_seconds);
        auto written = co_await environment_.client.update(resources::replica_sets, std::string(namespace_of(set)), std::move(set));
        rollout.newest = std::make_shared<const json::object>(std::move(written));
    }
    bool is_changed = put_revision(rollout.deployment, revision_of(*rollout.newest));
    if (has_progress_deadline(rollout.deployment) && condition_of(rollout.deployment, "Progressing") == nullptr)
        is_changed |= put_condition(make_object(rollout.deployment, "status"),
                                    condition("Progressing", "True", "FoundNewReplicaSet",
                                              "Found new replica set \"" + std::string(name_of(*rollout.newest)) + "\""));
    if (is_changed) co_await write_status(rollout);
}

Task<> DeploymentController::create_newest(Rollout& rollout, std::int64_t revision) {
    auto& deployment = rollout.deployment;
    const std::string space(namespace_of(deployment));
    auto pod_template = object_at(deployment, "spec.template");
    const auto hash = template_hash(pod_template, number(deployment, "status.collisionCount"));
    const auto name = set_name(name_of(deployment), hash);
    make_object(pod_template, "metadata.labels")[hash_label] = hash;
    auto selector = object_at(deployment, "spec.selector");
    make_object(selector, "matchLabels")[hash_label] = hash;
    json::array references;
    references.emplace_back(controller_reference(deployment, "apps/v1", "Deployment"));
    json::object set{{"apiVersion", "apps/v1"}, {"kind", "ReplicaSet"},
                     {"metadata", {{"name", name}, {"namespace", space}, {"labels", object_at(pod_template, "metadata.labels")},
                                   {"ownerReferences", std::move(references)}}}};
    const auto size = new_set_size(deployment, rollout.old, 0);
    json::object spec{{"replicas", size}, {"selector", std::move(selector)}, {"template", std::move(pod_template)}};
    put_count(spec, "minReadySeconds", number(deployment, "spec.minReadySeconds"));
    set["spec"] = std::move(spec);
    put_annotations(set, deployment, revision, false);

    std::optional<ApiError> refusal;
    try {
        auto made = co_await environment_.client.create(resources::replica_sets, space, std::move(set));
        rollout.newest = std::make_shared<const json::object>(std::move(made));
    } catch (const ApiError& e) {
        refusal = e;
    }
    const bool exists = refusal && refusal->code() == hal::Code::exists;
    if (exists) {
        co_await resolve_exists(rollout, name);
    } else if (refusal) {
        if (is_namespace_ending(*refusal)) throw ApiError(*refusal);
        const auto message = "Failed to create new replica set \"" + name + "\": " + refusal->what();
        events_.record(deployment, "Warning", "ReplicaSetCreateError", message);
        if (has_progress_deadline(deployment) &&
            put_condition(make_object(deployment, "status"), condition("Progressing", "False", "ReplicaSetCreateError", message)))
            co_await write_status(rollout);
        throw ApiError(*refusal);
    } else if (size > 0) {
        events_.record(deployment, "Normal", "ScalingReplicaSet",
                       "Scaled up replica set " + name + " from 0 to " + std::to_string(size));
    }
    bool is_changed = put_revision(deployment, revision);
    if (!exists && has_progress_deadline(deployment))
        is_changed |= put_condition(make_object(deployment, "status"), condition("Progressing", "True", "NewReplicaSetCreated",
                                                          "Created new replica set \"" + name + "\""));
    if (is_changed) co_await write_status(rollout);
}

Task<> DeploymentController::resolve_exists(Rollout& rollout, std::string name) {
    auto& deployment = rollout.deployment;
    auto found = co_await environment_.client.get(resources::replica_sets, std::string(namespace_of(deployment)), name);
    // Ours, and the cache is late; else two templates share a hash, and the next try adds a count to it.
    if (is_owned_by(found, deployment) &&
        is_same_template(object_at(found, "spec.template"), object_at(deployment, "spec.template"))) {
        rollout.newest = std::make_shared<const json::object>(std::move(found));
        co_return;
    }
    auto& status = make_object(deployment, "status");
    status["collisionCount"] = number(status, "collisionCount") + 1;
    co_await write_status(rollout);
    throw hal::Error(hal::Code::conflict, "another template has the name " + name);
}

Task<> DeploymentController::scale(Rollout& rollout) {
    const auto wanted = replicas_of(rollout.deployment);
    const auto running = active(rollout.all());
    if (running.size() <= 1) {
        ObjectPtr only = running.empty() ? rollout.newest : running.front();
        if (!only && !rollout.old.empty()) only = rollout.old.back();  // the latest
        if (only && replicas_of(*only) != wanted) co_await scale_set(rollout, only, wanted);
        co_return;
    }
    if (rollout.newest && is_saturated(rollout.deployment, *rollout.newest)) {
        for (const auto& set : active(rollout.old)) co_await scale_set(rollout, set, 0);
        co_return;
    }
    // In the middle of a roll-out all sets grow or shrink alike: that speeds it neither up nor down.
    if (is_rolling(rollout.deployment)) co_await scale_proportionally(rollout);
}

Task<> DeploymentController::scale_proportionally(Rollout& rollout) {
    const auto& deployment = rollout.deployment;
    const auto wanted = replicas_of(deployment);
    auto sets = active(rollout.all());
    const auto to_add = (wanted > 0 ? wanted + max_surge(deployment) : 0) - sum_replicas(sets);
    // Larger ones first; of equal ones the newer when growing, the older when shrinking.
    std::ranges::sort(sets, [&](const ObjectPtr& left, const ObjectPtr& right) {
        if (replicas_of(*left) != replicas_of(*right)) return replicas_of(*left) > replicas_of(*right);
        return to_add > 0 ? is_older(*right, *left) : is_older(*left, *right);
    });
    std::int64_t added = 0;
    std::vector<std::int64_t> sizes;
    for (const auto& set : sets) {
        const auto part = proportion(*set, deployment, to_add, added);
        sizes.push_back(replicas_of(*set) + part);
        added += part;
    }
    sizes.front() = std::max<std::int64_t>(sizes.front() + to_add - added, 0);  // what rounding left over
    for (std::size_t i = 0; i < sets.size(); ++i) co_await scale_set(rollout, sets[i], sizes[i], true);
}

Task<bool> DeploymentController::scale_set(Rollout& rollout, ObjectPtr set, std::int64_t size, bool force) {
    const auto size_before = replicas_of(*set);
    if (!force && size_before == size) co_return false;
    auto changed = *set;
    const bool is_annotated = put_replica_annotations(changed, rollout.deployment);
    if (size_before == size && !is_annotated) co_return false;
    make_object(changed, "spec")["replicas"] = size;
    auto answer = co_await environment_.client.update(resources::replica_sets, std::string(namespace_of(*set)), std::move(changed));
    const auto written = std::make_shared<const json::object>(std::move(answer));
    if (rollout.newest == set) rollout.newest = written;
    std::ranges::replace(rollout.old, set, ObjectPtr(written));
    if (size_before == size) co_return false;
    events_.record(rollout.deployment, "Normal", "ScalingReplicaSet",
                   std::string("Scaled ") + (size_before < size ? "up" : "down") + " replica set " +
                       std::string(name_of(*set)) + " from " + std::to_string(size_before) + " to " + std::to_string(size));
    co_return true;
}

Task<> DeploymentController::clean_up(Rollout& rollout) {
    const auto limit = number(rollout.deployment, "spec.revisionHistoryLimit", unlimited);
    Sets alive;
    std::ranges::copy_if(rollout.old, std::back_inserter(alive), [](const ObjectPtr& set) { return !is_deleting(*set); });
    if (limit == unlimited || std::ssize(alive) <= limit) co_return;
    std::ranges::sort(alive, [](const ObjectPtr& left, const ObjectPtr& right) {
        return revision_of(*left) == revision_of(*right) ? is_older(*left, *right) : revision_of(*left) < revision_of(*right);
    });
    alive.resize(alive.size() - static_cast<std::size_t>(limit));
    for (const auto& set : alive) {
        const bool is_idle = number(*set, "status.replicas") == 0 && replicas_of(*set) == 0 &&
                             number(*set, "metadata.generation") <= number(*set, "status.observedGeneration");
        if (!is_idle) continue;
        try {
            co_await environment_.client.remove(resources::replica_sets, std::string(namespace_of(*set)), std::string(name_of(*set)));
        } catch (const ApiError& e) {
            if (e.status() != 404) throw;
        }
    }
}

}  // namespace services::kube::controllers
