// The API server's edge: who asks (authentication, impersonation), whether they may (authorization), what they ask for
// (resource, discovery, health, metrics), and every failure made an answer. One Handler for the listener, the control
// socket and callers in the same process.
//
// Bounded: bodies (`body_bytes_max`), requests at once (`requests_max`, watches and streams aside; more get 429).
#pragma once

#include <map>
#include <memory>
#include <string>

#include "services/http/server.hpp"
#include "services/kube/api/api.hpp"

namespace services::kube::api {

inline constexpr std::size_t body_bytes_max = 3 * 1024 * 1024;
inline constexpr std::size_t requests_max = 400;

class Server {
public:
    explicit Server(Api& api);
    ~Server();
    Task<http::Response> handle(http::Request request);
    [[nodiscard]] http::Handler handler();  // *this must outlive it

    // /readyz says no before this, and after begin_drain().
    void mark_ready() { is_ready_ = true; }
    void begin_drain() { is_ready_ = false; }
    // The health, readiness and metrics paths, for the control socket: no one is asked who they are.
    Task<http::Response> handle_control(http::Request request);

private:
    struct Seen {
        std::string verb, resource;
        unsigned code;
        auto operator<=>(const Seen&) const = default;
    };
    Task<http::Response> answer(http::Request request);
    Task<http::Response> answer_resource(http::Request request, auth::User user);
    Task<http::Response> answer_path(http::Request request);
    http::Response health(const http::Request& request) const;
    http::Response metrics() const;

    Api& api_;
    http::Router documents_;  // discovery and OpenAPI
    std::size_t running_ = 0;
    bool is_ready_ = false;
    std::chrono::microseconds lag_max_{0};
    std::map<Seen, std::uint64_t> seen_;  // bounded by the kinds, verbs and codes there are
};

}  // namespace services::kube::api
