// Cluster DNS on sockets: UDP and TCP (RFC 7766) on the listeners it is given. The zone answers at once, on the loop; what
// is not the zone's goes to the Forwarder. Bounded: `queries_max` forwarded at a time (beyond: SERVFAIL), `connections_max`,
// `connection_time_max`.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "hal/async/task.hpp"
#include "hal/net/stream.hpp"
#include "services/discovery/forwarder.hpp"
#include "services/discovery/zone.hpp"

namespace services::discovery {

inline constexpr std::size_t queries_max = 1024;
inline constexpr std::size_t connections_max = 128;
inline constexpr std::chrono::seconds connection_time_max{10};

struct ServerCounts {
    std::uint64_t queries = 0, cluster_answers = 0, forwarded = 0, failures = 0, malformed = 0;
};

class Server {
public:
    // Both outlive it.
    Server(hal::async::Executor executor, const Zone& zone, Forwarder& forwarder);
    ~Server();
    void listen_udp(int descriptor);  // a bound socket, owned from here on
    void listen_tcp(std::unique_ptr<hal::net::Listener> listener);
    // Ends all; call before destroying.
    hal::async::Task<> stop();
    [[nodiscard]] const ServerCounts& counts() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace services::discovery
