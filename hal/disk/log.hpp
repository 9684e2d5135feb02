// The segment log: an append-only sequence of checked records in large preallocated files, the one truth of a store.
//
// Owns the segments of one folder, the group commit with its one writing thread, recovery at open, and whole-segment
// deletion. Owns no index, no compaction, no retention: which records are alive is the service's business. The format is
// described in log_format.cpp.
//
// Durability is a matter of who waits. append() gives a position at once and the record is written at once (kill -9 loses
// nothing that was written); committed() returns when it is on the disk. All who wait while one fdatasync runs share the
// next one; a single waiter waits for no one else. Records that nobody waits for are synced `sync_after` or `sync_bytes`
// later at the latest.
//
// Order is kept: when a record is found after a restart, so is every one before it (unless it was damaged later, which is
// reported). When a group cannot be made durable, it and all that was appended behind it is refused (committed() throws
// Error{io}, or Error{exhausted} on a full disk), its segment is abandoned, and what comes later starts a new one;
// reopening never shows a record that was refused once its successor segment exists.
//
// One thread: everything here is called on the loop that open() ran on; blocking work runs on the log's own writer and on
// the pool given for reads. Bounded by Options: bytes that wait to be written, the size of a record and of a group, open
// files, bytes that a scan holds, segments.
#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hal/async/pool.hpp"
#include "hal/async/task.hpp"
#include "hal/disk/disk.hpp"

namespace hal::disk {

// Where a record begins. Positions grow with time; one whose record was durable is never used again, across restarts too.
struct Position {
    std::uint32_t segment = 0;  // the first one is 1
    std::uint32_t offset = 0;
    auto operator<=>(const Position&) const = default;
    // As one number in the same order, at most 2^63 - 1: for an index, a cursor or the wire.
    [[nodiscard]] std::uint64_t value() const { return (std::uint64_t{segment} << 32) | offset; }
    static Position of(std::uint64_t value) { return {static_cast<std::uint32_t>(value >> 32), static_cast<std::uint32_t>(value)}; }
};

struct LogOptions {
    std::uint32_t segment_bytes = 64 * 1024 * 1024;  // preallocated; 64 KiB to 1 GiB, and room for a record of the largest size
    std::uint32_t record_bytes_max = 16 * 1024 * 1024;
    std::uint32_t group_bytes_max = 4 * 1024 * 1024;  // what one write and fdatasync takes; one record may be larger
    std::uint64_t pending_bytes_max = 32 * 1024 * 1024;  // appended and not yet written
    std::chrono::milliseconds sync_after{60'000};        // for records that nobody waits for
    std::uint64_t sync_bytes = 4 * 1024 * 1024;
    std::uint32_t scan_bytes = 1024 * 1024;  // held by one scan (or one record, if that is larger)
    std::size_t files_max = 32;              // segments kept open for reading
    std::size_t segments_max = 65'536;       // append() throws Error{exhausted} beyond
    std::uint64_t identity = 0;              // of a new log's segments; 0: random
};

// One record, as it lies in a Batch or comes from read(). Type and version are the service's; type 255 is the log's own.
struct RecordView {
    Position position;
    std::uint8_t type = 0;
    std::uint8_t version = 0;
    std::string_view body;
};
struct Record {
    Position position;
    std::uint8_t type = 0;
    std::uint8_t version = 0;
    std::string body;
};

// Records in order; the views point into `bytes`, so it moves and is never copied.
struct Batch {
    Batch() = default;
    Batch(Batch&&) = default;
    Batch& operator=(Batch&&) = default;
    std::vector<RecordView> records;
    std::string bytes;
    Position next;  // where the scan goes on: a cursor that has dealt with this batch
};

struct SegmentInfo {
    std::uint32_t number = 0;
    std::filesystem::path path;
    Position begin;              // of its first record
    Position end;                // behind its last one
    std::uint64_t records = 0;
    std::uint64_t bytes = 0;     // that it takes on the disk
    bool is_active = false;      // the one that is written to
    bool is_abandoned = false;   // its last group could not be made durable and was refused
};

// Bytes that are no valid record although they were durable once.
struct Damage {
    std::filesystem::path path;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::string what;
};

struct LogStatistics {
    std::uint64_t records = 0;            // appended since open
    std::uint64_t record_bytes = 0;       // their bodies
    std::uint64_t written_bytes = 0;      // handed to the file system, framing included
    std::uint64_t groups = 0;             // fdatasyncs
    std::uint64_t refused_records = 0;
    std::uint64_t damaged_records = 0;    // each place counted once since open
    std::uint64_t torn_bytes = 0;         // cut at open: written, but never durable
    std::uint64_t pending_bytes = 0;
    std::uint64_t unsynced_bytes = 0;     // written, and not yet durable
    std::vector<Damage> damage;           // the first 64 places
};

class Log {
public:
    // Recovers the log of `folder` (made where there is none): reads the head of each segment and the whole of the last
    // one. Everything that is found is durable when this returns. Throws Error{unsupported} for a newer format,
    // Error{invalid} for options out of range, Error{exhausted|io}. `disk` and `readers` must outlive the log.
    static async::Task<std::unique_ptr<Log>> open(Disk& disk, async::Pool& readers, std::filesystem::path folder, LogOptions options);
    // Waits for the group that is being written; what is pending is dropped as kill -9 would (see close()).
    ~Log();
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;

    // Takes a record: `parts` are copied one behind the other, then `tail` (moved in, and not copied when large). Throws
    // Error{too_large}, or Error{exhausted} when pending_bytes_max is reached (see room()).
    Position append(std::uint8_t type, std::uint8_t version, std::span<const std::string_view> parts, std::string tail = {});
    Position append(std::uint8_t type, std::uint8_t version, std::initializer_list<std::string_view> parts, std::string tail = {}) {
        return append(type, version, std::span<const std::string_view>(parts.begin(), parts.size()), std::move(tail));
    }
    // Returns when the record at `position` and all before it are durable. Throws Error{io|exhausted} when it was
    // refused, Error{cancelled} (the record may become durable all the same).
    async::Task<> committed(Position position);
    // append() and committed(), after waiting for room.
    async::Task<Position> write(std::uint8_t type, std::uint8_t version, std::string body);
    // Returns when a record of `bytes` may be appended.
    async::Task<> room(std::uint64_t bytes);
    // Everything appended so far is durable.
    async::Task<> sync();

    // The record at a position that append() gave, as soon as it is written. Throws Error{gone} when its segment was
    // removed or the record refused, Error{corrupt} (naming file and offset), Error{invalid} where no record begins.
    async::Task<Record> read(Position position);

    // Records from `from` on (any position, also one whose segment is gone: the next one follows), at most scan_bytes of
    // them; none at the end. Damaged ones are skipped, counted and reported. Only durable records, or all written ones.
    enum class Until { durable, written };
    async::Task<Batch> scan(Position from, Until until = Until::durable);
    // Returns when there is a durable record at or behind `position`: for a cursor that has read everything.
    async::Task<> more(Position position);

    // Oldest first; the active one last (none before the first append).
    [[nodiscard]] std::vector<SegmentInfo> segments() const;
    // Deletes whole segments in the order given, durably. Error{conflict} for the active one; unknown numbers are nothing.
    async::Task<> remove(std::vector<std::uint32_t> numbers);
    // The next record starts a new segment.
    void seal();

    [[nodiscard]] Position begin() const;        // of the oldest record there may be
    [[nodiscard]] Position end() const;          // where the next record goes, at the earliest
    [[nodiscard]] Position durable_end() const;  // every record before it is durable or was refused
    [[nodiscard]] std::uint64_t bytes() const;   // that all segments take on the disk, preallocated ones whole
    // What still fits into the active segment, whose space is reserved: this much may be appended on a full disk.
    [[nodiscard]] std::uint64_t reserved_bytes() const;
    [[nodiscard]] LogStatistics statistics() const;

    // Makes all durable and stops; the log may then only be destroyed.
    async::Task<> close();

private:
    struct State;
    explicit Log(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace hal::disk
