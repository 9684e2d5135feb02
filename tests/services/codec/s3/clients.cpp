// What botocore, minio-py and minio-go sign (requests.txt) verifies.
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <fstream>
#include <vector>

#include "services/codec/s3/chunked.hpp"
#include "tests/services/codec/s3/signing.hpp"

using namespace services::codec::s3;
using namespace std::chrono_literals;

namespace {

constexpr hal::WallTime noon = std::chrono::sys_days(std::chrono::year(2026) / 3 / 1) + 12h;
constexpr std::string_view secret = "a secret+of/tills";

struct Sent {
    std::string title, method, target;
    Fields headers;
};

std::vector<Sent> requests() {
    std::ifstream in(BRANCHBOX_TEST_DIR "/requests.txt");
    std::vector<Sent> all;
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with("##") || line.empty()) continue;
        if (line.starts_with("# ")) {
            all.push_back({line.substr(2), {}, {}, {}});
            continue;
        }
        auto& request = all.back();
        if (request.method.empty()) {
            request.method = line.substr(0, line.find(' '));
            request.target = line.substr(line.find(' ') + 1);
            continue;
        }
        const auto colon = line.find(": ");
        request.headers.emplace_back(line.substr(0, colon), line.substr(colon + 2));
    }
    return all;
}

// The body that minio-go sends for 70,000 times 'x' in chunks of 64 KiB.
std::string body_of(std::string_view first, std::string_view second, std::string_view last, std::string_view trailer) {
    return std::string(first) + "\r\n" + std::string(65536, 'x') + "\r\n" + std::string(second) + "\r\n" + std::string(70000 - 65536, 'x') + "\r\n" +
           std::string(last) + "\r\n" + std::string(trailer);
}

std::string decoded(const Verified& verified, std::string_view body, Fields& trailers) {
    ChunkedDecoder decoder(verified, 70000);
    std::string data;
    while (!body.empty()) {
        const auto step = decoder.feed(body.substr(0, 1000));
        if (!step) return std::string(step.error().code);
        data += step->data;
        body.remove_prefix(step->consumed);
    }
    if (const auto end = decoder.at_end()) return std::string(end->code);
    trailers = decoder.trailers();
    return data == std::string(70000, 'x') ? "ok" : "other bytes";
}

}  // namespace

TEST_CASE("every request that a real client signed verifies, and none does with another secret") {
    const auto all = requests();
    REQUIRE(all.size() >= 30);
    for (const auto& request : all) {
        INFO(request.title << ": " << request.method << " " << request.target);
        CHECK(outcome(request.method, request.target, request.headers, noon, {}, secret) == "ok");
        CHECK(outcome(request.method, request.target, request.headers, noon, {}, "another secret").starts_with("SignatureDoesNotMatch"));
    }
}

TEST_CASE("a presigned request of a real client ends when its time is over") {
    for (const auto& request : requests()) {
        if (!request.title.contains("presigned")) continue;
        INFO(request.title);
        const auto lasts = request.title.starts_with("minio-py") ? 7 * 24h : 1h;
        CHECK(outcome(request.method, request.target, request.headers, noon + lasts, {}, secret) == "ok");
        CHECK(outcome(request.method, request.target, request.headers, noon + lasts + 1s, {}, secret) == "AccessDenied: Request has expired");
    }
}

TEST_CASE("the chunks that minio-go signs, with a signed trailer and without a signature, decode") {
    const auto all = requests();
    const auto request = std::ranges::find(all, "minio-go 7.4.1 trailer", &Sent::title);
    REQUIRE(request != all.end());
    const SignedRequest sent{request->method, request->target, &request->headers};
    SigningKeys keys;
    auto verified = verify(*claim_of(sent), sent, secret, noon, {}, keys);
    REQUIRE(verified);
    CHECK(verified->payload == Payload::streaming_signed_trailer);
    const auto body = body_of("10000;chunk-signature=cf78b33ccd13ae5a91ffba1927b45a5f7895bcefac7ec82161b71cec116f9390", "1170;chunk-signature=05fe2632afbbe490df9b075e2fdf271cf241c7c2bea14b40538bf36c20ac5ccc",
                              "0;chunk-signature=b5ebdeb5ec8a1bf47699ff8e4ee09cc90332f13d9032c7980790618a09dedc56",
                              "x-amz-checksum-crc32c:VKQrOg==\n\r\nx-amz-trailer-signature:3b492fd006801d1def647a699aeacc7d7d8a521b322ec1df30ed25705a424783\r\n\r\n");
    Fields trailers;
    CHECK(decoded(*verified, body, trailers) == "ok");
    CHECK(trailers == Fields{{"x-amz-checksum-crc32c", "VKQrOg=="}});
    auto changed = body;
    changed[changed.find("VKQrOg")] = 'W';
    CHECK(decoded(*verified, changed, trailers) == "SignatureDoesNotMatch");
    // A trailer without its signature is refused, not taken.
    CHECK(decoded(*verified, body.substr(0, body.find("x-amz-trailer")) + "\r\n", trailers) != "ok");

    verified->payload = Payload::streaming_unsigned_trailer;
    CHECK(decoded(*verified, body_of("10000", "1170", "0", "x-amz-checksum-crc32c:VKQrOg==\n\r\n\r\n"), trailers) == "ok");
}
