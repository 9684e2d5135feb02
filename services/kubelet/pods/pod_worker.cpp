#include "services/kubelet/pods/pod_worker.hpp"

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <format>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "hal/process/namespaces.hpp"

namespace services::kubelet::pods {

namespace kc = kubeclient;
namespace log = hal::log;
using Phase = ContainerState::Phase;

namespace {

constexpr auto area = "kubelet";
constexpr int lost_exit_code = 255;  // as a container that a reboot took

}  // namespace

PodWorker::PodWorker(Parts& parts, PodState state)
    : parts_(parts), state_(std::move(state)), uid_(state_.uid()), wake_(parts.executor), report_(parts.executor),
      tasks_(parts.executor, "pod " + kc::key_of(state_.pod)), api_status_(kc::object_at(state_.pod, "status")) {
    add_live();
}

void PodWorker::add_live() {
    for (const auto& container : state_.containers)
        if (auto& ended = live_[container.name].ended; !ended) ended = std::make_unique<hal::async::Event>(parts_.executor);
}

bool PodWorker::on_host_network() const { return kc::flag(state_.pod, "spec.hostNetwork"); }

std::filesystem::path PodWorker::network_namespace() const {
    return on_host_network() ? std::filesystem::path() : parts_.run_folder / "netns" / uid_;
}

std::filesystem::path PodWorker::logs() const {
    return parts_.log_folder / "pods" / std::format("{}_{}_{}", kc::namespace_of(state_.pod), kc::name_of(state_.pod), uid_);
}

std::filesystem::path PodWorker::log_file(const std::string& container, unsigned attempt) const {
    return logs() / container / (std::to_string(attempt) + ".log");
}

std::filesystem::path PodWorker::log_link(const ContainerState& container) const {
    const auto name = std::format("{}_{}_{}-{}.log", kc::name_of(state_.pod), kc::namespace_of(state_.pod), container.name, container.id);
    return parts_.log_folder / "containers" / name;
}

void PodWorker::update(kc::ObjectPtr pod) {
    is_missed_ = false;
    state_.pod = *pod;
    state_.add_ephemeral();
    add_live();
    api_status_ = kc::object_at(state_.pod, "status");
    if (has_volumes_) parts_.volumes.update(pod);
    wake_.set();
}

void PodWorker::missed() {
    if (is_outliving_ || is_gone_) return;
    is_missed_ = true;
    parts_.doubt();
}

void PodWorker::belongs_to(const std::string& cluster) {
    state_.cluster = cluster;
    wake_.set();  // the checkpoint says so too
}

void PodWorker::outlive() {
    is_missed_ = false;
    if (std::exchange(is_outliving_, true)) return;
    parts_.volumes.outlive(std::make_shared<json::object>(state_.pod), state_.objects);
    wake_.set();
}

void PodWorker::vanished() {
    is_gone_ = true;
    wake_.set();
}

void PodWorker::stop() {
    is_stopping_ = true;
    for (auto& container : state_.containers) begin_kill(container.name, grace(), "");
}

bool PodWorker::is_stopped() const { return std::ranges::none_of(state_.containers, &ContainerState::is_running); }

void PodWorker::images_changed() {
    for (auto& container : state_.containers)
        if (container.phase == Phase::waiting && container.waiting_reason.contains("Image")) live_.find(container.name)->second.not_before = {};
    wake_.set();
}

void PodWorker::probed(const std::string& name, probes::Result result, std::string message, std::optional<std::chrono::seconds> probe_grace) {
    auto* container = state_.find(name);
    if (!container || !container->is_running()) return;
    if (result == probes::Result::ready || result == probes::Result::not_ready) container->is_ready = result == probes::Result::ready;
    if (result == probes::Result::started) {
        container->is_started = true;
        container->is_ready = container->is_ready || !state_.spec_of(*container).contains("readinessProbe");
    }
    if (result == probes::Result::failed) begin_kill(name, probe_grace.value_or(grace()), std::move(message));
    wake_.set();
}

bool PodWorker::wants_end() const { return is_gone_ || kc::is_deleting(state_.pod); }

void PodWorker::look_again_at(Steady::time_point time) { look_again_ = look_again_ ? std::min(*look_again_, time) : time; }

Task<> PodWorker::run() {
    std::exception_ptr ended;
    try {
        tasks_.spawn("report", report());
        co_await live();
    } catch (...) {
        ended = std::current_exception();
    }
    co_await hal::async::asio::this_coro::reset_cancellation_state();
    tasks_.cancel();
    co_await tasks_.join();
    if (ended) std::rethrow_exception(ended);
}

Task<> PodWorker::live() {
    while (!is_confirmed_) {
        wake_.clear();
        look_again_.reset();
        std::string failure;
        try {
            co_await sync();
        } catch (const hal::Error& error) {
            if (error.code() == hal::Code::cancelled) throw;
            failure = error.what();
        } catch (const std::exception& error) {
            failure = error.what();
        }
        if (!failure.empty()) {
            log::warn(area, "pod {}: {}", kc::key_of(state_.pod), failure);
            look_again_at(Steady::now() + retry_delay);
        }
        report_.set();
        if (look_again_)
            co_await wake_.wait_for(*look_again_ - Steady::now());
        else
            co_await wake_.wait();
    }
}

// Finds again what an earlier process left running. What a reboot took is started anew. The network knows an address as
// held once it was asked for it: the first make_sandbox() of this process does.
void PodWorker::adopt() {
    const bool is_same_boot = state_.boot == parts_.boot;
    if (!is_same_boot) state_.has_sandbox = false;
    if (state_.started && !(is_same_boot && state_.active_since))
        state_.active_since = parts_.clock.steady() - std::max<hal::WallTime::duration>(parts_.clock.wall() - *state_.started, {});
    state_.boot = parts_.boot;
    for (auto& container : state_.containers) {
        if (container.phase != Phase::running) {
            // Init containers run again in a sandbox that is new.
            if (!is_same_boot && container.is_init && container.ended) container.last = std::exchange(container.ended, {}), container.phase = Phase::waiting;
            continue;
        }
        if (is_same_boot && std::ranges::contains(parts_.runtime.known(), container.id)) {
            if (const auto image = parts_.images.find(container.image_id)) parts_.images.hold(container.id, image->layers);
            watch(container.name, container.id);
            begin_probes(container);
            continue;
        }
        std::error_code ignored;
        std::filesystem::remove(log_link(container), ignored);
        container.phase = Phase::terminated;
        container.ended = Termination{lost_exit_code, "Unknown", "", container.started, parts_.clock.wall(), container.id};
        container.is_ready = container.is_started = false;
        if (container.is_init) container.last = std::exchange(container.ended, {}), container.phase = Phase::waiting;
    }
}

Task<> PodWorker::sync() {
    co_await absorb_ends();
    if (is_torn_down_ || is_stopping_) co_return;
    if (wants_end() || !state_.final_phase.empty() || check_deadline()) {
        co_await end_pod();
        co_return;
    }
    if (state_.has_sandbox) co_await make_sandbox();  // what an earlier process made is made known to this one's network
    if (!parts_.starts_allowed.is_set()) co_return;
    if (!state_.started) {
        state_.started = parts_.clock.wall();
        state_.active_since = parts_.clock.steady();
    }
    co_await make_sandbox();
    if (co_await run_inits())
        for (std::size_t each = 0; each < state_.containers.size(); ++each)  // some may be added meanwhile
            if (!state_.containers[each].is_init) co_await run_one(state_.containers[each]);
    settle();
    if (state_.final_phase.empty())
        co_await checkpoint();  // readiness too: the next process goes on with it, so that no Service loses an endpoint
    else
        co_await end_pod();
}

// True once the containers proper may run.
Task<bool> PodWorker::run_inits() {
    const bool are_mains_begun = std::ranges::any_of(state_.containers, [](const auto& one) { return one.is_main() && one.attempts > 0; }) && state_.is_initialized();
    for (std::size_t each = 0; each < state_.containers.size(); ++each) {
        auto& container = state_.containers[each];
        if (!container.is_init || (!container.is_sidecar && (container.has_succeeded() || are_mains_begun))) continue;
        co_await run_one(container);
        const bool is_passed = container.is_sidecar ? container.is_running() && container.is_started : container.has_succeeded();
        if (!is_passed && !are_mains_begun) co_return false;
    }
    for (auto& container : state_.containers)
        if (!container.is_init && container.waiting_reason == "PodInitializing") container.waiting_reason = "ContainerCreating";
    co_return true;
}

bool PodWorker::should_restart(const ContainerState& container) const {
    const auto& end = container.ended ? container.ended : container.last;
    if (container.attempts == 0 || !end) return true;
    const auto policy = state_.restart_policy_of(container);
    return policy == "Always" || (policy == "OnFailure" && end->exit_code != 0);
}

Task<> PodWorker::run_one(ContainerState& container) {
    if (container.is_running() || !should_restart(container)) co_return;
    auto& live = live_.find(container.name)->second;
    const auto now = Steady::now();
    if (now < live.not_before) {
        look_again_at(live.not_before);
        // A container that could not be made keeps its own reason.
        if (container.phase != Phase::terminated && container.waiting_reason != "CrashLoopBackOff") co_return;
        if (container.ended) container.last = std::exchange(container.ended, {});
        container.phase = Phase::waiting;
        container.waiting_reason = "CrashLoopBackOff";
        const auto seconds = live.delay.count();
        const auto shown_time = seconds < 60 ? std::format("{}s", seconds) : std::format("{}m{}s", seconds / 60, seconds % 60);
        container.waiting_message = std::format("back-off {} restarting failed container={} pod={}", shown_time, container.name, shown());
        if (!std::exchange(live.is_backing_off, true))
            event("Warning", "BackOff", std::format("Back-off restarting failed container {} in pod {}", container.name, shown()), &container);
        co_return;
    }
    live.is_backing_off = false;
    co_await start_container(container);
}

// Whether the pod is over: what it ends as then stays.
void PodWorker::settle() {
    const auto phase = phase_of(state_);
    if (phase != "Succeeded" && phase != "Failed") return;
    const bool is_waiting_to_restart =
        std::ranges::any_of(state_.containers, [&](const auto& one) { return one.is_main() && !one.is_running() && should_restart(one); });
    if (phase == "Succeeded" && is_waiting_to_restart) return;
    state_.final_phase = phase;
}

bool PodWorker::check_deadline() {
    const auto* seconds = kc::field(state_.pod, "spec.activeDeadlineSeconds");
    if (!seconds || !state_.active_since) return false;
    const auto left = *state_.active_since + std::chrono::seconds(seconds->to_number<std::int64_t>()) - parts_.clock.steady();
    if (left.count() > 0) {
        look_again_at(Steady::now() + left);
        return false;
    }
    state_.final_phase = "Failed";
    state_.reason = "DeadlineExceeded";
    state_.message = "Pod was active on the node longer than the specified deadline";
    event("Warning", "DeadlineExceeded", state_.message);
    return true;
}

}  // namespace services::kubelet::pods
