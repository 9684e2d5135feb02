// The forward proxy on the uplink's socket (client/wire.hpp says what is spoken there): what it lets through, with which
// credentials, and what it answers by itself.
//
// Owns the relays, libcurl's pools and the state of the destinations. Knows no S3, AMQP or metrics. Bounded: the server's
// limits, `relays_max` connections, `subscribers_max` event streams, one backlog a destination and class.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "services/config/service.hpp"
#include "services/http/server.hpp"
#include "services/uplink/destinations.hpp"
#include "services/uplink/forecast.hpp"
#include "services/uplink/relay.hpp"
#include "services/uplink/transfer.hpp"

namespace services::uplink {

inline constexpr std::size_t subscribers_max = 64;

class Uplink {
public:
    // Throws Error when what the destinations need cannot be had. `settings` outlives it.
    Uplink(config::Service& service, const Settings& settings);
    ~Uplink();

    hal::async::Task<http::Response> handle(http::Request request);
    // Follows links and routes, as long as it is not cancelled. Nothing is polled.
    hal::async::Task<> follow_links();
    // Tells the guard of backlogs that changed.
    hal::async::Task<> tell_backlogs();
    // Event streams end, and no further one begins.
    void end_events();
    hal::async::Task<> stop();
    [[nodiscard]] std::string metrics() const;
    [[nodiscard]] Shaper& shaper() { return shaper_; }

private:
    class Events;
    class Body;
    hal::async::Task<http::Response> own(http::Request request);
    hal::async::Task<http::Response> put_backlog(http::Request request);
    hal::async::Task<http::Response> forward(http::Request request, Class which);
    hal::async::Task<http::Response> exchange(http::Request request, Class which, Destinations::State& state, Outgoing outgoing);
    hal::async::Task<http::Response> tunnel(http::Request request, Class which);
    hal::async::Task<Relays::Side> dial_far(const Destination& destination);
    hal::async::Task<std::vector<bool>> look();
    std::optional<http::Response> refused(const Destinations::State& state, Class which);
    http::Response refuse(const client::Refusal& why, const std::string& message, std::chrono::milliseconds retry = {});
    void failed(Destinations::State& state, const Transfer::Failure& failure);
    Transfers& transfers_of(Class which);
    std::vector<std::optional<std::chrono::seconds>> forecasts() const;
    void changed();
    void count(std::string_view upstream, Class which, std::string_view outcome);

    config::Service& service_;
    const Settings& settings_;
    Shaper shaper_;
    Destinations destinations_;
    Relays relays_;
    std::unique_ptr<const Curl> curl_;  // null: it is missing, or nobody needs it
    std::string curl_missing_;
    std::array<std::unique_ptr<Transfers>, class_count> transfers_;
    hal::async::Event changed_, backlogs_changed_;
    std::uint64_t version_ = 0;  // of what the event streams say
    std::size_t subscribers_ = 0;
    bool is_ending_ = false;
    std::vector<client::Backlog> backlogs_;
    std::vector<std::string> told_problems_;
    std::map<std::string, std::uint64_t> requests_;  // labels -> count
};

}  // namespace services::uplink
