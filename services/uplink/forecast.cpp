#include "services/uplink/forecast.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace services::uplink {
namespace {

constexpr auto alerts = static_cast<std::size_t>(Class::alerts);

using PerClass = std::array<double, class_count>;

// What each class gets of `rate` while those with bytes left compete.
PerClass divided(double rate, const PerClass& left, const Shares& shares) {
    PerClass speed{};
    if (left[alerts] > 0) {
        speed[alerts] = rate;
        return speed;
    }
    double sum = 0;
    for (std::size_t i = 0; i < class_count; ++i)
        if (left[i] > 0) sum += std::max(shares[i], 1U);
    for (std::size_t i = 0; i < class_count; ++i)
        if (left[i] > 0) speed[i] = rate * std::max(shares[i], 1U) / sum;
    return speed;
}

}  // namespace

std::vector<std::optional<std::chrono::seconds>> forecast(const std::vector<Waiting>& waiting, const Shares& shares, const Schedule& schedule,
                                                          std::optional<double> seen, LocalTime now) {
    // Backlogs of one class share what it gets: all of them end with the class.
    PerClass left{}, done{};
    for (const auto& one : waiting) left[static_cast<std::size_t>(one.urgency)] += static_cast<double>(one.bytes);
    done.fill(-1);
    double passed = 0;
    for (int step = 0; step < steps_max && std::ranges::any_of(left, [](double bytes) { return bytes > 0; }); ++step) {
        const auto at = now + std::chrono::microseconds(static_cast<std::int64_t>(passed * 1e6));
        if (at - now > horizon) break;
        const auto window = schedule.at(at);
        auto rate = seen;
        if (window.bytes_per_second) rate = std::min(seen.value_or(HUGE_VAL), static_cast<double>(*window.bytes_per_second));
        double span = window.until ? std::chrono::duration<double>(*window.until - at).count() : HUGE_VAL;
        if (!rate || *rate <= 0) break;  // a window of unknown speed ends the forecast
        const auto speed = divided(*rate, left, shares);
        for (std::size_t i = 0; i < class_count; ++i)
            if (speed[i] > 0) span = std::min(span, left[i] / speed[i]);
        passed += span;
        for (std::size_t i = 0; i < class_count; ++i) {
            if (speed[i] <= 0) continue;
            left[i] -= speed[i] * span;
            if (left[i] < 0.5) {
                left[i] = 0;
                done[i] = passed;
            }
        }
    }
    std::vector<std::optional<std::chrono::seconds>> result;
    for (const auto& one : waiting) {
        const auto at = one.bytes == 0 ? 0 : done[static_cast<std::size_t>(one.urgency)];
        result.push_back(at < 0 ? std::nullopt : std::optional(std::chrono::seconds(static_cast<std::int64_t>(std::ceil(at)))));
    }
    return result;
}

}  // namespace services::uplink
