// The pod's status as the API shows it (core/v1 PodStatus; kubelet status rules).
#include <boost/json/array.hpp>

#include <algorithm>
#include <array>
#include <format>

#include "services/kubeclient/object.hpp"
#include "services/kubelet/pods/resources.hpp"
#include "services/kubelet/pods/state.hpp"

namespace services::kubelet::pods {

namespace kc = kubeclient;

namespace {

constexpr std::array own_conditions{"PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"};

std::string shown_id(const std::string& id) { return id.empty() ? "" : "crun://" + id; }

json::object terminated(const Termination& one) {
    json::object made{{"exitCode", one.exit_code}, {"reason", one.reason}};
    if (!one.message.empty()) made["message"] = one.message;
    if (one.started != hal::WallTime{}) made["startedAt"] = hal::rfc3339(one.started);
    made["finishedAt"] = hal::rfc3339(one.finished);
    made["containerID"] = shown_id(one.id);
    return {{"terminated", std::move(made)}};
}

json::object current(const ContainerState& one) {
    if (one.is_running()) return {{"running", {{"startedAt", hal::rfc3339(one.started)}}}};
    if (one.phase == ContainerState::Phase::terminated && one.ended) return terminated(*one.ended);
    json::object waiting{{"reason", one.waiting_reason}};
    if (!one.waiting_message.empty()) waiting["message"] = one.waiting_message;
    return {{"waiting", std::move(waiting)}};
}

json::array volume_mounts(const json::object& spec) {
    json::array made;
    for (const auto& item : kc::array_at(spec, "volumeMounts")) {
        const auto& one = item.as_object();
        json::object mount{{"name", kc::text(one, "name")}, {"mountPath", kc::text(one, "mountPath")}};
        if (kc::flag(one, "readOnly")) mount["readOnly"] = true, mount["recursiveReadOnly"] = "Disabled";
        made.push_back(std::move(mount));
    }
    return made;
}

json::object container_status(const PodState& state, const ContainerState& one) {
    const auto& spec = state.spec_of(one);
    const bool counts_ready = one.is_init && !one.is_sidecar ? one.has_succeeded() : one.is_running() && one.is_ready;
    json::object made{{"name", one.name},
                      {"state", current(one)},
                      {"lastState", one.last ? terminated(*one.last) : json::object()},
                      {"ready", counts_ready},
                      {"restartCount", one.restarts()},
                      {"image", one.image},
                      {"imageID", one.image_id},
                      {"started", one.is_running() && one.is_started}};
    if (!one.id.empty()) made["containerID"] = shown_id(one.id);
    if (one.is_running() && spec.contains("resources")) {
        made["resources"] = kc::object_at(spec, "resources");
        if (const auto* requests = kc::field(spec, "resources.requests")) made["allocatedResources"] = *requests;
    }
    if (auto mounts = volume_mounts(spec); !mounts.empty()) made["volumeMounts"] = std::move(mounts);
    return made;
}

struct Condition {
    bool is_true = false;
    std::string reason, message;
};

std::string listed(const std::vector<std::string>& names) {
    std::string all;
    for (const auto& name : names) all += (all.empty() ? "" : " ") + name;
    return "[" + all + "]";
}

Condition containers_ready(const PodState& state, const std::string& phase) {
    if (phase == "Succeeded") return {false, "PodCompleted", ""};
    if (phase == "Failed") return {false, "PodFailed", ""};
    std::vector<std::string> unready;
    for (const auto& one : state.containers)
        if ((one.is_main() || one.is_sidecar) && !(one.is_running() && one.is_ready)) unready.push_back(one.name);
    if (unready.empty()) return {true, "", ""};
    return {false, "ContainersNotReady", "containers with unready status: " + listed(unready)};
}

Condition ready(const PodState& state, const json::object& before, const Condition& containers) {
    if (!containers.is_true) return containers;
    std::vector<std::string> gates;
    for (const auto& gate : kc::array_at(state.pod, "spec.readinessGates")) {
        const auto type = kc::text(gate.as_object(), "conditionType");
        bool holds = false;
        for (const auto& condition : kc::array_at(before, "conditions"))
            holds = holds || (kc::text(condition.as_object(), "type") == type && kc::text(condition.as_object(), "status") == "True");
        if (!holds) gates.push_back(std::format("corresponding condition of pod readiness gate \"{}\" does not exist.", type));
    }
    if (gates.empty()) return containers;
    return {false, "ReadinessGatesNotReady", gates.front()};
}

Condition initialized(const PodState& state, const std::string& phase) {
    if (phase == "Succeeded") return {true, "PodCompleted", ""};
    std::vector<std::string> incomplete;
    for (const auto& one : state.containers)
        if (one.is_init && !one.has_succeeded() && !(one.is_sidecar && one.is_started)) incomplete.push_back(one.name);
    if (incomplete.empty() || state.is_initialized()) return {true, "", ""};
    return {false, "ContainersNotInitialized", "containers with incomplete status: " + listed(incomplete)};
}

}  // namespace

std::string phase_of(const PodState& state) {
    if (!state.final_phase.empty()) return state.final_phase;
    using Phase = ContainerState::Phase;
    unsigned waiting = 0, running = 0, stopped = 0, succeeded = 0;
    for (const auto& one : state.containers) {
        if (one.is_init) {
            const bool has_failed = one.phase == Phase::terminated && one.ended && one.ended->exit_code != 0;
            if (has_failed && !one.is_sidecar && state.restart_policy_of(one) == "Never") return "Failed";
            continue;
        }
        if (one.is_ephemeral) continue;
        if (one.phase == Phase::running) ++running;
        else if (one.phase == Phase::terminated || one.last) ++stopped;
        else ++waiting;
        const auto& end = one.phase == Phase::terminated ? one.ended : one.last;
        if (one.phase != Phase::running && end && end->exit_code == 0) ++succeeded;
    }
    if (!state.is_initialized() && running + stopped == 0) return "Pending";
    if (waiting > 0) return "Pending";
    if (running > 0) return "Running";
    const auto policy = kc::text(state.pod, "spec.restartPolicy", "Always");
    if (stopped == 0) return "Pending";
    if (policy == "Always") return "Running";
    if (stopped == succeeded) return "Succeeded";
    return policy == "Never" ? "Failed" : "Running";
}

json::object status_of(const PodState& state, const json::object& before, hal::WallTime now) {
    const auto phase = phase_of(state);
    const auto generation = kc::number(state.pod, "metadata.generation", 1);
    json::object status{{"phase", phase}, {"observedGeneration", generation}, {"qosClass", qos_class(state.pod)}};
    if (state.started) status["startTime"] = hal::rfc3339(*state.started);
    status["reason"] = state.reason.empty() ? json::value() : json::value(state.reason);
    status["message"] = state.message.empty() ? json::value() : json::value(state.message);

    json::array conditions = kc::array_at(before, "conditions");
    const auto put = [&](const char* type, const Condition& condition) {
        json::object made{{"type", type}, {"status", condition.is_true ? "True" : "False"}, {"observedGeneration", generation}, {"lastProbeTime", nullptr}};
        if (!condition.reason.empty()) made["reason"] = condition.reason;
        if (!condition.message.empty()) made["message"] = condition.message;
        kc::set_condition(conditions, std::move(made), now);
    };
    const auto containers = containers_ready(state, phase);
    put(own_conditions[0], {state.has_sandbox, "", ""});
    put(own_conditions[1], initialized(state, phase));
    put(own_conditions[2], ready(state, before, containers));
    put(own_conditions[3], containers);
    put(own_conditions[4], {true, "", ""});
    status["conditions"] = std::move(conditions);

    json::array inits, mains, ephemerals;
    for (const auto& one : state.containers) (one.is_init ? inits : one.is_ephemeral ? ephemerals : mains).push_back(container_status(state, one));
    if (!ephemerals.empty()) status["ephemeralContainerStatuses"] = std::move(ephemerals);
    if (!inits.empty()) status["initContainerStatuses"] = std::move(inits);
    status["containerStatuses"] = std::move(mains);

    const auto addresses = [&](const char* single, const char* plural, const std::vector<std::string>& all) {
        if (all.empty()) return;
        json::array list;
        for (const auto& one : all) list.push_back(json::object{{"ip", one}});
        status[single] = all.front();
        status[plural] = std::move(list);
    };
    addresses("hostIP", "hostIPs", state.host_addresses);
    addresses("podIP", "podIPs", state.addresses);
    return status;
}

}  // namespace services::kubelet::pods
