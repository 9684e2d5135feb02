#include "services/http/connection.hpp"

#include <boost/asio/this_coro.hpp>

#include <format>
#include <utility>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "services/http/answer.hpp"
#include "services/http/parser.hpp"
#include "services/http/websocket.hpp"
#include "services/http/websocket_frames.hpp"

namespace services::http {

using hal::Code;
using hal::Error;

namespace {

constexpr std::string_view continue_line = "HTTP/1.1 100 Continue\r\n\r\n";
// A body that the handler did not want is read this far so that the connection can be used again.
constexpr std::size_t unread_body_bytes_max = 256 * 1024;
// And so far, and so long, when the connection closes.
constexpr std::size_t linger_bytes_max = 8 * 1024 * 1024;
constexpr std::chrono::seconds linger_time_max{2};
// Of a file, in the time that a write may take.
constexpr std::uint64_t file_piece_bytes_max = 256 * 1024;

void append_fields(std::string& out, const Headers& headers) {
    for (const auto& [name, value] : headers.all()) {
        // A value from elsewhere never starts a field of its own (RFC 9112 11.1).
        if (value.find_first_of("\r\n") != std::string::npos || name.find_first_of("\r\n: ") != std::string::npos) continue;
        out += name;
        out += ": ";
        out += value;
        out += "\r\n";
    }
}

std::string status_line(unsigned status) { return std::format("HTTP/1.1 {} {}\r\n", status, reason_phrase(status)); }

// The request's body as the handler pulls it. Lives at most as long as the connection's parser.
class RequestBody : public BodyReader {
public:
    struct Shared {
        std::shared_ptr<Pump> pump;
        std::unique_ptr<Parser> parser;
        std::chrono::steady_clock::duration piece_time_max;
        bool wants_continue = false;
    };
    explicit RequestBody(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}

    Task<std::string> read() override { return read_from(shared_); }

    static Task<std::string> read_from(std::shared_ptr<Shared> shared) {
        if (shared->wants_continue) {
            shared->wants_continue = false;
            co_await shared->pump->stream().write(std::as_bytes(std::span(continue_line)));
        }
        std::string piece;
        while (!shared->parser->is_done()) {
            if (!shared->parser->parse_body(shared->pump->buffer, piece)) throw Error(Code::invalid, "the request's body is malformed");
            if (!piece.empty() || shared->parser->is_done()) break;
            switch (co_await shared->pump->more(shared->piece_time_max)) {
                case Pump::Outcome::bytes: break;
                case Pump::Outcome::end: throw Error(Code::unavailable, "the client went away within the request's body");
                case Pump::Outcome::timed_out: throw Error(Code::timed_out, "the request's body did not come in time");
            }
        }
        // From here on the client's next bytes, or its end, are read ahead.
        if (shared->parser->is_done()) shared->pump->start();
        co_return piece;
    }

private:
    std::shared_ptr<Shared> shared_;  // shared with the connection, which reads what the handler left
};

}  // namespace

Connection::Connection(hal::async::Executor executor, Handler handler, Limits limits, std::shared_ptr<Http2Load> load)
    : executor_(std::move(executor)), handler_(std::move(handler)), limits_(limits), load_(std::move(load)) {}

Task<> Connection::serve(hal::net::StreamPtr plain, std::shared_ptr<const hal::net::TlsServerContext> tls) {
    hal::net::StreamPtr stream = std::move(plain);
    try {
        if (tls) stream = co_await hal::net::tls_accept(std::move(stream), std::move(tls), limits_.header_time_max);
    } catch (const Error& e) {
        hal::log::debug("http", "{}", e.what());  // scanners and impatient clients are no news
        co_return;
    }
    pump_ = std::make_shared<Pump>(executor_, std::move(stream));
    // Closes however this ends, so that a read under way ends too.
    const struct Closing {
        Connection& connection;
        ~Closing() {
            connection.watchdog_.reset();
            connection.pump_->when_ended(nullptr);
            connection.pump_->close();
        }
    } closing{*this};
    watchdog_ = std::make_unique<Watchdog>(executor_, [pump = pump_] { pump->close(); });
    if (co_await wants_http2()) {
        http2_ = Http2::make({executor_, handler_, limits_, peer(), pump_, load_});
        if (is_finishing_) http2_->finish_soon();
        co_return co_await http2_->serve(*watchdog_);
    }
    pump_->when_ended([this](bool was_reset) { client_ended(was_reset); });
    while (co_await serve_request()) is_first_request_ = false;
    if (pump_->has_stream() && !pump_->is_ended()) co_await linger();
}

// Over TLS the handshake has agreed on it; else the client begins with the preface (prior knowledge, RFC 9113 3.3).
Task<bool> Connection::wants_http2() {
    if (const auto* tls = pump_->stream().tls()) co_return tls->alpn == "h2";
    while (pump_->buffer.size() < http2_preface.size() && http2_preface.starts_with(pump_->buffer)) {
        is_idle_ = pump_->buffer.empty();
        if (is_idle_ && is_finishing_) break;
        const auto outcome = co_await pump_->more(limits_.header_time_max);
        is_idle_ = false;
        if (outcome == Pump::Outcome::timed_out && pump_->buffer.empty()) pump_->close();
        if (outcome != Pump::Outcome::bytes) break;
    }
    co_return pump_->buffer.starts_with(http2_preface);
}

// A close with unread bytes would be a reset, which can take the answer away from a client that still sends (RFC 9112
// 9.6): says that nothing follows, and reads on for a while.
Task<> Connection::linger() {
    co_await pump_->stream().finish_writing();
    if (!has_unread_body_) co_return;
    const auto deadline = std::chrono::steady_clock::now() + linger_time_max;
    for (std::size_t discarded = 0; discarded < linger_bytes_max; discarded += pump_->buffer.size()) {
        pump_->buffer.clear();
        const auto left = deadline - std::chrono::steady_clock::now();
        if (left <= left.zero() || co_await pump_->more(left) != Pump::Outcome::bytes) break;
    }
}

void Connection::client_ended(bool was_reset) {
    // A client may end its side and still wait for an answer; only a stream without end would run for nobody.
    if (was_reset || is_streaming_answer_) stop.emit(boost::asio::cancellation_type::terminal);
}

void Connection::finish_soon() {
    is_finishing_ = true;
    if (http2_) return http2_->finish_soon();
    if (is_idle_ && pump_) pump_->close();
}

Peer Connection::peer() const {
    auto& stream = pump_->stream();
    Peer peer;
    peer.remote = stream.remote();
    peer.local = stream.local();
    peer.uid = stream.peer_uid();
    if (const auto* tls = stream.tls()) {
        peer.is_tls = true;
        peer.certificate_der = tls->certificate_der;
        peer.certificate_problem = tls->certificate_problem;
    }
    return peer;
}

Task<> Connection::write(std::string bytes) {
    watchdog_->arm(limits_.write_time_max);
    co_await pump_->stream().write(std::as_bytes(std::span(bytes)));
    watchdog_->disarm();
}

Task<> Connection::refuse(unsigned status, std::string message) {
    Response response = text_response(status, std::move(message));
    co_await send_answer(Head{}, response, false);
}

// Null at the end of the connection; `is_refused` when an answer should say why.
Task<std::unique_ptr<Parser>> Connection::read_head(Head& head, bool& is_refused) {
    auto parser = Parser::make(Parser::Kind::request, limits_);
    const auto patience = is_first_request_ ? limits_.header_time_max : limits_.idle_time_max;
    auto deadline = std::chrono::steady_clock::now() + patience;
    bool has_begun = false;
    is_refused = false;
    for (;;) {
        if (!pump_->buffer.empty() && !has_begun) {
            has_begun = true;
            deadline = std::chrono::steady_clock::now() + limits_.header_time_max;
        }
        const auto done = parser->parse_head(pump_->buffer);
        if (!done) {
            is_refused = true;
            switch (done.error()) {
                case ParseFailure::malformed: co_await refuse(400, "400 Bad Request"); break;
                case ParseFailure::target_too_long: co_await refuse(414, "414 URI Too Long"); break;
                case ParseFailure::header_too_large: co_await refuse(431, "431 Request Header Fields Too Large"); break;
                case ParseFailure::version_unsupported: co_await refuse(400, "400 Bad Request: unsupported HTTP version"); break;
            }
            co_return nullptr;
        }
        if (*done) break;
        is_idle_ = !has_begun;
        if (is_idle_ && is_finishing_) co_return nullptr;
        const auto outcome = co_await pump_->more(deadline - std::chrono::steady_clock::now());
        is_idle_ = false;
        if (outcome == Pump::Outcome::end) co_return nullptr;
        if (outcome == Pump::Outcome::timed_out) {
            if (has_begun) co_await refuse(408, "408 Request Timeout");
            co_return nullptr;
        }
    }
    head = parser->take_head();
    co_return parser;
}

// One request and its answer. False when the connection is not to be used further.
Task<bool> Connection::serve_request() {
    Head head;
    bool is_refused = false;
    auto parser = co_await read_head(head, is_refused);
    if (!parser) co_return false;
    if (!head.is_http_1_0 && head.headers.find("Host") == nullptr) {
        co_await refuse(400, "400 Bad Request: missing required Host header");
        co_return false;
    }
    Request request;
    request.method = head.method;
    request.target = head.target;
    request.headers = head.headers;
    request.content_length = head.content_length;
    request.peer = peer();
    if (!request.split_target()) {
        co_await refuse(400, "400 Bad Request");
        co_return false;
    }
    const auto body = std::make_shared<RequestBody::Shared>();
    body->pump = pump_;
    body->parser = std::move(parser);
    body->piece_time_max = limits_.write_time_max;
    body->wants_continue = head.expects_continue;
    if (!body->parser->is_done()) request.stream = std::make_unique<RequestBody>(body);
    // An upgraded connection is handed over whole: nothing may be reading on it then.
    else if (!head.is_upgrade && head.method != "CONNECT")
        pump_->start();

    auto response = co_await answer(handler_, std::move(request));
    const bool is_tunnel = head.method == "CONNECT" && response.upgrade;
    if (response.status == 101 || response.websocket || is_tunnel) co_return co_await take_over(head, response);

    bool keep_alive = head.keep_alive && !is_finishing_ && response.headers.get("Connection") != "close";
    // A client that waits for "100 Continue" and gets an answer instead may or may not send the body: no telling where
    // the next request starts.
    if (body->wants_continue) keep_alive = false;
    if (!body->parser->is_done() && keep_alive && head.content_length.value_or(unread_body_bytes_max) > unread_body_bytes_max)
        keep_alive = false;
    co_await send_answer(head, response, keep_alive);
    response.stream.reset();
    has_unread_body_ = !body->parser->is_done();
    if (!keep_alive) co_return false;
    std::size_t unread = 0;
    while (!body->parser->is_done()) {
        unread += (co_await RequestBody::read_from(body)).size();
        if (unread > unread_body_bytes_max) co_return false;
    }
    has_unread_body_ = false;
    co_return true;
}

Task<> Connection::send_answer(const Head& head, Response& response, bool keep_alive) {
    const bool is_chunked = response.stream && !head.is_http_1_0 && response.headers.find("Content-Length") == nullptr;
    const bool is_ended_by_close = response.stream && !is_chunked && response.headers.find("Content-Length") == nullptr;
    const bool sends_body = head.method != "HEAD" && !has_no_body(response.status);
    std::string out = status_line(response.status);
    response.headers.erase("Connection");
    response.headers.erase("Transfer-Encoding");
    append_fields(out, response.headers);
    if (response.headers.find("Date") == nullptr) out += "Date: " + date_now() + "\r\n";
    if (!response.stream && !has_no_body(response.status) && response.headers.find("Content-Length") == nullptr)
        out += std::format("Content-Length: {}\r\n", response.body.size());
    if (is_chunked && !has_no_body(response.status)) out += "Transfer-Encoding: chunked\r\n";
    if (!keep_alive || is_ended_by_close) out += "Connection: close\r\n";
    else if (head.is_http_1_0) out += "Connection: keep-alive\r\n";
    out += "\r\n";
    if (sends_body && !response.stream) out += response.body;
    if (!response.stream || !sends_body) co_return co_await write(std::move(out));
    // The head goes out before the first piece, which may be long in coming (a watch); when a length was promised there is
    // nothing to wait for.
    if (!response.headers.find("Content-Length")) co_await write(std::exchange(out, {}));
    is_streaming_answer_ = true;
    if (pump_->is_ended()) throw Error(Code::cancelled, "the client went away");
    AnswerBody body(response);
    while (co_await body.next()) {
        if (is_chunked) out += std::format("{:x}\r\n", body.file ? body.file->bytes : body.bytes.size());
        if (body.file) {
            if (!out.empty()) co_await write(std::exchange(out, {}));
            co_await send_file(*body.file);
        } else {
            out = out.empty() ? std::move(body.bytes) : out + body.bytes;
        }
        if (is_chunked) out += "\r\n";
        if (!out.empty()) co_await write(std::exchange(out, {}));
    }
    is_streaming_answer_ = false;
    if (is_chunked) out += "0\r\n\r\n";
    if (!out.empty()) co_await write(std::move(out));
}

Task<> Connection::send_file(hal::net::FileRange range) {
    while (range.bytes > 0) {
        auto piece = range;
        piece.bytes = std::min(range.bytes, file_piece_bytes_max);
        range.offset += piece.bytes;
        range.bytes -= piece.bytes;
        watchdog_->arm(limits_.write_time_max);
        co_await pump_->stream().send_file(piece);
        watchdog_->disarm();
    }
}

// Answers 101 and gives the connection to the response's `upgrade` or `websocket`.
Task<bool> Connection::take_over(const Head& head, Response& response) {
    if (pump_->is_reading()) {
        co_await refuse(400, "400 Bad Request: an upgrade must not be pipelined");
        co_return false;
    }
    if (response.websocket) {
        const auto accept = websocket_accept(head.headers);
        if (!accept) {
            co_await refuse(400, "400 Bad Request: not a WebSocket handshake");
            co_return false;
        }
        response.status = 101;
        response.headers.set("Upgrade", "websocket");
        response.headers.set("Connection", "Upgrade");
        response.headers.set("Sec-WebSocket-Accept", *accept);
        if (!response.websocket_protocol.empty()) response.headers.set("Sec-WebSocket-Protocol", response.websocket_protocol);
    } else if (!response.upgrade) {
        throw Error(Code::internal, "an answer 101 without anyone to take the connection");
    }
    // A tunnel (RFC 9110 9.3.6) begins after a 200, all else after a 101.
    if (response.status == 101 && response.headers.find("Connection") == nullptr) response.headers.set("Connection", "Upgrade");
    std::string out = status_line(response.status);
    append_fields(out, response.headers);
    out += "\r\n";
    co_await write(std::move(out));
    auto early = std::exchange(pump_->buffer, {});
    auto stream = pump_->release();
    if (response.websocket) {
        auto socket = make_websocket(executor_, std::move(stream), std::move(early), true, response.websocket_protocol, limits_);
        co_await response.websocket(std::move(socket));
    } else {
        co_await response.upgrade(std::move(stream), std::move(early));
    }
    co_return false;
}

}  // namespace services::http
