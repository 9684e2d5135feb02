// Where a proxied request goes: a node's kubelet, a pod or a Service's pod; and how it gets there: as a request whose
// answer streams back, or as an upgraded connection relayed byte for byte. Private to proxy*.cpp.
//
// Owns no connection beyond its request. Bounded by the HTTP client's limits; a relay ends `half_closed_max` after one side
// closed.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "services/http/client.hpp"
#include "services/kube/api/api.hpp"

namespace services::kube::api {

struct Backend {
    hal::net::Endpoint endpoint;
    bool is_tls = false;
    bool is_kubelet = false;   // our client certificate, and the node's name must be in its certificate
    std::string server_name;
};

// "http:web:80" -> scheme, name, port; "web" has neither. False when it has other forms (SplitSchemeNamePort).
struct NamedPort {
    std::string scheme, name, port;
};
bool split_named_port(std::string_view text, NamedPort& into);

// The kubelet of `node`: its InternalIP and daemon endpoint. StatusError 404, 500.
Task<Backend> kubelet_of(Api& api, std::string node);

// Sends the client's request on to `target` (path and query, encoded) and gives back the answer as it comes. An upgrade
// becomes a relay. Throws hal::Error when the backend cannot be reached.
Task<http::Response> forward(Api& api, ResourceRequest& request, Backend backend, std::string target);
bool is_upgrade(const http::Request& request);

}  // namespace services::kube::api
