#include "hal/base/bytes.hpp"

#include <catch2/catch_test_macros.hpp>

#include <set>

using namespace hal;

TEST_CASE("base64 agrees with the examples of RFC 4648") {
    const std::pair<std::string, std::string> examples[] = {{"", ""},         {"f", "Zg=="},     {"fo", "Zm8="},      {"foo", "Zm9v"},
                                                            {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
    for (const auto& [plain, text] : examples) {
        CHECK(base64(plain) == text);
        CHECK(base64_decoded(text) == plain);
    }
    CHECK(base64url("\xfb\xff\xfe") == "-__-");
    CHECK(base64url_decoded("-__-") == "\xfb\xff\xfe");
}

TEST_CASE("a wrong base64 byte is told by its offset, as Go counts it") {
    Base64Error error{};
    // The user's Secret: 20 good characters, then dots.
    CHECK_FALSE(base64_decoded("cG9zdGdyZXNxbDovL...", &error));
    CHECK(error.offset == 17);
    CHECK_FALSE(base64_decoded("Zg=", &error));
    CHECK(error.offset == 3);
    CHECK_FALSE(base64_decoded("Zg==Zg==", &error));
    CHECK(error.offset == 4);
    CHECK_FALSE(base64_decoded("=", &error));
    CHECK(error.offset == 0);
}

TEST_CASE("line breaks inside base64 are skipped") { CHECK(base64_decoded("Zm9v\r\nYmFy\n") == "foobar"); }

TEST_CASE("hexadecimal reads both cases and refuses odd lengths and other characters") {
    CHECK(hex(std::string("\x00\xff\x10", 3)) == "00ff10");
    CHECK(hex_decoded("00FF10") == std::string("\x00\xff\x10", 3));
    CHECK_FALSE(hex_decoded("0"));
    CHECK_FALSE(hex_decoded("0g"));
}

TEST_CASE("secrets are equal only when every byte is") {
    CHECK(equal_secrets("abc", "abc"));
    CHECK_FALSE(equal_secrets("abc", "abd"));
    CHECK_FALSE(equal_secrets("abc", "ab"));
    CHECK(equal_secrets("", ""));
}

TEST_CASE("random UUIDs are of version 4 and do not repeat") {
    std::set<std::string> seen;
    for (int i = 0; i < 100; ++i) {
        const auto uuid = random_uuid();
        REQUIRE(uuid.size() == 36);
        CHECK(uuid[14] == '4');
        CHECK(std::string("89ab").find(uuid[19]) != std::string::npos);
        CHECK(seen.insert(uuid).second);
    }
}
