// The client side of the Kubernetes API: what controllers (in process, through the same API handlers as everyone),
// kubelet and discovery (over the wire) use. Objects are JSON data.
//
// Owns no socket: requests go through a Handler (services/http) - a pooled connection or the API's own router.
#pragma once

#include <boost/json/object.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hal/async/task.hpp"
#include "hal/base/error.hpp"
#include "services/http/message.hpp"

namespace services::kubeclient {

namespace json = boost::json;
using hal::async::Task;

struct Resource {
    std::string group, version, plural;
    bool is_namespaced = true;
    // "/api/v1/namespaces/NS/pods[/NAME[/SUB]]"; an empty namespace lists over all.
    [[nodiscard]] std::string path(std::string_view ns, std::string_view name = "", std::string_view subresource = "") const;
};

namespace resources {
extern const Resource pods, services, endpoints, endpoint_slices, config_maps, secrets, service_accounts, namespaces,
    nodes, events, deployments, replica_sets, leases;
}

// A Status answer that is not a success. code() is mapped from the HTTP status (404 not_found, 409 exists/conflict by
// reason, 410 gone, 422 invalid, 429/503 unavailable, 507 exhausted ...).
class ApiError : public hal::Error {
public:
    ApiError(unsigned status, std::string reason, const std::string& message, json::object body);
    [[nodiscard]] unsigned status() const { return status_; }
    [[nodiscard]] const std::string& reason() const { return reason_; }  // "NotFound", "Conflict"...
    [[nodiscard]] const json::object& body() const { return body_; }

private:
    unsigned status_;
    std::string reason_;
    json::object body_;
};

struct ListOptions {
    std::string label_selector, field_selector;
    std::string resource_version;  // watch: start after it
    std::size_t limit = 500;       // list: page size, all pages are read
    bool send_initial_events = false;
};

struct List {
    std::vector<json::object> items;  // each with apiVersion and kind filled in
    std::string resource_version;
};

struct WatchEvent {
    std::string type;  // ADDED MODIFIED DELETED BOOKMARK
    json::object object;
};

class WatchStream {
public:
    virtual ~WatchStream() = default;
    // Empty when the server ended the stream. An ERROR event throws ApiError (410: list again).
    virtual Task<std::optional<WatchEvent>> next() = 0;
};

struct Credentials {
    std::string bearer_token;  // header Authorization, or empty
    std::string user;          // in process: taken by the API as this user and groups
    std::vector<std::string> groups;
    std::string user_agent = "branchbox";
};

class Client {
public:
    Client(http::Handler handler, Credentials credentials);
    Task<json::object> get(Resource resource, std::string ns, std::string name);
    Task<std::optional<json::object>> find(Resource resource, std::string ns, std::string name);  // empty on 404
    Task<List> list(Resource resource, std::string ns, ListOptions options = {});
    Task<json::object> create(Resource resource, std::string ns, json::object object);
    Task<json::object> update(Resource resource, std::string ns, json::object object);          // name from metadata
    Task<json::object> update_status(Resource resource, std::string ns, json::object object);
    // media: "merge-patch", "strategic-merge-patch", "json-patch", "apply-patch"
    Task<json::object> patch(Resource resource, std::string ns, std::string name, std::string media, json::value body,
                             std::string subresource = "");
    struct DeleteOptions {
        std::optional<std::int64_t> grace_seconds;
        std::string propagation;  // "", Background, Foreground, Orphan
        std::string uid;          // precondition
    };
    Task<> remove(Resource resource, std::string ns, std::string name, DeleteOptions options = {});
    // POST to a subresource: pods/binding, serviceaccounts/token ...
    Task<json::object> post(Resource resource, std::string ns, std::string name, std::string subresource, json::object body);
    Task<std::unique_ptr<WatchStream>> watch(Resource resource, std::string ns, ListOptions options);
    // Any request, with the credentials added; throws ApiError on status >= 400.
    Task<http::Response> send(http::Request request);

private:
    http::Handler handler_;
    Credentials credentials_;
};

}  // namespace services::kubeclient
