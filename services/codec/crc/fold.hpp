// Folding of long inputs: 64 bytes at a time are multiplied, without carry, by the power of x that moves them behind the
// next 64, until 16 bytes are left whose remainder is that of the whole (Gopal et al., "Fast CRC Computation for Generic
// Polynomials Using PCLMULQDQ"). One kernel for x86 and ARM, for 32 and 64 bits: the last 16 bytes go through the table,
// so no reduction constants are needed.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "services/codec/crc/polynomial.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#define CRC_TARGET __attribute__((target("pclmul,sse4.1")))
#elif defined(__aarch64__)
#include <arm_neon.h>
#include <sys/auxv.h>
#define CRC_TARGET __attribute__((target("aes")))
#endif

namespace services::codec::crc {

// A product of two reflected words stands one power too high, hence the -1.
template <class Word>
struct FoldConstants {
    std::uint64_t low, high;  // for the earlier and the later eight bytes of a block
    constexpr FoldConstants(Polynomial<Word> polynomial, unsigned distance_bits)
        : low(widened(polynomial.power_of_x(distance_bits + 63))), high(widened(polynomial.power_of_x(distance_bits - 1))) {}
    static constexpr std::uint64_t widened(Word power) {
        return static_cast<std::uint64_t>(power) << (64 - Polynomial<Word>::bits);
    }
};

#if defined(CRC_TARGET)

inline bool can_fold() {
#if defined(__x86_64__)
    return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
#else
    return (getauxval(AT_HWCAP) & HWCAP_PMULL) != 0;
#endif
}

#if defined(__x86_64__)
using Block = __m128i;
CRC_TARGET inline Block load(const char* at) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at)); }
CRC_TARGET inline void store(char* at, Block block) { _mm_storeu_si128(reinterpret_cast<__m128i*>(at), block); }
CRC_TARGET inline Block pair(std::uint64_t low, std::uint64_t high) {
    return _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low));
}
CRC_TARGET inline Block exclusive_or(Block a, Block b) { return _mm_xor_si128(a, b); }
CRC_TARGET inline Block folded(Block block, Block constants) {
    return _mm_xor_si128(_mm_clmulepi64_si128(block, constants, 0x00), _mm_clmulepi64_si128(block, constants, 0x11));
}
#else
using Block = uint64x2_t;
CRC_TARGET inline Block load(const char* at) { return vreinterpretq_u64_u8(vld1q_u8(reinterpret_cast<const std::uint8_t*>(at))); }
CRC_TARGET inline void store(char* at, Block block) { vst1q_u8(reinterpret_cast<std::uint8_t*>(at), vreinterpretq_u8_u64(block)); }
CRC_TARGET inline Block pair(std::uint64_t low, std::uint64_t high) { return vcombine_u64(vcreate_u64(low), vcreate_u64(high)); }
CRC_TARGET inline Block exclusive_or(Block a, Block b) { return veorq_u64(a, b); }
CRC_TARGET inline Block folded(Block block, Block constants) {
    const auto low = vmull_p64(vgetq_lane_u64(block, 0), vgetq_lane_u64(constants, 0));
    const auto high = vmull_p64(vgetq_lane_u64(block, 1), vgetq_lane_u64(constants, 1));
    return veorq_u64(vreinterpretq_u64_p128(low), vreinterpretq_u64_p128(high));
}
#endif

// Folds the largest multiple of 16 of `bytes` (at least 64) with the running `crc` into `rest`; returns how many bytes.
template <class Word>
CRC_TARGET inline std::size_t fold(Polynomial<Word>, FoldConstants<Word> by_64, FoldConstants<Word> by_16, Word crc, const char* at,
                                   std::size_t bytes, char (&rest)[16]) {
    const Block far = pair(by_64.low, by_64.high);
    const Block near = pair(by_16.low, by_16.high);
    Block a = exclusive_or(load(at), pair(crc, 0)), b = load(at + 16), c = load(at + 32), d = load(at + 48);
    std::size_t done = 64;
    for (; bytes - done >= 64; done += 64) {
        a = exclusive_or(folded(a, far), load(at + done));
        b = exclusive_or(folded(b, far), load(at + done + 16));
        c = exclusive_or(folded(c, far), load(at + done + 32));
        d = exclusive_or(folded(d, far), load(at + done + 48));
    }
    b = exclusive_or(folded(a, near), b);
    c = exclusive_or(folded(b, near), c);
    d = exclusive_or(folded(c, near), d);
    for (; bytes - done >= 16; done += 16) d = exclusive_or(folded(d, near), load(at + done));
    store(rest, d);
    return done;
}

#endif

}  // namespace services::codec::crc
