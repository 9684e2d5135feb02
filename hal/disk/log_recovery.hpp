// What the segment log does before its loop knows it: reads the segments of a folder, decides where the last one ends, and
// makes that durable. Blocking; holds one window of a segment, and about 150 bytes a segment. log_format.cpp says how a torn
// tail is told from a damaged middle.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "hal/disk/disk.hpp"
#include "hal/disk/log.hpp"
#include "hal/disk/log_format.hpp"

namespace hal::disk {

// One segment as the log knows it. Its `info.bytes` and `info.end` grow while it is written to.
struct Segment {
    SegmentInfo info;
    std::uint32_t seed = 0;
    std::uint64_t body_bytes = 0;
};

// Places that are damaged, each counted once: the first damage_max are kept, the first damage_seen_max told apart.
class DamageList {
public:
    static constexpr std::size_t damage_max = 64;
    static constexpr std::size_t damage_seen_max = 4096;

    // True when the place is new.
    bool add(Position at, Damage damage);
    [[nodiscard]] std::uint64_t count() const { return count_; }
    [[nodiscard]] const std::vector<Damage>& first() const { return first_; }

private:
    std::vector<std::uint64_t> seen_;  // sorted
    std::vector<Damage> first_;
    std::uint64_t count_ = 0;
};

struct Recovery {
    std::map<std::uint32_t, Segment> segments;
    std::uint64_t identity = 0;
    std::unique_ptr<File> active;  // the last segment, where it may be written on
    std::uint32_t active_capacity = 0;
    std::uint32_t next_number = 1;  // of the next new segment
    std::uint64_t torn_bytes = 0;
    DamageList damage;
};

Recovery recover(Disk& disk, const std::filesystem::path& folder, const LogOptions& options);

}  // namespace hal::disk
