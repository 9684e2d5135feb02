#include "services/objects/api/operation.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace services::objects::api;
namespace http = services::http;

namespace {

std::string name_of(const std::string& method, const std::string& target, std::vector<std::pair<std::string, std::string>> headers = {}) {
    http::Request request;
    request.method = method;
    request.target = target;
    if (!request.split_target()) return "malformed";
    for (auto& [name, value] : headers) request.headers.set(name, value);
    const auto* row = operation_of(request, address_of(request.path));
    return row ? std::string(row->name) : "none";
}

}  // namespace

TEST_CASE("everything behind the bucket is the key, whatever it looks like") {
    CHECK(address_of("/").scope == Scope::service);
    CHECK(address_of("/bucket").scope == Scope::bucket);
    CHECK(address_of("/bucket/").scope == Scope::bucket);
    CHECK(address_of("/bucket/../x").key == "../x");
    CHECK(address_of("/bucket//x").key == "/x");
    CHECK(address_of("/bucket/folder/").key == "folder/");
    CHECK(address_of(std::string_view("/bucket/a\0b", 11)).key == std::string("a\0b", 3));
}

TEST_CASE("a request is recognised by its method, its query and its headers") {
    CHECK(name_of("GET", "/") == "ListBuckets");
    CHECK(name_of("GET", "/b?list-type=2") == "ListObjectsV2");
    CHECK(name_of("GET", "/b?list-type=1") == "ListObjectsV1");
    CHECK(name_of("GET", "/b?location") == "GetBucketLocation");
    CHECK(name_of("GET", "/b/?location=") == "GetBucketLocation");
    CHECK(name_of("PUT", "/b/k?x-id=PutObject") == "PutObject");
    CHECK(name_of("PUT", "/b/k?partNumber=1&uploadId=u") == "PutObjectPart");
    CHECK(name_of("PUT", "/b/k?partNumber=1&uploadId=u", {{"X-Amz-Copy-Source", "/b/o"}}) == "CopyObjectPart");
    CHECK(name_of("PUT", "/b/k", {{"x-amz-copy-source", "/b/o"}}) == "CopyObject");
    CHECK(name_of("POST", "/b?delete") == "DeleteMultipleObjects");
    CHECK(name_of("GET", "/b?metrics") == "NotImplemented");
    CHECK(name_of("PATCH", "/b/k") == "none");
}

TEST_CASE("each operation but those that answer for themselves needs an action of its own") {
    for (const auto& row : operations()) {
        INFO(row.name);
        const bool asks_itself = row.operation == Operation::not_implemented || row.operation == Operation::delete_objects ||
                                 row.operation == Operation::post_object || row.operation == Operation::sts;
        CHECK(row.action.empty() == asks_itself);
    }
}

TEST_CASE("a bucket's name has 3 to 63 lower-case letters, digits, dots and dashes, and is no address") {
    CHECK_FALSE(is_bucket_name("ab"));
    CHECK(is_bucket_name("abc"));
    CHECK(is_bucket_name(std::string(63, 'a')));
    CHECK_FALSE(is_bucket_name(std::string(64, 'a')));
    CHECK_FALSE(is_bucket_name("Abc"));
    CHECK_FALSE(is_bucket_name("a_b"));
    CHECK_FALSE(is_bucket_name("a..b"));
    CHECK_FALSE(is_bucket_name("-ab"));
    CHECK_FALSE(is_bucket_name("192.168.5.4"));
    CHECK(is_bucket_name("192.168.5.4a"));
}

TEST_CASE("a key is 1 to 1,024 bytes of UTF-8") {
    CHECK_FALSE(is_valid_key(""));
    CHECK(is_valid_key(std::string(1024, 'k')));
    CHECK_FALSE(is_valid_key(std::string(1025, 'k')));
    CHECK(is_valid_key("\xf0\x9f\x93\xa6/."));
    CHECK_FALSE(is_valid_key("\xff"));
    CHECK_FALSE(is_valid_key("\xc0\x80"));      // longer than it need be
    CHECK_FALSE(is_valid_key("\xed\xa0\x80"));  // half of a pair
    CHECK_FALSE(is_valid_key("\xe2\x82"));      // cut off
}
