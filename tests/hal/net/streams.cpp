#include "hal/net/stream.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <catch2/catch_test_macros.hpp>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"

using namespace hal::net;
using namespace std::chrono_literals;

namespace {

void run(boost::asio::io_context& context, Task<> task) {
    auto done = boost::asio::co_spawn(context, std::move(task), boost::asio::use_future);
    context.restart();
    context.run_for(10s);
    REQUIRE(done.wait_for(0s) == std::future_status::ready);
    done.get();
}

Task<> greet(Listener& listener, Endpoint target) {
    auto client = co_await dial(target, 2s);
    auto server = co_await listener.accept();
    const std::string text = "hello";
    co_await client->write(std::as_bytes(std::span(text)));
    co_await client->finish_writing();
    std::array<std::byte, 16> into;
    CHECK(co_await server->read_some(into) == 5);
    CHECK(co_await server->read_some(into) == 0);
    CHECK(server->local().address == target.address);
    CHECK(server->local().to_string() == client->remote().to_string());
    CHECK(server->remote().to_string() == client->local().to_string());
    CHECK(server->peer_uid() == (target.is_unix ? std::optional(::getuid()) : std::nullopt));
}

Task<hal::Code> dial_failure(Endpoint target) {
    try {
        co_await dial(target, 2s);
    } catch (const hal::Error& e) {
        co_return e.code();
    }
    co_return hal::Code::internal;
}

}  // namespace

TEST_CASE("an endpoint is written and read in every form") {
    for (const auto* text : {"10.42.0.2:80", "[::1]:80", "unix:/run/x.sock", "localhost:0"}) CHECK(Endpoint::parse(text).to_string() == text);
    CHECK(Endpoint::parse(":80").to_string() == "[::]:80");
    for (const auto* text : {"", "80", "::1:80", "[::1]", "a:65536", "a:-1", "a:", "unix:"}) {
        INFO(text);
        CHECK_THROWS_AS(Endpoint::parse(text), hal::Error);
    }
}

TEST_CASE("a stream carries bytes and its end over IPv4, IPv6 and a Unix socket") {
    boost::asio::io_context context(1);
    auto both = Listener::bind(context.get_executor(), Endpoint::parse(":0"));
    run(context, greet(*both, {.address = "127.0.0.1", .port = both->local().port}));
    if (both->local().address == "::") run(context, greet(*both, {.address = "::1", .port = both->local().port}));
    const auto path = std::filesystem::temp_directory_path() / ("stream-" + hal::hex(hal::random_bytes(6)));
    const Endpoint unix_socket{.address = path.string(), .port = 0, .is_unix = true};
    auto local = Listener::bind(context.get_executor(), unix_socket);
    run(context, greet(*local, unix_socket));
    CHECK_THROWS_AS(Listener::bind(context.get_executor(), unix_socket), hal::Error);
    local.reset();
    // Nobody listens any more: the path is taken over.
    local = Listener::bind(context.get_executor(), unix_socket);
    run(context, greet(*local, unix_socket));
    std::filesystem::remove(path);
}

TEST_CASE("a dial that nobody answers fails at once") {
    boost::asio::io_context context(1);
    auto listener = Listener::bind(context.get_executor(), {.address = "127.0.0.1", .port = 0});
    const auto target = listener->local();
    listener->close();
    run(context, [](Endpoint closed) -> Task<> { CHECK(co_await dial_failure(closed) == hal::Code::unavailable); }(target));
    run(context, [](Endpoint missing) -> Task<> { CHECK(co_await dial_failure(missing) == hal::Code::unavailable); }(
                     Endpoint{.address = "/nowhere/x.sock", .port = 0, .is_unix = true}));
    CHECK_THROWS_AS(Listener::adopt(context.get_executor(), -1), hal::Error);
}
