// A remote command's SPDY streams as the messages of remote_command.hpp: a stream per channel, named by its header streamtype
// (stdin, stdout, stderr, error, resize); the end of stdin reads as the message 255,0. v4.channel.k8s.io over SPDY/3.1.
//
// Bounded: streams as open() expects them, `open_time_max` until they are there.
#pragma once

#include <array>
#include <deque>
#include <memory>

#include "services/http/websocket.hpp"
#include "services/kubelet/streams/spdy.hpp"

namespace services::kubelet::streams {

class SpdyChannels : public http::WebSocket {
public:
    static constexpr std::chrono::seconds open_time_max{30};

    // `connection` carries SPDY's bytes; shared with nobody.
    explicit SpdyChannels(std::shared_ptr<http::WebSocket> connection) : connection_(std::move(connection)) {}
    // Waits for `count` streams; false when they did not come.
    http::Task<bool> open(std::size_t count);

    http::Task<std::optional<http::WebSocketMessage>> read() override;
    http::Task<> write(std::string message, bool is_text) override;
    http::Task<> ping() override { co_return; }
    http::Task<> close(std::uint16_t code, std::string reason) override;
    [[nodiscard]] const std::string& protocol() const override { return connection_->protocol(); }

private:
    http::Task<bool> open_all(std::size_t count);
    // The next frame that is more than housekeeping; empty at the end.
    http::Task<std::optional<SpdyFrame>> next();
    http::Task<> take_stream(SpdyFrame frame);

    std::shared_ptr<http::WebSocket> connection_;
    SpdyReader reader_;
    SpdyWriter writer_;
    std::array<std::uint32_t, 5> streams_{};  // by channel; 0: not open
    std::deque<SpdyFrame> early_;             // data that came before all streams were open
};

}  // namespace services::kubelet::streams
