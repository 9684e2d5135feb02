#include "services/uplink/destinations.hpp"

#include <algorithm>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"

namespace services::uplink {

Destinations::Destinations(const Settings& settings, std::function<void()> changed) : changed_(std::move(changed)) {
    for (const auto& one : settings.destinations) states_.push_back({&one, settings.proxy ? settings.proxy->url.host : one.url.host, false, {}, {}, "", "", 0});
}

Destinations::State& Destinations::of(const Destination& destination) {
    const auto it = std::ranges::find(states_, &destination, &State::destination);
    HAL_REQUIRE(it != states_.end());
    return *it;
}

const client::Refusal* Destinations::refusal(const State& state, Class which, hal::SteadyTime now) const {
    if (!state.is_reachable) return &client::no_link;
    // Alerts are few: they try whatever happened to others.
    if (which != Class::alerts && now < state.retry_at) return &client::backing_off;
    return nullptr;
}

std::vector<std::string> Destinations::set_ways(const std::function<bool(const std::string&)>& has_way) {
    std::vector<std::string> gone;
    bool is_changed = false;
    for (auto& state : states_) {
        const bool is_reachable = has_way(state.way);
        if (is_reachable == state.is_reachable) continue;
        is_changed = true;
        state.is_reachable = is_reachable;
        hal::log::info("uplink", "{} {}", state.destination->name, is_reachable ? "can be reached" : "cannot be reached: there is no way to " + state.way);
        if (is_reachable) {
            state.backoff.reset();
            state.retry_at = {};
        } else {
            gone.push_back(state.way);
        }
    }
    if (is_changed) changed_();
    return gone;
}

void Destinations::failed(State& state, const client::Refusal& why, const std::string& message, double random, hal::SteadyTime now) {
    ++state.failures;
    if (state.is_reachable) {  // of a line that was cut it says nothing
        const auto wait = state.backoff.failed(random);
        state.retry_at = std::max(state.retry_at, now + wait);
    }
    if (state.reason != message) hal::log::warn("uplink", "{}", message);
    state.reason = message;
    if (&why == &client::not_trusted || &why == &client::proxy_refused) state.problem = "upstream " + message;
    changed_();
}

void Destinations::answered(State& state, unsigned status) {
    const auto& name = state.destination->name;
    const bool is_refused = (status == 401 || status == 403) && !state.destination->credentials.authorization.empty();
    const auto problem = is_refused ? "upstream " + name + ": answers " + std::to_string(status) + " to the credentials of the configuration" : "";
    const bool is_news = !state.reason.empty() || state.problem != problem || state.retry_at != hal::SteadyTime{};
    if (!state.reason.empty()) hal::log::info("uplink", "{} answers again", name);
    state.backoff.reset();
    state.retry_at = {};
    state.reason.clear();
    state.problem = problem;
    if (is_news) changed_();
}

std::vector<client::DestinationState> Destinations::states(hal::SteadyTime now) const {
    std::vector<client::DestinationState> result;
    for (const auto& one : states_) {
        const auto left = std::max(one.retry_at - now, hal::SteadyTime::duration::zero());
        result.push_back({one.destination->name, one.is_reachable, std::chrono::ceil<std::chrono::milliseconds>(left), one.reason});
    }
    return result;
}

std::vector<std::string> Destinations::problems() const {
    std::vector<std::string> problems;
    for (const auto& one : states_)
        if (!one.problem.empty()) problems.push_back(one.problem);
    return problems;
}

}  // namespace services::uplink
