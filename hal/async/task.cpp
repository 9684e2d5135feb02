#include "hal/async/task.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancel_after.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <list>
#include <utility>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"

namespace hal::async {

Task<> sleep_until(std::chrono::steady_clock::time_point time) {
    asio::steady_timer timer(co_await asio::this_coro::executor, time);
    boost::system::error_code failure;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, failure));
    if (failure) throw Error(Code::cancelled, "cancelled while waiting");
}

Task<> sleep_for(std::chrono::steady_clock::duration duration) {
    return sleep_until(std::chrono::steady_clock::now() + duration);
}

struct TaskGroup::State {
    struct Running {
        std::string name;
        asio::cancellation_signal stop;
    };
    Executor executor;
    std::string name;
    std::size_t tasks_max;
    std::list<Running> running;
    asio::steady_timer empty;

    State(Executor e, std::string n, std::size_t max) : executor(e), name(std::move(n)), tasks_max(max), empty(e) {}
};

TaskGroup::TaskGroup(Executor executor, std::string name, std::size_t tasks_max)
    : state_(std::make_shared<State>(std::move(executor), std::move(name), tasks_max)) {}

TaskGroup::~TaskGroup() = default;

std::size_t TaskGroup::size() const { return state_->running.size(); }

namespace {

void log_failure(const std::string& group, const std::string& task, const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const Error& e) {
        if (e.code() != Code::cancelled) log::error(group, "{}: {}", task, e.what());
    } catch (const boost::system::system_error& e) {
        if (e.code() != asio::error::operation_aborted) log::error(group, "{}: {}", task, e.code().message());
    } catch (const std::exception& e) {
        log::error(group, "{}: {}", task, e.what());
    }
}

}  // namespace

void TaskGroup::spawn(std::string name, Task<> task) {
    if (state_->running.size() >= state_->tasks_max)
        throw Error(Code::exhausted, state_->name + ": " + std::to_string(state_->tasks_max) + " tasks run already");
    state_->running.emplace_back();
    auto it = std::prev(state_->running.end());
    it->name = std::move(name);
    asio::co_spawn(state_->executor, std::move(task),
                   asio::bind_cancellation_slot(it->stop.slot(), [state = state_, it](std::exception_ptr failure) {
                       if (failure) log_failure(state->name, it->name, failure);
                       state->running.erase(it);
                       if (state->running.empty()) state->empty.cancel();
                   }));
}

void TaskGroup::cancel() {
    // emit() may complete a task at once and erase its entry, so the next one is taken first.
    for (auto it = state_->running.begin(); it != state_->running.end();) {
        auto next = std::next(it);
        it->stop.emit(asio::cancellation_type::terminal);
        it = next;
    }
}

Task<> TaskGroup::join() {
    const auto state = state_;
    while (!state->running.empty()) {
        state->empty.expires_at(asio::steady_timer::time_point::max());
        boost::system::error_code woken;
        co_await state->empty.async_wait(asio::redirect_error(asio::use_awaitable, woken));
        // The joiner itself may be cancelled; what runs must still end before the group may go.
        co_await asio::this_coro::reset_cancellation_state();
    }
}

struct Event::State {
    asio::steady_timer timer;
    bool set = false;
    explicit State(Executor executor) : timer(std::move(executor), asio::steady_timer::time_point::max()) {}
};

Event::Event(Executor executor) : state_(std::make_unique<State>(std::move(executor))) {}
Event::~Event() = default;

void Event::set() {
    if (state_->set) return;
    state_->set = true;
    state_->timer.cancel();
}

void Event::clear() { state_->set = false; }
bool Event::is_set() const { return state_->set; }

Task<> Event::wait() {
    while (!state_->set) {
        boost::system::error_code woken;
        co_await state_->timer.async_wait(asio::redirect_error(asio::use_awaitable, woken));
        const auto cancellation = co_await asio::this_coro::cancellation_state;
        if (cancellation.cancelled() != asio::cancellation_type::none)
            throw Error(Code::cancelled, "cancelled while waiting for an event");
        // Cleared again before this coroutine ran: the wake-up was still meant for it.
        break;
    }
}

Task<bool> Event::wait_for(std::chrono::steady_clock::duration limit) {
    if (state_->set) co_return true;
    boost::system::error_code woken;
    co_await state_->timer.async_wait(
        asio::cancel_after(limit, asio::redirect_error(asio::use_awaitable, woken)));
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none)
        throw Error(Code::cancelled, "cancelled while waiting for an event");
    co_return state_->set;
}

}  // namespace hal::async
