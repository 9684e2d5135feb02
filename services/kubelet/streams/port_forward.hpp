// port-forward: kubectl's SPDY/3.1 inside a WebSocket (portforward.k8s.io v1 streams), into a pod's network namespace. Each
// forwarded connection is a pair of streams with one requestID: `data` carries the bytes, `error` a text when it fails.
//
// Owns the session's connections. Bounded: `connections_max` pairs, `inbox_bytes_max` waiting per connection; a full inbox stops
// the whole session's reading (kubectl's SPDY knows no windows).
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "services/http/websocket.hpp"
#include "services/kubelet/streams/streams.hpp"

namespace services::kubelet::streams {

inline constexpr std::string_view port_forward_protocol = "SPDY/3.1+portforward.k8s.io";
inline constexpr std::size_t connections_max = 256;
inline constexpr std::size_t inbox_bytes_max = 1024 * 1024;

// Runs to the end of the WebSocket.
Task<> serve_port_forward(std::shared_ptr<http::WebSocket> socket, PodFacts pod);

}  // namespace services::kubelet::streams
