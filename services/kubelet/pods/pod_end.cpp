// How containers and pods end: what is noted of a container that ended, the kill with its grace, the removal of everything.
#include <signal.h>

#include <algorithm>
#include <array>
#include <format>
#include <fstream>
#include <iterator>
#include <sstream>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "hal/process/namespaces.hpp"
#include "services/kubelet/pods/log_rotation.hpp"
#include "services/kubelet/pods/pod_worker.hpp"
#include "services/kubelet/pods/resources.hpp"

namespace services::kubelet::pods {

namespace fs = std::filesystem;
namespace kc = kubeclient;
using Phase = ContainerState::Phase;

namespace {

constexpr std::int64_t grace_seconds_default = 30;
constexpr std::uintmax_t tail_bytes = 16 << 10;  // of the log, for a message without a file

void remove_root(fs::path writable, fs::path target) {
    hal::process::unmount_below(target);
    std::error_code ignored;
    fs::remove_all(target, ignored);
    fs::remove_all(writable, ignored);
}

void remove_pod_folder(fs::path folder, fs::path netns) {
    hal::process::unmount_below(folder);
    std::error_code ignored;
    fs::remove_all(folder, ignored);
    if (!netns.empty()) hal::process::unpin_namespace(netns);
}

// The last lines of a CRI log, without their times and tags.
std::string log_tail(const fs::path& file, std::size_t bytes_max) {
    std::ifstream in(file, std::ios::binary);
    std::error_code failure;
    const auto size = fs::file_size(file, failure);
    if (!failure && size > tail_bytes) in.seekg(static_cast<std::streamoff>(size - tail_bytes));
    std::string text;
    for (std::string line; std::getline(in, line);) {
        // TIME STREAM TAG CONTENT
        std::size_t at = 0;
        for (int field = 0; field < 3 && at != line.npos; ++field) at = line.find(' ', at), at = at == line.npos ? at : at + 1;
        if (at == line.npos) continue;
        text += line.substr(at) + (line.compare(at - 2, 1, "F") == 0 ? "\n" : "");
    }
    return text.size() > bytes_max ? text.substr(text.size() - bytes_max) : text;
}

}  // namespace

std::chrono::seconds PodWorker::grace() const {
    auto seconds = kc::number(state_.pod, "spec.terminationGracePeriodSeconds", grace_seconds_default);
    if (wants_end()) seconds = kc::number(state_.pod, "metadata.deletionGracePeriodSeconds", seconds);
    return std::chrono::seconds(std::max<std::int64_t>(seconds, 1));
}

std::string PodWorker::termination_message(const ContainerState& container, const json::object& spec, int exit_code) const {
    std::ifstream in(run_folder() / "termination" / container.name);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    text.resize(std::min(text.size(), termination_message_bytes_max));
    if (text.empty() && exit_code != 0 && kc::text(spec, "terminationMessagePolicy") == "FallbackToLogsOnError")
        text = log_tail(log_file(container.name, container.restarts()), fallback_message_bytes_max);
    return text;
}

Task<> PodWorker::absorb_ends() {
    bool is_any = false;
    for (std::size_t each = 0; each < state_.containers.size(); ++each) {
        auto& container = state_.containers[each];
        auto& live = live_.find(container.name)->second;
        if (!container.is_running() || !live.end) continue;
        const auto end = *live.end;
        live.end.reset();
        is_any = true;
        parts_.prober.stop(uid_, container.name);
        const auto spec = state_.spec_of(container);
        Termination ended{end.exit_code, "", "", container.started, end.finished, container.id};
        ended.reason = end.was_oom_killed ? "OOMKilled" : !end.is_known ? "ContainerStatusUnknown" : end.exit_code == 0 ? "Completed" : "Error";
        ended.message = termination_message(container, spec, end.exit_code);
        container.phase = Phase::terminated;
        container.is_ready = container.is_started = false;
        container.ended = std::move(ended);
        // The first crash is restarted at once; one that follows waits longer each time.
        if (Steady::now() - live.since >= back_off_forgotten) live.back_off = {};
        live.delay = live.back_off;
        live.not_before = Steady::now() + live.delay;
        live.back_off = std::min(std::max(live.back_off * 2, back_off_min), back_off_max);
        // The logs of this attempt and the one before stay readable.
        std::error_code ignored;
        if (container.restarts() >= 2) remove_log(log_file(container.name, container.restarts() - 2));
        fs::remove(log_link(container), ignored);
        co_await remove_container(container.id);
        co_await parts_.volumes.release_container(uid_, container.name);
    }
    if (!is_any) co_return;
    co_await checkpoint();
    parts_.container_ended.set();
}

Task<> PodWorker::remove_container(std::string id) {
    co_await parts_.runtime.remove(id);
    const auto remove = std::bind_front(remove_root, upper(id), rootfs(id));
    co_await hal::async::offload(parts_.pool, remove);
    parts_.images.release(id);
}

void PodWorker::begin_kill(const std::string& name, std::chrono::seconds grace_time, std::string message) {
    auto& live = live_.find(name)->second;
    if (live.is_killed || live.end || !state_.find(name)->is_running()) return;
    live.is_killed = true;
    tasks_.spawn("end of " + name, kill(name, grace_time, std::move(message)));
}

Task<> PodWorker::kill(std::string name, std::chrono::seconds grace_time, std::string message) {
    auto& container = *state_.find(name);
    const auto id = container.id;
    const auto deadline = Steady::now() + grace_time;
    event("Normal", "Killing", message.empty() ? "Stopping container " + name : message, &container);
    parts_.prober.stop(uid_, name);
    const auto spec = state_.spec_of(container);
    if (const auto* hook = kc::field(spec, "lifecycle.preStop")) {
        tasks_.spawn("grace of " + name, kill_at(name, deadline));
        const auto failure = co_await run_hook(hook->as_object(), id);
        if (!failure.empty()) {
            hal::log::warn("kubelet", "pod {}: preStop of {}: {}", kc::key_of(state_.pod), name, failure);
            event("Warning", "FailedPreStopHook", "PreStopHook failed", &container);
        }
    }
    parts_.runtime.signal(id, container.stop_signal);
    co_await kill_at(name, std::max(deadline, Steady::now() + (kc::field(spec, "lifecycle.preStop") ? hook_grace_min : std::chrono::seconds(0))));
}

Task<> PodWorker::kill_at(std::string name, Steady::time_point deadline) {
    auto& live = live_.find(name)->second;
    const auto id = state_.find(name)->id;
    if (!co_await live.ended->wait_for(deadline - Steady::now()) && state_.find(name)->id == id) parts_.runtime.signal(id, SIGKILL);
}

// Sidecars end after the containers they serve.
Task<> PodWorker::end_pod() {
    const auto time = grace();
    const bool is_shorter = kill_grace_ && time < *kill_grace_;
    kill_grace_ = time;
    bool runs = false, mains_run = false;
    for (auto& container : state_.containers) {
        runs = runs || container.is_running();
        mains_run = mains_run || (container.is_running() && !container.is_sidecar);
    }
    for (auto& container : state_.containers) {
        if (!container.is_running() || (container.is_sidecar && mains_run)) continue;
        if (is_shorter && live_.find(container.name)->second.is_killed)
            tasks_.spawn("shorter grace of " + container.name, kill_at(container.name, Steady::now() + time));
        begin_kill(container.name, time, "");
    }
    if (runs) co_return;  // each end wakes us
    co_await tear_down();
    if (state_.final_phase.empty()) {
        const bool failed = std::ranges::any_of(state_.containers, [](const auto& one) { return one.is_main() && one.ended && one.ended->exit_code != 0; });
        state_.final_phase = failed ? "Failed" : "Succeeded";
    }
    co_await checkpoint();
    is_torn_down_ = wants_end();
    if (is_torn_down_) report_.set();
}

Task<> PodWorker::tear_down() {
    co_await parts_.volumes.tear_down(uid_);
    has_volumes_ = false;
    if (!on_host_network()) co_await parts_.network.detach(uid_);
    const auto remove = std::bind_front(remove_pod_folder, run_folder(), network_namespace());
    co_await hal::async::offload(parts_.pool, remove);
    parts_.cgroups.remove(pod_cgroup(parts_.cgroup_parent, state_.pod));
    state_.has_sandbox = false;
}

}  // namespace services::kubelet::pods
