// A stream of an HTTP/2 connection: the request while it comes in, the answer while it goes out. Internal to http2*.cpp.
#pragma once

#include <boost/asio/cancellation_signal.hpp>

#include <cstdint>
#include <memory>
#include <string>

#include "services/http/message.hpp"

namespace services::http {

// What a stream needs of its connection.
class Http2Session {
public:
    virtual ~Http2Session() = default;
    // The handler took `bytes` of the stream's body, of which `owed` had not been credited to the whole connection.
    virtual void took(std::int32_t stream, std::size_t bytes, std::size_t owed) = 0;
    virtual void send_continue(std::int32_t stream) = 0;
};

struct Http2Stream {
    Http2Stream(Http2Session* s, std::int32_t number, hal::async::Executor executor)
        : session(s), id(number), arrived(executor), drained(executor) {}

    Http2Session* session;  // null once the connection is over
    std::int32_t id;
    bool is_closed = false;        // reset, or done in both directions
    bool is_answered = false;      // its coroutine has ended
    boost::asio::cancellation_signal stop;

    Request request;               // until the handler gets it
    std::size_t header_bytes = 0;  // as RFC 9113 6.5.2 counts them
    bool is_header_too_large = false;

    std::string incoming;          // body that no one has read; at most a window
    std::size_t owed = 0;          // of it, not credited to the connection yet
    bool has_whole_body = false;
    bool wants_continue = false;
    std::chrono::steady_clock::duration piece_time_max{};
    hal::async::Event arrived;

    std::string outgoing;          // the piece that is being sent
    std::size_t outgoing_sent = 0;
    std::uint64_t sent_bytes = 0;
    bool is_last_piece = false;
    hal::async::Event drained;
};

// The request's body as the handler pulls it.
class Http2Body : public BodyReader {
public:
    explicit Http2Body(std::shared_ptr<Http2Stream> stream) : stream_(std::move(stream)) {}
    Task<std::string> read() override;

private:
    std::shared_ptr<Http2Stream> stream_;  // shared with the connection, which fills it
};

}  // namespace services::http
