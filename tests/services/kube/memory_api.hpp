// A small Kubernetes API in memory for tests of its clients in the same process: objects with uid, resourceVersion and
// generation, lists, watches, merge and strategic patches of owner references, conditions and finalizers, the status and
// scale of writes kept apart. No validation, no defaults.
#pragma once

#include <boost/json/object.hpp>

#include <functional>
#include <list>
#include <map>
#include <string>
#include <vector>

#include "hal/base/clock.hpp"
#include "services/http/message.hpp"

namespace tests {

namespace json = boost::json;

class MemoryApi {
public:
    MemoryApi(hal::async::Executor executor, const hal::Clock& clock) : executor_(std::move(executor)), clock_(clock) {}

    services::http::Handler handler();
    hal::async::Task<services::http::Response> answer(services::http::Request request);

    // As a test puts and reads them, past the protocol. `path`: "/api/v1/namespaces/x/pods".
    json::object put(const std::string& collection, json::object object);
    [[nodiscard]] const json::object* find(const std::string& collection, const std::string& name) const;
    [[nodiscard]] std::vector<json::object> list(const std::string& collection) const;
    void change(const std::string& collection, const std::string& name, const std::function<void(json::object&)>& edit);
    void erase(const std::string& collection, const std::string& name);
    // Called for each write request; a returned response refuses it.
    std::function<std::optional<services::http::Response>(const services::http::Request&)> refuse;
    // "POST /api/v1/namespaces/x/pods", in order.
    std::vector<std::string> writes;

private:
    class Watch;
    struct Target {
        std::string collection, name, subresource, kind, api_version;
    };
    static Target target_of(const std::string& path);
    static services::http::Response status(unsigned code, const std::string& reason, const std::string& message);
    void store(const std::string& collection, json::object object, const std::string& type);
    services::http::Response write(const services::http::Request& request, const Target& target);
    services::http::Response replace(const Target& target, json::object object);
    services::http::Response remove(const services::http::Request& request, const Target& target);
    services::http::Response list_response(const services::http::Request& request, const Target& target) const;

    hal::async::Executor executor_;
    const hal::Clock& clock_;
    std::map<std::string, json::object> objects_;  // collection/name
    std::list<std::weak_ptr<Watch>> watches_;      // shared with the reader of the response's stream
    std::vector<std::pair<std::string, std::string>> log_;  // collection, event line
    std::int64_t version_ = 1;
    std::int64_t names_ = 0;
};

}  // namespace tests
