#include "services/http/client.hpp"

#include <format>
#include <vector>

#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"
#include "services/http/parser.hpp"
#include "services/http/watchdog.hpp"
#include "services/http/websocket.hpp"
#include "services/http/websocket_frames.hpp"

namespace services::http {

using hal::Code;
using hal::Error;

namespace {

constexpr std::size_t read_bytes = 16 * 1024;
constexpr int interim_answers_max = 8;  // 1xx before the real answer

}  // namespace

struct Client::State {
    hal::async::Executor executor;
    ClientOptions options;
    std::string host;
    std::size_t open = 0;

    // One connection; counted while it lives.
    struct Line {
        std::shared_ptr<State> state;  // shared: a body that is still being read keeps the client's state
        hal::net::StreamPtr stream;
        std::string buffer;
        std::vector<std::byte> scratch;
        bool is_reused = false;

        explicit Line(std::shared_ptr<State> owner) : state(std::move(owner)) { ++state->open; }
        ~Line() {
            if (stream) stream->close();
            --state->open;
        }
        // False at the end of the stream.
        Task<bool> more() {
            if (scratch.empty()) scratch.resize(read_bytes);
            const auto count = co_await stream->read_some(scratch);
            buffer.append(reinterpret_cast<const char*>(scratch.data()), count);
            co_return count > 0;
        }
    };
    using LinePtr = std::unique_ptr<Line>;
    // Idle lines hold no reference to the state, or neither would ever go.
    struct Idle {
        hal::net::StreamPtr stream;
    };
    std::vector<Idle> idle;

    State(hal::async::Executor e, ClientOptions o) : executor(std::move(e)), options(std::move(o)) {
        host = !options.server_name.empty() ? options.server_name
               : options.origin.is_unix     ? "localhost"
                                            : options.origin.to_string();
    }

    void give_back(LinePtr line) {
        if (idle.size() >= options.idle_connections_max || !line->buffer.empty()) return;
        idle.push_back({std::move(line->stream)});
    }

    static Task<LinePtr> connect(std::shared_ptr<State> self, bool fresh);
    static std::string head_of(const State& state, const Request& request);
    static Task<std::unique_ptr<Parser>> exchange(std::shared_ptr<State> self, Line& line, Request& request, Head& head,
                                                  bool& has_answered);
};

namespace {

std::string tls_name(const ClientOptions& options) {
    // "name:port" serves the Host header too; TLS wants the name alone.
    const auto& name = options.server_name.empty() ? options.origin.address : options.server_name;
    if (name.starts_with('[')) return name.substr(1, name.find(']') - 1);
    const auto colon = name.find(':');
    return colon != std::string::npos && name.find(':', colon + 1) == std::string::npos ? name.substr(0, colon) : name;
}

bool is_bodyless(const Request& request) {
    return request.body.empty() && !request.stream && request.method != "POST" && request.method != "PUT" &&
           request.method != "PATCH";
}

}  // namespace

Task<Client::State::LinePtr> Client::State::connect(std::shared_ptr<State> self, bool fresh) {
    auto line = std::make_unique<Line>(self);
    if (!fresh && !self->idle.empty()) {
        line->stream = std::move(self->idle.back().stream);
        self->idle.pop_back();
        line->is_reused = true;
        co_return line;
    }
    const auto& options = self->options;
    if (self->open > options.connections_max)
        throw Error(Code::exhausted, std::format("{} connections to {} are open already", options.connections_max,
                                                 options.origin.to_string()));
    line->stream = co_await hal::net::dial(options.origin, options.dial_time_max);
    if (options.tls)
        line->stream = co_await hal::net::tls_connect(std::move(line->stream), options.tls, tls_name(options), options.dial_time_max);
    co_return line;
}

std::string Client::State::head_of(const State& state, const Request& request) {
    std::string out = request.method + " " + (request.target.empty() ? "/" : request.target) + " HTTP/1.1\r\n";
    if (request.headers.find("Host") == nullptr) out += "Host: " + state.host + "\r\n";
    for (const auto& [name, value] : request.headers.all()) {
        if (value.find_first_of("\r\n") != std::string::npos)
            throw Error(Code::invalid, "header field " + name + " holds a line break");
        out += name + ": " + value + "\r\n";
    }
    if (request.stream && request.headers.find("Content-Length") == nullptr)
        out += "Transfer-Encoding: chunked\r\n";
    else if (!is_bodyless(request) && !request.stream && request.headers.find("Content-Length") == nullptr)
        out += std::format("Content-Length: {}\r\n", request.body.size());
    return out + "\r\n";
}

// Sends the request and reads the answer's head. `has_answered` is set once a byte of an answer was seen.
Task<std::unique_ptr<Parser>> Client::State::exchange(std::shared_ptr<State> self, Line& line, Request& request, Head& head,
                                                      bool& has_answered) {
    Watchdog watchdog(self->executor, [stream = line.stream.get()] { stream->close(); });
    const auto limit = self->options.answer_time_max;
    const auto what = request.method + " " + request.target + " at " + self->options.origin.to_string();
    std::string problem;
    Code code{};
    try {
        if (limit != limit.zero()) watchdog.arm(limit);
        auto out = head_of(*self, request);
        const bool is_chunked = request.stream && request.headers.find("Content-Length") == nullptr;
        out += request.body;
        std::string unsent;
        try {
            co_await line.stream->write(std::as_bytes(std::span(out)));
            while (request.stream) {
                auto piece = co_await request.stream->read();
                const bool is_last = piece.empty();
                if (is_chunked) piece = is_last ? "0\r\n\r\n" : std::format("{:x}\r\n", piece.size()) + piece + "\r\n";
                if (limit != limit.zero()) watchdog.arm(limit);
                if (!piece.empty()) co_await line.stream->write(std::as_bytes(std::span(piece)));
                if (is_last) break;
            }
        } catch (const Error& e) {
            // A server that has had enough of the body may have answered before it closed.
            if (e.code() != Code::unavailable || line.is_reused || watchdog.has_expired()) throw;
            unsent = e.what();
        }
        for (int interim = 0; interim <= interim_answers_max; ++interim) {
            const auto kind = request.method == "HEAD" ? Parser::Kind::response_to_head : Parser::Kind::response;
            auto parser = Parser::make(kind, self->options.limits);
            for (;;) {
                if (!line.buffer.empty()) has_answered = true;
                const auto done = parser->parse_head(line.buffer);
                if (!done) throw Error(Code::corrupt, what + ": the answer is not HTTP or its header is over the limit");
                if (*done) break;
                if (!co_await line.more()) throw Error(Code::unavailable, what + ": " + (unsent.empty() ? "the connection was closed without an answer" : unsent));
            }
            head = parser->take_head();
            if (head.status >= 200 || head.status == 101) co_return parser;
        }
        throw Error(Code::corrupt, what + ": no end of interim answers");
    } catch (const Error& e) {
        problem = e.what();
        code = e.code();
    }
    if (watchdog.has_expired())
        throw Error(Code::timed_out, what + ": no answer within " +
                                         std::to_string(std::chrono::duration_cast<std::chrono::seconds>(limit).count()) + " s");
    throw Error(code, problem);
}

namespace {

// The answer's body. Returns its connection to the pool at the end; dropped before that, the connection closes.
template <class State>
class AnswerBody : public BodyReader {
public:
    AnswerBody(std::unique_ptr<typename State::Line> line, std::unique_ptr<Parser> parser, bool keep_alive)
        : line_(std::move(line)), parser_(std::move(parser)), keep_alive_(keep_alive) {}

    Task<std::string> read() override {
        std::string piece;
        while (line_) {
            if (!parser_->parse_body(line_->buffer, piece)) {
                line_.reset();
                throw Error(Code::corrupt, "the answer's body is malformed");
            }
            if (parser_->is_done()) {
                finish();
                break;
            }
            if (!piece.empty()) break;
            if (co_await line_->more()) continue;
            const bool is_whole = parser_->finish();
            line_.reset();
            if (!is_whole) throw Error(Code::unavailable, "the connection was closed within the answer's body");
        }
        co_return piece;
    }

private:
    void finish() {
        const auto state = line_->state;
        if (keep_alive_) state->give_back(std::move(line_));
        line_.reset();
    }
    std::unique_ptr<typename State::Line> line_;
    std::unique_ptr<Parser> parser_;
    bool keep_alive_;
};

}  // namespace

Client::Client(hal::async::Executor executor, ClientOptions options)
    : state_(std::make_shared<State>(std::move(executor), std::move(options))) {}

Client::~Client() { state_->idle.clear(); }

Task<Response> Client::send(Request request) {
    const auto state = state_;
    for (bool fresh = false;; fresh = true) {
        auto line = co_await State::connect(state, fresh);
        Head head;
        bool has_answered = false;
        std::unique_ptr<Parser> parser;
        try {
            parser = co_await State::exchange(state, *line, request, head, has_answered);
        } catch (const Error& e) {
            // The server closed the idle connection just as it was used: nothing was done there yet (RFC 9110 9.2.2).
            const bool may_repeat = line->is_reused && !has_answered && !request.stream && e.code() == Code::unavailable;
            if (!may_repeat) throw;
        }
        if (!parser) continue;
        Response response;
        response.status = head.status;
        response.headers = std::move(head.headers);
        if (!parser->is_done()) {
            response.stream = std::make_unique<AnswerBody<State>>(std::move(line), std::move(parser), head.keep_alive);
        } else if (head.keep_alive && head.status != 101) {
            state->give_back(std::move(line));
        }
        co_return response;
    }
}

Task<Upgraded> Client::upgrade(Request request) {
    const auto state = state_;
    auto line = co_await State::connect(state, true);
    const bool is_tunnel = request.method == "CONNECT";
    if (!is_tunnel && request.headers.find("Connection") == nullptr) request.headers.set("Connection", "Upgrade");
    Head head;
    bool has_answered = false;
    auto parser = co_await State::exchange(state, *line, request, head, has_answered);
    Upgraded result;
    result.response.status = head.status;
    result.response.headers = std::move(head.headers);
    if (head.status == 101 || (is_tunnel && head.status / 100 == 2)) {
        result.stream = std::move(line->stream);
        result.early = std::move(line->buffer);
    } else if (!parser->is_done()) {
        result.response.stream = std::make_unique<AnswerBody<State>>(std::move(line), std::move(parser), false);
    }
    co_return result;
}

Handler Client::handler() {
    return [this](Request request) { return send(std::move(request)); };
}

hal::async::Executor Client::executor() const { return state_->executor; }
const Limits& Client::limits() const { return state_->options.limits; }

Task<std::unique_ptr<WebSocket>> dial_websocket(Client& client, Request request, std::string protocol) {
    const auto key = hal::base64(hal::random_bytes(16));
    if (request.method.empty()) request.method = "GET";
    request.headers.set("Connection", "Upgrade");
    request.headers.set("Upgrade", "websocket");
    request.headers.set("Sec-WebSocket-Version", "13");
    request.headers.set("Sec-WebSocket-Key", key);
    if (!protocol.empty()) request.headers.set("Sec-WebSocket-Protocol", protocol);
    const auto target = request.target;
    auto result = co_await client.upgrade(std::move(request));
    if (!result.stream)
        throw Error(Code::unavailable, std::format("WebSocket {}: refused with status {}", target, result.response.status));
    if (result.response.headers.get("Sec-WebSocket-Accept") != websocket_accept_of(key))
        throw Error(Code::unavailable, "WebSocket " + target + ": the server's answer does not fit the handshake");
    auto agreed = result.response.headers.get("Sec-WebSocket-Protocol");
    co_return make_websocket(client.executor(), std::move(result.stream), std::move(result.early), false, std::move(agreed),
                             client.limits());
}

}  // namespace services::http
