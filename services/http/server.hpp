// An HTTP server: 1.1 (RFC 9112: keep-alive, 100-continue, streaming both ways, WebSocket) and 2 (RFC 9113, http2.hpp) by
// one Handler, with graceful drain. TLS when a context is given; HTTP/2 where its ALPN agrees on "h2", and on a plain
// listener when the client begins with it. Owns its connections; the Handler must outlive it.
#pragma once

#include <map>

#include "hal/net/tls.hpp"
#include "services/http/message.hpp"

namespace services::http {

// Patterns like "/api/v1/namespaces/{ns}/pods/{name}"; "{rest...}" takes all that follows. The first added that matches
// path and method wins; a path that matches with other methods answers 405 with Allow, else 404.
class Router {
public:
    void add(std::string method, std::string pattern, Handler handler);  // method "*": any
    Task<Response> handle(Request request) const;
    [[nodiscard]] Handler handler() const;  // *this must outlive it

private:
    struct Route {
        std::string method;
        std::vector<std::string> segments;
        Handler handler;
    };
    std::vector<Route> routes_;
};

class Server {
public:
    Server(hal::async::Executor executor, Handler handler, Limits limits = {});
    ~Server();
    // Serves the listener until drain(); may be called for several listeners (one TaskGroup each inside).
    void listen(std::unique_ptr<hal::net::Listener> listener,
                std::shared_ptr<const hal::net::TlsServerContext> tls = nullptr);
    // New connections of every TLS listener use `tls` from now on.
    void replace_tls(std::shared_ptr<const hal::net::TlsServerContext> tls);
    // Stops accepting, lets running requests finish (`Connection: close`), cuts what is left after `limit`.
    Task<> drain(std::chrono::steady_clock::duration limit);
    [[nodiscard]] std::vector<hal::net::Endpoint> endpoints() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace services::http
