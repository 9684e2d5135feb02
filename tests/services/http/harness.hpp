// A server and a client in this process over loopback, and a way to run one coroutine to its end.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <optional>
#include <stdexcept>

#include "hal/net/certificates.hpp"
#include "services/http/client.hpp"
#include "services/http/server.hpp"

namespace harness {

using namespace std::chrono_literals;
using hal::async::Task;

// A test that hangs is ended, and fails, after this long.
inline constexpr std::chrono::seconds patience{20};

class Loop {
public:
    boost::asio::io_context context{1};

    // Runs `task` to its end, and what it left running until it ends too or patience does.
    void run(Task<> task) {
        std::optional<std::exception_ptr> ended;
        boost::asio::co_spawn(context, std::move(task), [&](std::exception_ptr failure) {
            ended = failure;
            context.stop();
        });
        context.restart();
        context.run_for(patience);
        if (!ended) throw std::runtime_error("the test did not end in time");
        if (*ended) std::rethrow_exception(*ended);
    }
};

inline std::unique_ptr<hal::net::Listener> loopback(Loop& loop) {
    return hal::net::Listener::bind(loop.context.get_executor(), {.address = "127.0.0.1", .port = 0});
}

inline std::string text(std::span<const std::byte> bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

inline Task<> send(hal::net::Stream& stream, std::string bytes) {
    co_await stream.write(std::as_bytes(std::span(bytes)));
}

// Reads until the stream ends or `end` was seen.
inline Task<std::string> receive(hal::net::Stream& stream, std::string end = "\x01never") {
    std::string all;
    std::array<std::byte, 4096> piece;
    while (!all.ends_with(end)) {
        const auto count = co_await stream.read_some(piece);
        if (count == 0) break;
        all += text(std::span(piece).first(count));
    }
    co_return all;
}

inline hal::net::KeyAndCertificate authority() {
    const auto now = hal::SystemClock().wall();
    return hal::net::issue({.subject = {.common_name = "test-ca", .organizations = {}}, .dns_names = {}, .ip_addresses = {},
                            .is_ca = true, .not_before = now - 24h, .not_after = now + 24h},
                           nullptr);
}

inline hal::net::KeyAndCertificate leaf(const hal::net::KeyAndCertificate& ca, std::string name,
                                        std::vector<std::string> groups, bool for_server) {
    const auto now = hal::SystemClock().wall();
    return hal::net::issue({.subject = {.common_name = name, .organizations = groups},
                            .dns_names = for_server ? std::vector<std::string>{"localhost"} : std::vector<std::string>{},
                            .ip_addresses = for_server ? std::vector<std::string>{"127.0.0.1", "::1"} : std::vector<std::string>{},
                            .for_server = for_server, .for_client = !for_server, .not_before = now - 24h, .not_after = now + 24h},
                           &ca);
}

}  // namespace harness
