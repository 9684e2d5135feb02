#include "services/codec/crc/crc.hpp"

#include "services/codec/crc/fold.hpp"
#include "services/codec/crc/polynomial.hpp"

namespace services::codec::crc {

namespace {

constexpr std::size_t fold_bytes_min = 128;

// Eight bytes a step ("slicing by 8", Intel). `crc` is the running register, not inverted.
template <class Word>
Word by_tables(const std::array<std::array<Word, 256>, 8>& tables, Word crc, const char* at, std::size_t bytes) {
    for (; bytes >= 8; at += 8, bytes -= 8) {
        std::uint64_t word;
        std::memcpy(&word, at, 8);
        static_assert(std::endian::native == std::endian::little);
        word ^= crc;
        crc = 0;
        for (unsigned i = 0; i < 8; ++i) crc ^= tables[7 - i][(word >> (8 * i)) & 0xff];
    }
    for (; bytes != 0; ++at, --bytes) crc = static_cast<Word>((crc >> 8) ^ tables[0][(crc ^ static_cast<unsigned char>(*at)) & 0xff]);
    return crc;
}

template <class Word, Polynomial<Word> polynomial>
Word update(Word crc, std::string_view bytes) {
    static constexpr auto tables = polynomial.tables();
    static constexpr FoldConstants<Word> by_64(polynomial, 512), by_16(polynomial, 128);
    crc = static_cast<Word>(~crc);
    const char* at = bytes.data();
    std::size_t left = bytes.size();
#if defined(CRC_TARGET)
    static const bool folds = can_fold();
    if (folds && left >= fold_bytes_min) {
        char rest[16];
        const std::size_t done = fold(polynomial, by_64, by_16, crc, at, left, rest);
        crc = by_tables<Word>(tables, 0, rest, sizeof(rest));
        at += done;
        left -= done;
    }
#endif
    return static_cast<Word>(~by_tables<Word>(tables, crc, at, left));
}

template <class Word>
Word combined(const Polynomial<Word>& polynomial, Word a, Word b, std::uint64_t b_bytes) {
    // x^(8 n) as (x^n)^8: eight times the length may not fit.
    Word power = polynomial.power_of_x(b_bytes);
    for (int i = 0; i < 3; ++i) power = polynomial.times(power, power);
    return polynomial.times(a, power) ^ b;
}

}  // namespace

std::uint32_t crc32(std::uint32_t crc, std::string_view bytes) { return update<std::uint32_t, iso_3309>(crc, bytes); }
std::uint64_t crc64nvme(std::uint64_t crc, std::string_view bytes) { return update<std::uint64_t, nvme>(crc, bytes); }

std::uint32_t crc32_combine(std::uint32_t a, std::uint32_t b, std::uint64_t b_bytes) { return combined(iso_3309, a, b, b_bytes); }
std::uint32_t crc32c_combine(std::uint32_t a, std::uint32_t b, std::uint64_t b_bytes) { return combined(castagnoli, a, b, b_bytes); }
std::uint64_t crc64nvme_combine(std::uint64_t a, std::uint64_t b, std::uint64_t b_bytes) { return combined(nvme, a, b, b_bytes); }

}  // namespace services::codec::crc
