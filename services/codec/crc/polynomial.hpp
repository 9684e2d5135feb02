// Arithmetic modulo a CRC's polynomial in the reflected form that all three use: bit i of a word stands for the power
// (bits - 1 - i). What tables, folding constants and combination follow from. Pure, at compile time where it can be.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace services::codec::crc {

template <class Word>
struct Polynomial {
    Word value;  // reflected, the highest power left out
    static constexpr unsigned bits = sizeof(Word) * 8;
    static constexpr Word one = Word{1} << (bits - 1);

    [[nodiscard]] constexpr Word times_x(Word a) const { return static_cast<Word>((a >> 1) ^ ((a & 1) != 0 ? value : 0)); }

    [[nodiscard]] constexpr Word times(Word a, Word b) const {
        Word product = 0;
        for (unsigned i = 0; i < bits; ++i) {
            if ((b & (one >> i)) != 0) product ^= a;
            a = times_x(a);
        }
        return product;
    }

    // x to the power of `exponent`.
    [[nodiscard]] constexpr Word power_of_x(std::uint64_t exponent) const {
        Word result = one, square = times_x(one);
        for (; exponent != 0; exponent >>= 1) {
            if ((exponent & 1) != 0) result = times(result, square);
            square = times(square, square);
        }
        return result;
    }

    [[nodiscard]] constexpr std::array<std::array<Word, 256>, 8> tables() const {
        std::array<std::array<Word, 256>, 8> tables{};
        for (unsigned byte = 0; byte < 256; ++byte) {
            Word crc = static_cast<Word>(byte);
            for (int bit = 0; bit < 8; ++bit) crc = times_x(crc);
            tables[0][byte] = crc;
        }
        for (unsigned byte = 0; byte < 256; ++byte)
            for (std::size_t t = 1; t < 8; ++t) {
                const Word before = tables[t - 1][byte];
                tables[t][byte] = static_cast<Word>((before >> 8) ^ tables[0][before & 0xff]);
            }
        return tables;
    }
};

inline constexpr Polynomial<std::uint32_t> iso_3309{0xedb88320U};
inline constexpr Polynomial<std::uint32_t> castagnoli{0x82f63b78U};
inline constexpr Polynomial<std::uint64_t> nvme{0x9a6c9329ac4bc9b5ULL};

}  // namespace services::codec::crc
