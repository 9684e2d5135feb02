// How long to leave a destination alone that did not answer: full jitter (a random time up to a bound that doubles with each
// failure), so that a thousand branches do not come back at once. Pure: randomness comes in as an argument.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace services::uplink {

class Backoff {
public:
    static constexpr std::chrono::milliseconds bound_min{250};
    static constexpr std::chrono::milliseconds bound_max{5 * 60 * 1000};

    // `random`: 0 to below 1. The time to wait from now on.
    std::chrono::milliseconds failed(double random) {
        const auto wait = std::chrono::milliseconds(static_cast<std::int64_t>(random * static_cast<double>(bound_.count())));
        bound_ = std::min(bound_ * 2, bound_max);
        return wait;
    }
    void reset() { bound_ = bound_min; }
    [[nodiscard]] std::chrono::milliseconds bound() const { return bound_; }

private:
    std::chrono::milliseconds bound_ = bound_min;
};

}  // namespace services::uplink
