#include "hal/async/clock_watch.hpp"

#include <sys/timerfd.h>
#include <unistd.h>

#include <array>

#include <boost/asio/cancel_after.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "hal/base/error.hpp"

namespace hal::async {

namespace {

// The year 2255: a timer that never rings, only to be cancelled.
constexpr time_t never = 9'000'000'000;

}  // namespace

struct ClockWatch::State {
    asio::posix::stream_descriptor timer;
};

ClockWatch::ClockWatch(Executor executor) {
    const int fd = ::timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (fd < 0) throw system_error("watch of the clock");
    state_ = std::make_unique<State>(State{asio::posix::stream_descriptor(std::move(executor), fd)});
    const itimerspec at{{}, {never, 0}};
    if (::timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &at, nullptr) != 0) throw system_error("watch of the clock");
}

ClockWatch::~ClockWatch() = default;

Task<> ClockWatch::stepped() {
    // Longer than anything runs; what came early is no step.
    while (!co_await stepped_within(std::chrono::hours(24 * 365))) {
    }
}

Task<bool> ClockWatch::stepped_within(std::chrono::steady_clock::duration limit) {
    const auto until = std::chrono::steady_clock::now() + limit;
    boost::system::error_code failure;
    co_await state_->timer.async_wait(asio::posix::stream_descriptor::wait_read,
                                      asio::cancel_after(limit, asio::redirect_error(asio::use_awaitable, failure)));
    if (failure == asio::error::operation_aborted && std::chrono::steady_clock::now() >= until) co_return false;
    if (failure) throw Error(Code::cancelled, "cancelled while waiting for the clock to be set");
    // ECANCELED: that it was set is the whole message.
    std::array<char, 512> ignored{};
    while (::read(state_->timer.native_handle(), ignored.data(), ignored.size()) > 0) {
    }
    co_return true;
}

}  // namespace hal::async
