// HTTP requests and responses as every service sees them: no library type shows here (Beast is this folder's own
// affair). The same Handler serves a socket and a caller in the same process.
//
// Bounded: see Limits. A body is either whole (`body`) or a BodyReader that is pulled, so nothing is buffered twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hal/async/task.hpp"
#include "hal/net/stream.hpp"

namespace services::http {

using hal::async::Task;

// Header fields in order; names compare without regard to case (RFC 9110 5.1).
class Headers {
public:
    void set(std::string name, std::string value);  // replaces all of that name
    void add(std::string name, std::string value);
    void erase(std::string_view name);
    [[nodiscard]] const std::string* find(std::string_view name) const;  // the first, or null
    [[nodiscard]] std::string get(std::string_view name) const;          // the first, or ""
    [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& all() const { return fields_; }

private:
    std::vector<std::pair<std::string, std::string>> fields_;
};

// A body that is pulled piece by piece; "" is its end.
class BodyReader {
public:
    virtual ~BodyReader() = default;
    virtual Task<std::string> read() = 0;
    // Asked by the server before each read() of an answer: the next bytes as a part of an open file, which go out without
    // passing through this process where the connection allows it. The file stays open until the next call. Nullopt:
    // read() has what comes next, or the end.
    virtual Task<std::optional<hal::net::FileRange>> read_file() { co_return std::nullopt; }
    // Reads to the end; throws Error{too_large} past `bytes_max`.
    Task<std::string> read_all(std::size_t bytes_max);
};

// Who asks, as the transport knows it. Filled by the server; in-process callers set `identity`.
struct Peer {
    hal::net::Endpoint remote;
    hal::net::Endpoint local;
    bool is_tls = false;
    std::optional<std::string> certificate_der;  // verified client certificate
    std::optional<std::string> certificate_problem;  // one was shown that does not verify, and why: answer 401
    std::optional<unsigned> uid;                 // on a Unix socket
    std::optional<std::string> in_process_user;  // set only by code of this process, never from the wire
    std::vector<std::string> in_process_groups;
};

struct Request {
    std::string method;
    std::string target;  // as sent: "/a%20b?x=1"
    std::string path;    // decoded, without the query
    std::vector<std::pair<std::string, std::string>> query;  // decoded, in order
    Headers headers;
    std::string body;                    // client side, or already read
    // Server side: the body, not yet read (null: none). A client that waits for "100 Continue" gets it with the first
    // read(), so a handler that refuses answers before the body is sent.
    std::unique_ptr<BodyReader> stream;
    std::optional<std::uint64_t> content_length;  // server side: as declared; none with chunked, and without a body
    Peer peer;
    std::map<std::string, std::string> captures;  // from the Router's pattern

    [[nodiscard]] const std::string* query_value(std::string_view name) const;  // the first, or null
    // Of `target`, exactly as sent (what signatures are made over): "/a%20b" and "x=1". Views into target.
    [[nodiscard]] std::string_view raw_path() const;
    [[nodiscard]] std::string_view raw_query() const;
    // Path and query set from `target` (percent-decoding). False when it is not well-formed.
    bool split_target();
};

class WebSocket;

struct Response {
    unsigned status = 200;
    Headers headers;
    std::string body;
    // Instead of body; each piece is sent at once. With a Content-Length it must give exactly that many bytes, or the
    // connection is cut; without one it is chunked. Not read for HEAD, whose Content-Length stands as the handler set it.
    std::unique_ptr<BodyReader> stream;
    // Takes over the connection after a 101 (status must be 101): raw bytes. `early` holds bytes already read.
    std::function<Task<>(hal::net::StreamPtr, std::string early)> upgrade;
    // Accepts the request as a WebSocket (RFC 6455) with `websocket_protocol`; then owns it until it returns.
    std::function<Task<>(std::unique_ptr<WebSocket>)> websocket;
    std::string websocket_protocol;
};

using Handler = std::function<Task<Response>(Request)>;

Response text_response(unsigned status, std::string body, std::string content_type = "text/plain; charset=utf-8");
Response json_response(unsigned status, std::string body);
std::string_view reason_phrase(unsigned status);
bool expects_continue(const Headers& headers);  // RFC 9110 10.1.1
std::string percent_encode(std::string_view text);  // unreserved characters stay (RFC 3986 2.3)
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);

// Every bound of the server and client, with a name. A request over one gets the answer beside it.
struct Limits {
    std::size_t header_bytes_max = 64 * 1024;            // 431
    std::size_t target_bytes_max = 32 * 1024;            // 414
    std::size_t body_bytes_max = 8 * 1024 * 1024;        // 413 from read_all; a handler may stream more
    std::size_t connections_max = 2048;                  // further ones wait in the backlog
    std::chrono::seconds header_time_max{15};            // closed (408 when a request was begun)
    std::chrono::seconds idle_time_max{180};             // keep-alive connection without a request: closed
    std::chrono::seconds write_time_max{60};             // a peer that reads nothing: closed
    std::size_t websocket_message_bytes_max = 1024 * 1024;
    // HTTP/2 alone (RFC 9113).
    std::size_t streams_max = 500;                       // of one connection: REFUSED_STREAM
    std::size_t streams_of_all_max = 8192;               // of all connections: REFUSED_STREAM
    std::size_t unread_bytes_max = 8 * 1024 * 1024;      // of bodies no handler has read yet, all connections: no more
                                                         // credit to who sends (each has one window always)
    std::size_t control_frames_max = 1000;               // resets, pings, settings, priorities, empty frames at once,
    std::size_t control_frames_per_second = 100;         // and in the long run: GOAWAY ENHANCE_YOUR_CALM
};

}  // namespace services::http
