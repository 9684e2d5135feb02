#include "firmware/guard/clock_floor.hpp"

#include <catch2/catch_test_macros.hpp>

#include <fcntl.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/folder.hpp"

using namespace firmware::guard;
using namespace std::chrono_literals;

namespace {

const hal::WallTime noon = std::chrono::sys_days{std::chrono::year{2026} / 11 / 24} + 12h;

void date_file(const std::filesystem::path& file, hal::WallTime time) {
    const timespec at{time.time_since_epoch() / 1s, 0};
    const timespec both[]{at, at};
    REQUIRE(::utimensat(AT_FDCWD, file.c_str(), both, 0) == 0);
}

void make_file(const std::filesystem::path& file, hal::WallTime time) {
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << "x";
    date_file(file, time);
}

void note(const std::filesystem::path& root, hal::WallTime time) {
    std::filesystem::create_directories(root / "var/lib/branchbox/guard");
    write_clock_floor(root, time);
    date_file(root / "var/lib/branchbox/guard/clock-floor", time);
}

}  // namespace

TEST_CASE("what was noted as the time is known at the next start, and nothing means the release") {
    Folder folder;
    CHECK(read_clock_floor(folder.path).wall == release);
    note(folder.path, noon);
    CHECK(read_clock_floor(folder.path).wall == noon);
    make_file(folder.path / "var/lib/branchbox/guard/clock-floor", noon);
    CHECK(read_clock_floor(folder.path).wall == release);  // not a time
}

TEST_CASE("a service's file that is newer than the last note says what time it was, within what the notes' pace allows") {
    Folder folder;
    note(folder.path, noon);
    make_file(folder.path / "var/lib/branchbox/kube/state.db", noon + 5h);
    CHECK(read_clock_floor(folder.path).wall == noon + 5h);
    make_file(folder.path / "var/lib/branchbox/kube/state.db-wal", noon + 12h);
    make_file(folder.path / "var/lib/branchbox/kube/from-the-future", noon + 12h + 1s);
    make_file(folder.path / "var/lib/branchbox/kubelet/pods/uid/volumes/any", noon + 6h);
    CHECK(read_clock_floor(folder.path).wall == noon + 12h);
}

TEST_CASE("a clock that somebody set is right before what was known, but never before the release") {
    const hal::SteadyTime now{100s};
    const hal::ClockFloor floor{noon, hal::SteadyTime{}};
    CHECK(settled(floor, noon - 1h, now, false).wall == noon);
    CHECK(settled(floor, noon - 1h, now, true).wall == noon - 1h);
    CHECK(settled(floor, noon - 1h, now, true).at == now);
    CHECK(settled(floor, noon + 1h, now, true).wall == noon);
    CHECK(settled(floor, release - 1s, now, true).wall == noon);
    CHECK(settled(floor, release, now, true).wall == release);
}
