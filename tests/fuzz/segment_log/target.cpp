// A foreign segment file: whatever it holds, recovery ends, finds the same again, and a scan gives as many records as it said.
//
// Chance never meets a checksum, so the first byte says what is made true before: 1 the head, 2 the frames, 4 the bodies,
// 8 a true record in a second segment (then the first is no longer the last one).
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "hal/base/crc32c.hpp"
#include "hal/base/error.hpp"
#include "hal/disk/fake_disk.hpp"
#include "hal/disk/log_reader.hpp"
#include "hal/disk/log_recovery.hpp"

using namespace hal::disk;

namespace {

constexpr std::uint64_t identity = 42;
const std::filesystem::path folder = "/log";

void make_true(std::string& file, bool frames, bool bodies) {
    const auto seed = format::seed(identity, 1);
    for (std::size_t at = format::head_bytes; at + format::frame_bytes <= file.size(); at += format::alignment) {
        if (file.compare(at, 4, "BXR1") != 0) continue;
        format::Frame frame;
        std::memcpy(&frame.length, file.data() + at + 4, 4);
        std::memcpy(&frame.group_begin, file.data() + at + 8, 4);
        std::memcpy(&frame.body_crc, file.data() + at + 16, 4);
        frame.type = static_cast<std::uint8_t>(file[at + 12]);
        frame.version = static_cast<std::uint8_t>(file[at + 13]);
        frame.has_zeros = (file[at + 14] & 1) != 0;
        if (bodies) frame.body_crc = hal::crc32c(std::string_view(file).substr(at + format::frame_bytes, frame.length));
        if (frames) format::encode_frame(file.data() + at, frame, seed, static_cast<std::uint32_t>(at));
    }
}

struct Seen {
    std::uint32_t end;
    std::uint64_t records;
    std::uint64_t scanned;
    bool is_sealed;
};

Seen look(FakeDisk& disk, const LogOptions& options) {
    const auto recovery = recover(disk, folder, options);
    const auto found = recovery.segments.find(1);
    if (found == recovery.segments.end()) return {};
    const auto& segment = found->second;
    const auto file = disk.open(segment.info.path, Disk::Mode::read);
    Seen seen{segment.info.end.offset, segment.info.records, 0, !segment.info.is_active};
    for (Position at{1, format::head_bytes}; at < segment.info.end;) {
        const auto run = read_run(*file, segment.seed, at, segment.info.end.offset, options.scan_bytes);
        for (const auto& record : run.batch.records) {
            ++seen.scanned;
            if (read_one(*file, segment.seed, record.position, segment.info.end.offset, options.record_bytes_max).outcome != ReadOne::Outcome::record) std::abort();
        }
        if (run.batch.next <= at) std::abort();
        at = run.batch.next;
    }
    return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    if (size < 1) return 0;
    const unsigned what = bytes[0];
    std::string file(reinterpret_cast<const char*>(bytes + 1), size - 1);
    // Short inputs reach the records, too.
    if ((what & 1) != 0) file.insert(0, format::encode_head({.segment = 1, .identity = identity, .marks = {}}));
    make_true(file, (what & 2) != 0, (what & 4) != 0);

    FakeDisk disk(1);
    disk.make_folder(folder);
    disk.put(folder / format::file_name(1), file);
    const bool is_last = (what & 8) == 0;
    if (!is_last) {
        std::string second = format::encode_head({.segment = 2, .identity = identity, .marks = {}});
        second.resize(second.size() + 64);
        format::encode_frame(second.data() + format::head_bytes, {.length = 0, .group_begin = format::head_bytes, .type = 1, .version = 1}, format::seed(identity, 2), format::head_bytes);
        disk.put(folder / format::file_name(2), second);
    }
    LogOptions options;
    options.scan_bytes = 4096;
    options.identity = identity;
    try {
        const auto first = look(disk, options);
        const auto again = look(disk, options);
        if (again.end != first.end || again.scanned != first.scanned || again.is_sealed != first.is_sealed) std::abort();
        // A seal may say what it likes about a segment that is not the last one.
        if (is_last && (first.records != first.scanned || again.records != first.records)) std::abort();
    } catch (const hal::Error& e) {
        if (e.code() != hal::Code::unsupported) std::abort();
    }
    return 0;
}
