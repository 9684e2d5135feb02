#include "services/codec/s3/chunked.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>

#include "tests/services/codec/s3/signing.hpp"

using namespace services::codec::s3;

namespace {

// AWS's example: 66,560 bytes of 'a' in chunks of 64 KiB.
Verified example() {
    SigningKeys keys;
    Verified verified;
    verified.payload = Payload::streaming_signed;
    const Scope scope{"20130524", "us-east-1", "s3"};
    verified.scope = scope.text();
    verified.signing_key = keys.key(example_secret, scope);
    verified.time_text = "20130524T000000Z";
    verified.seed_signature = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
    return verified;
}

std::string example_body() {
    return "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" + std::string(65536, 'a') +
           "\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" + std::string(1024, 'a') +
           "\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n";
}

Verified unsigned_form() {
    Verified verified;
    verified.payload = Payload::streaming_unsigned_trailer;
    return verified;
}

struct Outcome {
    std::string data;
    std::string end;  // "ok" or a code
    Fields trailers;
};

Outcome decoded(const Verified& verified, std::string_view body, std::optional<std::uint64_t> bytes, std::size_t piece) {
    ChunkedDecoder decoder(verified, bytes);
    Outcome outcome;
    while (!body.empty()) {
        auto input = body.substr(0, piece);
        body.remove_prefix(input.size());
        while (!input.empty()) {
            const auto step = decoder.feed(input);
            if (!step) {
                outcome.end = step.error().code;
                return outcome;
            }
            outcome.data += step->data;
            input.remove_prefix(step->consumed);
        }
    }
    const auto end = decoder.at_end();
    outcome.end = end ? std::string(end->code) : "ok";
    outcome.trailers = decoder.trailers();
    return outcome;
}

}  // namespace

TEST_CASE("AWS's chunked upload decodes, in whatever pieces it arrives") {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{1000}, std::size_t{100'000}}) {
        const auto outcome = decoded(example(), example_body(), 66560, piece);
        CHECK(outcome.end == "ok");
        CHECK(outcome.data == std::string(66560, 'a'));
    }
}

TEST_CASE("a byte that was changed breaks the chain at its chunk") {
    auto body = example_body();
    body[200] = 'b';
    CHECK(decoded(example(), body, 66560, 4096).end == "SignatureDoesNotMatch");
    body = example_body();
    body[body.size() - 10] ^= 1;  // in the last chunk's signature
    CHECK(decoded(example(), body, 66560, 4096).end == "SignatureDoesNotMatch");
    CHECK(decoded(unsigned_form(), "5\r\nhellox\r\n", std::nullopt, 4096).end == "IncompleteBody");
}

TEST_CASE("a body of another length than announced is refused") {
    CHECK(decoded(example(), example_body(), 66561, 4096).end == "IncompleteBody");
    CHECK(decoded(example(), example_body(), 66559, 4096).end == "IncompleteBody");
    CHECK(decoded(example(), example_body().substr(0, 66'000), 66560, 4096).end == "IncompleteBody");
    CHECK(decoded(example(), "", 0, 1).end == "IncompleteBody");
}

TEST_CASE("unsigned chunks carry a checksum behind them") {
    const std::string body = "5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n";
    for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, std::size_t{100}}) {
        const auto outcome = decoded(unsigned_form(), body, 11, piece);
        CHECK(outcome.end == "ok");
        CHECK(outcome.data == "hello world");
        REQUIRE(outcome.trailers.size() == 1);
        CHECK(outcome.trailers[0] == std::pair<std::string, std::string>("x-amz-checksum-crc32", "DUoRhQ=="));
    }
    CHECK(decoded(unsigned_form(), "0\r\n\r\n", 0, 100).end == "ok");
    CHECK(decoded(unsigned_form(), "0\r\nno colon\r\n\r\n", 0, 100).end == "MalformedTrailerError");
    CHECK(decoded(unsigned_form(), "0\r\na:b\r\n", 0, 100).end == "IncompleteBody");
    // minio-go ends a trailer line with a bare line feed and the body with an empty line more.
    CHECK(decoded(unsigned_form(), "0\r\na:b\n\r\n\r\n", 0, 100).end == "ok");
    CHECK(decoded(unsigned_form(), "0\r\na:b\r\n\r\nGET / HTTP/1.1", 0, 100).end == "IncompleteBody");
}

TEST_CASE("lines, trailers and chunks are bounded") {
    CHECK(decoded(unsigned_form(), std::string(chunk_line_bytes_max + 1, '0'), 0, 100).end == "IncompleteBody");
    CHECK(decoded(unsigned_form(), "40000001\r\n", std::nullopt, 100).end == "IncompleteBody");
    CHECK(decoded(unsigned_form(), "x\r\n", std::nullopt, 100).end == "IncompleteBody");
    CHECK(decoded(unsigned_form(), "\r\n", std::nullopt, 100).end == "IncompleteBody");
    std::string many = "0\r\n";
    for (std::size_t i = 0; i <= trailers_max; ++i) many += "a:b\r\n";
    CHECK(decoded(unsigned_form(), many, 0, 100).end == "MalformedTrailerError");
    CHECK(decoded(unsigned_form(), "0\r\na:" + std::string(trailer_line_bytes_max, 'b') + "\r\n\r\n", 0, 100).end == "MalformedTrailerError");
}
