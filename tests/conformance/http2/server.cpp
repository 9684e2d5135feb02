// The HTTP server alone, for clients that no one here wrote: usage `http2_server CA_FILE`. Prints the plain and the TLS port
// and serves until standard input ends. / answers at once, /large streams 1 MiB, /file the same from a file, /echo the body.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <print>

#include "hal/async/pool.hpp"
#include "hal/base/clock.hpp"
#include "hal/net/certificates.hpp"
#include "services/http/server.hpp"

using namespace services::http;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t large_bytes = 1024 * 1024;
constexpr std::size_t piece_bytes = 16 * 1024;

class Large : public BodyReader {
public:
    Task<std::string> read() override {
        if (left_ == 0) co_return "";
        left_ -= piece_bytes;
        co_return std::string(piece_bytes, 'x');
    }

private:
    std::size_t left_ = large_bytes;
};

class File : public BodyReader {
public:
    explicit File(hal::net::FileRange range) : range_(range) {}
    Task<std::optional<hal::net::FileRange>> read_file() override { co_return std::exchange(range_, std::nullopt); }
    Task<std::string> read() override { co_return ""; }

private:
    std::optional<hal::net::FileRange> range_;
};

Task<Response> handle(Request request, hal::net::FileRange file) {
    if (request.path == "/echo") co_return text_response(200, request.stream ? co_await request.stream->read_all(64 << 20) : "");
    // h2spec judges what it sends after the head, which a faster answer would end.
    if (request.stream) co_await request.stream->read_all(64 << 20);
    auto response = text_response(200, "");
    if (request.path == "/large") response.stream = std::make_unique<Large>();
    if (request.path == "/file") response.stream = std::make_unique<File>(file);
    if (response.stream)
        response.headers.set("Content-Length", std::to_string(large_bytes));
    else
        response.body = "a short answer\n";
    co_return response;
}

Task<> until_input_ends(Server& server) {
    boost::asio::posix::stream_descriptor input(co_await boost::asio::this_coro::executor, ::dup(STDIN_FILENO));
    std::array<char, 64> piece;
    boost::system::error_code ended;
    while (!ended) co_await input.async_read_some(boost::asio::buffer(piece), boost::asio::redirect_error(boost::asio::use_awaitable, ended));
    co_await server.drain(1s);
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 2) return 2;
    boost::asio::io_context loop(1);
    hal::async::Pool pool(1);
    const auto now = hal::SystemClock().wall();
    const auto ca = hal::net::issue({.subject = {.common_name = "http2-ca", .organizations = {}}, .dns_names = {}, .ip_addresses = {}, .is_ca = true,
                                     .not_before = now - 24h, .not_after = now + 24h}, nullptr);
    const auto serving = hal::net::issue({.subject = {.common_name = "localhost", .organizations = {}}, .dns_names = {"localhost"},
                                          .ip_addresses = {"127.0.0.1"}, .for_server = true, .for_client = false, .not_before = now - 24h,
                                          .not_after = now + 24h}, &ca);
    std::ofstream(arguments[1]) << ca.certificate_pem;
    const auto path = std::string(arguments[1]) + ".file";
    std::ofstream(path) << std::string(large_bytes, 'f');
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    Server server(loop.get_executor(), [&](Request request) { return handle(std::move(request), {file, 0, large_bytes, &pool}); });
    server.listen(hal::net::Listener::bind(loop.get_executor(), {.address = "127.0.0.1", .port = 0}));
    server.listen(hal::net::Listener::bind(loop.get_executor(), {.address = "127.0.0.1", .port = 0}),
                  hal::net::TlsServerContext::make({.certificate_pem = serving.certificate_pem, .key_pem = serving.key_pem, .client_ca_pem = "",
                                                    .alpn = {"h2", "http/1.1"}}));
    std::println("{} {}", server.endpoints()[0].port, server.endpoints()[1].port);
    std::fflush(stdout);
    boost::asio::co_spawn(loop, until_input_ends(server), [&](std::exception_ptr) { loop.stop(); });
    loop.run();
    ::close(file);
    return 0;
}
