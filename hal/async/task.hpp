// The coroutine conventions (style.md, "Coroutines"). One io_context and one thread per process: that is the strand.
//
// A Task is awaited, or given to a TaskGroup, which logs its failure and is joined. Time-outs are
// asio::cancel_after(limit, token). Blocking work goes to a Pool through offload().
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

namespace hal::async {

namespace asio = boost::asio;

template <class T = void>
using Task = asio::awaitable<T>;

using Executor = asio::any_io_executor;

// Waits on the calling coroutine's executor. Throws Error{cancelled} when cancelled.
Task<> sleep_for(std::chrono::steady_clock::duration duration);
Task<> sleep_until(std::chrono::steady_clock::time_point time);

// Owns running coroutines. A failure is logged with the task's name (cancellation is not a failure). Must be joined, or
// empty, before it is destroyed. Used from the executor's thread.
class TaskGroup {
public:
    // `tasks_max` bounds what runs at once; spawn() throws Error{exhausted} beyond it.
    TaskGroup(Executor executor, std::string name, std::size_t tasks_max = 4096);
    ~TaskGroup();
    TaskGroup(const TaskGroup&) = delete;
    TaskGroup& operator=(const TaskGroup&) = delete;

    void spawn(std::string name, Task<> task);
    // Requests cancellation of all that run. New ones may still be spawned.
    void cancel();
    // Returns when nothing runs any more.
    Task<> join();
    [[nodiscard]] std::size_t size() const;

private:
    struct State;
    std::shared_ptr<State> state_;  // shared with each running task's completion, which may come after cancel()
};

// A flag that coroutines wait for. set() wakes all who wait; it stays set until clear(). One thread.
class Event {
public:
    explicit Event(Executor executor);
    ~Event();
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;

    void set();
    void clear();
    [[nodiscard]] bool is_set() const;
    // Returns when set; throws Error{cancelled} when cancelled.
    Task<> wait();
    // True when set, false when `limit` passed first.
    Task<bool> wait_for(std::chrono::steady_clock::duration limit);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace hal::async
