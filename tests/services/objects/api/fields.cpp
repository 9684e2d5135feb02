#include "services/objects/api/fields.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace services::objects::api;
using namespace std::chrono_literals;
namespace http = services::http;

namespace {

const hal::WallTime noon = hal::parse_rfc3339("2026-11-24T12:00:00Z");

std::string code_of(const Expected<void>& checked) { return checked ? "" : std::string(checked.error().code); }

}  // namespace

TEST_CASE("dates are written and read as HTTP and S3 have them") {
    CHECK(http_date(noon) == "Tue, 24 Nov 2026 12:00:00 GMT");
    CHECK(parse_http_date("Tue, 24 Nov 2026 12:00:00 GMT") == noon);
    CHECK(parse_http_date("Tuesday, 24-Nov-26 12:00:00 GMT") == noon);
    CHECK_FALSE(parse_http_date("yesterday"));
    CHECK(xml_date(noon + 5ms) == "2026-11-24T12:00:00.005Z");
}

TEST_CASE("a range is cut to the object, one beyond its end is refused, a malformed one is none") {
    const auto text = [](std::string_view header, std::uint64_t size) -> std::string {
        const auto range = range_of(header, size);
        if (!range) return std::string(range.error().code);
        return *range ? std::to_string((*range)->offset) + "+" + std::to_string((*range)->bytes) : "all";
    };
    CHECK(text("bytes=0-0", 10) == "0+1");
    CHECK(text("bytes=9-9", 10) == "9+1");
    CHECK(text("bytes=9-", 10) == "9+1");
    CHECK(text("bytes=5-100", 10) == "5+5");
    CHECK(text("bytes=10-", 10) == "InvalidRange");
    CHECK(text("bytes=-3", 10) == "7+3");
    CHECK(text("bytes=-30", 10) == "0+10");
    CHECK(text("bytes=-0", 10) == "InvalidRange");
    CHECK(text("bytes=5-4", 10) == "all");
    CHECK(text("bytes=0-1,4-5", 10) == "all");
    CHECK(text("lines=1-2", 10) == "all");
    CHECK(text("bytes=0-0", 0) == "InvalidRange");
    CHECK(text("bytes=18446744073709551616-", 10) == "all");
}

TEST_CASE("a copied range lies within the object") {
    CHECK((*copy_range_of("bytes=0-9", 10))->bytes == 10);
    CHECK(copy_range_of("bytes=0-10", 10).error().code == "InvalidRange");
    CHECK(copy_range_of("bytes=0-", 10).error().code == "InvalidArgument");
    CHECK_FALSE(copy_range_of("", 10)->has_value());
}

TEST_CASE("tags go before dates when conditions of a read are weighed") {
    http::Headers headers;
    headers.set("If-Match", "\"abc\"");
    headers.set("If-Unmodified-Since", http_date(noon - 1h));
    CHECK(code_of(check_read(headers, "", "abc", noon)).empty());
    CHECK(code_of(check_read(headers, "", "other", noon)) == "PreconditionFailed");
    http::Headers unless;
    unless.set("If-None-Match", "W/\"abc\", \"def\"");
    CHECK(check_read(unless, "", "def", noon).error().status == 304);
    CHECK(check_read(unless, "", "ghi", noon).has_value());
    http::Headers since;
    since.set("If-Modified-Since", http_date(noon));
    CHECK(check_read(since, "", "abc", noon + 999ms).error().status == 304);  // dates have whole seconds
    CHECK(check_read(since, "", "abc", noon + 1s).has_value());
}

TEST_CASE("a copy whose source is unchanged is refused, not answered with 304") {
    http::Headers headers;
    headers.set("x-amz-copy-source-if-none-match", "abc");
    CHECK(check_read(headers, "x-amz-copy-source-", "abc", noon).error().status == 412);
}

TEST_CASE("what belongs to the way here does not stay with the object") {
    http::Headers headers;
    headers.set("Content-Encoding", "aws-chunked,gzip");
    headers.set("X-Amz-Meta-Name", " value ");
    headers.set("x-amz-storage-class", "STANDARD");
    headers.set("Authorization", "secret");
    const auto metadata = metadata_of(headers);
    REQUIRE(metadata);
    CHECK(metadata->headers == services::objects::store::Fields{{"content-encoding", "gzip"}});
    CHECK(metadata->user == services::objects::store::Fields{{"name", "value"}});
}

TEST_CASE("user metadata has 8 KiB") {
    http::Headers headers;
    headers.set("x-amz-meta-n", std::string(user_metadata_bytes_max - 1, 'v'));
    CHECK(metadata_of(headers));
    headers.set("x-amz-meta-n", std::string(user_metadata_bytes_max, 'v'));
    CHECK(metadata_of(headers).error().code == "MetadataTooLarge");
}

TEST_CASE("names in lists are encoded as MinIO does") {
    CHECK(list_encoded("a b/c+d~e*\xc3\xa4") == "a+b/c%2Bd%7Ee*%C3%A4");
}
