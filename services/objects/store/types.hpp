// What the object store keeps and answers: buckets, versions of objects, uploads, listings, and why a call is refused.
// Plain values; nothing here does I/O.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hal/base/clock.hpp"

namespace services::objects::store {

// Why a call was refused with nothing changed: what the caller turns into its protocol's code. Failures of the machine
// (a disk that fails, a damaged record) are hal::Error: corrupt and io for that object, exhausted for a limit.
enum class Refusal : std::uint8_t {
    no_such_bucket,
    bucket_exists,
    bucket_not_empty,
    too_many_buckets,
    no_such_key,
    no_such_version,
    is_delete_marker,         // a delete marker was asked for by its version
    precondition_failed,
    no_such_upload,
    invalid_part,             // a part that is not there or has another ETag
    invalid_part_order,
    entity_too_small,         // a part that is not the last is below the smallest size
    entity_too_large,
    storage_full,             // PUT is refused before it hurts; GET and DELETE go on
    quota_exceeded,           // of the bucket
    too_many_uploads,
    evicted,                  // its bytes are upstream alone
};
std::string_view name_of(Refusal refusal);

template <class T>
using Result = std::expected<T, Refusal>;

using Fields = std::vector<std::pair<std::string, std::string>>;

inline constexpr std::size_t key_bytes_max = 1024;
inline constexpr std::size_t metadata_bytes_max = 64 * 1024;  // all names and values of one object
inline constexpr unsigned part_number_max = 10'000;
inline constexpr std::string_view null_version = "null";

enum class Versioning : std::uint8_t { never, enabled, suspended };

struct BucketStatistics {
    std::uint64_t objects = 0;         // keys whose latest version is not a delete marker
    std::uint64_t versions = 0;        // delete markers not counted
    std::uint64_t delete_markers = 0;
    std::uint64_t bytes = 0;           // of all versions
};

struct Bucket {
    std::string name{};
    std::uint64_t id = 0;              // of this incarnation: a bucket made again under its name has another
    hal::WallTime created{};
    Versioning versioning = Versioning::never;
    std::uint64_t quota_bytes = 0;     // 0: none
    std::map<std::string, std::string, std::less<>> configuration{};  // "policy", "lifecycle", "cors", "tagging" ...: as it was given
    BucketStatistics statistics{};       // as of the last batch that was indexed
};

// What an object carries beside its bytes.
struct Metadata {
    Fields headers{};    // "content-type", "content-encoding", "x-amz-storage-class" ...: lower-case, given back as they are
    Fields user{};       // "x-amz-meta-NAME" without the prefix
    Fields tags{};       // sorted by key
    Fields checksums{};  // ("CRC32C", base64 value as the header gives it, "-N" included when composite)
    std::string checksum_type{};  // "FULL_OBJECT" or "COMPOSITE"; "" without checksums
};

struct Part {
    unsigned number = 0;
    std::uint64_t bytes = 0;
    std::string etag{};        // hex MD5, no quotes
    hal::WallTime modified{};
    Fields checksums{};
};

// One version of an object.
struct Object {
    std::string key{};
    std::string version{};             // "null" or a UUID
    hal::WallTime modified{};
    std::uint64_t bytes = 0;
    std::string etag{};                // no quotes
    bool is_latest = true;
    bool is_delete_marker = false;
    bool is_evicted = false;         // metadata is here, the bytes are upstream
    std::uint64_t sequence = 0;      // of the change that made this version: grows with each change of the store
    Metadata metadata{};               // empty in listings unless asked for
    std::vector<Part> parts{};         // of a multipart object, in order; empty in listings
};

// Must hold for the latest version when the change is made; decided atomically.
struct Conditions {
    bool if_none_match_any = false;           // "*": there must be none (a delete marker is none)
    std::optional<std::string> if_none_match{}; // this ETag must not be there
    std::optional<std::string> if_match{};      // this ETag must be there; "*": any
    [[nodiscard]] bool any() const { return if_none_match_any || if_none_match || if_match; }
};

// Something that must be told to the outside because of a change: replication, a webhook. It becomes durable together
// with the change and stays in the outbox of its destination until it is done or dead.
struct Dispatch {
    std::string destination{};  // at most 255 bytes
    std::string note{};         // the caller's own bytes, at most 16 KiB
    bool superseded_by_next = false;  // a later change of the same version replaces it (the state counts, not the event)
};

struct PutRequest {
    std::string bucket{};
    std::string key{};
    std::string etag{};         // hex MD5 of the body
    Metadata metadata{};
    Conditions conditions{};
    std::vector<Dispatch> dispatches{};
    std::optional<hal::WallTime> modified{};    // now, unless given (a copy that came with its history)
    std::optional<std::string> version{};       // a new one as the bucket's versioning says, unless given (replicas)
};

struct DeleteRequest {
    std::string bucket{};
    std::string key{};
    std::optional<std::string> version{};  // none: the latest, which leaves a delete marker where versioned
    Conditions conditions{};               // if_match alone
    std::vector<Dispatch> dispatches{};
};

struct DeleteOutcome {
    bool is_delete_marker = false;   // one was made, or the one asked for was removed
    std::string version{};             // made or removed; "" when the bucket was never versioned
    bool changed = false;            // false: there was nothing to remove (no error in S3)
};

struct ListRequest {
    std::string bucket{};
    std::string prefix{};
    std::string delimiter{};
    std::string after{};               // keys and common prefixes up to and with this one are left out (marker, start-after)
    std::string after_version{};       // versions only: within the key `after`, versions up to and with this one
    std::size_t keys_max = 1000;     // keys and common prefixes together; at most 1000
    bool with_versions = false;      // all versions and delete markers, newest first
    bool with_metadata = false;
};

struct ListResult {
    std::vector<Object> objects{};     // in key byte order
    std::vector<std::string> prefixes{};
    bool is_truncated = false;
    std::string next{};                // the last key or prefix given: `after` of the next page
    std::string next_version{};
};

struct UploadRequest {
    std::string bucket{};
    std::string key{};
    Metadata metadata{};               // headers, user, tags; checksums come with the parts
    std::string checksum_algorithm{};  // "" or "CRC32C" ...
    std::string checksum_type{};
};

struct Upload {
    std::string id{};
    std::string bucket{};
    std::string key{};
    hal::WallTime initiated{};
    Metadata metadata{};
    std::string checksum_algorithm{};
    std::string checksum_type{};
};

struct UploadListRequest {
    std::string bucket{};
    std::string prefix{};
    std::string delimiter{};
    std::string after_key{};           // key-marker
    std::string after_upload{};        // upload-id-marker
    std::size_t uploads_max = 1000;
};

struct UploadListResult {
    std::vector<Upload> uploads{};     // by key, then by the time they began
    std::vector<std::string> prefixes{};
    bool is_truncated = false;
    std::string next_key{};
    std::string next_upload{};
};

struct CompletePart {
    unsigned number = 0;
    std::string etag{};                // no quotes
};

struct CompleteRequest {
    std::string bucket{};
    std::string key{};
    std::string upload{};
    std::vector<CompletePart> parts{};
    std::string etag{};                // of the whole ("...-N")
    Fields checksums{};                // of the whole, as in Metadata
    std::string checksum_type{};
    Conditions conditions{};
    std::vector<Dispatch> dispatches{};
    std::uint64_t part_bytes_min = 5 * 1024 * 1024;  // of all but the last
};

}  // namespace services::objects::store
