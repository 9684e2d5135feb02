#include "hal/base/crc32c.hpp"

#include <catch2/catch_test_macros.hpp>

#include <string>

TEST_CASE("CRC32C is that of RFC 3720") {
    CHECK(hal::crc32c("") == 0);
    CHECK(hal::crc32c("123456789") == 0xE3069283);
    CHECK(hal::crc32c(std::string(32, '\0')) == 0x8A9136AA);
    CHECK(hal::crc32c(std::string(32, '\xFF')) == 0x62A8AB43);
}

TEST_CASE("CRC32C goes on from what came before, and the table agrees with the instruction at each length and alignment") {
    std::string bytes;
    for (int i = 0; i < 100; ++i) bytes += static_cast<char>(i * 37);
    for (std::size_t from = 0; from < 9; ++from)
        for (std::size_t size = 0; size + from <= bytes.size(); ++size) {
            const auto part = std::string_view(bytes).substr(from, size);
            REQUIRE(hal::crc32c(part) == hal::crc32c_by_table(part));
            REQUIRE(hal::crc32c(part.substr(size / 3), hal::crc32c(part.substr(0, size / 3))) == hal::crc32c(part));
        }
}
