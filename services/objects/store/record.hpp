// The records of the object store's log, and their encoding. Each is whole in itself: the store's state is what comes out
// when all records are applied in the order of the log (index.hpp). The encoding is described in record.cpp.
//
// Every record has the `sequence` of the change that it stands for, which grows with each change and stays the same when
// compaction copies the record. A record acts only on what has a smaller or the same sequence, so a copy of an old change
// that lies behind a newer one does no harm.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "hal/disk/log.hpp"
#include "services/objects/store/types.hpp"

namespace services::objects::store {

using hal::disk::Position;

inline constexpr std::uint8_t record_version = 1;

enum class RecordType : std::uint8_t { put = 1, remove = 2, bucket = 3, upload = 4, part = 5, upload_end = 6, outbox = 7 };

// A version's id inside the store: 16 bytes, or none for the null version.
using VersionKey = std::string;
std::optional<VersionKey> version_key(std::string_view text);  // "null" or a UUID; nullopt: neither
std::string version_text(std::string_view key);

// A part as a record keeps it. `blob` names its file (part_file.hpp).
struct StoredPart {
    std::uint64_t blob = 0;
    Part part{};
};

namespace flag {
inline constexpr std::uint64_t delete_marker = 1, encrypted = 2, evicted = 4, multipart = 8;
}

struct PutRecord {
    std::uint64_t sequence = 0;
    std::uint64_t order = 0;       // the sequence that made this version: versions of a key stand in this order
    std::uint64_t bucket = 0;
    std::string key{};
    VersionKey version{};
    std::int64_t modified = 0;     // microseconds since 1970
    std::uint64_t bytes = 0;
    std::uint64_t flags = 0;
    std::string etag{};
    Metadata metadata{};
    std::vector<StoredPart> parts{}; // files; empty when the bytes are in `data`
    std::string upload{};            // the upload that ends with this, if any
    std::string key_salt{};          // reserved for SSE-S3, as flag::encrypted is: empty
    std::vector<Dispatch> dispatches{};
    std::string_view data{};         // in the record itself, behind all else
};

struct RemoveRecord {
    std::uint64_t sequence = 0;
    std::uint64_t bucket = 0;
    std::string key{};
    VersionKey version{};
    std::uint64_t order = 0;       // of the version that goes
    std::uint64_t bytes = 0;
    std::int64_t time = 0;
    std::vector<Dispatch> dispatches{};
};

struct BucketRecord {
    std::uint64_t sequence = 0;
    std::uint64_t id = 0;
    std::string name{};
    std::int64_t created = 0;
    std::uint64_t versioning = 0;
    std::uint64_t quota_bytes = 0;
    std::uint64_t is_removed = 0;
    Fields configuration{};
};

struct UploadRecord {
    std::uint64_t sequence = 0;
    std::string id{};                // 16 bytes: the sequence, then random ones; so ids stand in the order of beginning
    std::uint64_t bucket = 0;
    std::string key{};
    std::int64_t initiated = 0;
    Metadata metadata{};
    std::string checksum_algorithm{};
    std::string checksum_type{};
    std::uint64_t is_encrypted = 0;  // reserved for SSE-S3, as the next
    std::string key_salt{};
};

struct PartRecord {
    std::uint64_t sequence = 0;
    std::string upload{};
    StoredPart part{};
};

struct UploadEndRecord {
    std::uint64_t sequence = 0;
    std::string upload{};
};

enum class OutboxState : std::uint8_t { pending, dead, done };

struct OutboxRecord {
    std::uint64_t state = 0;
    Dispatch dispatch{};
    std::vector<std::uint64_t> sequences{};  // one, but for done
    std::uint64_t bucket = 0;
    std::string key{};
    VersionKey version{};
    std::uint64_t is_removal = 0;
    std::uint64_t bytes = 0;
    std::int64_t time = 0;
    std::string reason{};
    std::uint64_t tries = 0;
};

using AnyRecord = std::variant<PutRecord, RemoveRecord, BucketRecord, UploadRecord, PartRecord, UploadEndRecord, OutboxRecord>;

std::string encoded(const PutRecord& record);  // without `data`, which the log takes as the tail
std::string encoded(const RemoveRecord& record);
std::string encoded(const BucketRecord& record);
std::string encoded(const UploadRecord& record);
std::string encoded(const PartRecord& record);
std::string encoded(const UploadEndRecord& record);
std::string encoded(const OutboxRecord& record);
RecordType type_of(const AnyRecord& record);

// nullopt when the bytes are no record of this type. Views of the result point into `body`.
std::optional<AnyRecord> decoded(std::uint8_t type, std::string_view body);

// A record and where it lies: what the index applies. Records that are kept whole in the index carry their bytes.
struct Change {
    Position position{};
    std::uint32_t length = 0;  // of the body in the log
    AnyRecord record;
    std::string body{};          // all but puts
};

// What an index keeps of a metadata-like list of fields.
std::string encoded_fields(const Fields& fields);
Fields decoded_fields(std::string_view bytes);

}  // namespace services::objects::store
