// The bytes of a segment: its head, the frame of a record, and the walk over records that finds the next one behind a
// damaged one. Described in log_format.cpp. Knows no threads, no groups, no recovery rules. A walk holds one window
// (`window_bytes`) and, when bodies are wanted, one body.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hal/disk/disk.hpp"

namespace hal::disk::format {

inline constexpr std::uint32_t version = 1;
inline constexpr std::uint32_t head_bytes = 4096;   // of a segment; its first record begins here
inline constexpr std::uint32_t frame_bytes = 24;    // before a record's body
inline constexpr std::uint32_t alignment = 8;       // of records
inline constexpr std::uint32_t sector_bytes = 512;  // what a disk writes as a whole
inline constexpr std::uint8_t seal_type = 255;      // the record that ends a segment
inline constexpr std::uint32_t seal_bytes = frame_bytes + 16;
inline constexpr std::size_t marks_max = 128;

// Where an abandoned segment ends, told by the segments after it.
struct Mark {
    std::uint32_t segment = 0;
    std::uint32_t end = 0;
};

struct Head {
    std::uint32_t version = format::version;
    std::uint32_t segment = 0;
    std::uint64_t identity = 0;  // of the log
    std::vector<Mark> marks;     // of abandoned segments that still exist; at most marks_max
};

// "0000000007.segment".
std::string file_name(std::uint32_t segment);
std::optional<std::uint32_t> segment_of(std::string_view file_name);

// head_bytes long: two copies.
std::string encode_head(const Head& head);
// Reads either copy; empty when neither holds. `bytes` may be short.
std::optional<Head> decode_head(std::string_view bytes);

// What the checksum of a frame starts from: a frame is valid only at its own place in its own segment of its own log.
std::uint32_t seed(std::uint64_t identity, std::uint32_t segment);

struct Frame {
    std::uint32_t length = 0;       // of the body
    std::uint32_t group_begin = 0;  // all before this offset was durable when the record was written
    std::uint8_t type = 0;
    std::uint8_t version = 0;
    bool has_zeros = false;  // see looks_lost()
    std::uint32_t body_crc = 0;

    [[nodiscard]] std::uint64_t span() const { return padded(frame_bytes + std::uint64_t{length}); }
    static constexpr std::uint64_t padded(std::uint64_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }
};

void encode_frame(char* into, const Frame& frame, std::uint32_t seed, std::uint32_t offset);
// `bytes` holds at least frame_bytes.
std::optional<Frame> decode_frame(const char* bytes, std::uint32_t seed, std::uint32_t offset);

// What a seal carries.
struct Seal {
    std::uint64_t records = 0;
    std::uint64_t body_bytes = 0;
};
std::string encode_seal(const Seal& seal, std::uint32_t group_begin, std::uint32_t seed, std::uint32_t offset);
std::optional<Seal> decode_seal(std::string_view body);

// Whether a record at an offset has a part within one sector, of part_bytes_min or more, that is all zeros: what a sector
// that never reached a preallocated file looks like. A record for which it is true when it is written says so (has_zeros), so
// that its own zeros are never taken for lost ones. Fed in pieces from the frame on, without the padding.
class ZeroFinder {
public:
    static constexpr std::size_t part_bytes_min = 16;  // a changed bit makes no zeros of as many

    explicit ZeroFinder(std::uint32_t offset) : at_(offset) {}
    void feed(std::string_view bytes);
    [[nodiscard]] bool found() const { return found_ || (!part_has_value_ && part_bytes_ >= part_bytes_min); }
    [[nodiscard]] bool ends_in_zero() const { return last_ == '\0'; }

private:
    std::uint64_t at_;
    std::size_t part_bytes_ = 0;
    bool part_has_value_ = false;
    bool found_ = false;
    char last_ = '\1';
};

// The walk over one segment's records.
class Walk {
public:
    // Reads within [from, limit) of `file`. The file must outlive the walk.
    Walk(File& file, std::uint32_t seed, std::uint32_t from, std::uint64_t limit, std::size_t window_bytes);

    struct Step {
        enum class Kind {
            record,   // whole and true
            damaged,  // [offset, offset + span) is no true record, but one may follow behind it
            end,      // no frame from `offset` on
        };
        Kind kind = Kind::end;
        std::uint32_t offset = 0;
        std::uint64_t span = 0;
        std::optional<Frame> frame;  // of a record; of a damaged one when the frame itself is true
    };
    // The next one. The body of a record is appended to `body` when there is one (which is left as it was otherwise).
    Step next(std::string* body);

    // Whether a damaged step's bytes look like a write that never reached the disk, as opposed to bytes that changed.
    // Without a true frame only the first frame_bytes are looked at. A record that has zeros of its own tells nothing, unless
    // it `is_last`: nothing true follows it, and a zero at its end is enough.
    bool looks_lost(const Step& step, bool is_last);
    // Whether nothing but zeros lies in [from, limit).
    bool is_zero(std::uint64_t from);

private:
    std::string_view view(std::uint64_t offset, std::size_t size);

    File* file_;
    std::uint32_t seed_;
    std::uint64_t at_;
    std::uint64_t limit_;
    std::string window_;
    std::uint64_t window_at_ = 0;
    std::size_t window_max_;
};

}  // namespace hal::disk::format
