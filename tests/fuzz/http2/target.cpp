// One HTTP/2 connection of a server, whose client says the input in pieces (the first byte is their size) and then ends. The
// handler reads bodies and answers short and long; whatever comes, the connection ends and holds what it may at most.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "services/http/http2.hpp"

using namespace services::http;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t answer_pieces = 8;

class Client : public hal::net::Stream {
public:
    Client(std::string_view said, std::size_t step) : said_(said), step_(step) {}
    Task<std::size_t> read_some(std::span<std::byte> into) override {
        const auto size = std::min({into.size(), step_, said_.size()});
        std::memcpy(into.data(), said_.data(), size);
        said_.remove_prefix(size);
        co_return size;
    }
    Task<> write(std::span<const std::byte>) override { co_return; }
    Task<> finish_writing() override { co_return; }
    void close() noexcept override { said_ = {}; }
    [[nodiscard]] hal::net::Endpoint local() const override { return {}; }
    [[nodiscard]] hal::net::Endpoint remote() const override { return {}; }

private:
    std::string_view said_;
    std::size_t step_;
};

class Pieces : public BodyReader {
public:
    Task<std::string> read() override { co_return left_-- > 0 ? std::string(20'000, 'x') : std::string(); }

private:
    int left_ = answer_pieces;
};

Task<Response> answer(Request request) {
    if (request.path == "/never") co_await hal::async::sleep_for(1h);
    auto response = text_response(200, "ok");
    if (request.path == "/unread") co_return response;
    if (request.stream) response.body = co_await request.stream->read_all(64 * 1024);
    if (request.method == "GET") response.stream = std::make_unique<Pieces>();
    co_return response;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    hal::log::set_level(hal::log::Level::error);
    boost::asio::io_context loop{1};
    const auto executor = loop.get_executor();
    const auto load = std::make_shared<Http2Load>();
    bool has_ended = false;
    {
        auto pump = std::make_shared<Pump>(executor, std::make_unique<Client>(std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1), 1 + data[0] * 16));
        Watchdog watchdog(executor, [pump] { pump->close(); });
        Limits limits;
        limits.header_bytes_max = 4096;
        const auto connection = Http2::make({executor, answer, limits, {}, pump, load});
        boost::asio::co_spawn(loop, connection->serve(watchdog), [&](std::exception_ptr) { has_ended = true; });
        while (!has_ended && loop.run_one_for(10s) > 0) {}
    }
    if (!has_ended || load->streams != 0 || load->unread_bytes != 0) std::abort();
    loop.run_for(1s);
    return 0;
}
