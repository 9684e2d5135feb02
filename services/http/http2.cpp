#include "services/http/http2.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <format>
#include <unordered_map>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "services/http/answer.hpp"
#include "services/http/http2_stream.hpp"

namespace services::http {

using hal::Code;
using hal::Error;

namespace {

namespace asio = hal::async::asio;
using Clock = std::chrono::steady_clock;

// What a client may send on one stream, and on all, before a handler has read it.
constexpr std::uint32_t stream_window_bytes = 128 * 1024;
constexpr std::int32_t connection_window_bytes = 128 * 1024;
// What is gathered for one write.
constexpr std::size_t write_bytes = 64 * 1024;
constexpr std::size_t file_piece_bytes = 64 * 1024;
// Frames that wait to be sent: while there are more, nothing is read.
constexpr std::size_t frames_waiting_max = 2000;
// How long a client that was told the end may take to close.
constexpr std::chrono::seconds linger_time_max{2};
constexpr std::array<std::uint8_t, 8> drain_ping{'d', 'r', 'a', 'i', 'n', 'i', 'n', 'g'};

// Tokens that fill up with time; each frame that costs the server more than its sender takes one.
class Allowance {
public:
    Allowance(std::size_t most, std::size_t per_second) : most_(static_cast<double>(most)), per_second_(static_cast<double>(per_second)), left_(most_) {}
    bool take(Clock::time_point now) {
        left_ = std::min(most_, left_ + per_second_ * std::chrono::duration<double>(now - filled_).count());
        filled_ = now;
        if (left_ < 1) return false;
        left_ -= 1;
        return true;
    }

private:
    double most_, per_second_, left_;
    Clock::time_point filled_ = Clock::now();
};

nghttp2_nv field(std::string_view name, std::string_view value) {
    // nghttp2 copies both; its type is not const.
    return {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())), reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())),
            name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

// Fields of one connection, which HTTP/2 does not have (RFC 9113 8.2.2).
bool is_of_connection(std::string_view name) {
    return name == "connection" || name == "transfer-encoding" || name == "keep-alive" || name == "upgrade" || name == "proxy-connection";
}

std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return text;
}

class Session final : public Http2, public Http2Session, public std::enable_shared_from_this<Session> {
public:
    explicit Session(Parts parts)
        : parts_(std::move(parts)), wake_(parts_.executor), fewer_(parts_.executor), written_(parts_.executor),
          allowance_(parts_.limits.control_frames_max, parts_.limits.control_frames_per_second) {
        nghttp2_option* option = nullptr;
        if (nghttp2_option_new(&option) != 0) throw Error(Code::exhausted, "no memory for an HTTP/2 connection");
        nghttp2_option_set_no_auto_window_update(option, 1);
        // Our own allowance is smaller, and says what it was.
        nghttp2_option_set_stream_reset_rate_limit(option, 1'000'000, 1'000'000);
        const auto failure = nghttp2_session_server_new2(&session_, callbacks(), this, option);
        nghttp2_option_del(option);
        if (failure != 0) throw Error(Code::exhausted, "no memory for an HTTP/2 connection");
    }
    ~Session() override {
        for (auto& [id, stream] : streams_) forget(*stream);
        nghttp2_session_del(session_);
    }

    Task<> serve(Watchdog& watchdog) override;
    void finish_soon() override;
    void took(std::int32_t stream, std::size_t bytes, std::size_t owed) override;
    void send_continue(std::int32_t stream) override;

private:
    using StreamPtr = std::shared_ptr<Http2Stream>;  // shared by the session, the stream's coroutine and its body's reader

    static nghttp2_session_callbacks* callbacks();
    void begin_request(std::int32_t id);
    void add_field(Http2Stream& stream, std::string_view name, std::string_view value);
    void received(const nghttp2_frame& frame);
    void received_data(std::int32_t id, std::string_view bytes);
    void sent(const nghttp2_frame& frame);
    void closed(std::int32_t id);
    int append_data(const std::uint8_t* head, std::size_t size, Http2Stream& stream);
    StreamPtr find(std::int32_t id) const {
        const auto found = streams_.find(id);
        return found == streams_.end() ? nullptr : found->second;
    }
    void forget(Http2Stream& stream);
    void costs();

    Task<> read_all();
    void feed();
    static Task<> write_all(std::shared_ptr<Session> self, Watchdog& watchdog);
    void start(const StreamPtr& stream);
    static Task<> run(std::shared_ptr<Session> self, StreamPtr stream);
    Task<> send_answer(StreamPtr stream, std::string method, Response response);
    Task<> send_piece(StreamPtr stream, std::string bytes, bool is_last);
    Task<> send_range(StreamPtr stream, hal::net::FileRange range);
    void submit_head(const Http2Stream& stream, const Response& response, bool has_body);
    void reset(const Http2Stream& stream, std::uint32_t why);

    Parts parts_;
    nghttp2_session* session_ = nullptr;
    std::unordered_map<std::int32_t, StreamPtr> streams_;
    std::vector<StreamPtr> begun_, gone_;  // found while bytes are fed; acted on after it
    std::string reading_, writing_;
    hal::async::Event wake_;     // there may be something to write
    hal::async::Event fewer_;    // a stream's coroutine, or the writer, has ended
    hal::async::Event written_;  // a write is done
    Allowance allowance_;
    std::size_t running_ = 0;
    Clock::time_point idle_since_ = Clock::now();
    bool has_settings_ = false;
    bool is_broken_ = false;  // what comes in is no longer looked at
    bool is_over_ = false;
    bool is_writing_ = false;
};

nghttp2_session_callbacks* Session::callbacks() {
    static nghttp2_session_callbacks* const table = [] {
        nghttp2_session_callbacks* made = nullptr;
        if (nghttp2_session_callbacks_new(&made) != 0) throw Error(Code::exhausted, "no memory for HTTP/2");
        nghttp2_session_callbacks_set_on_begin_headers_callback(made, [](nghttp2_session*, const nghttp2_frame* frame, void* self) {
            if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) static_cast<Session*>(self)->begin_request(frame->hd.stream_id);
            return 0;
        });
        nghttp2_session_callbacks_set_on_header_callback(made, [](nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                                                                  const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* self) {
            // Trailers are nobody's concern.
            if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
            auto* session = static_cast<Session*>(self);
            if (const auto stream = session->find(frame->hd.stream_id))
                session->add_field(*stream, {reinterpret_cast<const char*>(name), name_size}, {reinterpret_cast<const char*>(value), value_size});
            return 0;
        });
        nghttp2_session_callbacks_set_on_frame_recv_callback(made, [](nghttp2_session*, const nghttp2_frame* frame, void* self) {
            static_cast<Session*>(self)->received(*frame);
            return 0;
        });
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, [](nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* bytes, std::size_t size, void* self) {
            static_cast<Session*>(self)->received_data(id, {reinterpret_cast<const char*>(bytes), size});
            return 0;
        });
        nghttp2_session_callbacks_set_on_frame_send_callback(made, [](nghttp2_session*, const nghttp2_frame* frame, void* self) {
            static_cast<Session*>(self)->sent(*frame);
            return 0;
        });
        nghttp2_session_callbacks_set_on_stream_close_callback(made, [](nghttp2_session*, std::int32_t id, std::uint32_t, void* self) {
            static_cast<Session*>(self)->closed(id);
            return 0;
        });
        nghttp2_session_callbacks_set_send_data_callback(made, [](nghttp2_session*, nghttp2_frame*, const std::uint8_t* head, std::size_t size, nghttp2_data_source* source, void* self) {
            return static_cast<Session*>(self)->append_data(head, size, *static_cast<Http2Stream*>(source->ptr));
        });
        return made;
    }();
    return table;
}

void Session::begin_request(std::int32_t id) {
    // A reset stream counts until its handler has ended: resetting makes no room (CVE-2023-44487).
    if (running_ + begun_.size() >= parts_.limits.streams_max || parts_.load->streams >= parts_.limits.streams_of_all_max) {
        nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
        return;
    }
    auto stream = std::make_shared<Http2Stream>(this, id, parts_.executor);
    stream->piece_time_max = parts_.limits.write_time_max;
    stream->request.peer = parts_.peer;
    streams_.emplace(id, std::move(stream));
}

void Session::add_field(Http2Stream& stream, std::string_view name, std::string_view value) {
    stream.header_bytes += name.size() + value.size() + 32;
    if (stream.header_bytes > parts_.limits.header_bytes_max) stream.is_header_too_large = true;
    if (stream.is_header_too_large) return;
    auto& request = stream.request;
    if (name == ":method") {
        request.method = value;
    } else if (name == ":path") {
        request.target = value;
    } else if (name == ":authority") {
        request.headers.set("Host", std::string(value));
    } else if (name.starts_with(':')) {
        return;
    } else if (const auto* before = name == "cookie" ? request.headers.find(name) : nullptr) {
        request.headers.set("cookie", *before + "; " + std::string(value));  // RFC 9113 8.2.3
    } else if (name != "host" || !request.headers.find("Host")) {
        request.headers.add(std::string(name), std::string(value));
    }
}

void Session::costs() {
    if (is_broken_ || allowance_.take(Clock::now())) return;
    is_broken_ = true;
    hal::log::debug("http", "{} floods its HTTP/2 connection", parts_.peer.remote.to_string());
    nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
}

void Session::received(const nghttp2_frame& frame) {
    const bool is_ack = (frame.hd.flags & NGHTTP2_FLAG_ACK) != 0;
    const bool ends_stream = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    switch (frame.hd.type) {
        case NGHTTP2_HEADERS:
        case NGHTTP2_DATA: {
            const bool is_request = frame.hd.type == NGHTTP2_HEADERS && frame.headers.cat == NGHTTP2_HCAT_REQUEST;
            if (frame.hd.type == NGHTTP2_DATA && frame.hd.length == 0 && !ends_stream) costs();
            const auto stream = find(frame.hd.stream_id);
            if (!stream) return;
            if (ends_stream) stream->has_whole_body = true;
            if (is_request)
                begun_.push_back(stream);
            else if (ends_stream)
                stream->arrived.set();
            return;
        }
        case NGHTTP2_SETTINGS:
            has_settings_ = true;
            if (!is_ack) costs();
            return;
        case NGHTTP2_PING:
            if (!is_ack) return costs();
            if (std::ranges::equal(frame.ping.opaque_data, drain_ping))
                nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR, nullptr, 0);
            return;
        case NGHTTP2_RST_STREAM:
        case NGHTTP2_PRIORITY:
        case NGHTTP2_PRIORITY_UPDATE: return costs();
        default: return;
    }
}

void Session::received_data(std::int32_t id, std::string_view bytes) {
    const auto stream = find(id);
    if (!stream || stream->is_answered) {
        nghttp2_session_consume(session_, id, bytes.size());
        return;
    }
    stream->incoming += bytes;
    parts_.load->unread_bytes += bytes.size();
    // Others may go on sending while this one's handler takes its time; under load only what was read makes room.
    if (parts_.load->unread_bytes <= parts_.limits.unread_bytes_max)
        nghttp2_session_consume_connection(session_, bytes.size());
    else
        stream->owed += bytes.size();
    stream->arrived.set();
}

void Session::took(std::int32_t stream, std::size_t bytes, std::size_t owed) {
    parts_.load->unread_bytes -= bytes;
    nghttp2_session_consume_stream(session_, stream, bytes);
    if (owed > 0) nghttp2_session_consume_connection(session_, owed);
    wake_.set();
}

void Session::send_continue(std::int32_t stream) {
    const std::array head{field(":status", "100")};
    nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, stream, nullptr, head.data(), head.size(), nullptr);
    wake_.set();
}

void Session::forget(Http2Stream& stream) {
    stream.is_closed = true;
    stream.session = nullptr;
    parts_.load->unread_bytes -= stream.incoming.size();
    if (stream.owed > 0) nghttp2_session_consume_connection(session_, std::exchange(stream.owed, 0));
    if (!stream.has_whole_body) stream.incoming.clear();
    stream.arrived.set();
    stream.drained.set();
}

void Session::closed(std::int32_t id) {
    const auto stream = find(id);
    if (!stream) return;
    streams_.erase(id);
    forget(*stream);
    if (!stream->is_answered) gone_.push_back(stream);
}

// An answer that is complete before its request is: the rest of the body need not be sent (RFC 9113 8.1).
void Session::sent(const nghttp2_frame& frame) {
    if ((frame.hd.flags & NGHTTP2_FLAG_END_STREAM) == 0 || (frame.hd.type != NGHTTP2_HEADERS && frame.hd.type != NGHTTP2_DATA)) return;
    const auto stream = find(frame.hd.stream_id);
    if (stream && !stream->has_whole_body) nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
}

int Session::append_data(const std::uint8_t* head, std::size_t size, Http2Stream& stream) {
    if (writing_.size() >= write_bytes) return NGHTTP2_ERR_WOULDBLOCK;
    constexpr std::size_t head_bytes = 9;  // RFC 9113 4.1; nothing is padded
    writing_.append(reinterpret_cast<const char*>(head), head_bytes);
    writing_.append(stream.outgoing, stream.outgoing_sent, size);
    stream.outgoing_sent += size;
    stream.sent_bytes += size;
    if (stream.outgoing_sent == stream.outgoing.size()) {
        stream.outgoing.clear();
        stream.outgoing_sent = 0;
        stream.drained.set();
    }
    return 0;
}

// The reader's part: everything that comes in, until the connection ends.
Task<> Session::read_all() {
    const auto& limits = parts_.limits;
    for (;;) {
        if (!parts_.pump->buffer.empty()) feed();
        while (nghttp2_session_get_outbound_queue_size(session_) > frames_waiting_max) {
            written_.clear();
            co_await written_.wait();
        }
        const std::chrono::steady_clock::duration limit = has_settings_ ? limits.idle_time_max : limits.header_time_max;
        switch (co_await parts_.pump->more(limit)) {
            case Pump::Outcome::bytes: break;
            case Pump::Outcome::end: co_return;
            case Pump::Outcome::timed_out: break;
        }
        // Pings keep no connection open: what counts is when a stream last ran.
        if (running_ > 0 || is_broken_ || Clock::now() - idle_since_ < limit) continue;
        is_broken_ = true;
        nghttp2_session_terminate_session(session_, NGHTTP2_NO_ERROR);
        wake_.set();
    }
}

void Session::feed() {
    reading_.clear();
    reading_.swap(parts_.pump->buffer);
    if (is_broken_) return;
    const auto used = nghttp2_session_mem_recv2(session_, reinterpret_cast<const std::uint8_t*>(reading_.data()), reading_.size());
    if (used < 0) {
        is_broken_ = true;
        hal::log::debug("http", "HTTP/2 from {}: {}", parts_.peer.remote.to_string(), nghttp2_strerror(static_cast<int>(used)));
        nghttp2_session_terminate_session(session_, used == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
    }
    for (const auto& stream : std::exchange(begun_, {}))
        if (!stream->is_closed) start(stream);
    for (const auto& stream : std::exchange(gone_, {})) stream->stop.emit(asio::cancellation_type::terminal);
    wake_.set();
}

Task<> Session::write_all(std::shared_ptr<Session> self, Watchdog& watchdog) {
    auto* session = self->session_;
    for (;;) {
        self->wake_.clear();
        self->writing_.clear();
        while (self->writing_.size() < write_bytes) {
            const std::uint8_t* bytes = nullptr;
            const auto count = nghttp2_session_mem_send2(session, &bytes);
            if (count < 0) throw Error(Code::internal, std::format("HTTP/2: {}", nghttp2_strerror(static_cast<int>(count))));
            if (count == 0) break;
            self->writing_.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(count));
        }
        for (const auto& stream : std::exchange(self->gone_, {})) stream->stop.emit(asio::cancellation_type::terminal);
        if (!self->writing_.empty()) {
            watchdog.arm(self->parts_.limits.write_time_max);
            co_await self->parts_.pump->stream().write(std::as_bytes(std::span(self->writing_)));
            watchdog.disarm();
            self->written_.set();
            if (self->is_over_) co_return;
            continue;
        }
        if (self->is_over_) co_return;
        if (nghttp2_session_want_read(session) == 0 && nghttp2_session_want_write(session) == 0) break;
        co_await self->wake_.wait();
    }
    co_await self->parts_.pump->stream().finish_writing();
    watchdog.arm(linger_time_max);
}

Task<> Session::serve(Watchdog& watchdog) {
    const auto& limits = parts_.limits;
    const std::array settings{
        nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, static_cast<std::uint32_t>(limits.streams_max)},
        nghttp2_settings_entry{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, stream_window_bytes},
        nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(limits.header_bytes_max)},
    };
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
    nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, connection_window_bytes);
    is_writing_ = true;
    asio::co_spawn(parts_.executor, write_all(shared_from_this(), watchdog), [self = shared_from_this()](const std::exception_ptr& failure) {
        self->is_writing_ = false;
        // Without a writer there is no connection.
        if (failure) self->parts_.pump->close();
        self->fewer_.set();
        self->written_.set();
    });
    std::exception_ptr ended;
    try {
        co_await read_all();
    } catch (...) {
        ended = std::current_exception();
    }
    co_await asio::this_coro::reset_cancellation_state();
    is_over_ = true;
    parts_.pump->close();
    wake_.set();
    const auto streams = streams_;
    for (const auto& [id, stream] : streams) {
        forget(*stream);
        if (!stream->is_answered) stream->stop.emit(asio::cancellation_type::terminal);
    }
    streams_.clear();
    while (running_ > 0 || is_writing_) {
        fewer_.clear();
        co_await fewer_.wait();
        co_await asio::this_coro::reset_cancellation_state();
    }
    if (ended) std::rethrow_exception(ended);
}

void Session::finish_soon() {
    if (is_over_ || is_broken_) return;
    nghttp2_submit_shutdown_notice(session_);
    // What was on its way when the notice left has come by the time this is answered.
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, drain_ping.data());
    wake_.set();
}

void Session::start(const StreamPtr& stream) {
    ++running_;
    ++parts_.load->streams;
    asio::co_spawn(parts_.executor, run(shared_from_this(), stream),
                   asio::bind_cancellation_slot(stream->stop.slot(), [self = shared_from_this(), stream](const std::exception_ptr& failure) {
                       stream->is_answered = true;
                       --self->running_;
                       --self->parts_.load->streams;
                       self->idle_since_ = Clock::now();
                       try {
                           if (failure) std::rethrow_exception(failure);
                       } catch (const std::exception& e) {
                           hal::log::debug("http", "stream {} of {}: {}", stream->id, self->parts_.peer.remote.to_string(), e.what());
                           self->reset(*stream, NGHTTP2_INTERNAL_ERROR);
                       }
                       self->fewer_.set();
                       self->wake_.set();
                   }));
}

void Session::reset(const Http2Stream& stream, std::uint32_t why) {
    if (stream.is_closed) return;
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, why);
    wake_.set();
}

Task<> Session::run(std::shared_ptr<Session> self, StreamPtr stream) {
    auto request = std::move(stream->request);
    auto method = request.method;
    if (stream->is_header_too_large) co_return co_await self->send_answer(stream, method, text_response(431, "431 Request Header Fields Too Large"));
    if (request.target.size() > self->parts_.limits.target_bytes_max) co_return co_await self->send_answer(stream, method, text_response(414, "414 URI Too Long"));
    if (!request.split_target()) co_return co_await self->send_answer(stream, method, text_response(400, "400 Bad Request"));
    if (const auto* length = request.headers.find("Content-Length")) request.content_length = std::strtoull(length->c_str(), nullptr, 10);
    stream->wants_continue = expects_continue(request.headers);
    if (!stream->has_whole_body || !stream->incoming.empty()) request.stream = std::make_unique<Http2Body>(stream);
    auto response = co_await answer(self->parts_.handler, std::move(request));
    co_await self->send_answer(stream, std::move(method), std::move(response));
}

void Session::submit_head(const Http2Stream& stream, const Response& response, bool has_body) {
    std::vector<std::pair<std::string, std::string>> fields;
    fields.emplace_back(":status", std::to_string(response.status));
    for (const auto& [name, value] : response.headers.all()) {
        auto small = lower(name);
        // A value from elsewhere never breaks the message (RFC 9113 8.2.1).
        if (is_of_connection(small) || value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) continue;
        fields.emplace_back(std::move(small), value);
    }
    if (!response.headers.find("Date")) fields.emplace_back("date", date_now());
    if (!response.stream && !has_no_body(response.status) && !response.headers.find("Content-Length"))
        fields.emplace_back("content-length", std::to_string(response.body.size()));
    std::vector<nghttp2_nv> block;
    block.reserve(fields.size());
    for (const auto& [name, value] : fields) block.push_back(field(name, value));
    nghttp2_data_provider2 provider{};
    provider.source.ptr = const_cast<Http2Stream*>(&stream);
    provider.read_callback = [](nghttp2_session*, std::int32_t, std::uint8_t*, std::size_t size, std::uint32_t* flags, nghttp2_data_source* source, void*) -> nghttp2_ssize {
        const auto& from = *static_cast<const Http2Stream*>(source->ptr);
        const auto left = from.outgoing.size() - from.outgoing_sent;
        if (left == 0 && !from.is_last_piece) return NGHTTP2_ERR_DEFERRED;
        *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
        const auto count = std::min(left, size);
        if (count == left && from.is_last_piece) *flags |= NGHTTP2_DATA_FLAG_EOF;
        return static_cast<nghttp2_ssize>(count);
    };
    if (nghttp2_submit_response2(session_, stream.id, block.data(), block.size(), has_body ? &provider : nullptr) != 0)
        throw Error(Code::internal, "an answer that HTTP/2 cannot carry");
    wake_.set();
}

Task<> Session::send_answer(StreamPtr stream, std::string method, Response response) {
    if (stream->is_closed) co_return;
    // exec and its like are asked for over HTTP/1.1; a client that thinks otherwise is told.
    if (response.status == 101 || response.upgrade || response.websocket) co_return reset(*stream, NGHTTP2_HTTP_1_1_REQUIRED);
    const bool has_body = method != "HEAD" && !has_no_body(response.status) && (response.stream || !response.body.empty());
    submit_head(*stream, response, has_body);
    if (!has_body) co_return;
    if (!response.stream) co_return co_await send_piece(stream, std::move(response.body), true);
    AnswerBody body(response);
    while (co_await body.next()) {
        if (body.file)
            co_await send_range(stream, *body.file);
        else
            co_await send_piece(stream, std::move(body.bytes), false);
    }
    co_await send_piece(stream, "", true);
}

Task<> Session::send_range(StreamPtr stream, hal::net::FileRange range) {
    while (range.bytes > 0) {
        std::string piece(std::min<std::uint64_t>(range.bytes, file_piece_bytes), '\0');
        piece.resize(co_await hal::net::read_range(range, std::as_writable_bytes(std::span(piece))));
        co_await send_piece(stream, std::move(piece), false);
    }
}

// Returns when the piece has been handed to the connection's writer; a client that gives no credit for it is waited for as
// one that does not read at all.
Task<> Session::send_piece(StreamPtr stream, std::string bytes, bool is_last) {
    if (stream->is_closed) throw Error(Code::cancelled, "the client went away");
    stream->outgoing = std::move(bytes);
    stream->outgoing_sent = 0;
    stream->is_last_piece = is_last;
    stream->drained.clear();
    nghttp2_session_resume_data(session_, stream->id);
    wake_.set();
    if (stream->outgoing.empty()) co_return;
    for (auto before = stream->sent_bytes; !co_await stream->drained.wait_for(parts_.limits.write_time_max); before = stream->sent_bytes) {
        if (stream->sent_bytes != before) continue;
        reset(*stream, NGHTTP2_CANCEL);
        throw Error(Code::timed_out, "the client takes nothing of an answer");
    }
    if (stream->is_closed && !stream->outgoing.empty()) throw Error(Code::cancelled, "the client went away");
}

}  // namespace

std::shared_ptr<Http2> Http2::make(Parts parts) { return std::make_shared<Session>(std::move(parts)); }

}  // namespace services::http
