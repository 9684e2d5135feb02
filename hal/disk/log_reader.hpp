// The reading half of the segment log: one record, or a run of them, out of one segment's file. Blocking; used on the
// pool of readers. Holds what it returns and one window.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "hal/disk/disk.hpp"
#include "hal/disk/log.hpp"
#include "hal/disk/log_format.hpp"

namespace hal::disk {

struct ReadOne {
    enum class Outcome { record, damaged, no_record } outcome = Outcome::no_record;
    Record record;
    Damage damage;  // without its path
};
ReadOne read_one(File& file, std::uint32_t seed, Position position, std::uint32_t limit, std::uint32_t body_bytes_max);

struct ReadRun {
    Batch batch;  // `next` is `limit` when the segment holds no more before it
    std::vector<Damage> damage;  // without their paths; at most damage_max of them
    static constexpr std::size_t damage_max = 64;
};
// Records in [from, limit) whose bodies take about `bytes` (one at least). The seal is none of them.
ReadRun read_run(File& file, std::uint32_t seed, Position from, std::uint32_t limit, std::uint32_t bytes);

}  // namespace hal::disk
