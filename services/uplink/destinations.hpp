// How each destination is at this moment: whether there is a way to it, how long it is left alone after failures, and what is
// wrong with it that no waiting mends (a certificate, credentials). Owns no sockets; time and randomness are arguments.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "services/uplink/backoff.hpp"
#include "services/uplink/settings.hpp"

namespace services::uplink {

class Destinations {
public:
    // `settings` outlives it. `changed` is called whenever what states() says has changed.
    Destinations(const Settings& settings, std::function<void()> changed);

    struct State {
        const Destination* destination;
        std::string way;  // the host whose reachability counts: the office proxy's, or its own
        bool is_reachable = false;
        Backoff backoff;
        hal::SteadyTime retry_at{};
        std::string reason;   // of the last failure
        std::string problem;  // "": nothing that waiting would not mend
        std::uint64_t failures = 0;
    };
    State& of(const Destination& destination);
    // Null when all is well to send now; else what to answer.
    [[nodiscard]] const client::Refusal* refusal(const State& state, Class which, hal::SteadyTime now) const;
    // Hosts to which there is a way, anew. One that has come back is tried at once. Returns those that have gone.
    std::vector<std::string> set_ways(const std::function<bool(const std::string& host)>& has_way);
    void failed(State& state, const client::Refusal& why, const std::string& message, double random, hal::SteadyTime now);
    // It answered; `status` tells whether it takes the credentials that were added.
    void answered(State& state, unsigned status);

    [[nodiscard]] std::vector<client::DestinationState> states(hal::SteadyTime now) const;
    [[nodiscard]] std::vector<std::string> problems() const;
    [[nodiscard]] const std::vector<State>& all() const { return states_; }

private:
    std::function<void()> changed_;
    std::vector<State> states_;
};

}  // namespace services::uplink
