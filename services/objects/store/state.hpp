// The store's own state, shared by the files that implement it: the queue of changes on their way into the index, the
// buckets, the locks of keys. Nobody else includes this. See store.hpp for what is promised.
//
// A change is appended to the log and to `queue` at the same moment, so both have the same order. `settle` finds out, in
// order, whether each became durable; only then it is seen and acknowledged. `index_batches` moves the settled ones into
// SQLite. Between the two the change is found in `overlay`.
#pragma once

#include <atomic>
#include <cstring>
#include <deque>
#include <list>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "hal/base/error.hpp"
#include "services/codec/s3/documents.hpp"
#include "services/objects/store/index.hpp"
#include "services/objects/store/part_file.hpp"
#include "services/objects/store/store.hpp"

namespace services::objects::store {

struct BucketState {
    Bucket bucket;
    std::uint64_t sequence = 0;   // of its newest record
    Position position;            // of its newest record
    std::size_t users = 0;        // changes under way
    bool is_closing = false;      // about to be removed, if it is empty
    std::int64_t unindexed_bytes = 0;
    codec::s3::VersioningConfiguration versioning;  // which keys are left out
};

// A bucket in use by a change; it cannot go meanwhile.
class BucketUse {
public:
    BucketUse() = default;
    BucketUse(Store::State& store, BucketState& bucket);
    BucketUse(BucketUse&& other) noexcept : store_(other.store_), bucket_(std::exchange(other.bucket_, nullptr)) {}
    BucketUse& operator=(BucketUse&& other) noexcept {
        std::swap(store_, other.store_);
        std::swap(bucket_, other.bucket_);
        return *this;
    }
    ~BucketUse() { release(); }
    void release();
    BucketState* operator->() const { return bucket_; }
    BucketState& operator*() const { return *bucket_; }
    explicit operator bool() const { return bucket_ != nullptr; }

private:
    Store::State* store_ = nullptr;
    BucketState* bucket_ = nullptr;
};

// Locks by name (a key, an upload), first come first served.
class Locks {
public:
    explicit Locks(hal::async::Executor executor) : executor_(std::move(executor)) {}
    class Held {
    public:
        Held() = default;
        Held(Locks& locks, std::string name) : locks_(&locks), name_(std::move(name)) {}
        Held(Held&& other) noexcept : locks_(std::exchange(other.locks_, nullptr)), name_(std::move(other.name_)) {}
        Held& operator=(Held&& other) noexcept {
            std::swap(locks_, other.locks_);
            std::swap(name_, other.name_);
            return *this;
        }
        ~Held() { release(); }
        void release();
        explicit operator bool() const { return locks_ != nullptr; }

    private:
        Locks* locks_ = nullptr;
        std::string name_;
    };
    Task<Held> take(std::string name);
    std::optional<Held> try_take(std::string name);

private:
    struct Waiter {
        hal::async::Event event;
        bool has_lock = false;
        explicit Waiter(hal::async::Executor executor) : event(std::move(executor)) {}
    };
    void pass_on(const std::string& name);
    hal::async::Executor executor_;
    std::unordered_map<std::string, std::list<Waiter*>> waiting_;
};

struct Entry {
    enum class Fate { unknown, durable, refused };
    Change change;
    Fate fate = Fate::unknown;
    std::optional<hal::Error> failure;
    hal::async::Event settled;
    Locks::Held lock;             // of its key, until its fate is known
    BucketUse bucket;
    std::string overlay_key;      // "" when it is no version
    std::int64_t bytes = 0;       // that the bucket grows by
    explicit Entry(hal::async::Executor executor) : settled(std::move(executor)) {}
};
using EntryPtr = std::shared_ptr<Entry>;  // by the queue, and by the one who waits for it

struct Store::State {
    State(hal::disk::Disk& disk, const hal::Clock& clock, std::filesystem::path folder, Options options, hal::async::Executor executor);

    hal::disk::Disk& disk;
    const hal::Clock& clock;
    std::filesystem::path folder;
    Options options;
    hal::async::Executor executor;
    hal::async::Pool index_pool{1};   // the writer of the index
    hal::async::Pool reader_pool{1};  // its reader
    hal::async::Pool file_pool{2};    // part files, and the log's records
    std::unique_ptr<hal::disk::Log> log;
    std::optional<IndexWriter> index;
    std::optional<IndexReader> reader;

    std::map<std::string, std::unique_ptr<BucketState>, std::less<>> buckets;
    std::unordered_map<std::uint64_t, BucketState*> buckets_by_id;
    Locks locks;

    std::uint64_t sequence = 0;           // the last one given
    std::uint64_t indexed_sequence = 0;   // all versions in the index have smaller orders or this one
    std::uint64_t uploads_open = 0;
    std::deque<EntryPtr> queue;
    std::vector<EntryPtr> applying;
    std::uint64_t queued = 0;             // entries ever
    std::uint64_t settled = 0;
    std::uint64_t applied = 0;
    std::unordered_map<std::string, std::vector<Entry*>> overlay;
    hal::async::Event appended;           // there are entries of unknown fate
    hal::async::Event has_settled;        // there are entries for the index
    hal::async::Event index_now;
    hal::async::Event batch_done;         // pulsed
    hal::async::Event bucket_released;    // pulsed
    hal::async::Event outbox_added;       // pulsed
    hal::async::Event segments_changed;   // set when there may be something to compact
    bool index_wanted = false;

    std::map<std::uint32_t, std::int64_t> live;  // bytes of each segment's records that count
    std::unordered_set<std::uint64_t> young;     // part files that the index cannot know yet
    std::unordered_map<std::uint64_t, std::vector<bool>> verified;  // pieces of part files read since start
    bool needs_sweep = false;
    bool is_closing = false;
    std::uint64_t free_bytes = UINT64_MAX;
    std::uint64_t bytes_since_look = 0;
    bool was_full = false;
    // Of the part files, links counted as the files they name; shared with the jobs that remove some, which may end after this.
    std::shared_ptr<std::atomic<std::int64_t>> part_bytes = std::make_shared<std::atomic<std::int64_t>>(0);
    Statistics counted;                          // the counters of it
    std::set<std::uint32_t> stuck;               // segments with damaged records that are still in use
    hal::async::TaskGroup tasks;                 // settle, index_batches: they end with close()
    hal::async::TaskGroup upkeep_tasks;

    // open.cpp
    Task<> start();
    Task<std::uint64_t> replay();
    Task<> count_part_files();
    Task<> sweep_orphans();

    // queue.cpp
    Task<> settle();
    Task<> index_batches();
    Task<> flush();
    // Appends a record; the key's lock and the bucket go with it until its fate is known.
    struct Holding {
        Locks::Held lock;
        BucketUse bucket;
        std::int64_t bytes = 0;
    };
    Task<EntryPtr> append(AnyRecord record, std::string data, Holding holding);
    // Waits for its fate; throws what it was refused with.
    Task<> committed(EntryPtr entry);
    Task<std::optional<Row>> find(std::uint64_t bucket, std::string key, std::optional<VersionKey> version);
    [[nodiscard]] std::int64_t now() const { return clock.wall().time_since_epoch().count(); }

    // buckets.cpp
    Task<BucketUse> enter(std::string name);  // empty: no such bucket
    Task<Result<void>> change_bucket(std::string name, std::function<void(BucketRecord&)> change);
    [[nodiscard]] BucketRecord record_of(const BucketState& state) const;
    void learn_bucket(const BucketRecord& record, Position position);
    [[nodiscard]] bool is_full();

    // objects.cpp
    PutRecord new_record(const BucketState& bucket, std::string key);
    Task<std::optional<Refusal>> check(std::uint64_t bucket, std::string key, Conditions conditions);
    Task<Result<Object>> put_record(PutRecord record, std::string data, Holding holding, Body::State* body = nullptr);
    Task<Result<Object>> rewrite(std::string bucket_name, std::string key, std::optional<std::string> version,
                                 std::function<bool(PutRecord&)> change);

    // uploads.cpp
    Task<Result<UploadRecord>> find_upload(std::uint64_t bucket, std::string key, std::string id);

    // outbox.cpp
    Task<std::vector<OutboxEntry>> outbox_entries(std::string destination, OutboxState kind, std::uint64_t after, std::size_t entries_max);
    Task<bool> move_outbox(std::string destination, std::uint64_t sequence_of_entry, OutboxState from, OutboxState to, std::string reason,
                           std::uint32_t tries);

    // reading.cpp
    Task<Result<std::unique_ptr<Reader::State>>> open_row(std::string bucket, std::uint64_t bucket_id, std::string key,
                                                          std::optional<VersionKey> version, bool with_markers);
    // By the names that a caller has.
    Task<Result<std::unique_ptr<Reader::State>>> open_named(std::string bucket, std::string key, std::optional<std::string> version, bool with_markers);
    void note_corrupt(const std::string& what);
    // `is_counted`: part_bytes has them.
    void remove_blobs(std::vector<std::uint64_t> blobs, bool is_counted = true);

    // compaction.cpp
    Task<> upkeep();
    [[nodiscard]] std::vector<std::uint32_t> compactable(double live_share) const;  // least alive first
    Task<EntryPtr> copy_live(hal::disk::RecordView view);
    Task<> copy_graves(std::uint32_t number);
    Task<> copy_outbox(std::uint32_t number);
    Task<bool> compact_segment(std::uint32_t number);
    // scrub.cpp
    Task<> scrub_rounds();
    Task<std::uint64_t> scrub_all();
    Task<std::uint64_t> verify(std::string bucket, std::uint64_t bucket_id, std::string key, VersionKey version);

    Task<> pace(std::uint64_t bytes, std::uint64_t bytes_per_second);
};

std::uint64_t new_blob();
std::string lock_name(std::uint64_t bucket, std::string_view key);
Object object_of(const PutRecord& record, bool with_parts);
Object object_of(const std::string& key, const Row& row);

struct Body::State {
    Store::State* store = nullptr;
    std::optional<std::uint64_t> expected;   // bytes, when they are known and go to a file
    bool needs_file = false;                 // a part of an upload, however small
    std::string buffer;                      // what is not in the file yet
    std::unique_ptr<PartWriter> file;
    std::uint64_t blob = 0;
    std::uint64_t bytes = 0;
    std::vector<StoredPart> shared;          // parts that are durable already (a copy)
    bool is_stored = false;                  // a record names the files now
    ~State();
    Task<> finish();
    [[nodiscard]] std::vector<StoredPart> parts(std::int64_t modified) const;
};

struct Reader::State {
    Store::State* store = nullptr;
    std::string bucket;
    PutRecord record;                        // `data` points into `body`
    std::string body;
    Object object;
    std::uint64_t at = 0;
    std::uint64_t end = 0;
    std::size_t part = SIZE_MAX;             // that `file` is of
    std::shared_ptr<PartReader> file;        // shared with the worker that reads it
    std::string buffer;

    Task<std::pair<std::uint64_t, std::uint64_t>> prepare();
};

}  // namespace services::objects::store
