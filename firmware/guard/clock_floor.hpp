// The latest wall time that this box knows to have passed: what a board's clock that starts in 1970, or years off, is held
// against (architecture.md, "Time is not given").
//
// ROOT/var/lib/branchbox/guard/clock-floor is one line, "2026-11-24T09:00:00.000000Z". It is written at each stop, when the
// clock was set and every `floor_interval`, and the newest file in the services' data folders stands for what was written
// since: so the floor is never earlier than the last thing written, at a few small writes a day. A file that is newer than
// those writes can be is from a clock that was wrong, and counts for nothing. Blocks on disk.
#pragma once

#include <chrono>
#include <filesystem>

#include "hal/base/clock.hpp"

namespace firmware::guard {

// No clock of a box that runs this release can be right before it.
inline constexpr hal::WallTime release = std::chrono::sys_days{std::chrono::year{2026} / 1 / 1};
inline constexpr std::chrono::hours floor_interval{6};
// While the clock is not trusted, nothing else remembers what time it has become.
inline constexpr std::chrono::hours untrusted_floor_interval{1};

// As of this moment; `release` when nothing is known.
hal::ClockFloor read_clock_floor(const std::filesystem::path& root);
// Throws Error{io|exhausted}.
void write_clock_floor(const std::filesystem::path& root, hal::WallTime time);

// The kernel's word that NTP keeps the clock (adjtimex(2)).
bool is_clock_synchronized();

// What is to be held against a clock that stands at `system`. One that somebody has set after the floor was known, or that
// NTP keeps, is right even before the floor: the floor came from a clock that ran ahead. But never before the release.
hal::ClockFloor settled(hal::ClockFloor floor, hal::WallTime system, hal::SteadyTime now, bool is_set);

}  // namespace firmware::guard
