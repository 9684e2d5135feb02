#include "services/kube/controllers/node_lifecycle.hpp"

#include <algorithm>
#include <array>

namespace services::kube::controllers {

namespace {

constexpr std::string_view lease_namespace = "kube-node-lease";
constexpr std::array<std::string_view, 4> watched_conditions{"Ready", "MemoryPressure", "DiskPressure", "PIDPressure"};

struct Rule {
    std::string_view condition, status, taint;
};
constexpr std::array<Rule, 6> rules{{
    {"Ready", "False", "node.kubernetes.io/not-ready"},
    {"Ready", "Unknown", "node.kubernetes.io/unreachable"},
    {"MemoryPressure", "True", "node.kubernetes.io/memory-pressure"},
    {"DiskPressure", "True", "node.kubernetes.io/disk-pressure"},
    {"NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"},
    {"PIDPressure", "True", "node.kubernetes.io/pid-pressure"},
}};
constexpr std::string_view unschedulable_taint = "node.kubernetes.io/unschedulable";

// A taint that this loop gives and takes.
bool is_ours(const json::object& taint) {
    const auto key = text(taint, "key"), effect = text(taint, "effect");
    if (effect == "NoSchedule")
        return key == unschedulable_taint || std::ranges::any_of(rules, [&](const Rule& rule) { return rule.taint == key; });
    return effect == "NoExecute" && (key == rules[0].taint || key == rules[1].taint);
}

// Heartbeats move times alone; what matters is who sent what.
bool is_heartbeat(const json::object& before, const json::object& node) {
    return array_at(before, "status.conditions") != array_at(node, "status.conditions");
}

}  // namespace

NodeLifecycleController::NodeLifecycleController(Environment& environment, std::chrono::seconds grace_period)
    : Controller(environment, "node-lifecycle-controller"), nodes_(environment.informers.of(resources::nodes)),
      pods_(environment.informers.of(resources::pods)), leases_(environment.informers.of(resources::leases)),
      events_(environment.executor, environment.client, environment.clock, "node-controller"), grace_period_(grace_period) {
    nodes_.add_handlers({.added = [this](const ObjectPtr& node) {
                             events_.record(*node, "Normal", "RegisteredNode",
                                            "Node " + std::string(name_of(*node)) + " event: Registered Node " +
                                                std::string(name_of(*node)) + " in Controller");
                             seen(std::string(name_of(*node)));
                         },
                         .updated = [this](const ObjectPtr& before, const ObjectPtr& node) {
                             // What this loop writes itself is no sign of life.
                             const bool is_own = condition_status(*node, "Ready") == "Unknown";
                             if (is_heartbeat(*before, *node) && !is_own) return seen(std::string(name_of(*node)));
                             queue_.add(std::string(name_of(*node)));
                         },
                         .deleted = [this](const ObjectPtr& node) {
                             events_.record(*node, "Normal", "RemovingNode",
                                            "Node " + std::string(name_of(*node)) + " event: Removing Node " +
                                                std::string(name_of(*node)) + " from Controller");
                             heard_.erase(std::string(name_of(*node)));
                             queue_.cancel_delayed(std::string(name_of(*node)));
                         }});
    leases_.on_change([this](const ObjectPtr& lease) {
        if (namespace_of(*lease) == lease_namespace && nodes_.find("", name_of(*lease))) seen(std::string(name_of(*lease)));
    });
}

void NodeLifecycleController::start(hal::async::TaskGroup& group) {
    group.spawn("events of " + name(), events_.run());
    Controller::start(group);
}

void NodeLifecycleController::seen(const std::string& node) {
    heard_[node] = environment_.clock.steady();
    queue_.cancel_delayed(node);
    queue_.add(node);
}

bool NodeLifecycleController::is_any_well() const {
    bool found = false;
    nodes_.each([&found](const ObjectPtr& node) { found |= condition_status(*node, "Ready") == "True"; });
    return found;
}

Task<> NodeLifecycleController::sync(std::string name) {
    auto node = nodes_.find("", name);
    if (!node || is_deleting(*node)) co_return;
    const auto silent = environment_.clock.steady() - heard_.try_emplace(name, environment_.clock.steady()).first->second;
    if (silent >= grace_period_) {
        const bool was_ready = condition_status(*node, "Ready") == "True";
        if (condition_status(*node, "Ready") != "Unknown") {
            co_await mark_unknown(node);
            if (was_ready)
                events_.record(*node, "Normal", "NodeNotReady", "Node " + name + " status is now: NodeNotReady");
            co_return;  // the write brings it back
        }
    } else {
        queue_.add_after(name, grace_period_ - silent);
    }
    if (condition_status(*node, "Ready") != "True" && condition_of(*node, "Ready") != nullptr) co_await mark_pods_not_ready(name);
    co_await sync_taints(node);
}

Task<> NodeLifecycleController::mark_unknown(ObjectPtr node) {
    auto conditions = array_at(*node, "status.conditions");
    const auto now = environment_.clock.wall();
    for (const auto type : watched_conditions) {
        const auto* before = condition_of(*node, type);
        json::object condition{{"type", type}, {"status", "Unknown"}};
        if (before == nullptr) {
            condition["reason"] = "NodeStatusNeverUpdated";
            condition["message"] = "Kubelet never posted node status.";
            condition["lastHeartbeatTime"] = text(*node, "metadata.creationTimestamp");
        } else {
            condition["reason"] = "NodeStatusUnknown";
            condition["message"] = "Kubelet stopped posting node status.";
            if (const auto* heartbeat = before->if_contains("lastHeartbeatTime")) condition["lastHeartbeatTime"] = *heartbeat;
        }
        set_condition(conditions, std::move(condition), now);
    }
    auto changed = *node;
    make_object(changed, "status")["conditions"] = std::move(conditions);
    co_await environment_.client.update_status(resources::nodes, "", std::move(changed));
}

Task<> NodeLifecycleController::mark_pods_not_ready(std::string node) {
    for (const auto& pod : pods_.by_index("node", node)) {
        if (!is_pod_ready(*pod)) continue;
        auto ready = *condition_of(*pod, "Ready");
        ready["status"] = "False";
        ready["lastTransitionTime"] = hal::rfc3339(environment_.clock.wall());
        json::array conditions;
        conditions.emplace_back(std::move(ready));
        json::object patch{{"status", {{"conditions", std::move(conditions)}}}};
        try {
            co_await environment_.client.patch(resources::pods, std::string(namespace_of(*pod)), std::string(name_of(*pod)),
                                               "strategic-merge-patch", std::move(patch), "status");
        } catch (const ApiError& e) {
            if (e.status() != 404) throw;
        }
        events_.record(*pod, "Warning", "NodeNotReady", "Node is not ready");
    }
}

json::array node_taints(const json::object& node, bool may_evict, hal::WallTime now) {
    const auto& before = array_at(node, "spec.taints");
    json::array taints;
    for (const auto& entry : before)
        if (!is_ours(as_object(entry))) taints.push_back(entry);
    const auto put = [&](std::string_view key, std::string_view effect) {
        // One that is there keeps the time it was added.
        for (const auto& entry : before) {
            if (text(as_object(entry), "key") != key || text(as_object(entry), "effect") != effect) continue;
            taints.push_back(entry);
            return;
        }
        taints.emplace_back(json::object{{"key", key}, {"effect", effect}, {"timeAdded", hal::rfc3339(now)}});
    };
    for (const auto& [condition, status, taint] : rules)
        if (condition_status(node, condition) == status) put(taint, "NoSchedule");
    if (flag(node, "spec.unschedulable")) put(unschedulable_taint, "NoSchedule");
    if (may_evict)
        for (const auto& [condition, status, taint] : std::span(rules).first(2))
            if (condition_status(node, condition) == status) put(taint, "NoExecute");
    return taints;
}

Task<> NodeLifecycleController::sync_taints(ObjectPtr node) {
    auto taints = node_taints(*node, is_any_well(), environment_.clock.wall());
    const auto& before = array_at(*node, "spec.taints");
    const bool is_same = taints.size() == before.size() && std::ranges::all_of(taints, [&](const json::value& taint) {
        return std::ranges::find(before, taint) != before.end();
    });
    if (is_same) co_return;
    auto changed = *node;
    auto& spec = make_object(changed, "spec");
    if (taints.empty())
        spec.erase("taints");
    else
        spec["taints"] = std::move(taints);
    co_await environment_.client.update(resources::nodes, "", std::move(changed));
}

}  // namespace services::kube::controllers
