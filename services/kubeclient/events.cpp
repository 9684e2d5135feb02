#include "services/kubeclient/events.hpp"

#include <algorithm>
#include <format>

#include "hal/base/log.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kubeclient {

EventRecorder::EventRecorder(hal::async::Executor executor, Client client, const hal::Clock& clock, std::string component,
                             std::string host)
    : client_(std::move(client)), clock_(clock), component_(std::move(component)), host_(std::move(host)),
      wake_(std::move(executor)) {}

json::object EventRecorder::reference(const json::object& about, std::string_view field_path) const {
    json::object found{{"kind", text(about, "kind")}};
    if (const auto space = namespace_of(about); !space.empty()) found["namespace"] = space;
    found["name"] = name_of(about);
    if (const auto uid = uid_of(about); !uid.empty()) found["uid"] = uid;
    found["apiVersion"] = text(about, "apiVersion");
    if (const auto version = text(about, "metadata.resourceVersion"); !version.empty()) found["resourceVersion"] = version;
    if (!field_path.empty()) found["fieldPath"] = field_path;
    return found;
}

std::string EventRecorder::event_name(const json::object& about) {
    // Nanoseconds in hexadecimal; ours never repeat, though the clock reads microseconds.
    const auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(clock_.wall().time_since_epoch()).count();
    last_stamp_ = std::max<std::int64_t>(now, last_stamp_ + 1);
    return std::format("{}.{:x}", name_of(about), last_stamp_);
}

void EventRecorder::record(const json::object& about, std::string_view type, std::string_view reason, std::string message,
                           std::string_view field_path) {
    const auto now = hal::rfc3339(clock_.wall());
    const auto space = namespace_of(about);
    json::object source{{"component", component_}};
    if (!host_.empty()) source["host"] = host_;
    push({{"kind", "Event"}, {"apiVersion", "v1"},
          {"metadata", {{"name", event_name(about)}, {"namespace", space.empty() ? "default" : space}}},
          {"involvedObject", reference(about, field_path)}, {"reason", reason}, {"message", std::move(message)},
          {"source", std::move(source)}, {"firstTimestamp", now}, {"lastTimestamp", now}, {"count", 1}, {"type", type},
          {"reportingComponent", component_}, {"reportingInstance", host_}});
}

void EventRecorder::record_action(const json::object& about, std::string_view type, std::string_view reason,
                                  std::string_view action, std::string message, std::string reporting_instance) {
    const auto space = namespace_of(about);
    push({{"kind", "Event"}, {"apiVersion", "v1"},
          {"metadata", {{"name", event_name(about)}, {"namespace", space.empty() ? "default" : space}}},
          {"involvedObject", reference(about, "")}, {"reason", reason}, {"message", std::move(message)},
          {"source", json::object()}, {"eventTime", hal::rfc3339_micro(clock_.wall())}, {"action", action}, {"type", type},
          {"reportingComponent", component_}, {"reportingInstance", std::move(reporting_instance)}});
}

void EventRecorder::push(json::object event) {
    if (pending_.size() >= pending_max) {
        if (dropped_++ == 0) hal::log::warn("events", "{}: events are dropped, {} wait already", component_, pending_max);
        return;
    }
    dropped_ = 0;
    pending_.push_back(std::move(event));
    wake_.set();
}

Task<> EventRecorder::run() {
    while (true) {
        if (pending_.empty()) {
            wake_.clear();
            co_await wake_.wait();
            continue;
        }
        auto event = std::move(pending_.front());
        pending_.pop_front();
        try {
            co_await write(std::move(event));
        } catch (const hal::Error& e) {
            if (e.code() == hal::Code::cancelled) throw;
            // A namespace that ends refuses new Events; that is no one's failure.
            if (e.code() != hal::Code::forbidden && e.code() != hal::Code::not_found)
                hal::log::debug("events", "{}: {}", component_, e.what());
        }
    }
}

Task<> EventRecorder::write(json::object event) {
    const std::string space(namespace_of(event));
    const auto& about = object_at(event, "involvedObject");
    std::string key;
    for (const auto part : {"kind", "namespace", "name", "uid", "fieldPath"}) key.append(text(about, part)).append(1, '\n');
    for (const auto part : {"type", "reason", "message", "action"}) key.append(text(event, part)).append(1, '\n');
    if (const auto known = known_.find(key); known != known_.end()) {
        ages_.splice(ages_.end(), ages_, known->second.age);
        auto count = ++known->second.count;
        std::string name = known->second.name;
        json::object patch;
        if (event.contains("eventTime"))
            patch = {{"series", {{"count", count}, {"lastObservedTime", event["eventTime"]}}}};
        else
            patch = {{"count", count}, {"lastTimestamp", event["lastTimestamp"]}};
        try {
            co_await client_.patch(resources::events, space, std::move(name), "strategic-merge-patch", std::move(patch));
            co_return;
        } catch (const ApiError& e) {
            if (e.status() != 404) throw;  // deleted by age meanwhile: made anew below
        }
        if (const auto again = known_.find(key); again != known_.end()) {
            ages_.erase(again->second.age);
            known_.erase(again);
        }
    }
    std::string name(name_of(event));
    co_await client_.create(resources::events, space, std::move(event));
    if (known_.size() >= known_max) {
        known_.erase(ages_.front());
        ages_.pop_front();
    }
    known_[key] = {.name = std::move(name), .count = 1, .age = ages_.insert(ages_.end(), key)};
}

}  // namespace services::kubeclient
