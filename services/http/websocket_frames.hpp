// The handshake's arithmetic and the framing of WebSocket (RFC 6455), server and client side. Internal to this folder.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "services/http/websocket.hpp"

namespace services::http {

// Sec-WebSocket-Accept for a server's answer; empty when the request is not a handshake of version 13.
std::optional<std::string> websocket_accept(const Headers& request);
// The same for a key (RFC 6455 4.2.2).
std::string websocket_accept_of(const std::string& key);
std::unique_ptr<WebSocket> make_websocket(hal::async::Executor executor, hal::net::StreamPtr stream, std::string early,
                                          bool is_server, std::string protocol, const Limits& limits);

}  // namespace services::http
