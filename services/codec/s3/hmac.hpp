// Keyed hashes (RFC 2104) over this folder's hashers, for signatures. Pure.
#pragma once

#include <string>
#include <string_view>

#include "services/codec/s3/checksum.hpp"

namespace services::codec::s3 {

// The raw HMAC of `text` under `key`; `algorithm` is SHA-1, SHA-256 or SHA-512.
std::string hmac(Checksum algorithm, std::string_view key, std::string_view text);
std::string sha256_hex(std::string_view text);

}  // namespace services::codec::s3
