// The line to headquarters: hands out turns to send within the budget, and counts what went over it.
//
// Owns the budget, the schedule and the counters of a metered line; what waits here is bounded by the connections of the
// process. Without a limit a turn costs no wait. A timer runs only while somebody waits. One thread.
#pragma once

#include <boost/asio/steady_timer.hpp>

#include <array>
#include <functional>
#include <list>
#include <memory>
#include <optional>

#include "hal/async/task.hpp"
#include "hal/base/clock.hpp"
#include "services/uplink/budget.hpp"
#include "services/uplink/schedule.hpp"
#include "services/uplink/usage.hpp"

namespace services::uplink {

class Shaper {
public:
    // `utc_offset`: of local time at a time.
    Shaper(hal::async::Executor executor, const hal::Clock& clock, Schedule schedule, Shares shares, Caps caps,
           std::function<std::chrono::seconds(hal::WallTime)> utc_offset);
    ~Shaper();
    Shaper(const Shaper&) = delete;
    Shaper& operator=(const Shaper&) = delete;

    // Waits for a turn; 1 to `wanted` bytes may leave then, and are counted. Throws Error{cancelled}.
    hal::async::Task<std::size_t> take(Class which, std::size_t wanted);
    void count_received(Class which, std::size_t bytes);

    [[nodiscard]] LocalTime local_now() const;
    [[nodiscard]] std::optional<std::uint64_t> rate() const { return budget_.rate(); }
    [[nodiscard]] const Schedule& schedule() const { return schedule_; }
    [[nodiscard]] const Shares& shares() const { return shares_; }
    // Bytes a second that left while the line was busy; none: not seen yet.
    [[nodiscard]] std::optional<double> seen() const { return seen_; }
    // Set when the counters should be written down.
    hal::async::Event& worth_saving() { return worth_saving_; }
    Usage& usage() { return usage_; }
    // The rest of the time for which everything but alerts has to wait, by a cap.
    [[nodiscard]] std::optional<std::chrono::seconds> over_cap();
    struct Counts {
        std::uint64_t sent = 0, received = 0;
    };
    [[nodiscard]] const std::array<Counts, class_count>& counts() const { return counts_; }

private:
    struct Waiter;
    void refresh();
    void dispatch();
    void counted(std::size_t bytes);
    std::size_t grant(Class which, std::size_t wanted);
    void measure(std::size_t bytes);
    [[nodiscard]] Wants wants() const;

    const hal::Clock& clock_;
    Schedule schedule_;
    Shares shares_;
    Usage usage_;
    std::function<std::chrono::seconds(hal::WallTime)> utc_offset_;
    Budget budget_;
    std::array<std::list<Waiter*>, class_count> queues_;
    boost::asio::steady_timer timer_;
    hal::async::Event worth_saving_;
    hal::async::Executor executor_;
    std::array<Counts, class_count> counts_{};
    std::optional<LocalTime> refresh_at_;  // the next change by the clock
    bool is_over_ = false;
    std::optional<double> seen_;
    hal::SteadyTime last_grant_{};
    std::chrono::duration<double> busy_time_{0};
    double busy_bytes_ = 0;
};

}  // namespace services::uplink
