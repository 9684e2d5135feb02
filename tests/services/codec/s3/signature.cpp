// The examples that AWS publishes for S3 ("Authenticating Requests (AWS Signature Version 4)", "REST Authentication" for
// Version 2), and what must be refused.
#include "services/codec/s3/signature.hpp"

#include <catch2/catch_test_macros.hpp>

#include "tests/services/codec/s3/signing.hpp"

using namespace services::codec::s3;
using namespace std::chrono_literals;

namespace {

const Fields get_object = {
    {"Host", "examplebucket.s3.amazonaws.com"},
    {"Range", "bytes=0-9"},
    {"x-amz-content-sha256", std::string(empty_sha256)},
    {"x-amz-date", "20130524T000000Z"},
    {"Authorization",
     "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;range;x-amz-content-sha256;"
     "x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"}};
const std::string presigned =
    "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date="
    "20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";

Fields signed_with(std::string_view signed_headers, std::string_view signature, Fields fields) {
    fields.emplace_back("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=" +
                                             std::string(signed_headers) + ", Signature=" + std::string(signature));
    return fields;
}

}  // namespace

TEST_CASE("AWS's signed GET, PUT, sub-resource and list verify") {
    CHECK(outcome("GET", "/test.txt", get_object) == "ok");

    const auto put = signed_with("date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
                                 "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
                                 {{"Host", "examplebucket.s3.amazonaws.com"},
                                  {"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                                  {"x-amz-date", "20130524T000000Z"},
                                  {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
                                  {"x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"}});
    CHECK(outcome("PUT", "/test%24file.text", put) == "ok");
    CHECK(outcome("PUT", "/test$file.text", put) == "ok");

    const Fields plain = {{"Host", "examplebucket.s3.amazonaws.com"},
                          {"x-amz-date", "20130524T000000Z"},
                          {"x-amz-content-sha256", std::string(empty_sha256)}};
    CHECK(outcome("GET", "/?lifecycle",
                  signed_with("host;x-amz-content-sha256;x-amz-date", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543", plain)) == "ok");
    CHECK(outcome("GET", "/?prefix=J&max-keys=2",
                  signed_with("host;x-amz-content-sha256;x-amz-date", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7", plain)) == "ok");
}

TEST_CASE("AWS's presigned GET verifies until it expires") {
    const Fields headers = {{"Host", "examplebucket.s3.amazonaws.com"}};
    CHECK(outcome("GET", presigned, headers) == "ok");
    CHECK(outcome("GET", presigned, headers, example_time + 86400s) == "ok");
    CHECK(outcome("GET", presigned, headers, example_time + 86401s) == "AccessDenied: Request has expired");
    CHECK(outcome("GET", presigned, headers, example_time - 15min) == "ok");
    CHECK(outcome("GET", presigned, headers, example_time - 15min - 1s) == "AccessDenied: Request is not valid yet");
    CHECK(outcome("PUT", presigned, headers).starts_with("SignatureDoesNotMatch"));
    CHECK(outcome("GET", presigned + "&response-content-type=a", headers).starts_with("SignatureDoesNotMatch"));
}

TEST_CASE("AWS's Version 2 example verifies") {
    const auto at = std::chrono::sys_days(std::chrono::year(2007) / 3 / 27) + 19h + 36min + 42s;
    CHECK(outcome("GET", "/awsexamplebucket1/photos/puppy.jpg",
                  {{"Host", "awsexamplebucket1.us-west-1.s3.amazonaws.com"},
                   {"Date", "Tue, 27 Mar 2007 19:36:42 +0000"},
                   {"Authorization", "AWS AKIAIOSFODNN7EXAMPLE:qgk2+6Sv9/oM7G3qLEjTH1a1l1g="}},
                  at) == "ok");
}

TEST_CASE("a clock may be 15 minutes off, either way, and no more") {
    CHECK(outcome("GET", "/test.txt", get_object, example_time + 15min) == "ok");
    CHECK(outcome("GET", "/test.txt", get_object, example_time - 15min) == "ok");
    CHECK(outcome("GET", "/test.txt", get_object, example_time + 15min + 1s).starts_with("RequestTimeTooSkewed"));
    CHECK(outcome("GET", "/test.txt", get_object, example_time - 15min - 1s).starts_with("RequestTimeTooSkewed"));
}

TEST_CASE("what was changed on the way does not match") {
    CHECK(outcome("GET", "/test.txt2", get_object).starts_with("SignatureDoesNotMatch"));
    CHECK(outcome("HEAD", "/test.txt", get_object).starts_with("SignatureDoesNotMatch"));
    auto headers = get_object;
    headers[1].second = "bytes=0-10";
    CHECK(outcome("GET", "/test.txt", headers).starts_with("SignatureDoesNotMatch"));
    headers = get_object;
    headers.emplace_back("x-amz-acl", "public-read");
    CHECK(outcome("GET", "/test.txt", headers) == "AccessDenied: There were headers present in the request which were not signed");
    headers = get_object;
    headers.erase(headers.begin() + 1);  // Range was signed
    CHECK(outcome("GET", "/test.txt", headers).starts_with("AccessDenied"));
}

TEST_CASE("blanks around and inside a value are as AWS trims them") {
    auto headers = get_object;
    headers[1].second = "  bytes=0-9  ";
    CHECK(outcome("GET", "/test.txt", headers) == "ok");
}

TEST_CASE("the region is checked where one is configured") {
    VerifyOptions options;
    options.region = "us-east-1";
    CHECK(outcome("GET", "/test.txt", get_object, example_time, options) == "ok");
    options.region = "eu-central-1";
    CHECK(outcome("GET", "/test.txt", get_object, example_time, options) ==
          "AuthorizationHeaderMalformed: The authorization header is malformed; the region is wrong; expecting 'eu-central-1'.");
    options.any_region = true;
    CHECK(outcome("GET", "/test.txt", get_object, example_time, options) == "ok");
    options = {};
    options.service = "sts";
    CHECK(outcome("GET", "/test.txt", get_object, example_time, options).starts_with("AuthorizationParametersError"));
}

TEST_CASE("what claims nothing well-formed is refused with S3's code") {
    const auto claim = [](std::string authorization, std::string target = "/") {
        Fields headers = {{"Host", "h"}, {"x-amz-date", "20130524T000000Z"}};
        if (!authorization.empty()) headers.emplace_back("Authorization", authorization);
        const auto read = claim_of({"GET", target, &headers});
        return read ? std::string("ok") : std::string(read.error().code) + ": " + read.error().message;
    };
    CHECK(claim("") == "ok");
    CHECK(claim("Basic eA==").starts_with("InvalidRequest: The authorization mechanism"));
    CHECK(claim("AWS4-HMAC-SHA256 Credential=a").starts_with("InvalidArgument: Signature header missing SignedHeaders"));
    CHECK(claim("AWS4-HMAC-SHA256 SignedHeaders=a, Signature=b").starts_with("InvalidRequest: Missing Credential"));
    CHECK(claim("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=a, Signature=b").starts_with("AuthorizationQueryParametersError"));
    CHECK(claim("AWS4-HMAC-SHA256 Credential=k/20130524/r/s3/aws4_request, SignedHeaders=a, Signature=").starts_with("MissingFields"));
    CHECK(claim("AWS4-HMAC-SHA256 Credential=k/20131324/r/s3/aws4_request, SignedHeaders=a, Signature=b").contains("incorrect date format"));
    CHECK(claim("AWS4-HMAC-SHA256 Credential=k/20130524//s3/aws4_request, SignedHeaders=a, Signature=b") == "ok");
    CHECK(claim("AWS x").starts_with("MissingFields"));
    CHECK(claim("AWS k:s") == "ok");
    CHECK(claim("", "/?X-Amz-Credential=a").starts_with("AuthorizationQueryParametersError: Query-string"));
    CHECK(claim("", "/?AWSAccessKeyId=a").starts_with("AuthorizationQueryParametersError"));
    const std::string rest = "&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=k/20130524/r/s3/aws4_request&X-Amz-Date=20130524T000000Z&X-Amz-SignedHeaders=host&X-Amz-Signature=00";
    CHECK(claim("", "/?X-Amz-Expires=604800" + rest) == "ok");
    CHECK(claim("", "/?X-Amz-Expires=604801" + rest).contains("less than a week"));
    CHECK(claim("", "/?X-Amz-Expires=-1" + rest).contains("non-negative"));
    CHECK(claim("", "/?X-Amz-Expires=1x" + rest).contains("should be a number"));
}

TEST_CASE("the forms of a body are told apart, and anything else is refused") {
    const auto payload = [](std::string value) -> std::string {
        Fields headers = {{"Host", "h"}};
        Credentials credentials{"key", "secret"};
        SigningKeys keys;
        sign(headers, "PUT", "/b/k", value, credentials, example_time, keys);
        const SignedRequest request{"PUT", "/b/k", &headers};
        const auto verified = verify(*claim_of(request), request, "secret", example_time, {}, keys);
        return verified ? std::to_string(static_cast<int>(verified->payload)) : std::string(verified.error().code);
    };
    CHECK(payload(std::string(empty_sha256)) == "0");
    CHECK(payload("UNSIGNED-PAYLOAD") == "1");
    CHECK(payload("STREAMING-AWS4-HMAC-SHA256-PAYLOAD") == "2");
    CHECK(payload("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER") == "3");
    CHECK(payload("STREAMING-UNSIGNED-PAYLOAD-TRAILER") == "4");
    CHECK(payload("deadbeef") == "InvalidArgument");
    const Fields anonymous = {{"x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}};
    CHECK_FALSE(payload_of({"PUT", "/b/k", &anonymous}));
}

TEST_CASE("what the client's side signs, the server's side verifies") {
    Credentials credentials{"key/with/slash", "secret", "eu-central-1"};
    SigningKeys keys;
    Fields headers = {{"Host", "10.42.0.1:9000"}, {"x-amz-meta-name", "a  b"}, {"User-Agent", "x"}, {"x-amz-meta-name", "c"}};
    const std::string target = "/bucket/a%20b/%C3%A4+c?partNumber=1&uploadId=x%2By&empty";
    sign(headers, "PUT", target, empty_sha256, credentials, example_time, keys);
    const SignedRequest request{"PUT", target, &headers};
    const auto claim = claim_of(request);
    REQUIRE(claim);
    CHECK(claim->access_key == "key/with/slash");
    CHECK(verify(*claim, request, "secret", example_time, {}, keys));
    CHECK_FALSE(verify(*claim, request, "other", example_time, {}, keys));

    const auto url = presign("GET", "/bucket/a%20b?versionId=7", "h:9000", 600s, credentials, example_time, keys);
    const Fields host = {{"Host", "h:9000"}};
    const SignedRequest get{"GET", url, &host};
    CHECK(verify(*claim_of(get), get, "secret", example_time + 600s, {}, keys));
}

TEST_CASE("the key of one day does not sign another") {
    Credentials credentials{"key", "secret"};
    SigningKeys keys;
    Fields headers = {{"Host", "h"}};
    sign(headers, "GET", "/", empty_sha256, credentials, example_time, keys);
    for (auto& field : headers)
        if (field.first == "authorization") field.second.replace(field.second.find("20130524"), 8, "20130523");
    const SignedRequest request{"GET", "/", &headers};
    CHECK_FALSE(verify(*claim_of(request), request, "secret", example_time, {}, keys));
}

TEST_CASE("a form is proven by the signature over its policy") {
    SigningKeys keys;
    Fields fields = {{"key", "a"}, {"policy", "eyJ4IjoxfQ=="}};
    CHECK(claim_of_form(fields)->scheme == Scheme::anonymous);
    fields.emplace_back("AWSAccessKeyId", "k");
    CHECK_FALSE(claim_of_form(fields));
    fields.emplace_back("Signature", "xP2TI1nSrXRPCLMjEoJXJmi0lG0=");
    const auto claim = claim_of_form(fields);
    REQUIRE(claim);
    CHECK(claim->scheme == Scheme::v2_query);
    CHECK_FALSE(verify_form(*claim, fields, "secret", example_time, {}, keys));
}
