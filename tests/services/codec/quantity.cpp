#include "services/codec/quantity.hpp"

#include <catch2/catch_test_macros.hpp>

using services::codec::Quantity;

namespace {

std::string canonical(std::string_view text) {
    auto quantity = Quantity::parse(text);
    return quantity ? quantity->canonical() : quantity.error();
}

Quantity quantity(std::string_view text) { return Quantity::parse(text).value(); }

}  // namespace

TEST_CASE("a quantity reads back in its canonical form") {
    for (auto [text, expected] : std::initializer_list<std::pair<const char*, const char*>>{
             {"0", "0"},           {"1000m", "1"},       {"1500m", "1500m"},   {"0.5", "500m"},
             {"1024Mi", "1Gi"},    {"0.5Gi", "512Mi"},   {"1000", "1k"},       {"100", "100"},
             {"1e3", "1e3"},       {"12e6", "12e6"},     {"1E3", "1e3"},       {"1.5Gi", "1536Mi"},
             {"1025", "1025"},     {"0.1Ki", "102400m"}, {"1Ki", "1Ki"},       {"512", "512"},
             {"100Ki", "100Ki"},   {"-1", "-1"},         {"1000000", "1M"},    {"1n", "1n"},
             {"0.1n", "1n"},       {"1001Ki", "1001Ki"}, {"2000Ki", "2000Ki"}, {"1E", "1E"},
             {"9223372036854775807", "9223372036854775807"}, {"10Ei", "9223372036854775807"},
             {"+1", "1"},          {"01", "1"},          {"1.", "1"},          {".5", "500m"},
             {"1048576", "1048576"}, {"32Gi", "32Gi"},   {"0.000000001", "1n"}, {"3000000000000", "3T"},
         }) {
        INFO(text);
        CHECK(canonical(text) == expected);
    }
}

TEST_CASE("what is no quantity is refused in the real parser's words") {
    constexpr auto format = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
    CHECK(canonical("") == format);
    CHECK(canonical("abc") == format);
    CHECK(canonical("1 Gi") == format);
    CHECK(canonical("1KiB") == format);
    CHECK(canonical("1K") == "unable to parse quantity's suffix");
    CHECK(canonical("1mm") == "unable to parse quantity's suffix");
}

TEST_CASE("quantities compare and add by value") {
    CHECK(quantity("1") == quantity("1000m"));
    CHECK(quantity("1Ki") > quantity("1k"));
    CHECK(quantity("-1") < quantity("0"));
    CHECK((quantity("500m") + quantity("500m")).canonical() == "1");
    CHECK((quantity("1Gi") + quantity("1Mi")).canonical() == "1025Mi");
    CHECK((quantity("2") - quantity("500m")).milli_value() == 1500);
    CHECK(quantity("100m").value() == 1);
    CHECK(quantity("1n").milli_value() == 1);
    CHECK(quantity("8Ei").value() == 9223372036854775807);
    CHECK(!quantity("1500m").is_whole());
}
