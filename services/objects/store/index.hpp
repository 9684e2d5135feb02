// The SQLite index of the store: what keys, versions, uploads, parts and outbox entries there are, and where their records
// lie. It is filled in batches from the log's changes, in order, and holds how far it has come; lost, it is made again.
//
// Owns the rules of what a change does to what was there (a newer version of a key, a removed bucket), what of each log
// segment is still alive, and which records must stay although they describe nothing: a removal must outlive every record
// that it removed, or the index made again would show that one (`graves`). Owns no log and no part files.
//
// Everything blocks. A writer and a reader are one connection each and used from one thread at a time. Commits are not
// synced one by one (synchronous=NORMAL): a pulled plug takes the index back to an earlier batch, from which the log is
// read again; make_durable() ends that before a log segment is deleted.
#pragma once

#include <filesystem>
#include <map>
#include <span>

#include "hal/disk/sqlite.hpp"
#include "services/objects/store/record.hpp"
#include "services/objects/store/store.hpp"

namespace services::objects::store {

// A version as the index knows it.
struct Row {
    std::uint64_t order = 0;
    VersionKey version{};
    std::uint64_t sequence = 0;
    Position position{};
    std::uint32_t length = 0;
    std::uint64_t bytes = 0;
    std::int64_t modified = 0;
    std::string etag{};
    std::uint64_t flags = 0;
    std::uint32_t oldest = 0;  // the oldest segment that may hold a dead record of this version; 0: none
    std::string blobs{};         // 8 bytes each
    [[nodiscard]] bool is_delete_marker() const { return flags & flag::delete_marker; }
};

struct KeyedRow {
    std::string key{};
    Row row{};
    bool is_latest = true;
};

struct ListPage {
    std::vector<KeyedRow> rows{};
    std::vector<std::string> prefixes{};
    bool is_truncated = false;
    std::string next{};
    std::string next_version{};
};

struct UploadRow {
    UploadRecord record{};
    Position position{};
};

struct UploadPage {
    std::vector<UploadRecord> uploads{};
    std::vector<std::string> prefixes{};
    bool is_truncated = false;
    std::string next_key{};
    std::string next_upload{};
};

// A tombstone: the record at `place` must be found in the log as long as a record that it removed may be.
struct Grave {
    std::uint64_t place = 0;
    std::uint8_t type = 0;
    std::string body{};
};

// What a batch changed beside the index itself.
struct Applied {
    std::map<std::uint64_t, BucketStatistics> statistics{};  // of the buckets it touched, as they are now
    std::map<std::uint32_t, std::int64_t> live{};            // live bytes of the segments it touched, as they are now
    std::vector<std::uint64_t> blobs{};                      // whose files nothing names any more
    std::uint64_t uploads = 0;                             // open ones, as they are now
};

class IndexWriter {
public:
    // Makes it where there is none, or where it is of another version or damaged (the log is then read from its start).
    static IndexWriter open(const std::filesystem::path& file, std::size_t cache_bytes);

    [[nodiscard]] Position position();        // every record before it is applied; the one there may be applied again
    [[nodiscard]] std::uint64_t sequence();   // the largest one seen
    [[nodiscard]] bool was_closed_cleanly();
    std::vector<std::pair<Position, BucketRecord>> buckets();
    std::map<std::uint64_t, BucketStatistics> statistics();
    std::map<std::uint32_t, std::int64_t> live();
    std::uint64_t uploads();

    // Applies changes in the order of the log; afterwards everything before `end` is applied. To apply the newest one again
    // changes nothing.
    Applied apply(std::span<const Change* const> changes, Position end);
    // Drops what belongs to no bucket or upload, once the whole log has been read: an old segment may hold such records.
    void drop_strays();
    void set_closed_cleanly(bool clean);
    void make_durable();
    // Tombstones were written again at `places`.
    void move_graves(std::span<const Grave> graves, std::span<const Position> places);
    // Where the scrub is: kept so that it goes on after a restart.
    std::string scrub_place();
    void set_scrub_place(std::string_view place);
    void forget_segments(std::span<const std::uint32_t> numbers);

private:
    // What a batch gathers, written once at its end.
    struct Effects {
        std::map<std::uint64_t, BucketStatistics> statistics;  // changes, modulo 2^64
        std::map<std::uint32_t, std::int64_t> live;            // changes
        std::vector<std::uint64_t> blobs;
        std::uint64_t sequence = 0;

        void add(const Change& change) { live[change.position.segment] += change.length; }
        void drop(Position position, std::uint32_t length) { live[position.segment] -= length; }
        void count(std::uint64_t bucket, const Row& row, bool added) {
            auto& s = statistics[bucket];
            const std::uint64_t one = added ? 1 : ~std::uint64_t{0};
            if (row.is_delete_marker()) {
                s.delete_markers += one;
            } else {
                s.versions += one;
                s.bytes += added ? row.bytes : -row.bytes;
            }
        }
    };
    explicit IndexWriter(hal::disk::Sqlite database) : database_(std::move(database)) {}
    void apply_one(Effects& effects, const Change& change, const PutRecord& put);
    void apply_one(Effects& effects, const Change& change, const RemoveRecord& removal);
    void apply_one(Effects& effects, const Change& change, const BucketRecord& bucket);
    void apply_one(Effects& effects, const Change& change, const UploadRecord& upload);
    void apply_one(Effects& effects, const Change& change, const PartRecord& part);
    void apply_one(Effects& effects, const Change& change, const UploadEndRecord& end);
    void apply_one(Effects& effects, const Change& change, const OutboxRecord& outbox);
    std::optional<Row> version_row(std::uint64_t bucket, std::string_view key, std::string_view version, std::uint64_t order);
    std::uint32_t end_upload(Effects& effects, std::string_view upload, std::string_view kept_blobs);
    void drop_row(Effects& effects, std::uint64_t bucket, std::string_view key, const Row& row, std::string_view kept_blobs);
    void drop_bucket(Effects& effects, std::uint64_t bucket);
    void add_outbox(const Change& change, const OutboxRecord& entry, std::uint64_t sequence);
    void add_dispatches(const Change& change, const std::vector<Dispatch>& dispatches, OutboxRecord entry,
                        std::uint64_t sequence);
    void bury(const Change& change, std::uint32_t oldest, RecordType type, std::string_view body);
    void save(Effects& effects, Position end);

    hal::disk::Sqlite database_;
};

class IndexReader {
public:
    static IndexReader open(const std::filesystem::path& file, std::size_t cache_bytes);

    // The versions of a key, newest first; `skip` are left out. At most `rows_max`.
    std::vector<Row> versions(std::uint64_t bucket, std::string_view key, std::span<const VersionKey> skip, std::size_t rows_max);
    std::optional<Row> version(std::uint64_t bucket, std::string_view key, std::string_view version);
    std::optional<Row> by_order(std::uint64_t bucket, std::string_view key, std::uint64_t order);
    bool has_any(std::uint64_t bucket);
    ListPage list(std::uint64_t bucket, const ListRequest& request);

    std::optional<UploadRow> upload(std::string_view id);
    std::vector<StoredPart> parts(std::string_view upload, unsigned after, std::size_t parts_max);
    std::optional<Position> part_position(std::string_view upload, unsigned number);
    UploadPage uploads(std::uint64_t bucket, const UploadListRequest& request);

    std::vector<OutboxEntry> outbox(std::string_view destination, OutboxState state, std::uint64_t after, std::size_t entries_max,
                                    std::vector<OutboxRecord>* records = nullptr);
    std::optional<OutboxRecord> outbox_entry(std::string_view destination, std::uint64_t sequence);
    Backlog backlog(std::string_view destination);
    bool is_pending(std::uint64_t bucket, std::string_view key, std::string_view version);

    // Which of these no record names.
    std::vector<std::uint64_t> unknown_blobs(std::span<const std::uint64_t> blobs);

    // Tombstones in [from, to) whose victims may still be in one of `segments` (sorted), and outbox entries whose newest
    // record lies there: what compaction must write again.
    std::vector<Grave> graves(Position from, Position to, std::span<const std::uint32_t> segments, std::size_t graves_max);
    std::vector<OutboxRecord> outbox_at(Position from, Position to, std::size_t entries_max);

private:
    explicit IndexReader(hal::disk::Sqlite database) : database_(std::move(database)) {}
    hal::disk::Sqlite database_;
};

}  // namespace services::objects::store
