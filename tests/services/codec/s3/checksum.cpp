#include "services/codec/s3/checksum.hpp"

#include <catch2/catch_test_macros.hpp>

#include <vector>

#include "hal/base/bytes.hpp"

using namespace services::codec::s3;

TEST_CASE("digests are those that other programs compute") {
    const std::string_view text = "hello world";
    CHECK(hal::base64(digest_of(Checksum::crc32, text)) == "DUoRhQ==");
    CHECK(hal::base64(digest_of(Checksum::crc32c, text)) == "yZRlqg==");
    CHECK(hal::base64(digest_of(Checksum::crc64nvme, text)) == "jSnVw/bqjr4=");
    CHECK(hal::hex(digest_of(Checksum::sha1, text)) == "2aae6c35c94fcfb415dbe95f408b9ce91ee846ed");
    CHECK(hal::hex(digest_of(Checksum::sha256, text)) == "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9");
    CHECK(hal::hex(digest_of(Checksum::md5, text)) == "5eb63bbbe01eeed093cb22bb8f5acdc3");
    CHECK(hal::hex(digest_of(Checksum::sha512, text)).starts_with("309ecc489c12d6eb4cc40f50c902f2b4d0ed77ee511a7c7a9bcd3ca86d4cd86f"));
    CHECK(hal::hex(digest_of(Checksum::xxhash64, "")) == "ef46db3751d8e999");
    CHECK(hal::hex(digest_of(Checksum::xxhash3, "")) == "2d06800538d394c2");
    CHECK(hal::hex(digest_of(Checksum::xxhash128, "")) == "99aa06d3014798d86001c324468d497f");
}

TEST_CASE("every algorithm continues over any split, and in a copy") {
    const std::string text(3000, 'q');
    for (const auto& row : checksums()) {
        INFO(row.name);
        Hasher hasher(row.algorithm);
        hasher.update(std::string_view(text).substr(0, 777));
        Hasher copy = hasher;
        hasher.update(std::string_view(text).substr(777));
        copy.update("other");
        CHECK(hasher.digest() == digest_of(row.algorithm, text));
        CHECK(hasher.digest().size() == row.digest_bytes);
        CHECK(copy.digest() == digest_of(row.algorithm, text.substr(0, 777) + "other"));
        copy = hasher;
        CHECK(copy.digest() == hasher.digest());
        CHECK(&row_of(row.algorithm) == &row);
        CHECK(checksum_by_header(row.header) == &row);
        CHECK(checksum_by_name(row.name) == &row);
    }
}

TEST_CASE("a set hashes in one pass what each hasher would alone, and a digest may be taken on the way") {
    const std::string text(100'001, 'x');
    HasherSet set;
    set.add(Checksum::md5);
    set.add(Checksum::crc32);
    set.update(std::string_view(text).substr(0, 33'000));
    CHECK(set.digest(Checksum::md5) == digest_of(Checksum::md5, std::string_view(text).substr(0, 33'000)));
    set.update(std::string_view(text).substr(33'000));
    CHECK(set.digest(Checksum::md5) == digest_of(Checksum::md5, text));
    CHECK(set.digest(Checksum::crc32) == digest_of(Checksum::crc32, text));
    CHECK(set.digest(Checksum::sha256).empty());
    CHECK(set.has(Checksum::crc32));
    CHECK_FALSE(set.has(Checksum::sha1));
}

TEST_CASE("the names of an algorithm are found without regard to case") {
    REQUIRE(checksum_by_name("crc64nvme") != nullptr);
    CHECK(checksum_by_name("crc64nvme")->algorithm == Checksum::crc64nvme);
    CHECK(checksum_by_header("X-Amz-Checksum-SHA1")->algorithm == Checksum::sha1);
    CHECK(checksum_by_header("content-md5") == nullptr);
    CHECK(checksum_by_name("") == nullptr);
}

TEST_CASE("a checksum of another length is none") {
    CHECK(checksum_decoded(Checksum::crc32, "DUoRhQ=="));
    CHECK_FALSE(checksum_decoded(Checksum::crc32, "DUoR"));
    CHECK_FALSE(checksum_decoded(Checksum::sha1, "DUoRhQ=="));
    CHECK_FALSE(checksum_decoded(Checksum::crc32, "????????"));
}

TEST_CASE("a multipart object's checksum follows from its parts in both ways") {
    const std::string a(6'000'000, 'a'), b(1234, 'b');
    for (const auto algorithm : {Checksum::crc32, Checksum::crc32c, Checksum::crc64nvme}) {
        const std::vector<PartDigest> parts = {{digest_of(algorithm, a), a.size()}, {digest_of(algorithm, b), b.size()}};
        CHECK(full_object_digest(algorithm, parts) == digest_of(algorithm, a + b));
    }
    const std::vector<PartDigest> parts = {{digest_of(Checksum::sha256, a), a.size()}, {digest_of(Checksum::sha256, b), b.size()}};
    CHECK(composite_checksum(Checksum::sha256, parts) == hal::base64(digest_of(Checksum::sha256, parts[0].digest + parts[1].digest)) + "-2");
    const std::vector<PartDigest> md5 = {{digest_of(Checksum::md5, "hello world"), 11}};
    CHECK(multipart_etag(md5) == "241d8a27c836427bd7f04461b60e7359-1");
}
