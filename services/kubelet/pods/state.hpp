// What the kubelet knows of one pod: its object as last seen, and how each of its containers stands. Written down as the
// checkpoint (DATA/pods/UID/pod.json) that a restart or a reboot goes on from, and turned into the API's status.
//
// Values alone; no I/O. The checkpoint is JSON, {"version": 1, "boot": "...", "pod": {...}, "objects": {"secret/x": {...}},
// "containers": [...]}, with times in RFC 3339.
#pragma once

#include <boost/json/object.hpp>

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hal/base/clock.hpp"
#include "services/kubelet/pods/environment.hpp"

namespace services::kubelet::pods {

struct Termination {
    int exit_code = 0;
    std::string reason;   // Completed, Error, OOMKilled, ContainerStatusUnknown ...
    std::string message;  // the termination message
    hal::WallTime started, finished;
    std::string id;       // of the container
    bool operator==(const Termination&) const = default;
};

struct ContainerState {
    enum class Phase { waiting, running, terminated };

    std::string name;
    bool is_init = false;
    bool is_ephemeral = false;  // of spec.ephemeralContainers: added while the pod runs, never restarted, counts for nothing
    bool is_sidecar = false;  // an init container with restartPolicy Always
    Phase phase = Phase::waiting;
    std::string waiting_reason, waiting_message;
    std::string id;        // of the running one, or the last
    hal::WallTime started;
    std::optional<Termination> ended;  // while terminated
    std::optional<Termination> last;   // of the attempt before
    unsigned attempts = 0;     // started so far: the next one's log is attempts.log
    bool is_ready = false;     // readiness, as probed or without a probe
    bool is_started = false;   // startup probe passed, or without one
    std::string image, image_id;
    int stop_signal = 15;

    [[nodiscard]] bool is_running() const { return phase == Phase::running; }
    [[nodiscard]] bool is_main() const { return !is_init && !is_ephemeral; }
    // Where the spec has it: "initContainers", "containers", "ephemeralContainers".
    [[nodiscard]] const char* list() const { return is_init ? "initContainers" : is_ephemeral ? "ephemeralContainers" : "containers"; }
    [[nodiscard]] bool has_succeeded() const { return phase == Phase::terminated && ended && ended->exit_code == 0; }
    [[nodiscard]] unsigned restarts() const { return attempts > 0 ? attempts - 1 : 0; }
};

struct PodState {
    json::object pod;
    std::string boot;           // the boot its containers ran in
    std::string cluster;        // the API server's database that it is of (uid of Namespace kube-system); "": not known
    ReferencedObjects objects;  // ConfigMaps and Secrets it needs, as last seen
    std::deque<ContainerState> containers;   // init, main, ephemeral ones, each in the spec's order; references to them last
    std::optional<hal::WallTime> started;    // when the kubelet took it up
    std::optional<hal::SteadyTime> active_since;  // the same by the clock of `boot`, which no one sets
    std::vector<std::string> addresses;      // of the pod, IPv4 first
    std::vector<std::string> host_addresses;
    bool has_sandbox = false;   // network and folders are there
    std::string final_phase;    // Succeeded or Failed, once it is over
    std::string reason, message;

    // As the spec says it, nothing started.
    static PodState of(json::object pod);
    // Ephemeral containers that the pod has got meanwhile.
    void add_ephemeral();
    // Throws Error{corrupt}.
    static PodState from_json(const json::value& value);
    [[nodiscard]] json::object to_json() const;

    [[nodiscard]] std::string uid() const;
    [[nodiscard]] ContainerState* find(std::string_view container);
    [[nodiscard]] const json::object& spec_of(const ContainerState& container) const;
    [[nodiscard]] std::string restart_policy_of(const ContainerState& container) const;
    // All init containers have succeeded, or (sidecars) started.
    [[nodiscard]] bool is_initialized() const;
};

// The phase that follows from the containers (kubelet getPhase).
std::string phase_of(const PodState& state);
// The whole status object. `before`: the status last seen, whose transition times and foreign conditions stay.
json::object status_of(const PodState& state, const json::object& before, hal::WallTime now);

}  // namespace services::kubelet::pods
