#include "services/kube/controllers/replica_set.hpp"

namespace services::kube::controllers {

ReplicaSetController::ReplicaSetController(Environment& environment)
    : Controller(environment, "replicaset-controller", 5), sets_(environment.informers.of(resources::replica_sets)),
      pods_(environment.informers.of(resources::pods)), expectations_(environment.clock),
      events_(environment.executor, environment.client, environment.clock, "replicaset-controller"),
      control_(environment.client, events_), ownership_(environment.client, resources::replica_sets, resources::pods) {
    sets_.add_handlers({.added = [this](const ObjectPtr& set) { queue_.add(key_of(*set)); },
                        .updated = [this](const ObjectPtr&, const ObjectPtr& set) { queue_.add(key_of(*set)); },
                        .deleted = [this](const ObjectPtr& set) {
                            expectations_.forget(key_of(*set));
                            queue_.add(key_of(*set));
                        }});
    pods_.add_handlers({.added = [this](const ObjectPtr& pod) { pod_added(pod); },
                        .updated = [this](const ObjectPtr& before, const ObjectPtr& pod) { pod_updated(before, pod); },
                        .deleted = [this](const ObjectPtr& pod) { pod_deleted(pod); }});
}

void ReplicaSetController::start(hal::async::TaskGroup& group) {
    group.spawn("events of " + name(), events_.run());
    Controller::start(group);
}

ObjectPtr ReplicaSetController::owner_of(const json::object& pod) const {
    const auto* reference = controller_of(pod);
    if (reference == nullptr || text(*reference, "kind") != "ReplicaSet") return nullptr;
    auto set = sets_.find(namespace_of(pod), text(*reference, "name"));
    return set && uid_of(*set) == text(*reference, "uid") ? set : nullptr;
}

void ReplicaSetController::add_matching(const json::object& pod) {
    for (const auto& set : sets_.list(namespace_of(pod)))
        if (LabelSelector::from_object(field(*set, "spec.selector")).matches(object_at(pod, "metadata.labels")))
            queue_.add(key_of(*set));
}

void ReplicaSetController::pod_added(const ObjectPtr& pod) {
    if (is_deleting(*pod)) return pod_deleted(pod);
    if (controller_of(*pod) == nullptr) return add_matching(*pod);
    const auto set = owner_of(*pod);
    if (!set) return;
    expectations_.creation_observed(key_of(*set));
    queue_.add(key_of(*set));
}

void ReplicaSetController::pod_updated(const ObjectPtr& before, const ObjectPtr& pod) {
    const bool is_relabelled = object_at(*before, "metadata.labels") != object_at(*pod, "metadata.labels");
    if (is_deleting(*pod)) return pod_deleted(pod);
    const auto* owner_before = controller_of(*before);
    const auto* owner = controller_of(*pod);
    const bool is_owner_changed = (owner_before == nullptr) != (owner == nullptr) || (owner != nullptr && *owner != *owner_before);
    if (is_owner_changed)
        if (const auto set = owner_of(*before)) queue_.add(key_of(*set));
    if (owner == nullptr) {
        if (is_relabelled || is_owner_changed) add_matching(*pod);
        return;
    }
    if (const auto set = owner_of(*pod)) queue_.add(key_of(*set));
}

void ReplicaSetController::pod_deleted(const ObjectPtr& pod) {
    const auto set = owner_of(*pod);
    if (!set) return;
    expectations_.deletion_observed(key_of(*set), key_of(*pod));
    queue_.add(key_of(*set));
}

Task<> ReplicaSetController::sync(std::string key) {
    const auto set = sets_.find_key(key);
    if (!set) {
        expectations_.forget(key);
        co_return;
    }
    const bool may_manage = expectations_.satisfied(key) && !is_deleting(*set);
    const auto selector = LabelSelector::from_object(field(*set, "spec.selector"));
    std::vector<ObjectPtr> candidates;
    std::size_t terminating = 0;
    for (const auto& pod : pods_.list(namespace_of(*set))) {
        const bool is_candidate = controller_of(*pod) == nullptr || is_owned_by(*pod, *set);
        if (is_candidate && is_pod_active(*pod)) candidates.push_back(pod);
        if (is_owned_by(*pod, *set) && is_pod_terminating(*pod) && selector.matches(object_at(*pod, "metadata.labels")))
            ++terminating;
    }
    const auto active = co_await ownership_.claim(set, selector, std::move(candidates));

    std::exception_ptr failure;
    if (may_manage) {
        try {
            co_await manage(set, active);
        } catch (const hal::Error& e) {
            if (e.code() == hal::Code::cancelled) throw;
            failure = std::current_exception();
        }
    }
    const auto now = environment_.clock.wall();
    auto status = replica_set_status(*set, active, terminating, failure ? message_of(failure) : "", now);
    const bool is_waiting = number(status, "readyReplicas") != number(status, "availableReplicas");
    co_await update_status(set, std::move(status));
    if (failure) std::rethrow_exception(failure);
    if (is_waiting)
        if (const auto at = next_available(active, number(*set, "spec.minReadySeconds"), now))
            queue_.add_after(key, *at - now);
}

Task<> ReplicaSetController::manage(ObjectPtr set, std::vector<ObjectPtr> active) {
    const auto wanted = static_cast<std::size_t>(number(*set, "spec.replicas", 1));
    if (active.size() < wanted) co_return co_await create_slowly(set, std::min(wanted - active.size(), burst_max));
    if (active.size() == wanted) co_return;
    const auto excess = std::min(active.size() - wanted, burst_max);
    if (excess < active.size()) order_for_deletion(active, related_on_nodes(*set), environment_.clock.wall());
    active.resize(excess);
    co_await remove_pods(set, std::move(active));
}

Task<> ReplicaSetController::create_slowly(ObjectPtr set, std::size_t count) {
    const auto key = key_of(*set);
    expectations_.expect_creations(key, count);
    std::size_t made = 0;
    std::exception_ptr failure;
    for (std::size_t batch = 1; made < count && !failure; batch *= 2) {
        std::vector<Task<>> tasks;
        const auto size = std::min(batch, count - made);
        for (std::size_t i = 0; i < size; ++i) tasks.push_back(control_.create(set));
        for (const auto& outcome : co_await run_all(std::move(tasks))) {
            if (!outcome)
                ++made;
            else if (!failure)
                failure = outcome;
        }
    }
    // What was not made will not be seen.
    for (auto missing = count - made; missing > 0; --missing) expectations_.creation_observed(key);
    if (!failure) co_return;
    try {
        std::rethrow_exception(failure);
    } catch (const ApiError& e) {
        if (!is_namespace_ending(e)) throw;
    }
}

Task<> ReplicaSetController::remove_pods(ObjectPtr set, std::vector<ObjectPtr> pods) {
    const auto key = key_of(*set);
    std::vector<std::string> expected;
    std::vector<Task<>> tasks;
    for (const auto& pod : pods) {
        expected.push_back(key_of(*pod));
        tasks.push_back(control_.remove(set, std::string(name_of(*pod))));
    }
    expectations_.expect_deletions(key, expected);
    const auto outcomes = co_await run_all(std::move(tasks));
    std::exception_ptr failure;
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
        if (!outcomes[i]) continue;
        expectations_.deletion_observed(key, expected[i]);
        try {
            std::rethrow_exception(outcomes[i]);
        } catch (const ApiError& e) {
            if (e.status() != 404) failure = outcomes[i];
        } catch (const hal::Error&) {
            failure = outcomes[i];
        }
    }
    if (failure) std::rethrow_exception(failure);
}

std::unordered_map<std::string, std::size_t> ReplicaSetController::related_on_nodes(const json::object& set) const {
    std::unordered_map<std::string, std::size_t> counts;
    const auto* owner = controller_of(set);
    for (const auto& pod : pods_.list(namespace_of(set))) {
        if (!is_pod_active(*pod)) continue;
        const auto other = owner_of(*pod);
        if (!other) continue;
        const auto* other_owner = controller_of(*other);
        const bool is_related = uid_of(*other) == uid_of(set) ||
                                (owner != nullptr && other_owner != nullptr && text(*owner, "uid") == text(*other_owner, "uid"));
        if (is_related) ++counts[std::string(text(*pod, "spec.nodeName"))];
    }
    return counts;
}

Task<> ReplicaSetController::update_status(ObjectPtr set, json::object status) {
    if (object_at(*set, "status") == status) co_return;
    auto updated = *set;
    updated["status"] = std::move(status);
    try {
        co_await environment_.client.update_status(resources::replica_sets, std::string(namespace_of(*set)), std::move(updated));
    } catch (const ApiError& e) {
        if (e.status() != 404) throw;
    }
}

json::object replica_set_status(const json::object& set, const std::vector<ObjectPtr>& active, std::size_t terminating,
                                const std::string& failure, hal::WallTime now) {
    auto status = object_at(set, "status");
    const auto min_ready_seconds = number(set, "spec.minReadySeconds");
    const auto template_labels = LabelSelector::from_map(object_at(set, "spec.template.metadata.labels"));
    std::int64_t fully_labelled = 0, ready = 0, available = 0;
    for (const auto& pod : active) {
        if (template_labels.matches(object_at(*pod, "metadata.labels"))) ++fully_labelled;
        if (!is_pod_ready(*pod)) continue;
        ++ready;
        if (is_pod_available(*pod, min_ready_seconds, now)) ++available;
    }
    status["replicas"] = active.size();
    put_count(status, "fullyLabeledReplicas", fully_labelled);
    put_count(status, "readyReplicas", ready);
    put_count(status, "availableReplicas", available);
    status["terminatingReplicas"] = terminating;
    put_count(status, "observedGeneration", number(set, "metadata.generation"));

    auto conditions = array_at(set, "status.conditions");
    if (failure.empty()) {
        remove_condition(conditions, "ReplicaFailure");
    } else if (condition_of(set, "ReplicaFailure") == nullptr) {
        const auto wanted = static_cast<std::size_t>(number(set, "spec.replicas", 1));
        set_condition(conditions,
                      {{"type", "ReplicaFailure"}, {"status", "True"},
                       {"reason", active.size() < wanted ? "FailedCreate" : "FailedDelete"}, {"message", failure}},
                      now);
    }
    if (conditions.empty())
        status.erase("conditions");
    else
        status["conditions"] = std::move(conditions);
    return status;
}

}  // namespace services::kube::controllers
