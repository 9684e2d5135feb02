#include "hal/async/clock_watch.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <catch2/catch_test_macros.hpp>

using namespace hal::async;
using namespace std::chrono_literals;

TEST_CASE("a clock that nobody sets wakes nobody, and the wait for it ends with its limit or its group") {
    asio::io_context loop(1);
    bool was_set = true;
    const auto within = [](Executor executor, bool& told) -> Task<> {
        ClockWatch watch(executor);
        told = co_await watch.stepped_within(1ms);
    };
    TaskGroup group(loop.get_executor(), "test", 2);
    group.spawn("within", within(loop.get_executor(), was_set));
    loop.run();
    CHECK_FALSE(was_set);

    const auto forever = [](Executor executor) -> Task<> {
        ClockWatch watch(executor);
        co_await watch.stepped();
    };
    group.spawn("forever", forever(loop.get_executor()));
    loop.restart();
    loop.poll();
    CHECK(group.size() == 1);
    group.cancel();
    loop.restart();
    loop.run();
    CHECK(group.size() == 0);
}
