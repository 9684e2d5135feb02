#include "firmware/guard/clock_floor.hpp"

#include <sys/stat.h>
#include <sys/timex.h>

#include <algorithm>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "hal/disk/file.hpp"

namespace firmware::guard {
namespace {

namespace fs = std::filesystem;

constexpr auto area = "guard";
constexpr std::size_t line_bytes_max = 256;
constexpr std::size_t files_max = 10'000;  // looked at; a folder with more tells enough

fs::path file_of(const fs::path& root) { return root / "var/lib/branchbox/guard/clock-floor"; }

hal::WallTime written_floor(const fs::path& root) {
    try {
        auto text = hal::disk::read_file(file_of(root), line_bytes_max).value_or("");
        if (text.ends_with('\n')) text.pop_back();
        if (!text.empty()) return std::max(release, hal::parse_rfc3339(text));
    } catch (const hal::Error& failure) {
        hal::log::warn(area, "{}: {}", file_of(root).string(), failure.what());
    }
    return release;
}

// Services' files alone: what pods write lies deeper.
hal::WallTime newest_file(const fs::path& root, hal::WallTime no_later_than) {
    hal::WallTime newest{};
    std::size_t looked_at = 0;
    std::error_code failure;
    for (const auto& folder : fs::directory_iterator(root / "var/lib/branchbox", failure)) {
        std::error_code ignored;
        for (const auto& entry : fs::directory_iterator(folder.path(), ignored)) {
            struct stat facts{};
            if (++looked_at > files_max) return newest;
            if (::lstat(entry.path().c_str(), &facts) != 0) continue;
            const hal::WallTime time{std::chrono::seconds(facts.st_mtim.tv_sec) + std::chrono::microseconds(facts.st_mtim.tv_nsec / 1000)};
            if (time <= no_later_than) newest = std::max(newest, time);
        }
    }
    return newest;
}

}  // namespace

hal::ClockFloor read_clock_floor(const fs::path& root) {
    const auto written = written_floor(root);
    // One interval is the rule; the second is for a write that came late.
    return {std::max(written, newest_file(root, written + 2 * floor_interval)), std::chrono::steady_clock::now()};
}

void write_clock_floor(const fs::path& root, hal::WallTime time) { hal::disk::replace_file(file_of(root), hal::rfc3339_micro(time) + "\n", 0600); }

bool is_clock_synchronized() {
    timex state{};
    return ::adjtimex(&state) >= 0 && (state.status & STA_UNSYNC) == 0;
}

hal::ClockFloor settled(hal::ClockFloor floor, hal::WallTime system, hal::SteadyTime now, bool is_set) {
    return is_set && system >= release && system < floor.wall ? hal::ClockFloor{system, now} : floor;
}

}  // namespace firmware::guard
