#include "services/kube/controllers/taint_eviction.hpp"

#include <algorithm>

namespace services::kube::controllers {

namespace {

json::array evicting_taints(const json::object& node) {
    json::array found;
    for (const auto& entry : array_at(node, "spec.taints"))
        if (text(as_object(entry), "effect") == "NoExecute") found.push_back(entry);
    return found;
}

bool tolerates(const json::object& toleration, const json::object& taint) {
    const auto effect = text(toleration, "effect"), key = text(toleration, "key");
    if (!effect.empty() && effect != "NoExecute") return false;
    if (!key.empty() && key != text(taint, "key")) return false;
    return text(toleration, "operator") == "Exists" || (!key.empty() && text(toleration, "value") == text(taint, "value"));
}

}  // namespace

std::optional<std::chrono::seconds> tolerated_time(const json::object& pod, const json::array& taints) {
    std::optional<std::chrono::seconds> shortest;
    const auto& tolerations = array_at(pod, "spec.tolerations");
    for (const auto& taint : taints) {
        bool is_tolerated = false;
        for (const auto& entry : tolerations) {
            const auto& toleration = as_object(entry);
            if (!tolerates(toleration, as_object(taint))) continue;
            is_tolerated = true;
            if (field(toleration, "tolerationSeconds") == nullptr) continue;
            const std::chrono::seconds limit(std::max<std::int64_t>(number(toleration, "tolerationSeconds"), 0));
            if (!shortest || limit < *shortest) shortest = limit;
        }
        if (!is_tolerated) return std::chrono::seconds(0);
    }
    return shortest;
}

TaintEvictionController::TaintEvictionController(Environment& environment)
    : Controller(environment, "taint-eviction-controller", 4), nodes_(environment.informers.of(resources::nodes)),
      pods_(environment.informers.of(resources::pods)),
      events_(environment.executor, environment.client, environment.clock, "taint-eviction-controller") {
    nodes_.on_change([this](const ObjectPtr& node) { node_changed(*node); });
    pods_.add_handlers({.added = [this](const ObjectPtr& pod) { queue_.add(key_of(*pod)); },
                        .updated = [this](const ObjectPtr& before, const ObjectPtr& pod) {
                            if (object_at(*before, "spec") != object_at(*pod, "spec")) queue_.add(key_of(*pod));
                        },
                        .deleted = [this](const ObjectPtr& pod) { queue_.cancel_delayed(key_of(*pod)); }});
}

void TaintEvictionController::start(hal::async::TaskGroup& group) {
    group.spawn("events of " + name(), events_.run());
    Controller::start(group);
}

void TaintEvictionController::node_changed(const json::object& node) {
    const std::string name(name_of(node));
    const bool is_tainted = nodes_.find("", name) && !evicting_taints(node).empty();
    if (is_tainted == tainted_.contains(name) && !is_tainted) return;
    if (is_tainted)
        tainted_.try_emplace(name, environment_.clock.steady());
    else
        tainted_.erase(name);
    for (const auto& pod : pods_.by_index("node", name)) queue_.add(key_of(*pod));
}

Task<> TaintEvictionController::sync(std::string pod_key) {
    queue_.cancel_delayed(pod_key);
    const auto pod = pods_.find_key(pod_key);
    if (!pod || is_deleting(*pod) || is_pod_finished(*pod)) co_return;
    const std::string node_name(text(*pod, "spec.nodeName"));
    const auto since = tainted_.find(node_name);
    const auto node = nodes_.find("", node_name);
    if (!node || since == tainted_.end()) co_return;
    const auto limit = tolerated_time(*pod, evicting_taints(*node));
    if (!limit) co_return;
    const auto left = since->second + *limit - environment_.clock.steady();
    if (left > std::chrono::steady_clock::duration::zero()) {
        queue_.add_after(pod_key, left);
        co_return;
    }
    co_await evict(pod);
}

Task<> TaintEvictionController::evict(ObjectPtr pod) {
    const std::string space(namespace_of(*pod)), name(name_of(*pod));
    events_.record(*pod, "Normal", "TaintManagerEviction", "Marking for deletion Pod " + key_of(*pod));
    json::array conditions;
    conditions.emplace_back(json::object{{"type", "DisruptionTarget"}, {"status", "True"}, {"reason", "DeletionByTaintManager"},
                                         {"message", "Taint manager: deleting due to NoExecute taint"},
                                         {"observedGeneration", number(*pod, "metadata.generation")},
                                         {"lastTransitionTime", hal::rfc3339(environment_.clock.wall())}});
    json::object patch{{"status", {{"conditions", std::move(conditions)}}}};
    try {
        co_await environment_.client.patch(resources::pods, space, name, "strategic-merge-patch", std::move(patch), "status");
        co_await environment_.client.remove(resources::pods, space, name);
    } catch (const ApiError& e) {
        if (e.status() != 404) throw;
    }
}

}  // namespace services::kube::controllers
