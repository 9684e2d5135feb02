#include "hal/base/crc32c.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#endif

namespace hal {

static_assert(std::endian::native == std::endian::little, "words are taken as they lie in memory");

namespace {

// Eight tables, so that eight bytes are taken at a time: table[k][b] is b followed by k zero bytes.
constexpr std::array<std::array<std::uint32_t, 256>, 8> make_tables() {
    constexpr std::uint32_t polynomial = 0x82F63B78;  // reflected
    std::array<std::array<std::uint32_t, 256>, 8> tables{};
    for (std::uint32_t b = 0; b < 256; ++b) {
        std::uint32_t crc = b;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? polynomial : 0);
        tables[0][b] = crc;
    }
    for (std::size_t k = 1; k < 8; ++k)
        for (std::size_t b = 0; b < 256; ++b) tables[k][b] = (tables[k - 1][b] >> 8) ^ tables[0][tables[k - 1][b] & 0xFF];
    return tables;
}

constexpr auto tables = make_tables();

std::uint64_t word_at(const char* bytes) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, sizeof word);
    return word;
}

#if defined(__x86_64__)

bool has_instruction() { return __builtin_cpu_supports("sse4.2") != 0; }

__attribute__((target("sse4.2"))) std::uint32_t by_instruction(std::string_view bytes, std::uint32_t before) {
    std::uint64_t crc = ~before;
    const char* at = bytes.data();
    std::size_t left = bytes.size();
    for (; left >= 8; at += 8, left -= 8) crc = _mm_crc32_u64(crc, word_at(at));
    auto rest = static_cast<std::uint32_t>(crc);
    for (; left > 0; ++at, --left) rest = _mm_crc32_u8(rest, static_cast<unsigned char>(*at));
    return ~rest;
}

#elif defined(__aarch64__)

bool has_instruction() { return (::getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }

__attribute__((target("crc"))) std::uint32_t by_instruction(std::string_view bytes, std::uint32_t before) {
    std::uint32_t crc = ~before;
    const char* at = bytes.data();
    std::size_t left = bytes.size();
    for (; left >= 8; at += 8, left -= 8) crc = __crc32cd(crc, word_at(at));
    for (; left > 0; ++at, --left) crc = __crc32cb(crc, static_cast<unsigned char>(*at));
    return ~crc;
}

#else

bool has_instruction() { return false; }
std::uint32_t by_instruction(std::string_view bytes, std::uint32_t before) { return crc32c_by_table(bytes, before); }

#endif

}  // namespace

std::uint32_t crc32c_by_table(std::string_view bytes, std::uint32_t before) {
    std::uint32_t crc = ~before;
    const char* at = bytes.data();
    std::size_t left = bytes.size();
    for (; left >= 8; at += 8, left -= 8) {
        const std::uint64_t word = word_at(at) ^ crc;
        crc = 0;
        for (std::size_t k = 0; k < 8; ++k) crc ^= tables[7 - k][(word >> (8 * k)) & 0xFF];
    }
    for (; left > 0; ++at, --left) crc = (crc >> 8) ^ tables[0][(crc ^ static_cast<unsigned char>(*at)) & 0xFF];
    return ~crc;
}

std::uint32_t crc32c(std::string_view bytes, std::uint32_t before) {
    static const bool instruction = has_instruction();
    return instruction ? by_instruction(bytes, before) : crc32c_by_table(bytes, before);
}

}  // namespace hal
