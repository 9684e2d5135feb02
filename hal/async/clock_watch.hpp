// Tells when somebody set the system's clock (a person, NTP), so that what was reckoned by it is reckoned anew: the
// kernel's own word (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET), no polling. A clock that is slewed is not told of.
#pragma once

#include <memory>

#include "hal/async/task.hpp"

namespace hal::async {

class ClockWatch {
public:
    // Throws Error{io}.
    explicit ClockWatch(Executor executor);
    ~ClockWatch();
    // Returns once the clock was set since the last call, or since this was made. One caller at a time.
    Task<> stepped();
    // True when it was set, false when `limit` passed first.
    Task<bool> stepped_within(std::chrono::steady_clock::duration limit);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace hal::async
