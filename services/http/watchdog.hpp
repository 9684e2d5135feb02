// Ends an operation on a stream that takes too long, by closing the stream. Armed and disarmed without a system call:
// the timer behind it runs on and looks at the deadline when it fires. One thread.
#pragma once

#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <functional>
#include <memory>

#include "hal/async/task.hpp"

namespace services::http {

class Watchdog {
public:
    using Clock = std::chrono::steady_clock;

    // `expired` is called at most once, from the loop.
    Watchdog(hal::async::Executor executor, std::function<void()> expired)
        : state_(std::make_shared<State>(std::move(executor), std::move(expired))) {}
    ~Watchdog() {
        state_->expired = nullptr;
        state_->timer.cancel();
    }
    Watchdog(const Watchdog&) = delete;
    Watchdog& operator=(const Watchdog&) = delete;

    void arm(Clock::duration limit) {
        state_->deadline = Clock::now() + limit;
        if (!state_->is_waiting) wait(state_);
    }
    void disarm() { state_->deadline = Clock::time_point::max(); }
    [[nodiscard]] bool has_expired() const { return state_->has_expired; }

private:
    struct State {
        boost::asio::steady_timer timer;
        std::function<void()> expired;
        Clock::time_point deadline = Clock::time_point::max();
        bool is_waiting = false;
        bool has_expired = false;
        State(hal::async::Executor executor, std::function<void()> call)
            : timer(std::move(executor)), expired(std::move(call)) {}
    };

    static void wait(const std::shared_ptr<State>& state) {
        state->is_waiting = true;
        state->timer.expires_at(state->deadline);
        state->timer.async_wait([state](const boost::system::error_code& failure) {
            state->is_waiting = false;
            if (failure || !state->expired || state->deadline == Clock::time_point::max()) return;
            if (Clock::now() < state->deadline) return wait(state);
            state->has_expired = true;
            state->deadline = Clock::time_point::max();
            state->expired();
        });
    }

    std::shared_ptr<State> state_;  // shared with the wait under way
};

}  // namespace services::http
