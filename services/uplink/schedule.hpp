// Which rate holds at a time of the week, and when that changes. The last window that holds wins, outside of all the rate of
// the budget.
//
// Pure. Times are local ones: whoever asks knows the offset to UTC.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "services/config/forms.hpp"

namespace services::uplink {

using LocalTime = std::chrono::local_time<std::chrono::microseconds>;
inline constexpr std::size_t windows_max = 64;

class Schedule {
public:
    Schedule() = default;
    Schedule(std::optional<std::uint64_t> bits_per_second, std::vector<config::Window> windows)
        : otherwise_(bits_per_second), windows_(std::move(windows)) {}
    struct Now {
        std::optional<std::uint64_t> bytes_per_second;  // none: unlimited
        std::optional<LocalTime> until;                 // none: for ever
    };
    [[nodiscard]] Now at(LocalTime time) const;

private:
    std::optional<std::uint64_t> otherwise_;
    std::vector<config::Window> windows_;
};

}  // namespace services::uplink
