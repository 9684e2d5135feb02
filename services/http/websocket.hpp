// One WebSocket connection (RFC 6455), server or client side: whole messages, bounded by
// Limits::websocket_message_bytes_max. Pings are answered by the implementation; ping() keeps proxies awake.
#pragma once

#include "services/http/message.hpp"

namespace services::http {

struct WebSocketMessage {
    bool is_text = false;
    std::string bytes;
};

class WebSocket {
public:
    virtual ~WebSocket() = default;
    // Empty when the peer closed.
    virtual Task<std::optional<WebSocketMessage>> read() = 0;
    // One writer at a time is the implementation's affair: concurrent calls are queued (bounded) in order.
    virtual Task<> write(std::string bytes, bool is_text = false) = 0;
    virtual Task<> ping() = 0;
    virtual Task<> close(std::uint16_t code = 1000, std::string reason = "") = 0;
    [[nodiscard]] virtual const std::string& protocol() const = 0;
};

}  // namespace services::http
