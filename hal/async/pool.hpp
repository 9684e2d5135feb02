// A small pool of threads for work that blocks (fsync, SQLite, hashing of bodies, compression), and offload(), which
// runs a function there and resumes the coroutine on its own executor. The function touches nothing of the loop's.
#pragma once

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>

#include <exception>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include "hal/async/task.hpp"

namespace hal::async {

// Owns its threads; the destructor waits for the work that runs.
class Pool {
public:
    explicit Pool(std::size_t threads) : threads_(threads) {}
    ~Pool() { threads_.join(); }
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;
    boost::asio::thread_pool& threads() { return threads_; }

private:
    boost::asio::thread_pool threads_;
};

// Runs `function` on `pool`; its result or exception comes back here. A cancellation is seen after it has finished:
// work on a disk is never left half done.
template <class Function>
Task<std::invoke_result_t<Function>> offload(Pool& pool, Function function) {
    using Result = std::invoke_result_t<Function>;
    struct Outcome {
        std::exception_ptr failure;
        std::conditional_t<std::is_void_v<Result>, char, std::optional<Result>> value{};
    };
    Outcome outcome;
    co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(
        [&](auto handler) {
            auto executor = asio::get_associated_executor(handler);
            asio::post(pool.threads(), [&outcome, &function, handler = std::move(handler),
                                        work = asio::make_work_guard(executor)]() mutable {
                try {
                    if constexpr (std::is_void_v<Result>)
                        function();
                    else
                        outcome.value.emplace(function());
                } catch (...) {
                    outcome.failure = std::current_exception();
                }
                auto target = work.get_executor();
                asio::post(target, [handler = std::move(handler)]() mutable { std::move(handler)(); });
            });
        },
        asio::use_awaitable);
    if (outcome.failure) std::rethrow_exception(outcome.failure);
    if constexpr (!std::is_void_v<Result>) co_return std::move(*outcome.value);
}

}  // namespace hal::async
