// Events about objects, as client-go's recorder writes them: name `<object>.<hex time>`, source component, a repeated
// event counts up the one it repeats (same object, reason and message) instead of making another.
//
// record() never waits and never fails; run() writes in the background. Bounded: `pending_max` events wait (further ones
// are dropped and counted in the log), `known_max` are remembered for counting.
#pragma once

#include <boost/json/object.hpp>

#include <cstddef>
#include <deque>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "hal/async/task.hpp"
#include "hal/base/clock.hpp"
#include "services/kubeclient/client.hpp"

namespace services::kubeclient {

class EventRecorder {
public:
    static constexpr std::size_t pending_max = 1000;
    static constexpr std::size_t known_max = 4096;

    // `component`: "deployment-controller". `host`: source.host, "" for controllers.
    EventRecorder(hal::async::Executor executor, Client client, const hal::Clock& clock, std::string component,
                  std::string host = "");
    // `about` carries apiVersion, kind and metadata. `field_path`: "spec.containers{c}" or "".
    void record(const json::object& about, std::string_view type, std::string_view reason, std::string message,
                std::string_view field_path = "");
    // As events.k8s.io writers do (the scheduler): eventTime, action, reportingComponent; no count.
    void record_action(const json::object& about, std::string_view type, std::string_view reason, std::string_view action,
                       std::string message, std::string reporting_instance);
    // Writes until cancelled.
    Task<> run();

private:
    struct Known {
        std::string name;
        std::int64_t count = 1;
        std::list<std::string>::iterator age;
    };
    void push(json::object event);
    Task<> write(json::object event);
    json::object reference(const json::object& about, std::string_view field_path) const;
    std::string event_name(const json::object& about);

    Client client_;
    const hal::Clock& clock_;
    std::string component_, host_;
    std::deque<json::object> pending_;
    std::unordered_map<std::string, Known> known_;
    std::list<std::string> ages_;  // keys of known_, oldest first
    std::size_t dropped_ = 0;
    std::int64_t last_stamp_ = 0;
    hal::async::Event wake_;
};

}  // namespace services::kubeclient
