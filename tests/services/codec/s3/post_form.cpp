#include "services/codec/s3/post_form.hpp"

#include <catch2/catch_test_macros.hpp>

#include "hal/base/bytes.hpp"

using namespace services::codec::s3;
using namespace std::chrono_literals;

namespace {

const std::string form =
    "--xyz\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nuser/${filename}\r\n--xyz\r\nContent-Disposition: form-data; name=\"Content-Type\"\r\n\r\n\r\n"
    "--xyz\r\ncontent-disposition: form-data; name=\"file\"; filename=\"C:\\x/my\\\"file.txt\"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--xy \r\n\r\n--xyz--\r\nrest";

struct Outcome {
    std::string data;
    std::string end;
    FormParser parser;
};

Outcome parsed(std::string_view body, std::size_t piece, std::string_view boundary = "xyz") {
    Outcome outcome{"", "", FormParser(boundary)};
    for (; !body.empty(); body.remove_prefix(std::min(piece, body.size()))) {
        auto step = outcome.parser.feed(body.substr(0, piece));
        if (!step) {
            outcome.end = step.error().code;
            return outcome;
        }
        outcome.data += step->data;
    }
    const auto end = outcome.parser.at_end();
    outcome.end = end ? std::string(end->code) : "ok";
    return outcome;
}

std::string checked(const std::string& policy, const Fields& fields, hal::WallTime now = hal::WallTime{}) {
    const auto read = post_policy(hal::base64(policy));
    if (!read) return std::string(read.error().code) + ": " + read.error().message;
    const auto result = check_post_policy(*read, fields, "b", now);
    return result ? "ok" : std::string(result.error().code) + ": " + result.error().message;
}

}  // namespace

TEST_CASE("a form is read in whatever pieces it comes") {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{13}, std::size_t{10'000}}) {
        const auto outcome = parsed(form, piece);
        CHECK(outcome.end == "ok");
        CHECK(outcome.data == "hello\r\n--xy \r\n");
        CHECK(outcome.parser.value("key") == "user/my\"file.txt");
        REQUIRE(outcome.parser.fields().size() == 2);
        CHECK(outcome.parser.fields()[1] == std::pair<std::string, std::string>("content-type", ""));
        CHECK(outcome.parser.file_content_type() == "text/plain");
    }
}

TEST_CASE("a boundary comes from the content type") {
    CHECK(*form_boundary("multipart/form-data; boundary=abc") == "abc");
    CHECK(*form_boundary("Multipart/Form-Data; charset=utf-8; boundary=\"a b\"") == "a b");
    CHECK_FALSE(form_boundary("multipart/form-data"));
    CHECK_FALSE(form_boundary("multipart/mixed; boundary=abc"));
    CHECK_FALSE(form_boundary("multipart/form-data; boundary="));
    CHECK_FALSE(form_boundary("multipart/form-data; boundary=" + std::string(71, 'a')));
}

TEST_CASE("a form without a file, cut short or beyond its bounds is refused") {
    CHECK(parsed("--xyz\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nv\r\n--xyz--\r\n", 7).end == "InvalidArgument");
    CHECK(parsed(form.substr(0, form.size() - 15), 7).end == "MalformedPOSTRequest");
    CHECK(parsed("", 1).end == "MalformedPOSTRequest");
    const std::string file = "--xyz\r\nContent-Disposition: form-data; name=\"file\"";
    CHECK(parsed(file + "\r\n\r\nx\r\n--xyz--", 7).end == "ok");
    CHECK(parsed(file + "; filename=\"\"\r\n\r\nx\r\n--xyz--", 7).end == "MalformedPOSTRequest");  // no file was chosen
    CHECK(parsed("--xyz\r\nno colon\r\n\r\n", 100).end == "MalformedPOSTRequest");
    CHECK(parsed("--xyz\r\nContent-Disposition: attachment; name=\"key\"\r\n\r\n", 100).end == "MalformedPOSTRequest");
    CHECK(parsed("--xyz\r\n" + std::string(form_header_bytes_max + 1, 'h'), 1000).end == "MalformedPOSTRequest");
    CHECK(parsed("--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n" + std::string(form_bytes_max + 100, 'v'), 10'000).end == "MalformedPOSTRequest");
    std::string many;
    for (std::size_t i = 0; i <= form_fields_max; ++i) many += "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nv\r\n";
    CHECK(parsed(many + "--xyz", 10'000).end == "MalformedPOSTRequest");
}

TEST_CASE("each condition must hold and each field be named") {
    const std::string policy =
        R"({"expiration":"2030-01-01T00:00:00.000Z","conditions":[{"bucket":"b"},["starts-with","$key","user/"],["eq","$x-amz-meta-a","1"],)"
        R"(["starts-with","$Content-Type","image/"],["content-length-range",1,"10"]]})";
    const Fields good = {{"key", "user/a"}, {"x-amz-meta-a", "1"}, {"content-type", "image/png"}, {"policy", ""}, {"x-amz-signature", ""}};
    CHECK(checked(policy, good) == "ok");
    auto fields = good;
    fields[0].second = "other/a";
    CHECK(checked(policy, fields) == "AccessDenied: Invalid according to Policy: Policy Condition failed: [starts-with, $key, user/]");
    fields = good;
    fields[2].second = "image/png,text/html";
    CHECK(checked(policy, fields).starts_with("AccessDenied"));
    fields = good;
    fields.emplace_back("acl", "public-read");
    CHECK(checked(policy, fields) == "AccessDenied: Invalid according to Policy: Extra input fields: acl");
    fields = good;
    fields.emplace_back("x-ignore-this", "x");
    CHECK(checked(policy, fields) == "ok");
    fields = good;
    fields.emplace_back("key", "user/b");
    CHECK(checked(policy, fields).contains("multiple values"));
    CHECK(checked(R"({"expiration":"2030-01-01T00:00:00Z","conditions":[{"bucket":"other"},{"key":"k"}]})", {{"key", "k"}}).starts_with("AccessDenied"));
    CHECK(checked(R"({"expiration":"2030-01-01T00:00:00Z","conditions":[{"key":"k"}]})", {{"key", "k"}}).contains("bucket"));
    CHECK(checked(R"({"expiration":"2030-01-01T00:00:00Z","conditions":[["starts-with","$bucket","b"]]})", {}).starts_with("AccessDenied"));
}

TEST_CASE("a policy expires, and a length is bounded on both sides") {
    const std::string policy = R"({"expiration":"1970-01-02T00:00:00Z","conditions":[{"bucket":"b"},["content-length-range",1,10]]})";
    CHECK(checked(policy, {}, hal::WallTime(86400s) - 1us) == "ok");
    CHECK(checked(policy, {}, hal::WallTime(86400s)).contains("Policy expired"));
    const auto read = post_policy(hal::base64(policy));
    REQUIRE(read);
    CHECK(check_post_length(*read, 0).error().code == "EntityTooSmall");
    CHECK(check_post_length(*read, 1));
    CHECK(check_post_length(*read, 10));
    CHECK(check_post_length(*read, 11).error().code == "EntityTooLarge");
}

TEST_CASE("a policy that is none is refused") {
    for (const char* text : {"", "[]", "{}", "{\"expiration\":\"x\",\"conditions\":[]}", "{\"expiration\":\"2030-01-01T00:00:00Z\",\"conditions\":[1]}",
                             "{\"expiration\":\"2030-01-01T00:00:00Z\",\"conditions\":[[\"eq\",\"key\",\"x\"]]}",
                             "{\"expiration\":\"2030-01-01T00:00:00Z\",\"conditions\":[{\"a\":1}]}", "{\"expiration\":\"2030-01-01T00:00:00Z\",\"x\":1}"})
        CHECK(checked(text, {}).starts_with("InvalidPolicyDocument"));
    CHECK_FALSE(post_policy("%%%"));
}
