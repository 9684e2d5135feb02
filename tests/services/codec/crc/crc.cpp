#include <catch2/catch_test_macros.hpp>

#include <string>

#include "hal/base/crc32c.hpp"
#include "services/codec/crc/crc.hpp"

namespace crc = services::codec::crc;

namespace {

std::string bytes_of(std::size_t count) {
    std::string text(count, '\0');
    std::uint32_t state = 12345;
    for (auto& c : text) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    return text;
}

// A bit at a time, as the definition says.
template <class Word>
Word by_definition(Word polynomial, std::string_view text) {
    Word crc = static_cast<Word>(~Word{0});
    for (const char c : text) {
        crc ^= static_cast<unsigned char>(c);
        for (int i = 0; i < 8; ++i) crc = static_cast<Word>((crc >> 1) ^ ((crc & 1) != 0 ? polynomial : 0));
    }
    return static_cast<Word>(~crc);
}

}  // namespace

TEST_CASE("the check values of the catalogue come out") {
    CHECK(crc::crc32(0, "123456789") == 0xcbf43926U);
    CHECK(hal::crc32c("123456789") == 0xe3069283U);
    CHECK(crc::crc64nvme(0, "123456789") == 0xae8b14860a799888ULL);
    CHECK(crc::crc32(0, "") == 0);
}

TEST_CASE("every length around a block, folded or not, gives what the definition gives") {
    const auto text = bytes_of(1200);
    for (std::size_t length = 0; length < 420; ++length) {
        const auto part = std::string_view(text).substr(length % 7, length);
        REQUIRE(crc::crc32(0, part) == by_definition<std::uint32_t>(0xedb88320U, part));
        REQUIRE(hal::crc32c(part) == by_definition<std::uint32_t>(0x82f63b78U, part));
        REQUIRE(crc::crc64nvme(0, part) == by_definition<std::uint64_t>(0x9a6c9329ac4bc9b5ULL, part));
    }
}

TEST_CASE("a check continues over any split and is combined from its parts") {
    const auto text = bytes_of(1200);
    const auto whole = std::string_view(text);
    for (const std::size_t split : {std::size_t{0}, std::size_t{1}, std::size_t{127}, std::size_t{128}, std::size_t{700}, text.size()}) {
        const auto a = whole.substr(0, split), b = whole.substr(split);
        CHECK(crc::crc32(crc::crc32(0, a), b) == crc::crc32(0, whole));
        CHECK(crc::crc64nvme(crc::crc64nvme(0, a), b) == crc::crc64nvme(0, whole));
        CHECK(crc::crc32_combine(crc::crc32(0, a), crc::crc32(0, b), b.size()) == crc::crc32(0, whole));
        CHECK(crc::crc32c_combine(hal::crc32c(a), hal::crc32c(b), b.size()) == hal::crc32c(whole));
        CHECK(crc::crc64nvme_combine(crc::crc64nvme(0, a), crc::crc64nvme(0, b), b.size()) == crc::crc64nvme(0, whole));
    }
}
