// An HTTP/1.1 client with a small connection pool for one origin. The response body is pulled; leaving it unread
// closes its connection. A request on a pooled connection that turns out dead is sent once more if nothing was answered.
#pragma once

#include "hal/net/tls.hpp"
#include "services/http/message.hpp"

namespace services::http {

struct ClientOptions {
    hal::net::Endpoint origin;  // TCP or Unix socket
    std::shared_ptr<const hal::net::TlsClientContext> tls;  // null: plain
    std::string server_name;    // for TLS and the Host header; default: the origin
    std::size_t idle_connections_max = 4;
    std::size_t connections_max = 256;
    std::chrono::steady_clock::duration dial_time_max = std::chrono::seconds(10);
    // Until the response's header is there. 0: no limit.
    std::chrono::steady_clock::duration answer_time_max = std::chrono::seconds(60);
    Limits limits;
};

struct Upgraded {
    Response response;             // status 101 (CONNECT: 2xx), or the refusal (then stream is null)
    hal::net::StreamPtr stream;
    std::string early;             // bytes of the new protocol already read
};

class Client {
public:
    Client(hal::async::Executor executor, ClientOptions options);
    ~Client();
    // Request.method, target, headers, body. Throws hal::Error when no answer came.
    Task<Response> send(Request request);
    // Sends a request with Connection: Upgrade, or CONNECT, and hands over the raw connection after a 101 (2xx).
    Task<Upgraded> upgrade(Request request);
    // As a Handler, for code that does not care whether the other side is in this process.
    [[nodiscard]] Handler handler();  // *this must outlive it
    [[nodiscard]] hal::async::Executor executor() const;
    [[nodiscard]] const Limits& limits() const;

private:
    struct State;
    std::shared_ptr<State> state_;  // shared with the bodies of responses that are still being read
};

// A WebSocket client handshake on `client` (RFC 6455 4.1). Throws Error{unavailable} with the status when refused.
Task<std::unique_ptr<WebSocket>> dial_websocket(Client& client, Request request, std::string protocol);

}  // namespace services::http
