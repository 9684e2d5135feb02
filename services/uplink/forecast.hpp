// How long what waits for upstream will take: the classes' shares of the rate, window by window of the schedule, until all is
// sent. Pure. Looks at most `horizon` ahead and at most `steps_max` changes of rate.
//
// Bytes are those of the backlog itself: headers, TLS and what the services add meanwhile come on top.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "services/uplink/budget.hpp"
#include "services/uplink/schedule.hpp"

namespace services::uplink {

inline constexpr std::chrono::days horizon{60};
inline constexpr int steps_max = 1000;

struct Waiting {
    Class urgency;
    std::uint64_t bytes;
};
// The time each of `waiting` takes from `now` on; none: no telling. `seen`: bytes a second that the line was seen to carry
// (none: not known), which bounds the rate.
std::vector<std::optional<std::chrono::seconds>> forecast(const std::vector<Waiting>& waiting, const Shares& shares, const Schedule& schedule,
                                                          std::optional<double> seen, LocalTime now);

}  // namespace services::uplink
