// How a client asks for a stream and gets it: a WebSocket, or SPDY/3.1 by Upgrade (kubectl before 1.31, other Go programs). Whoever
// serves the stream reads and writes messages and need not know which; SPDY's are the connection's raw bytes.
#pragma once

#include <expected>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "services/http/message.hpp"
#include "services/http/websocket.hpp"

namespace services::kubelet::streams {

// What goes wrong before an answer has begun, as status and text.
struct Refusal {
    unsigned status;
    std::string text;
};

struct Handshake {
    bool is_spdy = false;
    std::string protocol;
};

// The client's first protocol that is among `web` (Sec-WebSocket-Protocol) or `spdy` (X-Stream-Protocol-Version).
std::expected<Handshake, Refusal> handshake_of(const http::Request& request, std::initializer_list<std::string_view> web,
                                               std::initializer_list<std::string_view> spdy);

// The answer that accepts. The socket is shared with nobody; it is copyable because std::function is.
http::Response accepted(hal::async::Executor executor, const Handshake& handshake,
                        std::function<hal::async::Task<>(std::shared_ptr<http::WebSocket>)> serve);

}  // namespace services::kubelet::streams
