// Encodings of bytes as text, and comparison of secrets. Pure functions; inputs are bounded by the caller.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace hal {

// RFC 4648 4 with padding; 5 without padding for the url form.
std::string base64(std::string_view bytes);
std::string base64url(std::string_view bytes);
struct Base64Error {
    std::size_t offset;  // of the first wrong input byte, counted as Go's encoding/base64 counts it
};
// Decodes the padded standard alphabet as Go's StdEncoding does ('\r' and '\n' are skipped).
std::optional<std::string> base64_decoded(std::string_view text, Base64Error* error = nullptr);
std::optional<std::string> base64url_decoded(std::string_view text);

std::string hex(std::string_view bytes);
std::optional<std::string> hex_decoded(std::string_view text);

// True if equal; takes the same time whatever differs (the lengths may be told apart).
bool equal_secrets(std::string_view a, std::string_view b);

// `count` bytes of the system's randomness (getrandom).
std::string random_bytes(std::size_t count);
// A random RFC 9562 version 4 UUID.
std::string random_uuid();

}  // namespace hal
