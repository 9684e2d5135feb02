// SPDY/3.1 frames, as far as port-forward needs them (kubectl speaks SPDY inside a WebSocket for it): streams with headers, data,
// their ends, pings. A reader of foreign bytes and a writer; no I/O, no streams' state.
//
// Wire, big-endian. Control frame: 0x8003, type (2 bytes), flags (1), length (3), then the type's fields; data frame: stream (4,
// top bit 0), flags (1), length (3), bytes. SYN_STREAM (1): stream (4), associated (4), priority (1), slot (1), headers. SYN_REPLY
// (2), HEADERS (8): stream (4), headers. RST_STREAM (3): stream (4), status (4). PING (6): id (4). GOAWAY (7): last (4), status (4).
// Headers are a count (4) and per header length (4), name, length (4), value, all through one zlib stream per direction with
// SPDY's dictionary, flushed after each frame. Example: a PING with id 1 is 80 03 00 06 00 00 00 04 00 00 00 01.
// Bounded: `frame_bytes_max`, `headers_bytes_max` once inflated.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace services::kubelet::streams {

struct SpdyFrame {
    enum class Type { data, syn_stream, syn_reply, rst_stream, ping, goaway, headers, other } type = Type::other;
    std::uint32_t stream = 0;  // ping: its id
    bool is_last = false;      // FLAG_FIN
    std::map<std::string, std::string> headers;
    std::string bytes;         // data
    std::uint32_t status = 0;  // rst_stream, goaway
};

inline constexpr std::size_t frame_bytes_max = 1024 * 1024;
inline constexpr std::size_t headers_bytes_max = 64 * 1024;

class SpdyReader {
public:
    SpdyReader();
    ~SpdyReader();
    void feed(std::string_view bytes);
    // Empty: more bytes are needed. An error ends the connection.
    std::expected<std::optional<SpdyFrame>, std::string> next();

private:
    struct Inflater;
    std::expected<SpdyFrame, std::string> control(std::uint16_t type, std::uint8_t flags, std::string_view body);
    std::unique_ptr<Inflater> inflater_;
    std::string buffer_;
    std::size_t start_ = 0;
};

class SpdyWriter {
public:
    SpdyWriter();
    ~SpdyWriter();
    std::string syn_stream(std::uint32_t stream, const std::map<std::string, std::string>& headers, bool is_last = false);
    std::string syn_reply(std::uint32_t stream, const std::map<std::string, std::string>& headers = {});
    static std::string data(std::uint32_t stream, std::string_view bytes, bool is_last);
    static std::string rst_stream(std::uint32_t stream, std::uint32_t status);
    static std::string ping(std::uint32_t id);

private:
    struct Deflater;
    std::unique_ptr<Deflater> deflater_;
};

// What both directions' zlib streams begin with (SPDY Protocol Draft 3, 2.6.10.1).
const std::string& spdy_dictionary();

}  // namespace services::kubelet::streams
