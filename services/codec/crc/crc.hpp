// Cyclic redundancy checks of the polynomials that S3 clients use (CRC-32C itself is hal/base/crc32c.hpp's), and their
// combination: the check of two byte strings put together follows from both checks and the length of the second.
//
// Pure functions. Large inputs are folded by carry-less multiplication where the processor has it (x86 PCLMULQDQ, ARMv8
// PMULL), else taken eight bytes at a time from tables; the choice is made once.
#pragma once

#include <cstdint>
#include <string_view>

namespace services::codec::crc {

// Continues `crc` (0 at the beginning) over `bytes`.
std::uint32_t crc32(std::uint32_t crc, std::string_view bytes);      // ISO 3309, as zlib
std::uint64_t crc64nvme(std::uint64_t crc, std::string_view bytes);  // NVM Express 1.0e, "Rocksoft"

// The check of A followed by B from the check of each and the length of B. Cost: logarithmic in the length.
std::uint32_t crc32_combine(std::uint32_t a, std::uint32_t b, std::uint64_t b_bytes);
std::uint32_t crc32c_combine(std::uint32_t a, std::uint32_t b, std::uint64_t b_bytes);
std::uint64_t crc64nvme_combine(std::uint64_t a, std::uint64_t b, std::uint64_t b_bytes);

}  // namespace services::codec::crc
