// When containers are probed, and what follows from it: liveness, readiness and startup probes of every running container, by
// their delays, periods and thresholds. Results go to whoever runs the pods; events are written as the kubelet words them.
//
// Does not restart anything and keeps no state of a container beyond its run. One coroutine per probe; a probe's time is
// monotonic. Bounded by the containers that run (three probes each). Called on the loop's thread.
#pragma once

#include <boost/json/object.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "hal/async/task.hpp"
#include "hal/base/clock.hpp"
#include "services/kubelet/probes/handlers.hpp"

namespace services::kubelet::probes {

enum class ProbeKind { startup, liveness, readiness };

// Counts results up to a probe's thresholds. Pure.
class Thresholds {
public:
    explicit Thresholds(const json::object& probe);
    // The result that the probe has now, when this one reaches its threshold; empty: not yet, it stays as it was.
    std::optional<bool> add(bool is_success);

private:
    std::int64_t success_, failure_;
    std::int64_t run_ = 0;
    bool last_ = false;
};

// The time from now until a container that runs for `age` is probed first: what is left of initialDelaySeconds.
std::chrono::steady_clock::duration first_delay(const json::object& probe, std::chrono::steady_clock::duration age);

struct ProbedContainer {
    json::object pod;        // for events
    json::object container;  // of its spec
    std::string address;     // of the pod
    hal::WallTime started;   // of the container: initialDelaySeconds counts from there, also after our restart
    bool is_started = false; // the startup probe has passed already (an adopted container)
};

enum class Result { ready, not_ready, started, failed };

struct ProberCalls {
    Execute execute;
    // `message`: for failed, `Container x failed liveness probe, will be restarted`; `grace`: the probe's own grace period.
    std::function<void(const std::string& uid, const std::string& container, Result result, std::string message,
                       std::optional<std::chrono::seconds> grace)> report;
    std::function<void(const json::object& pod, std::string_view type, std::string_view reason, std::string message,
                       std::string field_path)> event;
};

class Prober {
public:
    static constexpr std::size_t containers_max = 4096;

    Prober(hal::async::Executor executor, const hal::Clock& clock, ProberCalls calls);
    ~Prober();

    // The container runs: its probes begin. One that is probed already is begun anew.
    void start(ProbedContainer container);
    void stop(const std::string& uid, const std::string& container);
    // Ends all probes.
    Task<> stop_all();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace services::kubelet::probes
