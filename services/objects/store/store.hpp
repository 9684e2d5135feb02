// The object store of one folder: buckets, objects with versions, multipart uploads. The segment log in DIR/log is the
// one truth (record.hpp); bytes past `inline_bytes_max` lie in files of their own under DIR/parts, which are durable
// before the record that names them; DIR/index.db is an SQLite index that is filled in batches behind the
// acknowledgements and made again from the log when it is lost.
//
// What a call acknowledged is durable (one fdatasync for all who wait at that moment) and seen by every later call.
// Changes of one key are made one after the other, so conditions are decided atomically. Reads hold what they opened:
// a Reader goes on giving its version's bytes after that was overwritten or deleted.
//
// Owns no HTTP, no credentials, no hashing of bodies: the ETag and checksums that clients see are computed by the caller
// while it reads the body. One thread: the loop that open() ran on. Bounded by Options.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "hal/async/task.hpp"
#include "hal/base/clock.hpp"
#include "hal/disk/log.hpp"
#include "services/objects/store/types.hpp"

namespace services::objects::store {

using hal::async::Task;

struct Options {
    std::uint32_t segment_bytes = 64 * 1024 * 1024;
    std::size_t inline_bytes_max = 128 * 1024;          // larger bodies have files of their own
    std::size_t buckets_max = 10'000;
    std::size_t uploads_max = 10'000;                   // open at once
    std::size_t unindexed_max = 8'192;                  // acknowledged changes that the index does not have yet
    std::chrono::milliseconds index_after{1'000};       // how long a change may wait for its batch
    std::size_t index_cache_bytes = 2 * 1024 * 1024;    // of SQLite, writer and reader each
    std::uint64_t object_bytes_max = std::uint64_t{5} << 40;
    // Free space below which PUT is refused (DELETE goes on): two segments, so that the log of deletions and compaction fits.
    std::uint64_t reserve_bytes = 128 * 1024 * 1024;
    std::uint64_t bytes_max = 0;                        // share of the disk for everything in the folder; 0: none
    std::uint64_t compaction_bytes_per_second = 16 * 1024 * 1024;
    std::uint64_t scrub_bytes_per_second = 4 * 1024 * 1024;
    std::chrono::seconds scrub_every{7 * 24 * 3600};    // a whole round; 0: none
};

class Store;

// A body on its way in. Up to inline_bytes_max it stays in memory, then it becomes a file. Dropped without put(): gone.
class Body {
public:
    Body(Body&&) noexcept;
    Body& operator=(Body&&) noexcept;
    ~Body();
    // Appends. `bytes` must live until this returns. Throws Error{exhausted|io}; the body is then of no use.
    Task<> write(std::string_view bytes);
    // Takes a whole small body without copying it; the body must be empty.
    void adopt(std::string bytes);
    [[nodiscard]] std::uint64_t bytes() const;

    struct State;

private:
    friend class Store;
    explicit Body(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

// A range of an open file, for send_file(). Lives as long as the Reader, or its next call.
struct FilePiece {
    int descriptor = -1;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
};

// An opened version. Its bytes are verified before they are given: inline ones each time, those of files at the first
// read after start.
class Reader {
public:
    Reader(Reader&&) noexcept;
    Reader& operator=(Reader&&) noexcept;
    ~Reader();
    [[nodiscard]] const Object& object() const;
    // Only these bytes from now on; within the object's size.
    void select(std::uint64_t offset, std::uint64_t bytes);
    // The whole selected range when it lies in memory (inline objects); nullopt: use next().
    [[nodiscard]] std::optional<std::string_view> inline_bytes() const;
    // The next piece, nullopt at the end. Views are valid until the next call. Throws Error{corrupt} naming the object.
    using Piece = std::variant<std::string_view, FilePiece>;
    Task<std::optional<Piece>> next();
    // As next(), always bytes in memory (at most 256 KiB).
    Task<std::optional<std::string_view>> next_bytes();

    struct State;

private:
    friend class Store;
    explicit Reader(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

// What is still to be told to one destination.
struct OutboxEntry {
    std::uint64_t sequence = 0;   // of the change: grows; also the order within a key
    std::string bucket{};
    std::string key{};
    std::string version{};
    bool is_removal = false;      // the version was removed (a delete marker is a put)
    std::uint64_t bytes = 0;
    hal::WallTime time{};         // when the change was made
    std::string note{};
    std::string reason{};           // dead letters only
    std::uint32_t tries = 0;      // dead letters only
};

struct Backlog {
    std::uint64_t entries = 0;
    std::uint64_t bytes = 0;
    std::optional<hal::WallTime> oldest{};
    std::uint64_t dead = 0;
};

struct Statistics {
    std::uint64_t buckets = 0;
    BucketStatistics all{};
    std::uint64_t log_bytes = 0;
    std::uint64_t live_bytes = 0;          // of the log's records
    std::uint64_t part_files_bytes = 0;
    std::uint64_t free_bytes = 0;          // as last seen
    bool is_full = false;                  // PUT is refused at the moment
    std::uint64_t unindexed = 0;
    std::uint64_t corrupt_objects = 0;     // found since start
    std::vector<std::string> corrupt{};      // the first 64: bucket, key, version and place
    std::uint64_t compacted_segments = 0;
    std::uint64_t compacted_bytes = 0;     // copied
    std::uint64_t scrubbed_bytes = 0;
    std::uint64_t orphans_removed = 0;
    hal::disk::LogStatistics log;
};

class Store {
public:
    // Opens or makes the store of `folder`: reads the index, then the tail of the log behind it. Throws hal::Error.
    // `disk` and `clock` must outlive the store. The index is always on the system's disk, in `folder`.
    static Task<std::unique_ptr<Store>> open(hal::disk::Disk& disk, const hal::Clock& clock, std::filesystem::path folder,
                                             Options options = {});
    ~Store();
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;
    // Everything is durable and indexed; nothing may be called afterwards.
    Task<> close();

    // -- buckets. All are in memory; the pointers are valid until the next co_await.
    Task<Result<void>> create_bucket(std::string name);
    // `force`: with all that is in it.
    Task<Result<void>> delete_bucket(std::string name, bool force = false);
    [[nodiscard]] const Bucket* bucket(std::string_view name) const;
    [[nodiscard]] std::vector<const Bucket*> buckets() const;  // by name
    Task<Result<void>> set_versioning(std::string name, Versioning versioning);
    Task<Result<void>> set_quota(std::string name, std::uint64_t bytes);
    // An empty value removes it. Values at most 256 KiB.
    Task<Result<void>> configure(std::string name, std::string key, std::string value);

    // -- objects
    struct BodyOptions {
        std::optional<std::uint64_t> bytes;  // when known: space is reserved
    };
    // A body to fill. Refused when the disk is too full.
    Result<Body> body(BodyOptions options);
    // The object is durable when this returns. Throws Error{exhausted|io}: it was not stored.
    Task<Result<Object>> put(PutRequest request, Body body);
    // Opens a version (the latest unless given) for reading. A delete marker: no_such_key as the latest, is_delete_marker
    // by version.
    Task<Result<Reader>> open_object(std::string bucket, std::string key, std::optional<std::string> version = {});
    // As open_object(), without the bytes; delete markers are given as such.
    Task<Result<Object>> stat(std::string bucket, std::string key, std::optional<std::string> version = {});
    // A body with the selected bytes of an opened version. Whole files are shared (hard links), not copied.
    Task<Result<Body>> body_of(Reader& source, BodyOptions options);
    Task<Result<DeleteOutcome>> remove(DeleteRequest request);
    Task<Result<Object>> set_tags(std::string bucket, std::string key, std::optional<std::string> version, Fields tags);
    Task<Result<ListResult>> list(ListRequest request);

    // -- multipart uploads
    Task<Result<std::string>> create_upload(UploadRequest request);
    Task<Result<Upload>> upload(std::string bucket, std::string key, std::string id);
    // The part is durable when this returns; it replaces an earlier one with its number.
    Task<Result<Part>> put_part(std::string bucket, std::string key, std::string id, unsigned number, Body body, std::string etag,
                                Fields checksums = {});
    // Parts after number `after`, at most `parts_max`, in order.
    Task<Result<std::vector<Part>>> parts(std::string bucket, std::string key, std::string id, unsigned after = 0,
                                          std::size_t parts_max = part_number_max);
    Task<Result<Object>> complete(CompleteRequest request);
    Task<Result<void>> abort(std::string bucket, std::string key, std::string id);
    Task<Result<UploadListResult>> uploads(UploadListRequest request);

    // -- the outbox: what each destination has not been told yet, in order, kept across restarts
    Task<std::vector<OutboxEntry>> outbox(std::string destination, std::uint64_t after_sequence, std::size_t entries_max);
    Task<> outbox_done(std::string destination, std::vector<std::uint64_t> sequences);
    // Moves an entry to the dead letters, with why.
    Task<> outbox_dead(std::string destination, std::uint64_t sequence, std::string reason, std::uint32_t tries);
    Task<std::vector<OutboxEntry>> dead_letters(std::string destination, std::uint64_t after_sequence, std::size_t entries_max);
    // Puts a dead letter back into the outbox. False when there is none such.
    Task<bool> outbox_redrive(std::string destination, std::uint64_t sequence);
    Task<Backlog> backlog(std::string destination);
    // Returns once something may have been added for any destination since the call before.
    Task<> outbox_more();
    // Drops the bytes of a large version that nothing is pending for; its metadata stays. False: not applicable.
    Task<bool> evict(std::string bucket, std::string key, std::string version);

    // -- upkeep; runs by itself, the calls are for tests and operators
    Task<> flush_index();
    // One pass over the segments with less than `live_share` of live bytes; returns how many were given back.
    Task<std::size_t> compact(double live_share = 0.5);
    // Verifies everything once; returns the bytes read.
    Task<std::uint64_t> scrub();
    [[nodiscard]] Statistics statistics() const;

    struct State;

private:
    explicit Store(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace services::objects::store
