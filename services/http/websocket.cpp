#include "services/http/websocket.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"
#include "hal/net/certificates.hpp"
#include "hal/net/outbox.hpp"
#include "services/http/websocket_frames.hpp"

namespace services::http {

using hal::Code;
using hal::Error;

namespace {

constexpr std::size_t read_bytes = 16 * 1024;
constexpr std::size_t queued_bytes_max = 1024 * 1024;  // what writers may have waiting before the next one waits itself
constexpr std::size_t control_bytes_max = 125;         // RFC 6455 5.5

enum Opcode : unsigned char { continuation = 0, text = 1, binary = 2, closing = 8, pinging = 9, ponging = 10 };

enum CloseCode : std::uint16_t { protocol_error = 1002, message_too_big = 1009 };

bool contains_token(std::string list, std::string_view token) {
    std::ranges::transform(list, list.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    std::size_t begin = 0;
    while (begin <= list.size()) {
        auto end = std::min(list.find(',', begin), list.size());
        auto item = std::string_view(list).substr(begin, end - begin);
        while (item.starts_with(' ')) item.remove_prefix(1);
        while (item.ends_with(' ')) item.remove_suffix(1);
        if (item == token) return true;
        begin = end + 1;
    }
    return false;
}

struct Frame {
    bool is_final = false;
    unsigned char opcode = 0;
    std::string payload;
};

class FramedSocket : public WebSocket {
public:
    FramedSocket(hal::async::Executor executor, hal::net::StreamPtr stream, std::string early, bool is_server,
                 std::string protocol, std::size_t message_bytes_max)
        : stream_(std::move(stream)), buffer_(std::move(early)), scratch_(read_bytes), is_server_(is_server),
          protocol_(std::move(protocol)), message_bytes_max_(message_bytes_max), outbox_(std::move(executor)) {}
    ~FramedSocket() override { stream_->close(); }

    Task<std::optional<WebSocketMessage>> read() override {
        WebSocketMessage message;
        bool has_begun = false;
        for (;;) {
            auto frame = co_await read_frame(message.bytes.size());
            if (!frame) co_return std::nullopt;
            switch (frame->opcode) {
                case pinging:
                    append_frame(ponging, frame->payload);
                    co_await outbox_.flush(*stream_);
                    continue;
                case ponging: continue;
                case closing:
                    // The answer is the peer's own code (5.5.1); whoever hears it may be gone already.
                    co_await say_close(frame->payload.substr(0, 2));
                    co_return std::nullopt;
                case text:
                case binary:
                    if (has_begun) co_await fail(protocol_error, "a message begins within another");
                    message.is_text = frame->opcode == text;
                    break;
                case continuation:
                    if (!has_begun) co_await fail(protocol_error, "a continuation without a message");
                    break;
                default: co_await fail(protocol_error, "an unknown kind of frame");
            }
            has_begun = true;
            if (message.bytes.empty())
                message.bytes = std::move(frame->payload);
            else
                message.bytes += frame->payload;
            if (frame->is_final) co_return message;
        }
    }

    Task<> write(std::string bytes, bool is_text) override {
        if (is_closed_) throw Error(Code::unavailable, "write to a closed WebSocket");
        while (outbox_.pending().size() > queued_bytes_max) co_await outbox_.flush(*stream_);
        append_frame(is_text ? text : binary, bytes);
        co_await outbox_.flush(*stream_);
    }

    Task<> ping() override {
        append_frame(pinging, "");
        co_await outbox_.flush(*stream_);
    }

    Task<> close(std::uint16_t code, std::string reason) override {
        if (reason.size() > control_bytes_max - 2) reason.resize(control_bytes_max - 2);
        co_await say_close(std::string{static_cast<char>(code >> 8), static_cast<char>(code & 255)} + reason);
    }

    [[nodiscard]] const std::string& protocol() const override { return protocol_; }

private:
    Task<> say_close(std::string payload) {
        if (is_closed_) co_return;
        is_closed_ = true;
        append_frame(closing, payload);
        try {
            co_await outbox_.flush(*stream_);
        } catch (const Error& e) {
            if (e.code() == Code::cancelled) throw;
        }
    }

    Task<> fail(CloseCode code, std::string why) {
        co_await close(code, why);
        throw Error(code == message_too_big ? Code::too_large : Code::invalid, "WebSocket: " + why);
    }

    void append_frame(Opcode opcode, std::string_view payload) {
        auto& out = outbox_.pending();
        const char mask_bit = is_server_ ? 0 : static_cast<char>(0x80);
        out += static_cast<char>(0x80 | opcode);
        if (payload.size() < 126) {
            out += static_cast<char>(mask_bit | static_cast<char>(payload.size()));
        } else if (payload.size() < 65536) {
            out += static_cast<char>(mask_bit | 126);
            for (int shift = 8; shift >= 0; shift -= 8) out += static_cast<char>(payload.size() >> shift);
        } else {
            out += static_cast<char>(mask_bit | 127);
            for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(payload.size() >> shift);
        }
        if (is_server_) {
            out += payload;
            return;
        }
        const auto mask = hal::random_bytes(4);
        out += mask;
        for (std::size_t i = 0; i < payload.size(); ++i) out += static_cast<char>(payload[i] ^ mask[i % 4]);
    }

    // False at the end of the stream.
    Task<bool> need(std::size_t count) {
        while (buffer_.size() - begin_ < count) {
            buffer_.erase(0, begin_);
            begin_ = 0;
            const auto got = co_await stream_->read_some(scratch_);
            if (got == 0) co_return false;
            buffer_.append(reinterpret_cast<const char*>(scratch_.data()), got);
        }
        co_return true;
    }

    Task<std::optional<Frame>> read_frame(std::size_t message_bytes) {
        if (!co_await need(2)) co_return std::nullopt;
        const auto first = static_cast<unsigned char>(buffer_[begin_]);
        const auto second = static_cast<unsigned char>(buffer_[begin_ + 1]);
        Frame frame{.is_final = (first & 0x80) != 0, .opcode = static_cast<unsigned char>(first & 0x0f), .payload = {}};
        const bool is_masked = (second & 0x80) != 0;
        std::uint64_t length = second & 0x7f;
        const std::size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
        const bool is_control = frame.opcode >= 8;
        if ((first & 0x70) != 0) co_await fail(protocol_error, "reserved bits are set");
        if (is_masked != is_server_) co_await fail(protocol_error, "a client masks its frames, a server does not");
        if (is_control && (!frame.is_final || length > control_bytes_max)) co_await fail(protocol_error, "a control frame is too long");
        const std::size_t header = 2 + extended + (is_masked ? 4 : 0);
        if (!co_await need(header)) co_return std::nullopt;
        if (extended > 0) {
            length = 0;
            for (std::size_t i = 0; i < extended; ++i) length = length << 8 | static_cast<unsigned char>(buffer_[begin_ + 2 + i]);
        }
        if (!is_control && (length > message_bytes_max_ || message_bytes + length > message_bytes_max_))
            co_await fail(message_too_big, "a message is longer than " + std::to_string(message_bytes_max_) + " bytes");
        std::array<char, 4> mask{};
        if (is_masked) std::copy_n(buffer_.data() + begin_ + header - 4, 4, mask.begin());
        if (!co_await need(header + length)) co_return std::nullopt;
        frame.payload = buffer_.substr(begin_ + header, length);
        begin_ += header + length;
        if (is_masked)
            for (std::size_t i = 0; i < frame.payload.size(); ++i) frame.payload[i] = static_cast<char>(frame.payload[i] ^ mask[i % 4]);
        co_return frame;
    }

    hal::net::StreamPtr stream_;
    std::string buffer_;
    std::size_t begin_ = 0;
    std::vector<std::byte> scratch_;
    bool is_server_;
    bool is_closed_ = false;
    std::string protocol_;
    std::size_t message_bytes_max_;
    hal::net::Outbox outbox_;
};

}  // namespace

std::string websocket_accept_of(const std::string& key) {
    return hal::base64(hal::net::sha1(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
}

std::optional<std::string> websocket_accept(const Headers& request) {
    if (!contains_token(request.get("Connection"), "upgrade") || !contains_token(request.get("Upgrade"), "websocket") ||
        request.get("Sec-WebSocket-Version") != "13")
        return std::nullopt;
    const auto key = request.get("Sec-WebSocket-Key");
    const auto decoded = hal::base64_decoded(key);
    if (!decoded || decoded->size() != 16) return std::nullopt;
    return websocket_accept_of(key);
}

std::unique_ptr<WebSocket> make_websocket(hal::async::Executor executor, hal::net::StreamPtr stream, std::string early,
                                          bool is_server, std::string protocol, const Limits& limits) {
    return std::make_unique<FramedSocket>(std::move(executor), std::move(stream), std::move(early), is_server,
                                          std::move(protocol), limits.websocket_message_bytes_max);
}

}  // namespace services::http
