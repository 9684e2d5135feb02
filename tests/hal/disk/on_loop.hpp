// A loop for tests of coroutines: runs one to its end, and gives what it returned or throws what it threw.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <optional>
#include <utility>

#include "hal/async/pool.hpp"
#include "hal/async/task.hpp"

class OnLoop {
public:
    template <class Result>
    Result operator()(hal::async::Task<Result> task) {
        std::optional<Result> result;
        bool is_done = false;
        std::exception_ptr failure;
        boost::asio::co_spawn(loop, std::move(task), [&](std::exception_ptr thrown, Result value) {
            failure = std::move(thrown);
            if (!failure) result.emplace(std::move(value));
            is_done = true;
        });
        run(is_done, failure);
        return std::move(*result);
    }
    void operator()(hal::async::Task<> task) {
        bool is_done = false;
        std::exception_ptr failure;
        boost::asio::co_spawn(loop, std::move(task), [&](std::exception_ptr thrown) {
            failure = std::move(thrown);
            is_done = true;
        });
        run(is_done, failure);
    }

    boost::asio::io_context loop{1};

private:
    // Not until the loop is idle: a log's timer may be a minute away.
    void run(const bool& is_done, std::exception_ptr& failure) {
        loop.restart();
        while (!is_done) loop.run_one();
        if (failure) std::rethrow_exception(failure);
    }
};
