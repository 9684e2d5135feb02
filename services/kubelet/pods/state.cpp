#include "services/kubelet/pods/state.hpp"

#include <boost/json/array.hpp>

#include <algorithm>

#include "hal/base/error.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kubelet::pods {

namespace kc = kubeclient;

namespace {

constexpr int version = 1;

json::object to_json(const Termination& one) {
    return {{"exitCode", one.exit_code}, {"reason", one.reason}, {"message", one.message}, {"started", hal::rfc3339_micro(one.started)},
            {"finished", hal::rfc3339_micro(one.finished)}, {"id", one.id}};
}

hal::WallTime time_at(const json::object& object, const char* field) {
    const auto text = kc::text(object, field);
    return text.empty() ? hal::WallTime{} : hal::parse_rfc3339(std::string(text));
}

std::optional<Termination> termination_at(const json::object& object, const char* field) {
    const auto* value = kc::field(object, field);
    if (!value) return std::nullopt;
    const auto& one = kc::as_object(*value);
    return Termination{static_cast<int>(kc::number(one, "exitCode")), std::string(kc::text(one, "reason")), std::string(kc::text(one, "message")),
                       time_at(one, "started"), time_at(one, "finished"), std::string(kc::text(one, "id"))};
}

constexpr std::string_view phase_names[] = {"waiting", "running", "terminated"};

json::object to_json(const ContainerState& one) {
    json::object made{{"name", one.name}, {"phase", phase_names[static_cast<int>(one.phase)]}, {"waitingReason", one.waiting_reason},
                      {"waitingMessage", one.waiting_message}, {"id", one.id}, {"started", hal::rfc3339_micro(one.started)},
                      {"attempts", one.attempts}, {"isReady", one.is_ready}, {"isStarted", one.is_started}, {"image", one.image},
                      {"imageID", one.image_id}, {"stopSignal", one.stop_signal}};
    if (one.ended) made["ended"] = to_json(*one.ended);
    if (one.last) made["last"] = to_json(*one.last);
    return made;
}

void read_into(ContainerState& one, const json::object& from) {
    const auto phase = std::ranges::find(phase_names, kc::text(from, "phase"));
    one.phase = phase == std::end(phase_names) ? ContainerState::Phase::waiting : static_cast<ContainerState::Phase>(phase - std::begin(phase_names));
    one.waiting_reason = kc::text(from, "waitingReason");
    one.waiting_message = kc::text(from, "waitingMessage");
    one.id = kc::text(from, "id");
    one.started = time_at(from, "started");
    one.attempts = static_cast<unsigned>(kc::number(from, "attempts"));
    one.is_ready = kc::flag(from, "isReady");
    one.is_started = kc::flag(from, "isStarted");
    one.image = kc::text(from, "image");
    one.image_id = kc::text(from, "imageID");
    one.stop_signal = static_cast<int>(kc::number(from, "stopSignal", one.stop_signal));
    one.ended = termination_at(from, "ended");
    one.last = termination_at(from, "last");
}

json::array texts(const std::vector<std::string>& all) { return json::array(all.begin(), all.end()); }
std::vector<std::string> texts(const json::array& all) {
    std::vector<std::string> made;
    for (const auto& one : all) made.emplace_back(kc::as_text(one));
    return made;
}

}  // namespace

PodState PodState::of(json::object pod) {
    PodState state;
    state.pod = std::move(pod);
    const auto add = [&](const char* list, bool is_init) {
        for (const auto& item : kc::array_at(state.pod, list)) {
            ContainerState one;
            one.name = kc::text(item.as_object(), "name");
            one.is_init = is_init;
            one.is_sidecar = is_init && kc::text(item.as_object(), "restartPolicy") == "Always";
            one.image = kc::text(item.as_object(), "image");
            state.containers.push_back(std::move(one));
        }
    };
    add("spec.initContainers", true);
    const bool has_init = !state.containers.empty();
    add("spec.containers", false);
    for (auto& one : state.containers) one.waiting_reason = has_init ? "PodInitializing" : "ContainerCreating";
    state.add_ephemeral();
    return state;
}

void PodState::add_ephemeral() {
    for (const auto& item : kc::array_at(pod, "spec.ephemeralContainers")) {
        const auto name = kc::text(item.as_object(), "name");
        if (find(name)) continue;
        ContainerState one;
        one.name = name;
        one.is_ephemeral = true;
        one.image = kc::text(item.as_object(), "image");
        one.waiting_reason = "ContainerCreating";
        containers.push_back(std::move(one));
    }
}

PodState PodState::from_json(const json::value& value) {
    const auto& all = kc::as_object(value);
    if (kc::number(all, "version") > version || !all.contains("pod")) throw hal::Error(hal::Code::corrupt, "not a pod's checkpoint that this version reads");
    auto state = of(kc::object_at(all, "pod"));
    state.boot = kc::text(all, "boot");
    state.cluster = kc::text(all, "cluster");
    for (const auto& [key, object] : kc::object_at(all, "objects")) state.objects.emplace(key, kc::as_object(object));
    for (const auto& item : kc::array_at(all, "containers"))
        if (auto* one = state.find(kc::text(kc::as_object(item), "name"))) read_into(*one, kc::as_object(item));
    if (all.contains("started")) state.started = time_at(all, "started");
    if (all.contains("activeSince")) state.active_since = hal::SteadyTime(std::chrono::milliseconds(kc::number(all, "activeSince")));
    state.addresses = texts(kc::array_at(all, "addresses"));
    state.host_addresses = texts(kc::array_at(all, "hostAddresses"));
    state.has_sandbox = kc::flag(all, "hasSandbox");
    state.final_phase = kc::text(all, "finalPhase");
    state.reason = kc::text(all, "reason");
    state.message = kc::text(all, "message");
    return state;
}

json::object PodState::to_json() const {
    json::object kept, made{{"version", version}, {"boot", boot}, {"cluster", cluster}, {"pod", pod}};
    for (const auto& [key, object] : objects) kept[key] = object;
    json::array list;
    for (const auto& one : containers) list.push_back(pods::to_json(one));
    made["objects"] = std::move(kept);
    made["containers"] = std::move(list);
    if (started) made["started"] = hal::rfc3339_micro(*started);
    if (active_since) made["activeSince"] = std::chrono::floor<std::chrono::milliseconds>(active_since->time_since_epoch()).count();
    made["addresses"] = texts(addresses);
    made["hostAddresses"] = texts(host_addresses);
    made["hasSandbox"] = has_sandbox;
    made["finalPhase"] = final_phase;
    made["reason"] = reason;
    made["message"] = message;
    return made;
}

std::string PodState::uid() const { return std::string(kc::uid_of(pod)); }

ContainerState* PodState::find(std::string_view container) {
    const auto it = std::ranges::find(containers, container, &ContainerState::name);
    return it == containers.end() ? nullptr : &*it;
}

const json::object& PodState::spec_of(const ContainerState& container) const {
    for (const auto& item : kc::array_at(pod, std::string("spec.") + container.list()))
        if (kc::text(item.as_object(), "name") == container.name) return item.as_object();
    throw hal::Error(hal::Code::internal, "pod " + kc::key_of(pod) + " has no container " + container.name);
}

std::string PodState::restart_policy_of(const ContainerState& container) const {
    const auto of_pod = std::string(kc::text(pod, "spec.restartPolicy", "Always"));
    if (container.is_ephemeral) return "Never";
    const auto own = kc::text(spec_of(container), "restartPolicy");
    if (!own.empty()) return std::string(own);
    // An init container that failed is tried again unless the pod never restarts anything.
    return container.is_init && of_pod == "Always" ? "OnFailure" : of_pod;
}

bool PodState::is_initialized() const {
    return std::ranges::all_of(containers, [](const ContainerState& one) {
        return !one.is_init || one.has_succeeded() || (one.is_sidecar && one.is_started && one.attempts > 0);
    });
}

}  // namespace services::kubelet::pods
