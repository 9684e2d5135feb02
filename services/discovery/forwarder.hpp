// Names outside the cluster: asked of the nameservers in the host's resolv.conf (read again when it has changed).
//
// The same question is asked once at a time, which also ends a loop: a query that comes back to us waits for itself and
// times out. Own listeners among the nameservers are left out. No nameserver, or no route to any, fails at once: an
// offline box must not hang. Bounded: `asking_max`, `cache_entries_max`, `cache_time_max`, `server_time_max`.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hal/async/task.hpp"
#include "hal/net/stream.hpp"
#include "services/codec/dns/message.hpp"

namespace services::discovery {

inline constexpr std::size_t asking_max = 256;
inline constexpr std::size_t cache_entries_max = 2048;
inline constexpr std::chrono::seconds cache_time_max{30};
inline constexpr std::chrono::seconds server_time_max{2};
inline constexpr std::size_t nameservers_max = 3;

// The addresses of `nameserver` lines.
std::vector<std::string> nameservers_of(const std::string& resolv_conf);

class Forwarder {
public:
    // `own`: where this process listens, so that it never asks itself. `port` is 53 but for tests.
    Forwarder(hal::async::Executor executor, std::filesystem::path resolv_conf, std::vector<hal::net::Endpoint> own,
              std::uint16_t port = 53);
    ~Forwarder();
    // Answer sections and code for `question`; server_failure when nobody answers. Never throws but Error{cancelled}.
    hal::async::Task<codec::dns::Message> ask(codec::dns::Question question);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace services::discovery
