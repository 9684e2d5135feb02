#include "services/kubelet/streams/spdy_channels.hpp"

#include <boost/asio/cancel_after.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

#include "hal/base/error.hpp"

namespace services::kubelet::streams {

namespace asio = boost::asio;
using hal::async::Task;

namespace {

constexpr std::array<std::string_view, 5> names{"stdin", "stdout", "stderr", "error", "resize"};
constexpr std::uint32_t status_protocol_error = 1;
constexpr std::size_t early_frames_max = 64;

}  // namespace

Task<bool> SpdyChannels::open(std::size_t count) {
    const auto executor = co_await asio::this_coro::executor;
    const auto start = std::chrono::steady_clock::now();
    try {
        co_return co_await asio::co_spawn(executor, open_all(count), asio::cancel_after(open_time_max, asio::use_awaitable));
    } catch (const hal::Error& failure) {
        if (failure.code() == hal::Code::cancelled && std::chrono::steady_clock::now() < start + open_time_max) throw;
    }
    co_return false;
}

Task<bool> SpdyChannels::open_all(std::size_t count) {
    while (static_cast<std::size_t>(std::ranges::count_if(streams_, [](auto stream) { return stream != 0; })) < count) {
        auto frame = co_await next();
        if (!frame || early_.size() >= early_frames_max) co_return false;
        early_.push_back(std::move(*frame));
    }
    co_return true;
}

Task<> SpdyChannels::take_stream(SpdyFrame frame) {
    const auto type = frame.headers.find("streamtype");
    const auto channel = type == frame.headers.end() ? names.end() : std::ranges::find(names, type->second);
    auto* place = channel == names.end() ? nullptr : &streams_[static_cast<std::size_t>(channel - names.begin())];
    if (!place || *place != 0 || frame.stream == 0) co_return co_await connection_->write(SpdyWriter::rst_stream(frame.stream, status_protocol_error), false);
    *place = frame.stream;
    co_await connection_->write(writer_.syn_reply(frame.stream), false);
}

Task<std::optional<SpdyFrame>> SpdyChannels::next() {
    for (;;) {
        auto frame = reader_.next();
        if (!frame) throw hal::Error(hal::Code::corrupt, "SPDY: " + frame.error());
        if (!*frame) {
            const auto message = co_await connection_->read();
            if (!message) co_return std::nullopt;
            reader_.feed(message->bytes);
            continue;
        }
        switch ((*frame)->type) {
            case SpdyFrame::Type::syn_stream: {
                const bool opens_streams = std::ranges::contains(streams_, 0U);
                co_await take_stream(std::move(**frame));
                // Seen by open_all(), which counts anew.
                if (opens_streams) co_return SpdyFrame{};
                break;
            }
            case SpdyFrame::Type::ping: co_await connection_->write(SpdyWriter::ping((*frame)->stream), false); break;
            case SpdyFrame::Type::goaway: co_return std::nullopt;
            case SpdyFrame::Type::data: co_return std::move(**frame);
            case SpdyFrame::Type::rst_stream:
                // Given up by the client: as if it had ended.
                co_return SpdyFrame{SpdyFrame::Type::data, (*frame)->stream, true, {}, {}, 0};
            default: break;
        }
    }
}

Task<std::optional<http::WebSocketMessage>> SpdyChannels::read() {
    for (;;) {
        std::optional<SpdyFrame> frame;
        if (!early_.empty()) {
            frame = std::move(early_.front());
            early_.pop_front();
        } else {
            frame = co_await next();
        }
        if (!frame) co_return std::nullopt;
        const auto channel = std::ranges::find(streams_, frame->stream) - streams_.begin();
        if (frame->type != SpdyFrame::Type::data || frame->stream == 0 || (channel != 0 && channel != 4)) continue;
        if (frame->bytes.empty()) {
            if (!frame->is_last || channel != 0) continue;
            co_return http::WebSocketMessage{false, std::string("\xff\0", 2)};
        }
        if (frame->is_last) early_.push_front(SpdyFrame{SpdyFrame::Type::data, frame->stream, true, {}, {}, 0});
        co_return http::WebSocketMessage{false, std::string(1, static_cast<char>(channel)) + frame->bytes};
    }
}

Task<> SpdyChannels::write(std::string message, bool) {
    const auto stream = message.empty() || static_cast<std::size_t>(message.front()) >= streams_.size() ? 0 : streams_[static_cast<std::size_t>(message.front())];
    if (stream == 0 || message.size() == 1) co_return;
    co_await connection_->write(SpdyWriter::data(stream, std::string_view(message).substr(1), false), false);
}

Task<> SpdyChannels::close(std::uint16_t code, std::string reason) {
    std::string ends;
    for (const auto stream : streams_)
        if (stream != 0) ends += SpdyWriter::data(stream, "", true);
    co_await connection_->write(std::move(ends), false);
    co_await connection_->close(code, std::move(reason));
}

}  // namespace services::kubelet::streams
