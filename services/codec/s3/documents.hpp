// The XML request bodies of S3 that are not rules of their own (those: tagging.hpp, cors.hpp, lifecycle.hpp,
// notification.hpp): strict readers that give plain values.
//
// Pure. Bounded: the caller bounds the body; 1,000 objects in Delete, 10,000 parts in CompleteMultipartUpload. Everything
// not well-formed or not of the schema is MalformedXML; unknown elements are ignored, as MinIO does.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/codec/s3/checksum.hpp"
#include "services/codec/s3/refusal.hpp"
#include "services/codec/xml/reader.hpp"

namespace services::codec::s3 {

inline constexpr std::size_t delete_objects_max = 1000;
inline constexpr unsigned part_number_max = 10'000;
inline constexpr std::size_t excluded_prefixes_max = 10;

Refusal malformed_xml();  // MalformedXML with S3's sentence

// The document, refused unless its root is `root`.
Expected<xml::Document> xml_document(std::string body, std::string_view root);

struct DeleteTarget {
    std::string key;
    std::string version_id;  // "" without
};
struct DeleteRequest {
    bool is_quiet = false;
    std::vector<DeleteTarget> targets;
};
Expected<DeleteRequest> delete_request(std::string body);

struct CompletedPart {
    unsigned number = 0;
    std::string etag;  // without quotes
    std::optional<Checksum> checksum_algorithm;
    std::string checksum;  // base64
};
// In the order sent; InvalidPartOrder unless numbers rise, InvalidArgument for a number out of 1 to 10,000.
Expected<std::vector<CompletedPart>> completed_parts(std::string body);

enum class Versioning : std::uint8_t { never, enabled, suspended };
struct VersioningConfiguration {
    Versioning status = Versioning::never;
    // MinIO's extension: keys under these prefixes ('*' and '?' match) and, if asked for, keys that end with '/' are kept as
    // in a suspended bucket.
    std::vector<std::string> excluded_prefixes;
    bool excludes_folders = false;
    [[nodiscard]] bool has_exclusions() const { return excludes_folders || !excluded_prefixes.empty(); }
    [[nodiscard]] bool excludes(std::string_view key) const;
};
Expected<VersioningConfiguration> versioning_configuration(std::string body);
std::string versioning_xml(const VersioningConfiguration& versioning);

// The LocationConstraint of CreateBucketConfiguration; "" for an empty body.
Expected<std::string> create_bucket_location(std::string body);

// SSEAlgorithm of ServerSideEncryptionConfiguration: "AES256" or "aws:kms" (with its key id).
struct BucketEncryption {
    std::string algorithm;
    std::string kms_key_id;
};
Expected<BucketEncryption> bucket_encryption(std::string body);
std::string bucket_encryption_xml(const BucketEncryption& encryption);

}  // namespace services::codec::s3
