#include "services/kubelet/probes/prober.hpp"

#include <algorithm>
#include <format>
#include <map>
#include <utility>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kubelet::probes {

namespace kc = kubeclient;
using hal::async::TaskGroup;

namespace {

struct Row {
    ProbeKind kind;
    const char* field;
    std::string_view name;  // as events begin
};
constexpr Row rows[] = {{ProbeKind::startup, "startupProbe", "Startup"},
                        {ProbeKind::liveness, "livenessProbe", "Liveness"},
                        {ProbeKind::readiness, "readinessProbe", "Readiness"}};

std::string lower(std::string_view text) {
    std::string out(text);
    out.front() = static_cast<char>(out.front() | 0x20);
    return out;
}

std::string field_path_of(const json::object& pod, std::string_view name) {
    for (const auto& [list, path] : {std::pair{"spec.containers", "spec.containers"}, std::pair{"spec.initContainers", "spec.initContainers"}})
        for (const auto& one : kc::array_at(pod, list))
            if (kc::text(kc::as_object(one), "name") == name) return std::format("{}{{{}}}", path, name);
    return "";
}

// What one container's probes share.
struct Running {
    ProbedContainer what;
    std::string uid, name;
    hal::async::Event has_started;
    TaskGroup group;

    Running(hal::async::Executor executor, ProbedContainer container)
        : what(std::move(container)), uid(kc::uid_of(what.pod)), name(kc::text(what.container, "name")), has_started(executor),
          group(executor, "probes of " + name, 3) {
        if (what.is_started || !what.container.contains("startupProbe")) has_started.set();
    }
};

Task<> see_out(std::unique_ptr<Running> running) {
    running->group.cancel();
    co_await running->group.join();
}

}  // namespace

Thresholds::Thresholds(const json::object& probe)
    : success_(kc::number(probe, "successThreshold", 1)), failure_(kc::number(probe, "failureThreshold", 3)) {}

std::optional<bool> Thresholds::add(bool is_success) {
    run_ = run_ > 0 && last_ == is_success ? run_ + 1 : 1;
    last_ = is_success;
    return run_ < (is_success ? success_ : failure_) ? std::nullopt : std::optional(is_success);
}

std::chrono::steady_clock::duration first_delay(const json::object& probe, std::chrono::steady_clock::duration age) {
    const std::chrono::steady_clock::duration delay = std::chrono::seconds(kc::number(probe, "initialDelaySeconds"));
    // A clock that was set back makes a container look younger than new.
    return std::clamp(delay - age, std::chrono::steady_clock::duration::zero(), delay);
}

struct Prober::State {
    hal::async::Executor executor;
    const hal::Clock& clock;
    ProberCalls calls;
    std::map<std::pair<std::string, std::string>, std::unique_ptr<Running>> running;
    TaskGroup ending;

    State(hal::async::Executor on, const hal::Clock& time, ProberCalls with)
        : executor(on), clock(time), calls(std::move(with)), ending(on, "prober", containers_max) {}

    Task<> run(Running& of, Row row);
    Task<bool> probe(Running& of, Row row, json::object spec);
};

// True when the probe passed.
Task<bool> Prober::State::probe(Running& of, Row row, json::object spec) {
    const auto outcome = co_await probe_once(std::move(spec), {of.uid, of.what.container, of.what.address}, calls.execute);
    const auto tell = [&](std::string_view reason, std::string message) {
        calls.event(of.what.pod, "Warning", reason, std::move(message), field_path_of(of.what.pod, of.name));
    };
    switch (outcome.kind) {
        case Outcome::Kind::success: co_return true;
        case Outcome::Kind::warning: tell("ProbeWarning", std::format("{} probe warning: {}", row.name, outcome.text)); co_return true;
        case Outcome::Kind::failure: tell("Unhealthy", std::format("{} probe failed: {}", row.name, outcome.text)); co_return false;
        case Outcome::Kind::error:
            tell("Unhealthy", std::format("{} probe errored and resulted in unknown state: {}", row.name, outcome.text));
            co_return false;
    }
    co_return false;
}

Task<> Prober::State::run(Running& of, Row row) {
    const auto spec = kc::object_at(of.what.container, row.field);
    const auto period = std::chrono::seconds(std::max<std::int64_t>(kc::number(spec, "periodSeconds", 10), 1));
    Thresholds thresholds(spec);
    if (row.kind != ProbeKind::startup) co_await of.has_started.wait();
    co_await hal::async::sleep_for(first_delay(spec, clock.wall() - of.what.started));
    std::optional<bool> told;
    for (auto next = std::chrono::steady_clock::now();;) {
        const auto result = thresholds.add(co_await probe(of, row, spec));
        if (result && row.kind == ProbeKind::readiness && told != result)
            calls.report(of.uid, of.name, *result ? Result::ready : Result::not_ready, "", {});
        if (result) told = result;
        if (result == true && row.kind == ProbeKind::startup) {
            of.has_started.set();
            calls.report(of.uid, of.name, Result::started, "", {});
            co_return;
        }
        if (result == false && row.kind != ProbeKind::readiness) {
            std::optional<std::chrono::seconds> grace;
            if (const auto seconds = kc::number(spec, "terminationGracePeriodSeconds", -1); seconds >= 0) grace = std::chrono::seconds(seconds);
            calls.report(of.uid, of.name, Result::failed, std::format("Container {} failed {} probe, will be restarted", of.name, lower(row.name)), grace);
            co_return;  // until it runs again
        }
        // A slow probe does not make the next ones come in a burst.
        next = std::max(next + period, std::chrono::steady_clock::now());
        co_await hal::async::sleep_until(next);
    }
}

Prober::Prober(hal::async::Executor executor, const hal::Clock& clock, ProberCalls calls)
    : state_(std::make_unique<State>(std::move(executor), clock, std::move(calls))) {}

Prober::~Prober() = default;

void Prober::start(ProbedContainer container) {
    const std::string uid(kc::uid_of(container.pod)), name(kc::text(container.container, "name"));
    stop(uid, name);
    if (std::ranges::none_of(rows, [&](const Row& row) { return container.container.contains(row.field); })) return;
    if (state_->running.size() >= containers_max)
        throw hal::Error(hal::Code::exhausted, std::format("{} containers are probed already", containers_max));
    auto& running = state_->running[{uid, name}];
    running = std::make_unique<Running>(state_->executor, std::move(container));
    for (const auto& row : rows) {
        if (!running->what.container.contains(row.field)) continue;
        if (row.kind == ProbeKind::startup && running->has_started.is_set()) continue;
        running->group.spawn(std::string(row.name) + " probe", state_->run(*running, row));
    }
}

void Prober::stop(const std::string& uid, const std::string& container) {
    const auto at = state_->running.find({uid, container});
    if (at == state_->running.end()) return;
    state_->ending.spawn("end of probes", see_out(std::move(at->second)));
    state_->running.erase(at);
}

Task<> Prober::stop_all() {
    for (auto& [key, running] : state_->running) state_->ending.spawn("end of probes", see_out(std::move(running)));
    state_->running.clear();
    co_await state_->ending.join();
}

}  // namespace services::kubelet::probes
