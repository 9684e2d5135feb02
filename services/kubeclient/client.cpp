#include "services/kubeclient/client.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "services/kubeclient/object.hpp"

namespace services::kubeclient {

namespace resources {
const Resource pods{"", "v1", "pods"};
const Resource services{"", "v1", "services"};
const Resource endpoints{"", "v1", "endpoints"};
const Resource endpoint_slices{"discovery.k8s.io", "v1", "endpointslices"};
const Resource config_maps{"", "v1", "configmaps"};
const Resource secrets{"", "v1", "secrets"};
const Resource service_accounts{"", "v1", "serviceaccounts"};
const Resource namespaces{"", "v1", "namespaces", false};
const Resource nodes{"", "v1", "nodes", false};
const Resource events{"", "v1", "events"};
const Resource deployments{"apps", "v1", "deployments"};
const Resource replica_sets{"apps", "v1", "replicasets"};
const Resource leases{"coordination.k8s.io", "v1", "leases"};
}  // namespace resources

namespace {

constexpr std::size_t body_bytes_max = 64 * 1024 * 1024;   // one page of a list
constexpr std::size_t nesting_max = 1300;                  // of an object as deep as the API server takes it, in a list
constexpr std::size_t event_bytes_max = 16 * 1024 * 1024;  // one line of a watch

hal::Code code_of(unsigned status, std::string_view reason) {
    switch (status) {
        case 400: case 422: return hal::Code::invalid;
        case 401: return hal::Code::unauthenticated;
        case 403: return hal::Code::forbidden;
        case 404: return hal::Code::not_found;
        case 405: case 406: case 415: return hal::Code::unsupported;
        case 409: return reason == "AlreadyExists" ? hal::Code::exists : hal::Code::conflict;
        case 410: return hal::Code::gone;
        case 413: return hal::Code::too_large;
        case 504: return hal::Code::timed_out;
        case 507: return hal::Code::exhausted;
        default: return status >= 500 || status == 429 ? hal::Code::unavailable : hal::Code::internal;
    }
}

ApiError error_of(unsigned status, json::object body) {
    std::string reason(text(body, "reason"));
    std::string message(text(body, "message"));
    if (message.empty()) message = "status " + std::to_string(status);
    return ApiError(status, std::move(reason), message, std::move(body));
}

json::object parse_object(std::string_view body) {
    boost::system::error_code failure;
    json::parse_options options;
    options.max_depth = nesting_max;
    auto value = json::parse(body, failure, {}, options);
    if (failure || !value.is_object())
        throw hal::Error(hal::Code::corrupt, "the API server's answer is not a JSON object: " + std::string(body.substr(0, 120)));
    return std::move(value.get_object());
}

std::string_view media_type(std::string_view media) {
    if (media == "merge-patch") return "application/merge-patch+json";
    if (media == "strategic-merge-patch") return "application/strategic-merge-patch+json";
    if (media == "json-patch") return "application/json-patch+json";
    if (media == "apply-patch") return "application/apply-patch+yaml";
    throw hal::Error(hal::Code::invalid, "no such kind of patch: " + std::string(media));
}

http::Request request_of(std::string method, std::string target) {
    http::Request request;
    request.method = std::move(method);
    request.target = std::move(target);
    if (!request.split_target()) throw hal::Error(hal::Code::invalid, "not a request target: " + request.target);
    return request;
}

http::Request request_with(std::string method, std::string target, const json::value& body,
                           std::string_view type = "application/json") {
    auto request = request_of(std::move(method), std::move(target));
    request.headers.set("Content-Type", std::string(type));
    request.body = json::serialize(body);
    return request;
}

void add_query(std::string& target, std::string_view name, std::string_view value) {
    if (value.empty()) return;
    target += target.find('?') == std::string::npos ? '?' : '&';
    target += name;
    target += '=';
    target += http::percent_encode(value);
}

class HttpWatchStream : public WatchStream {
public:
    explicit HttpWatchStream(std::unique_ptr<http::BodyReader> body, std::string whole)
        : body_(std::move(body)), buffer_(std::move(whole)) {}

    Task<std::optional<WatchEvent>> next() override {
        while (true) {
            const auto end = buffer_.find('\n', scanned_);
            if (end != std::string::npos || (is_ended_ && start_ < buffer_.size())) {
                const auto stop = end == std::string::npos ? buffer_.size() : end;
                const auto line = std::string_view(buffer_).substr(start_, stop - start_);
                auto event = line.empty() ? std::nullopt : std::optional(event_of(line));
                start_ = scanned_ = std::min(stop + 1, buffer_.size());
                if (event) co_return event;
                continue;
            }
            if (is_ended_) co_return std::nullopt;
            buffer_.erase(0, start_);
            start_ = 0;
            scanned_ = buffer_.size();
            if (buffer_.empty() && buffer_.capacity() > 256 * 1024) buffer_.shrink_to_fit();
            if (buffer_.size() > event_bytes_max)
                throw hal::Error(hal::Code::too_large, "a watch event is over " + std::to_string(event_bytes_max) + " bytes");
            auto piece = body_ ? co_await body_->read() : std::string();
            if (piece.empty()) is_ended_ = true;
            buffer_ += piece;
        }
    }

private:
    static WatchEvent event_of(std::string_view line) {
        auto event = parse_object(line);
        WatchEvent found;
        found.type = text(event, "type");
        if (auto* object = event.if_contains("object"); object != nullptr && object->is_object())
            found.object = std::move(object->get_object());
        if (found.type == "ERROR") {
            const auto status = static_cast<unsigned>(number(found.object, "code", 500));
            throw error_of(status, std::move(found.object));
        }
        return found;
    }

    std::unique_ptr<http::BodyReader> body_;
    std::string buffer_;
    std::size_t start_ = 0, scanned_ = 0;
    bool is_ended_ = false;
};

}  // namespace

std::string Resource::path(std::string_view ns, std::string_view name, std::string_view subresource) const {
    std::string path = group.empty() ? "/api/" + version : "/apis/" + group + "/" + version;
    if (is_namespaced && !ns.empty()) path += "/namespaces/" + http::percent_encode(ns);
    path += "/" + plural;
    if (!name.empty()) path += "/" + http::percent_encode(name);
    if (!subresource.empty()) path += "/" + std::string(subresource);
    return path;
}

ApiError::ApiError(unsigned status, std::string reason, const std::string& message, json::object body)
    : hal::Error(code_of(status, reason), message), status_(status), reason_(std::move(reason)), body_(std::move(body)) {}

Client::Client(http::Handler handler, Credentials credentials)
    : handler_(std::move(handler)), credentials_(std::move(credentials)) {}

Task<http::Response> Client::send(http::Request request) {
    if (request.headers.find("Accept") == nullptr) request.headers.set("Accept", "application/json");
    request.headers.set("User-Agent", credentials_.user_agent);
    if (!credentials_.bearer_token.empty()) request.headers.set("Authorization", "Bearer " + credentials_.bearer_token);
    if (!credentials_.user.empty()) {
        request.peer.in_process_user = credentials_.user;
        request.peer.in_process_groups = credentials_.groups;
    }
    auto response = co_await handler_(std::move(request));
    if (response.status < 400) co_return response;
    if (response.stream) response.body += co_await response.stream->read_all(body_bytes_max);
    boost::system::error_code failure;
    auto body = json::parse(response.body, failure);
    if (!failure && body.is_object()) throw error_of(response.status, std::move(body.get_object()));
    throw error_of(response.status, {{"message", response.body.substr(0, 1024)}});
}

namespace {

Task<json::object> object_of(http::Response response) {
    if (response.stream) response.body += co_await response.stream->read_all(body_bytes_max);
    co_return parse_object(response.body);
}

}  // namespace

Task<json::object> Client::get(Resource resource, std::string ns, std::string name) {
    auto response = co_await send(request_of("GET", resource.path(ns, name)));
    co_return co_await object_of(std::move(response));
}

Task<std::optional<json::object>> Client::find(Resource resource, std::string ns, std::string name) {
    try {
        co_return co_await get(resource, ns, name);
    } catch (const ApiError& e) {
        if (e.status() != 404) throw;
    }
    co_return std::nullopt;
}

Task<List> Client::list(Resource resource, std::string ns, ListOptions options) {
    List found;
    std::string next;
    do {
        auto target = resource.path(ns);
        add_query(target, "labelSelector", options.label_selector);
        add_query(target, "fieldSelector", options.field_selector);
        if (options.limit != 0) add_query(target, "limit", std::to_string(options.limit));
        if (next.empty()) add_query(target, "resourceVersion", options.resource_version);
        add_query(target, "continue", next);
        auto response = co_await send(request_of("GET", target));
        auto page = co_await object_of(std::move(response));
        std::string kind(text(page, "kind"));
        if (kind.ends_with("List")) kind.resize(kind.size() - 4);
        const std::string api_version(text(page, "apiVersion"));
        if (auto* items = page.if_contains("items"); items != nullptr && items->is_array()) {
            for (auto& item : items->get_array()) {
                if (!item.is_object()) continue;
                auto& object = item.get_object();
                if (!object.contains("kind")) object["kind"] = kind;
                if (!object.contains("apiVersion")) object["apiVersion"] = api_version;
                found.items.push_back(std::move(object));
            }
        }
        found.resource_version = text(page, "metadata.resourceVersion");
        next = text(page, "metadata.continue");
    } while (!next.empty());
    co_return found;
}

Task<json::object> Client::create(Resource resource, std::string ns, json::object object) {
    auto response = co_await send(request_with("POST", resource.path(ns), std::move(object)));
    co_return co_await object_of(std::move(response));
}

Task<json::object> Client::update(Resource resource, std::string ns, json::object object) {
    auto target = resource.path(ns, name_of(object));
    auto response = co_await send(request_with("PUT", std::move(target), std::move(object)));
    co_return co_await object_of(std::move(response));
}

Task<json::object> Client::update_status(Resource resource, std::string ns, json::object object) {
    auto target = resource.path(ns, name_of(object), "status");
    auto response = co_await send(request_with("PUT", std::move(target), std::move(object)));
    co_return co_await object_of(std::move(response));
}

Task<json::object> Client::patch(Resource resource, std::string ns, std::string name, std::string media, json::value body,
                                 std::string subresource) {
    auto request = request_with("PATCH", resource.path(ns, name, subresource), body, media_type(media));
    auto response = co_await send(std::move(request));
    co_return co_await object_of(std::move(response));
}

Task<> Client::remove(Resource resource, std::string ns, std::string name, DeleteOptions options) {
    json::object body{{"kind", "DeleteOptions"}, {"apiVersion", "v1"}};
    if (options.grace_seconds) body["gracePeriodSeconds"] = *options.grace_seconds;
    if (!options.propagation.empty()) body["propagationPolicy"] = options.propagation;
    if (!options.uid.empty()) body["preconditions"] = json::object{{"uid", options.uid}};
    auto response = co_await send(request_with("DELETE", resource.path(ns, name), std::move(body)));
    // Read to the end, so that the connection is used again.
    if (response.stream) co_await response.stream->read_all(body_bytes_max);
}

Task<json::object> Client::post(Resource resource, std::string ns, std::string name, std::string subresource,
                                json::object body) {
    auto response = co_await send(request_with("POST", resource.path(ns, name, subresource), std::move(body)));
    co_return co_await object_of(std::move(response));
}

Task<std::unique_ptr<WatchStream>> Client::watch(Resource resource, std::string ns, ListOptions options) {
    auto target = resource.path(ns);
    add_query(target, "watch", "true");
    add_query(target, "allowWatchBookmarks", "true");
    add_query(target, "labelSelector", options.label_selector);
    add_query(target, "fieldSelector", options.field_selector);
    add_query(target, "resourceVersion", options.resource_version);
    if (options.send_initial_events) {
        add_query(target, "sendInitialEvents", "true");
        add_query(target, "resourceVersionMatch", "NotOlderThan");
    }
    auto response = co_await send(request_of("GET", target));
    co_return std::make_unique<HttpWatchStream>(std::move(response.stream), std::move(response.body));
}

}  // namespace services::kubeclient
