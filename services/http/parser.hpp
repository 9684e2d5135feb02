// The HTTP/1.1 message parser of server and client (RFC 9112), over Beast's. Takes bytes from the front of the
// connection's buffer; whatever follows the message stays there. Bounded by Limits; bad bytes come back as a value.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "services/http/message.hpp"

namespace services::http {

enum class ParseFailure { malformed, target_too_long, header_too_large, version_unsupported };

struct Head {
    std::string method;  // requests
    std::string target;
    unsigned status = 0;  // responses
    bool is_http_1_0 = false;
    bool keep_alive = false;
    bool is_upgrade = false;         // Connection: upgrade with an Upgrade field
    bool expects_continue = false;
    std::optional<std::uint64_t> content_length;
    Headers headers;
};

class Parser {
public:
    enum class Kind { request, response, response_to_head };
    static std::unique_ptr<Parser> make(Kind kind, const Limits& limits);
    virtual ~Parser() = default;
    // True when the head is complete; false: more bytes are needed.
    virtual std::expected<bool, ParseFailure> parse_head(std::string& buffer) = 0;
    virtual Head take_head() = 0;
    // After the head: takes from `buffer` and appends to `piece` what belongs to the body, until is_done().
    virtual std::expected<void, ParseFailure> parse_body(std::string& buffer, std::string& piece) = 0;
    // The peer closed: ends a body without length. False when the message is cut off.
    virtual bool finish() = 0;
    [[nodiscard]] virtual bool is_done() const = 0;
};

}  // namespace services::http
