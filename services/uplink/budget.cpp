#include "services/uplink/budget.hpp"

#include <algorithm>

namespace services::uplink {
namespace {

constexpr auto alerts = static_cast<std::size_t>(Class::alerts);
constexpr double seconds_of(hal::SteadyTime::duration time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

Budget::Budget(Shares shares, hal::SteadyTime now) : shares_(shares), filled_(now) {
    for (auto& share : shares_) share = std::max(share, 1U);
}

void Budget::set_rate(std::optional<std::uint64_t> bytes_per_second, bool only_alerts, hal::SteadyTime now) {
    only_alerts_ = only_alerts;
    if (rate_ == bytes_per_second) return;
    refill(now);
    rate_ = bytes_per_second;
    // 20 ms of the rate: small enough that classes alternate, large enough that a fast line costs few turns.
    grant_bytes_ = rate_ ? std::clamp(*rate_ / 50 / segment_bytes * segment_bytes, segment_bytes, grant_bytes_max) : grant_bytes_max;
    tokens_ = std::clamp(tokens_, -static_cast<double>(grant_bytes_), static_cast<double>(burst_bytes()));
}

void Budget::refill(hal::SteadyTime now) {
    if (now > filled_ && rate_)
        tokens_ = std::min(static_cast<double>(burst_bytes()), tokens_ + seconds_of(now - filled_) * static_cast<double>(*rate_));
    filled_ = std::max(filled_, now);
}

Wants Budget::allowed(Wants wants) const { return only_alerts_ ? wants & Wants(1U << alerts) : wants; }

std::optional<Class> Budget::next(Wants wants, hal::SteadyTime now) {
    refill(now);
    wants = allowed(wants);
    if (wants.none() || (rate_ && tokens_ <= 0)) return std::nullopt;
    if (wants.test(alerts)) return Class::alerts;
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < class_count; ++i) {
        if (!wants.test(i)) continue;
        turn_[i] = std::max(turn_[i], virtual_now_ - static_cast<double>(credit_grants * grant_bytes_) / shares_[i]);
        if (!best || turn_[i] < turn_[*best]) best = i;
    }
    return static_cast<Class>(*best);
}

void Budget::take(Class which, std::uint64_t bytes) {
    const auto index = static_cast<std::size_t>(which);
    if (rate_) tokens_ -= static_cast<double>(bytes);
    if (index == alerts) return;
    virtual_now_ = std::max(virtual_now_, turn_[index]);
    turn_[index] += static_cast<double>(bytes) / shares_[index];
}

std::optional<hal::SteadyTime> Budget::next_time(Wants wants) const {
    if (allowed(wants).none()) return std::nullopt;
    if (!rate_ || tokens_ > 0) return filled_;
    if (*rate_ == 0) return std::nullopt;
    const std::chrono::duration<double> wait((1 - tokens_) / static_cast<double>(*rate_));
    return filled_ + std::chrono::ceil<std::chrono::microseconds>(wait);
}

}  // namespace services::uplink
