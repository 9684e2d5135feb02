#include "services/uplink/schedule.hpp"

#include <algorithm>

namespace services::uplink {
namespace {

using std::chrono::days;
using std::chrono::minutes;

constexpr int day_minutes = 24 * 60;

// Minutes that the window lasts.
int length_of(const config::Window& window) {
    const int length = window.end_minute - window.begin_minute;
    return length > 0 ? length : length + day_minutes;
}

}  // namespace

Schedule::Now Schedule::at(LocalTime time) const {
    if (windows_.empty()) return {otherwise_ ? std::optional(*otherwise_ / 8) : std::nullopt, std::nullopt};
    const auto today = std::chrono::floor<days>(time);
    const config::Window* holds = nullptr;
    LocalTime until = today + days(8);
    for (const auto& window : windows_) {
        // One that began yesterday may still hold; the next change is within a week.
        for (int offset = -1; offset <= 7; ++offset) {
            const auto day = today + days(offset);
            if ((window.days >> (std::chrono::weekday(day).iso_encoding() - 1) & 1) == 0) continue;
            const LocalTime begin = day + minutes(window.begin_minute), end = begin + minutes(length_of(window));
            if (begin <= time && time < end) holds = &window;
            for (const auto edge : {begin, end})
                if (edge > time) until = std::min(until, edge);
        }
    }
    const auto bits = holds ? holds->bits_per_second : otherwise_;
    return {bits ? std::optional(std::max<std::uint64_t>(*bits / 8, 1)) : std::nullopt, until};
}

}  // namespace services::uplink
