// CRC32C (Castagnoli, RFC 3720 B.4): the checksum of our own formats, of snappy's frames and of S3's CRC32C. Uses the
// processor's instruction where it has one (SSE 4.2, ARMv8 CRC), a table otherwise.
#pragma once

#include <cstdint>
#include <string_view>

namespace hal {

// The checksum of what `before` is the checksum of, followed by `bytes`. crc32c("123456789") is 0xE3069283.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t before = 0);
// The same by the table alone: what the instruction is checked against.
std::uint32_t crc32c_by_table(std::string_view bytes, std::uint32_t before = 0);

}  // namespace hal
