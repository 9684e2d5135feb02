// How fast bytes may leave, and whose turn it is: a token bucket, and shares between classes.
//
// Pure: time comes in as an argument, waiting is the Shaper's. A grant may put the bucket into debt by less than one grant,
// which the next one waits for; what was not used is kept for a quarter of a second (two grants at least), so that a loop
// that is late loses nothing. Over any stretch of time what leaves is at most rate * time and that much. Alerts go
// first; the other classes take turns by start-time fair queueing: a class that wants nothing gives its share to the others
// and saves nothing up (but for `credit_grants` grants, so that a busy class whose next bytes are a moment late loses nothing).
#pragma once

#include <algorithm>
#include <array>
#include <bitset>
#include <chrono>
#include <cstdint>
#include <optional>

#include "hal/base/clock.hpp"
#include "services/uplink/client/wire.hpp"

namespace services::uplink {

using client::Class;
using client::class_count;
using Wants = std::bitset<class_count>;

// Weights; alerts have none.
using Shares = std::array<unsigned, class_count>;
inline constexpr Shares shares_by_default{0, 40, 25, 15, 12, 8};

class Budget {
public:
    // Whole segments of the usual Ethernet (1500 less IP, TCP and time stamps).
    static constexpr std::uint64_t segment_bytes = 1448, grant_bytes_max = 45 * segment_bytes;
    static constexpr unsigned credit_grants = 4;

    Budget(Shares shares, hal::SteadyTime now);
    // Bytes a second; none: no limit. `only_alerts`: a cap is reached.
    void set_rate(std::optional<std::uint64_t> bytes_per_second, bool only_alerts, hal::SteadyTime now);
    [[nodiscard]] std::optional<std::uint64_t> rate() const { return rate_; }
    // What may leave at once after a pause.
    [[nodiscard]] std::uint64_t burst_bytes() const { return std::max(2 * grant_bytes_, rate_.value_or(0) / 4); }
    // The most that one grant may be.
    [[nodiscard]] std::uint64_t grant_bytes() const { return grant_bytes_; }
    // Whose turn it is among those that want to send; none: nobody may at this moment.
    std::optional<Class> next(Wants wants, hal::SteadyTime now);
    // After next(): `bytes` of `which` leave.
    void take(Class which, std::uint64_t bytes);
    // When next() will say yes, if it said no; none: not by waiting alone.
    [[nodiscard]] std::optional<hal::SteadyTime> next_time(Wants wants) const;

private:
    void refill(hal::SteadyTime now);
    [[nodiscard]] Wants allowed(Wants wants) const;

    Shares shares_;
    std::optional<std::uint64_t> rate_;
    std::uint64_t grant_bytes_ = grant_bytes_max;
    bool only_alerts_ = false;
    double tokens_ = 0;  // bytes; below 0: a debt
    hal::SteadyTime filled_;
    std::array<double, class_count> turn_{};  // bytes / share that the class has had, in virtual time
    double virtual_now_ = 0;
};

}  // namespace services::uplink
