// The writing half of the segment log: one group at a time, on the log's own thread. Owns the file that is written to.
// Knows nothing of positions, waiters or what becomes of a refused group: it says what failed, and forgets the segment.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hal/base/error.hpp"
#include "hal/disk/disk.hpp"
#include "hal/disk/log_format.hpp"

namespace hal::disk {

// Records that lie one behind the other in one segment, appended and not yet written.
struct Chunk {
    struct Entry {
        std::uint32_t offset = 0;     // in the segment
        std::size_t buffer_at = 0;    // of its frame (space for it is left)
        std::uint32_t length = 0;     // of the body
        std::uint8_t type = 0;
        std::uint8_t version = 0;
        std::int32_t tail = -1;       // in `tails`: the rest of its body, not copied
    };
    struct Tail {
        std::size_t buffer_at = 0;  // it is written before the byte here
        std::string bytes;
    };
    std::uint32_t segment = 0;
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    std::string buffer;
    std::vector<Entry> entries;
    std::vector<Tail> tails;
    std::uint64_t body_bytes = 0;
    bool creates = false;               // the segment is made first
    std::optional<format::Seal> seal;   // the segment ends behind it
};

struct WriteJob {
    std::optional<Chunk> chunk;    // none: a sync alone
    std::vector<format::Mark> marks;  // for the head of a new segment
    std::uint32_t group_begin = 0;
    bool sync = false;
};

struct WriteResult {
    std::optional<Error> failure;
    bool created = false;
    std::uint64_t written_bytes = 0;
};

class LogWriter {
public:
    LogWriter(Disk& disk, std::filesystem::path folder, std::uint64_t identity, std::uint32_t segment_bytes, std::unique_ptr<File> active);

    // Does `job`, whose chunk is of the current segment or creates the next one.
    WriteResult run(WriteJob& job) noexcept;

private:
    void create(std::uint32_t segment, const std::vector<format::Mark>& marks, WriteResult& result);
    void write(Chunk& chunk, std::uint32_t group_begin, WriteResult& result);

    Disk& disk_;
    std::filesystem::path folder_;
    std::uint64_t identity_;
    std::uint32_t segment_bytes_;
    std::unique_ptr<File> file_;
};

}  // namespace hal::disk
