// The segment file, version 1. Numbers are little-endian.
//
//   0      head, first copy       all before its checksum is checked; unused bytes are zero
//   2048   head, second copy
//   4096   records, each beginning at a multiple of 8, one behind the other
//   ...    zeros (preallocated) up to the segment's size, or the end of the file behind the seal
//
// Head:   0 "BXSEGMNT"   8 u32 format version   12 u32 segment number   16 u64 identity of the log
//         24 u32 count of marks   28 count x { u32 segment, u32 end }   then u32 CRC32C of all before it
// Frame:  0 u32 0x31525842 "BXR1"   4 u32 length of the body   8 u32 group begin   12 u8 type   13 u8 version
//         14 u8 flags (1: has zeros)   15 u8 zero   16 u32 CRC32C of the body
//         20 u32 CRC32C of bytes 0 to 19, continued from CRC32C(identity, segment, offset)
// Record: frame, body, zeros up to a multiple of 8.
// Seal:   a record of type 255: u64 records, u64 bytes of their bodies.
//
// The frame has a checksum of its own, so that a damaged body still has a true length and the next record is found at
// once; behind a damaged frame each multiple of 8 is tried. Because that checksum starts from the identity of the log,
// the segment and the offset, bytes inside a body (a segment file that someone uploads) are never taken for a record, nor
// is what an earlier file left in a block.
//
// `group begin` is what tells a torn tail from a damaged middle: all before it was durable when the record was written, so
// nothing before the largest one may be missing. From there on lies the last group, which may or may not have been
// acknowledged: bytes that changed are skipped as damage, but a part that reads as zeros, as a sector does that never
// reached a preallocated file, means that the group was never whole: the segment is cut at that record.
//
// Example: segment 1 of the log with identity 0x0102030405060708, one record "hello", type 7, version 1, at 4096:
//
//   0000  42 58 53 45 47 4d 4e 54  01 00 00 00 01 00 00 00   BXSEGMNT, format 1, segment 1
//   0010  08 07 06 05 04 03 02 01  00 00 00 00 42 3d d7 1c               identity, no marks, checksum
//   0800  the same again
//   1000  42 58 52 31 05 00 00 00  00 10 00 00 07 01 00 00   BXR1, 5 bytes, group begins at 4096, type 7, version 1
//   1010  4c bb 71 9a bd 6c 1c cd  68 65 6c 6c 6f 00 00 00   checksums, hello, padding
#include "hal/disk/log_format.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <format>

#include "hal/base/crc32c.hpp"

namespace hal::disk::format {

namespace {

constexpr std::string_view head_magic = "BXSEGMNT";
constexpr std::uint32_t frame_magic = 0x31525842;
constexpr std::size_t head_copy_bytes = head_bytes / 2;
constexpr std::size_t marks_at = 28;
constexpr unsigned char flag_has_zeros = 1;
constexpr std::string_view extension = ".segment";

static_assert(marks_at + marks_max * 8 + 4 <= head_copy_bytes);

template <class Number>
void put(char* into, Number number) {
    std::memcpy(into, &number, sizeof number);
}

template <class Number>
Number get(const char* from) {
    Number number{};
    std::memcpy(&number, from, sizeof number);
    return number;
}

std::uint32_t frame_crc(const char* bytes, std::uint32_t seed, std::uint32_t offset) {
    char place[4];
    put(place, offset);
    return crc32c({bytes, 20}, crc32c({place, sizeof place}, seed));
}

bool all_zero(std::string_view bytes) {
    return bytes.empty() || (bytes.front() == '\0' && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

std::optional<Head> decode_copy(std::string_view bytes) {
    if (bytes.size() < marks_at + 4 || !bytes.starts_with(head_magic)) return std::nullopt;
    const auto count = get<std::uint32_t>(bytes.data() + 24);
    if (count > marks_max) return std::nullopt;
    const std::size_t size = marks_at + std::size_t{count} * 8;
    if (bytes.size() < size + 4 || get<std::uint32_t>(bytes.data() + size) != crc32c(bytes.substr(0, size))) return std::nullopt;
    Head head;
    head.version = get<std::uint32_t>(bytes.data() + 8);
    head.segment = get<std::uint32_t>(bytes.data() + 12);
    head.identity = get<std::uint64_t>(bytes.data() + 16);
    for (std::size_t at = marks_at; at < size; at += 8)
        head.marks.push_back({get<std::uint32_t>(bytes.data() + at), get<std::uint32_t>(bytes.data() + at + 4)});
    return head;
}

}  // namespace

std::string file_name(std::uint32_t segment) { return std::format("{:010}{}", segment, extension); }

std::optional<std::uint32_t> segment_of(std::string_view file_name) {
    if (!file_name.ends_with(extension)) return std::nullopt;
    file_name.remove_suffix(extension.size());
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(file_name.data(), file_name.data() + file_name.size(), number);
    if (error != std::errc() || end != file_name.data() + file_name.size() || file_name.size() != 10) return std::nullopt;
    if (number == 0 || number > 0x7FFFFFFF) return std::nullopt;
    return number;
}

std::string encode_head(const Head& head) {
    std::string copy(head_copy_bytes, '\0');
    std::memcpy(copy.data(), head_magic.data(), head_magic.size());
    put(copy.data() + 8, head.version);
    put(copy.data() + 12, head.segment);
    put(copy.data() + 16, head.identity);
    put(copy.data() + 24, static_cast<std::uint32_t>(head.marks.size()));
    std::size_t at = marks_at;
    for (const auto& mark : head.marks) {
        put(copy.data() + at, mark.segment);
        put(copy.data() + at + 4, mark.end);
        at += 8;
    }
    put(copy.data() + at, crc32c({copy.data(), at}));
    return copy + copy;
}

std::optional<Head> decode_head(std::string_view bytes) {
    if (auto head = decode_copy(bytes.substr(0, head_copy_bytes))) return head;
    return bytes.size() > head_copy_bytes ? decode_copy(bytes.substr(head_copy_bytes)) : std::nullopt;
}

std::uint32_t seed(std::uint64_t identity, std::uint32_t segment) {
    char bytes[12];
    put(bytes, identity);
    put(bytes + 8, segment);
    return crc32c({bytes, sizeof bytes});
}

void encode_frame(char* into, const Frame& frame, std::uint32_t seed, std::uint32_t offset) {
    put(into, frame_magic);
    put(into + 4, frame.length);
    put(into + 8, frame.group_begin);
    into[12] = static_cast<char>(frame.type);
    into[13] = static_cast<char>(frame.version);
    into[14] = static_cast<char>(frame.has_zeros ? flag_has_zeros : 0);
    into[15] = 0;
    put(into + 16, frame.body_crc);
    put(into + 20, frame_crc(into, seed, offset));
}

std::optional<Frame> decode_frame(const char* bytes, std::uint32_t seed, std::uint32_t offset) {
    if (get<std::uint32_t>(bytes) != frame_magic || get<std::uint32_t>(bytes + 20) != frame_crc(bytes, seed, offset)) return std::nullopt;
    return Frame{.length = get<std::uint32_t>(bytes + 4),
                 .group_begin = get<std::uint32_t>(bytes + 8),
                 .type = static_cast<std::uint8_t>(bytes[12]),
                 .version = static_cast<std::uint8_t>(bytes[13]),
                 .has_zeros = (static_cast<unsigned char>(bytes[14]) & flag_has_zeros) != 0,
                 .body_crc = get<std::uint32_t>(bytes + 16)};
}

std::string encode_seal(const Seal& seal, std::uint32_t group_begin, std::uint32_t seed, std::uint32_t offset) {
    std::string record(seal_bytes, '\0');
    put(record.data() + frame_bytes, seal.records);
    put(record.data() + frame_bytes + 8, seal.body_bytes);
    const auto body_crc = crc32c({record.data() + frame_bytes, 16});
    encode_frame(record.data(), {.length = 16, .group_begin = group_begin, .type = seal_type, .version = 1, .has_zeros = true, .body_crc = body_crc},
                 seed, offset);
    return record;
}

std::optional<Seal> decode_seal(std::string_view body) {
    if (body.size() != seal_bytes - frame_bytes) return std::nullopt;
    return Seal{.records = get<std::uint64_t>(body.data()), .body_bytes = get<std::uint64_t>(body.data() + 8)};
}

void ZeroFinder::feed(std::string_view bytes) {
    if (bytes.empty()) return;
    last_ = bytes.back();
    while (!bytes.empty()) {
        if (at_ % sector_bytes == 0) {
            found_ = found();
            part_has_value_ = false;
            part_bytes_ = 0;
        }
        const std::size_t left = std::min<std::size_t>(bytes.size(), sector_bytes - at_ % sector_bytes);
        part_has_value_ = part_has_value_ || !all_zero(bytes.substr(0, left));
        part_bytes_ += left;
        at_ += left;
        bytes.remove_prefix(left);
    }
}

Walk::Walk(File& file, std::uint32_t seed, std::uint32_t from, std::uint64_t limit, std::size_t window_bytes)
    : file_(&file), seed_(seed), at_(Frame::padded(from)), limit_(limit / alignment * alignment), window_max_(std::max<std::size_t>(window_bytes, 4096)) {}

// Bytes [offset, offset + size) as far as the file has them, size <= window_max_; valid until the next call.
std::string_view Walk::view(std::uint64_t offset, std::size_t size) {
    if (offset >= limit_) return {};
    size = std::min<std::uint64_t>(size, limit_ - offset);
    if (offset < window_at_ || offset + size > window_at_ + window_.size()) {
        window_.resize(std::min<std::uint64_t>(window_max_, limit_ - offset));
        window_at_ = offset;
        window_.resize(file_->read_at(offset, window_.data(), window_.size()));
    }
    return std::string_view(window_).substr(offset - window_at_, size);
}

Walk::Step Walk::next(std::string* body) {
    Step step;
    step.offset = static_cast<std::uint32_t>(at_);
    const auto frame_here = [&](std::uint64_t offset) -> std::optional<Frame> {
        const auto bytes = view(offset, frame_bytes);
        return bytes.size() == frame_bytes ? decode_frame(bytes.data(), seed_, static_cast<std::uint32_t>(offset)) : std::nullopt;
    };
    step.frame = frame_here(at_);
    if (step.frame) {
        step.span = std::min(step.frame->span(), limit_ - at_);
        const std::size_t body_was = body != nullptr ? body->size() : 0;
        std::uint32_t crc = 0;
        std::uint64_t from = at_ + frame_bytes;
        const std::uint64_t to = from + step.frame->length;
        while (from < to) {
            const auto piece = view(from, std::min<std::uint64_t>(to - from, window_max_));
            if (piece.empty()) break;
            crc = crc32c(piece, crc);
            if (body != nullptr) body->append(piece);
            from += piece.size();
        }
        const bool is_true = from == to && crc == step.frame->body_crc;
        if (!is_true && body != nullptr) body->resize(body_was);
        step.kind = is_true ? Step::Kind::record : Step::Kind::damaged;
        at_ += step.span;
        return step;
    }
    // Behind a frame that does not hold: the next place where one does.
    for (std::uint64_t offset = at_ + alignment; offset + frame_bytes <= limit_; offset += alignment) {
        const auto bytes = view(offset, frame_bytes);
        if (bytes.size() < frame_bytes) break;
        if (get<std::uint32_t>(bytes.data()) != frame_magic) continue;
        if (!decode_frame(bytes.data(), seed_, static_cast<std::uint32_t>(offset))) continue;
        step.kind = Step::Kind::damaged;
        step.span = offset - at_;
        at_ = offset;
        return step;
    }
    step.kind = Step::Kind::end;
    return step;
}

bool Walk::looks_lost(const Step& step, bool is_last) {
    if (!step.frame) {
        const auto bytes = view(step.offset, frame_bytes);
        const std::size_t first = std::min<std::size_t>(bytes.size(), sector_bytes - step.offset % sector_bytes);
        return all_zero(bytes.substr(0, first)) || (first < bytes.size() && all_zero(bytes.substr(first)));
    }
    if (step.frame->has_zeros && !is_last) return false;
    ZeroFinder zeros(step.offset);
    std::uint64_t from = step.offset;
    const std::uint64_t to = from + frame_bytes + step.frame->length;
    while (from < to) {
        const auto piece = view(from, std::min<std::uint64_t>(to - from, window_max_));
        if (piece.empty()) return true;  // the file ends within the record
        zeros.feed(piece);
        from += piece.size();
    }
    return zeros.found() || (is_last && zeros.ends_in_zero());
}

bool Walk::is_zero(std::uint64_t from) {
    while (from < limit_) {
        const auto piece = view(from, window_max_);
        if (piece.empty()) return true;
        if (!all_zero(piece)) return false;
        from += piece.size();
    }
    return true;
}

}  // namespace hal::disk::format
