// Carries bytes between a near end (libcurl's, or a service's tunnel) and the far end that is the real connection: what leaves
// waits for its turn, and both directions are counted here, where they leave: headers, TLS records and handshakes, the talk
// with an office proxy. Not seen: TCP/IP headers, what the kernel sends again, name lookups.
//
// Every relay is known to its Relays, which can cut those of a destination whose line is gone. Bounded: `relays_max`, two
// small buffers each.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "hal/async/task.hpp"
#include "hal/base/error.hpp"
#include "hal/net/socket.hpp"
#include "services/uplink/shaper.hpp"

namespace services::uplink {

inline constexpr std::size_t relays_max = 512;
inline constexpr hal::net::Pace far_pace{16 * 1024, std::chrono::seconds(60)};
inline constexpr std::chrono::seconds dial_time_max{10};

// What became of a connection, for who uses it.
struct Connection {
    std::string host;                   // whose reachability decides over it: the proxy's, or the destination's
    std::optional<hal::Error> failure;  // why it could not be made, or was cut
    bool is_up = false;
};

class Relays {
public:
    Relays(hal::async::Executor executor, Shaper& shaper) : shaper_(shaper), executor_(executor), group_(executor, "uplink", relays_max) {}

    // A pair of sockets whose other end is dialled to `far`; the caller closes the descriptor. Throws Error{exhausted}.
    int open(hal::net::Endpoint far, Class which, std::shared_ptr<Connection> connection);
    // Carries until both sides have ended, what each of them `said` already first.
    struct Side {
        hal::net::StreamPtr stream;
        std::string said;
    };
    hal::async::Task<> carry(Side near, Side far, Class which, std::shared_ptr<Connection> connection);
    // Ends those whose host `is_gone`.
    void cut(const std::function<bool(const std::string& host)>& is_gone);
    hal::async::Task<> stop();
    [[nodiscard]] std::size_t size() const { return open_.size(); }

private:
    struct Ends;
    hal::async::Task<> dial(hal::net::StreamPtr near, hal::net::Endpoint far, Class which, std::shared_ptr<Connection> connection);
    hal::async::Task<> up(std::shared_ptr<Ends> ends, std::string said);
    hal::async::Task<> down(std::shared_ptr<Ends> ends, std::string said);
    hal::async::Task<> carry_both(std::shared_ptr<Ends> ends, std::string near_said, std::string far_said);

    Shaper& shaper_;
    hal::async::Executor executor_;
    hal::async::TaskGroup group_;
    std::list<Ends*> open_;
};

}  // namespace services::uplink
