// What a service uses to reach headquarters: requests of a class with bodies of any length, tunnels, the state of the line,
// and reports of what waits. Speaks to the uplink's socket (wire.hpp); knows no credentials.
//
// A service keeps its cursor, and does this in a loop: wait_ready(), send from the cursor, on success move it. It never polls.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "services/http/client.hpp"
#include "services/uplink/client/wire.hpp"

namespace services::uplink::client {

class Uplink {
public:
    // `run_folder`: Service::run_folder().
    Uplink(hal::async::Executor executor, const std::filesystem::path& run_folder);
    ~Uplink();
    Uplink(const Uplink&) = delete;
    Uplink& operator=(const Uplink&) = delete;

    // `request.target` is the whole address, "https://minio.hq.example:9000/bucket/key"; a Host field is its own unless set. The
    // answer is the destination's whatever its status. Throws Error of the uplink's own answer: forbidden (no destination),
    // unavailable (no link, backs off, not reached), unauthenticated (not trusted), timed_out, exhausted (the byte cap).
    hal::async::Task<http::Response> send(Class which, http::Request request);
    // An opaque connection to "host:port" of a destination, and what the other side said already. Throws as send().
    struct Tunnel {
        hal::net::StreamPtr stream;
        std::string early;
    };
    hal::async::Task<Tunnel> tunnel(Class which, std::string host_port);
    // Tells what waits to go to an upstream; the seconds it will take, none: no telling.
    hal::async::Task<std::optional<std::chrono::seconds>> report(Backlog backlog);

    // Follows the state of the line until cancelled: spawn it once. wait_ready() waits for it.
    hal::async::Task<> run();
    // Returns when there is a way to `upstream` and it is not left alone after a failure.
    hal::async::Task<> wait_ready(std::string upstream);
    // The last that was heard; none: the uplink does not run, or has no such destination.
    [[nodiscard]] std::optional<DestinationState> state(std::string_view upstream) const;

private:
    hal::async::Task<> follow();
    void hear(std::vector<DestinationState> states);

    http::Client client_;
    std::vector<DestinationState> states_;
    hal::SteadyTime heard_{};
    hal::async::Event changed_;
};

}  // namespace services::uplink::client
