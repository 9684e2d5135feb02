#include "services/kube/controllers/event_ttl.hpp"

#include <algorithm>

namespace services::kube::controllers {

namespace {

constexpr std::string_view happened = "happened";  // the only field kept beside metadata

std::string_view last_time(const json::object& event) {
    std::string_view latest = text(event, "metadata.creationTimestamp");
    for (const auto path : {"lastTimestamp", "eventTime", "series.lastObservedTime"}) latest = std::max(latest, text(event, path));
    return latest;
}

void keep_time(json::object& event) {
    const auto& metadata = object_at(event, "metadata");
    json::object kept;
    for (const auto part : {"name", "namespace", "uid", "resourceVersion"})
        if (const auto* value = metadata.if_contains(part)) kept[part] = *value;
    json::object small{{"metadata", std::move(kept)}, {happened, last_time(event)}};
    event = std::move(small);
}

Informer::Options options() {
    Informer::Options options;
    options.transform = keep_time;
    return options;
}

}  // namespace

EventTtlController::EventTtlController(Environment& environment)
    : Controller(environment, "event-ttl-controller"),
      informer_(environment.executor, environment.client, resources::events, options()) {
    const auto put = [this](const ObjectPtr& event) {
        const std::string time(text(*event, happened));
        const auto age = time.empty() ? hal::WallTime::duration::zero() : environment_.clock.wall() - hal::parse_rfc3339(time);
        // An event from the future (a clock set back) lives its hour, too.
        queue_.cancel_delayed(key_of(*event));
        queue_.add_after(key_of(*event), age_max - std::clamp<hal::WallTime::duration>(age, {}, age_max));
    };
    informer_.add_handlers({.added = put,
                            .updated = [put](const ObjectPtr&, const ObjectPtr& event) { put(event); },
                            .deleted = [this](const ObjectPtr& event) { queue_.cancel_delayed(key_of(*event)); }});
}

void EventTtlController::start(hal::async::TaskGroup& group) {
    group.spawn("informer events", informer_.run());
    Controller::start(group);
}

Task<> EventTtlController::sync(std::string key) {
    const auto event = informer_.find_key(key);
    if (!event) co_return;
    try {
        co_await environment_.client.remove(resources::events, std::string(namespace_of(*event)), std::string(name_of(*event)),
                                            {.grace_seconds = std::nullopt, .propagation = "", .uid = std::string(uid_of(*event))});
    } catch (const ApiError& e) {
        if (e.status() != 404 && e.code() != hal::Code::conflict) throw;
    }
}

}  // namespace services::kube::controllers
