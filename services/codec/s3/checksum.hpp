// The checksums of S3: one type for all algorithms, the table of their names, a set that is fed in one pass, and the two
// ways a multipart object's checksum follows from its parts (FULL_OBJECT, COMPOSITE).
//
// Pure; a hasher is a value that may be copied to continue twice. Digests are raw bytes, most significant first, as S3
// encodes them to base64. No allocation while hashing (XXH3: one). Hashing large bodies is work for a pool, not the loop.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace services::codec::s3 {

enum class Checksum : std::uint8_t { crc32, crc32c, crc64nvme, sha1, sha256, md5, sha512, xxhash64, xxhash3, xxhash128 };
enum class ChecksumType : std::uint8_t { composite, full_object };

struct ChecksumRow {
    Checksum algorithm;
    std::string_view name;         // "CRC32": x-amz-checksum-algorithm and XML
    std::string_view header;       // "x-amz-checksum-crc32"
    std::string_view element;      // "ChecksumCRC32" in XML
    std::size_t digest_bytes;
    ChecksumType default_type;     // of a multipart upload that names none (S3 CreateMultipartUpload)
    bool may_be_full_object;       // CRC alone can be combined
    bool may_be_composite;         // all but CRC64NVME
};

std::span<const ChecksumRow> checksums();
const ChecksumRow& row_of(Checksum algorithm);
// By name without regard to case ("crc32c"), or by header name. Null: none such.
const ChecksumRow* checksum_by_name(std::string_view name);
const ChecksumRow* checksum_by_header(std::string_view header);

class Hasher {
public:
    explicit Hasher(Checksum algorithm);
    void update(std::string_view bytes);
    // Of all bytes so far; more may follow.
    [[nodiscard]] std::string digest() const;
    [[nodiscard]] Checksum algorithm() const { return algorithm_; }

private:
    struct alignas(8) Md5 { std::array<std::byte, 96> state; };
    struct alignas(8) Sha1 { std::array<std::byte, 96> state; };
    struct alignas(8) Sha256 { std::array<std::byte, 112> state; };
    struct alignas(8) Sha512 { std::array<std::byte, 216> state; };
    struct alignas(8) Xxh64 { std::array<std::byte, 88> state; };
    struct Xxh3 {  // its state is 576 bytes and seldom needed
        Xxh3();
        Xxh3(const Xxh3& other);
        Xxh3& operator=(const Xxh3& other);
        ~Xxh3();
        void* state;
    };
    Checksum algorithm_;
    std::variant<std::uint64_t, Md5, Sha1, Sha256, Sha512, Xxh64, Xxh3> state_;  // a CRC is the number itself
};

// Several hashers over the same bytes, each piece of 16 KiB while it is in the cache. At most four: what a request can ask for.
class HasherSet {
public:
    void add(Checksum algorithm);  // a second time does nothing
    void update(std::string_view bytes);
    // "" for an algorithm that was not added.
    [[nodiscard]] std::string digest(Checksum algorithm) const;
    [[nodiscard]] bool has(Checksum algorithm) const;

private:
    [[nodiscard]] const Hasher* find(Checksum algorithm) const;
    std::array<std::optional<Hasher>, 4> hashers_;  // in the order added
};

std::string digest_of(Checksum algorithm, std::string_view bytes);

// A raw digest from its base64 form; nullopt when it is not base64 or not of the algorithm's length.
std::optional<std::string> checksum_decoded(Checksum algorithm, std::string_view base64);

struct PartDigest {
    std::string digest;   // raw
    std::uint64_t bytes;  // of the part
};
// FULL_OBJECT: the raw digest of the whole object, from CRC parts in order. The algorithm must allow it.
std::string full_object_digest(Checksum algorithm, std::span<const PartDigest> parts);
// COMPOSITE: base64 of the digest of the parts' digests, then "-N".
std::string composite_checksum(Checksum algorithm, std::span<const PartDigest> parts);
// A multipart object's ETag without quotes: hex MD5 of the parts' raw MD5s, then "-N".
std::string multipart_etag(std::span<const PartDigest> parts);

}  // namespace services::codec::s3
