#include "services/uplink/shaper.hpp"

#include <algorithm>

#include "hal/base/log.hpp"

namespace services::uplink {
namespace {

// Grants further apart belong to different bursts.
constexpr std::chrono::seconds burst_gap_max{2};
// The speed is that of stretches as long as this, smoothed.
constexpr std::chrono::seconds measure_time_min{10};
constexpr double smoothing = 0.3;

}  // namespace

struct Shaper::Waiter {
    std::size_t wanted;
    std::size_t granted = 0;
    hal::async::Event turn;
};

Shaper::Shaper(hal::async::Executor executor, const hal::Clock& clock, Schedule schedule, Shares shares, Caps caps,
               std::function<std::chrono::seconds(hal::WallTime)> utc_offset)
    : clock_(clock),
      schedule_(std::move(schedule)),
      shares_(shares),
      usage_(caps),
      utc_offset_(std::move(utc_offset)),
      budget_(shares, clock.steady()),
      timer_(executor),
      worth_saving_(executor),
      executor_(executor) {
    refresh_at_ = LocalTime::min();
}

Shaper::~Shaper() = default;

LocalTime Shaper::local_now() const {
    const auto now = clock_.wall();
    return LocalTime(now.time_since_epoch() + utc_offset_(now));
}

// The rate of this moment: by the schedule, or nothing but alerts when a cap is reached.
void Shaper::refresh() {
    const auto now = local_now();
    const bool is_over = usage_.is_over(now);
    if (is_over == is_over_ && (!refresh_at_ || now < *refresh_at_)) return;
    const auto window = schedule_.at(now);
    refresh_at_ = window.until;
    if (is_over) {
        const auto until = usage_.over_until(now);
        refresh_at_ = std::min(refresh_at_.value_or(until), until);
        if (!is_over_) hal::log::warn("uplink", "the byte cap is reached: alerts alone go upstream until {} (local time)",
                                      hal::rfc3339(hal::WallTime(until.time_since_epoch())));
    }
    is_over_ = is_over;
    budget_.set_rate(window.bytes_per_second, is_over, clock_.steady());
}

std::optional<std::chrono::seconds> Shaper::over_cap() {
    refresh();
    if (!is_over_) return std::nullopt;
    const auto now = local_now();
    return std::chrono::ceil<std::chrono::seconds>(usage_.over_until(now) - now);
}

Wants Shaper::wants() const {
    Wants wants;
    for (std::size_t i = 0; i < class_count; ++i) wants.set(i, !queues_[i].empty());
    return wants;
}

void Shaper::counted(std::size_t bytes) {
    usage_.add(bytes, local_now());
    if (usage_.is_worth_saving()) worth_saving_.set();
}

void Shaper::measure(std::size_t bytes) {
    const auto now = clock_.steady();
    const auto gap = now - last_grant_;
    last_grant_ = now;
    if (gap > burst_gap_max) {
        busy_time_ = {};
        busy_bytes_ = 0;
        return;
    }
    busy_time_ += gap;
    busy_bytes_ += static_cast<double>(bytes);
    if (busy_time_ < measure_time_min) return;
    const double speed = busy_bytes_ / busy_time_.count();
    seen_ = seen_ ? *seen_ + smoothing * (speed - *seen_) : speed;
    busy_time_ = {};
    busy_bytes_ = 0;
}

std::size_t Shaper::grant(Class which, std::size_t wanted) {
    const auto bytes = std::min<std::size_t>(wanted, budget_.grant_bytes());
    budget_.take(which, bytes);
    counts_[static_cast<std::size_t>(which)].sent += bytes;
    counted(bytes);
    measure(bytes);
    return bytes;
}

void Shaper::count_received(Class which, std::size_t bytes) {
    counts_[static_cast<std::size_t>(which)].received += bytes;
    counted(bytes);
}

hal::async::Task<std::size_t> Shaper::take(Class which, std::size_t wanted) {
    const auto index = static_cast<std::size_t>(which);
    refresh();
    if (wants().none() && budget_.next(Wants(1U << index), clock_.steady())) co_return grant(which, wanted);
    Waiter waiter{wanted, 0, hal::async::Event(executor_)};
    auto& queue = queues_[index];
    queue.push_back(&waiter);
    const struct Leaving {
        std::list<Waiter*>& from;
        Waiter* who;
        ~Leaving() { from.remove(who); }
    } leaving{queue, &waiter};
    dispatch();
    while (waiter.granted == 0) co_await waiter.turn.wait();
    co_return waiter.granted;
}

void Shaper::dispatch() {
    refresh();
    auto all = wants();
    while (const auto turn = budget_.next(all, clock_.steady())) {
        auto& queue = queues_[static_cast<std::size_t>(*turn)];
        auto* waiter = queue.front();
        queue.pop_front();
        waiter->granted = grant(*turn, waiter->wanted);
        waiter->turn.set();
        refresh();
        all = wants();
    }
    if (all.none()) return;
    auto at = budget_.next_time(all);
    if (refresh_at_) {
        const auto change = clock_.steady() + std::max<LocalTime::duration>(*refresh_at_ - local_now(), std::chrono::milliseconds(1));
        at = std::min(at.value_or(change), change);
    }
    if (!at) return;
    timer_.expires_at(*at);
    timer_.async_wait([this](const boost::system::error_code& failure) {
        if (!failure) dispatch();
    });
}

}  // namespace services::uplink
