// Reads ahead on a connection: at most one read is under way, so a server notices that its client went away while an
// answer is made or sent. What was read waits in `buffer`; nothing is read while it holds `buffer_bytes_max`.
//
// Shared by the connection's coroutine and the read that is under way, which may outlive it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hal/net/stream.hpp"

namespace services::http {

class Pump : public std::enable_shared_from_this<Pump> {
public:
    enum class Outcome { bytes, end, timed_out };
    static constexpr std::size_t buffer_bytes_max = 64 * 1024;

    Pump(hal::async::Executor executor, hal::net::StreamPtr stream);
    // Starts a read unless one is under way, the peer is gone or the buffer is full.
    void start();
    // Waits for further bytes in the buffer, the peer's end, or until `limit` has passed.
    hal::async::Task<Outcome> more(std::chrono::steady_clock::duration limit);
    [[nodiscard]] bool is_reading() const { return is_reading_; }
    [[nodiscard]] bool is_ended() const { return is_ended_; }
    // Called once when the peer ends its side (`was_reset` false) or the connection breaks.
    void when_ended(std::function<void(bool was_reset)> call) { when_ended_ = std::move(call); }
    [[nodiscard]] bool has_stream() const { return stream_ != nullptr; }
    hal::net::Stream& stream() { return *stream_; }
    // Gives the stream away; only while nothing is being read.
    hal::net::StreamPtr release() { return std::move(stream_); }
    void close() noexcept {
        if (stream_) stream_->close();
    }

    std::string buffer;

private:
    static hal::async::Task<> read_once(std::shared_ptr<Pump> self);

    hal::async::Executor executor_;
    hal::net::StreamPtr stream_;
    std::vector<std::byte> scratch_;
    bool is_reading_ = false;
    bool is_ended_ = false;
    hal::async::Event arrived_;
    std::function<void(bool)> when_ended_;
};

}  // namespace services::http
