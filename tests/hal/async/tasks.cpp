#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <catch2/catch_test_macros.hpp>

#include <thread>

#include "hal/async/pool.hpp"
#include "hal/base/error.hpp"
#include "hal/net/outbox.hpp"

using namespace hal::async;
using namespace std::chrono_literals;

namespace {

void run(asio::io_context& context, Task<> task) {
    auto done = asio::co_spawn(context, std::move(task), asio::use_future);
    context.restart();
    context.run_for(10s);
    REQUIRE(done.wait_for(0s) == std::future_status::ready);
    done.get();
}

Task<> wait_forever(int& ended) {
    struct Ending {
        int& ended;
        ~Ending() { ++ended; }
    } ending{ended};
    co_await sleep_for(1h);
}

Task<> fail() {
    throw hal::Error(hal::Code::io, "failed on purpose");
    co_return;
}

// Remembers what was written, and gives way to others within each write.
class SlowStream : public hal::net::Stream {
public:
    std::string written;
    bool fails = false;
    Task<std::size_t> read_some(std::span<std::byte>) override { co_return 0; }
    Task<> write(std::span<const std::byte> from) override {
        co_await sleep_for(1ms);
        if (fails) throw hal::Error(hal::Code::unavailable, "gone");
        written.append(reinterpret_cast<const char*>(from.data()), from.size());
    }
    Task<> finish_writing() override { co_return; }
    void close() noexcept override {}
    [[nodiscard]] hal::net::Endpoint local() const override { return {}; }
    [[nodiscard]] hal::net::Endpoint remote() const override { return {}; }
};

Task<> append(hal::net::Outbox& outbox, SlowStream& stream, std::string bytes) {
    outbox.pending() += bytes;
    co_await outbox.flush(stream);
    CHECK(stream.written.find(bytes) != std::string::npos);
}

}  // namespace

TEST_CASE("a group's tasks end when it is cancelled, and a failure of one ends no other") {
    asio::io_context context(1);
    int ended = 0;
    run(context, [](Executor executor, int& count) -> Task<> {
        TaskGroup group(executor, "test", 3);
        group.spawn("a", wait_forever(count));
        group.spawn("b", wait_forever(count));
        group.spawn("failing", fail());
        CHECK_THROWS_AS(group.spawn("one too many", fail()), hal::Error);
        co_await sleep_for(1ms);
        CHECK(group.size() == 2);
        CHECK(count == 0);
        group.cancel();
        co_await group.join();
        CHECK(group.size() == 0);
        CHECK(count == 2);
    }(context.get_executor(), ended));
}

TEST_CASE("an event wakes who waits, and a wait with a limit tells whether it came") {
    asio::io_context context(1);
    run(context, [](Executor executor) -> Task<> {
        Event event(executor);
        CHECK_FALSE(co_await event.wait_for(1ms));
        event.set();
        CHECK(co_await event.wait_for(1h));
        co_await event.wait();
        event.clear();
        CHECK_FALSE(event.is_set());
    }(context.get_executor()));
}

TEST_CASE("offloaded work runs on another thread and its result or failure comes back") {
    asio::io_context context(1);
    Pool pool(1);
    run(context, [](Pool& workers) -> Task<> {
        const auto here = std::this_thread::get_id();
        const auto there = co_await offload(workers, [] { return std::this_thread::get_id(); });
        CHECK(here != there);
        CHECK(here == std::this_thread::get_id());
        bool has_failed = false;
        try {
            co_await offload(workers, [] { throw hal::Error(hal::Code::io, "no"); });
        } catch (const hal::Error& e) {
            has_failed = e.code() == hal::Code::io;
        }
        CHECK(has_failed);
    }(pool));
}

TEST_CASE("what several coroutines send leaves in the order it was appended, and nothing after a failure") {
    asio::io_context context(1);
    SlowStream stream;
    run(context, [](Executor executor, SlowStream& out) -> Task<> {
        hal::net::Outbox outbox(executor);
        TaskGroup group(executor, "test");
        for (const auto* text : {"one ", "two ", "three "}) group.spawn(text, append(outbox, out, text));
        co_await group.join();
        CHECK(out.written == "one two three ");
        out.fails = true;
        outbox.pending() += "lost";
        bool has_failed = false;
        try {
            co_await outbox.flush(out);
        } catch (const hal::Error&) {
            has_failed = true;
        }
        CHECK(has_failed);
        out.fails = false;
        outbox.pending() += "never";
        has_failed = false;
        try {
            co_await outbox.flush(out);
        } catch (const hal::Error&) {
            has_failed = true;
        }
        CHECK(has_failed);
        CHECK(out.written == "one two three ");
    }(context.get_executor(), stream));
}
