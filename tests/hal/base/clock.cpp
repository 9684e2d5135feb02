#include "hal/base/clock.hpp"

#include <catch2/catch_test_macros.hpp>

#include "hal/base/error.hpp"

using namespace hal;
using namespace std::chrono_literals;

TEST_CASE("times are written and read in Kubernetes' two forms") {
    const auto time = parse_rfc3339("2026-11-24T09:07:31Z");
    CHECK(rfc3339(time) == "2026-11-24T09:07:31Z");
    CHECK(rfc3339_micro(time + 5us) == "2026-11-24T09:07:31.000005Z");
    CHECK(parse_rfc3339("2026-11-24T09:07:31.000005Z") == time + 5us);
    CHECK(parse_rfc3339("2026-11-24T10:07:31+01:00") == time);
}

TEST_CASE("what is no RFC 3339 time is refused") {
    for (const char* text : {"", "2026-11-24", "2026-11-24T09:07:31", "2026-11-24T09:07:31Zx", "yesterday"})
        CHECK_THROWS_AS(parse_rfc3339(text), Error);
}

TEST_CASE("a system clock that stands before its floor is not trusted, and time runs on from the floor") {
    const auto now = std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
    const auto hour_ago = std::chrono::steady_clock::now() - 1h;
    SystemClock clock({now + 1h, hour_ago});
    CHECK_FALSE(clock.is_trusted());
    CHECK(clock.wall() >= now + 2h);
    CHECK(clock.wall() < now + 3h);
    // A moment of another boot that has not come yet is none that time could have passed since.
    clock.set_floor({now + 1h, std::chrono::steady_clock::now() + 1h});
    CHECK(clock.wall() == now + 1h);
}

TEST_CASE("a system clock past its floor is the time") {
    const auto now = std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
    CHECK(SystemClock().is_trusted());
    const SystemClock clock({now - 1h, std::chrono::steady_clock::now() - 3h});
    CHECK(clock.is_trusted());
    CHECK(clock.wall() >= now);
    CHECK(clock.wall() < now + 1h);
}

TEST_CASE("a manual clock moves only when told") {
    ManualClock clock(WallTime{100s});
    const auto steady = clock.steady();
    clock.advance(5s);
    CHECK(clock.wall() == WallTime{105s});
    CHECK(clock.steady() - steady == 5s);
    clock.set_wall(WallTime{});
    CHECK(clock.steady() - steady == 5s);
}

TEST_CASE("a failed system call becomes the code its cause has") {
    CHECK(system_error("open /x", ENOSPC).code() == Code::exhausted);
    CHECK(system_error("open /x", ENOENT).code() == Code::not_found);
    CHECK(std::string(system_error("open /x", ENOSPC).what()) == "open /x: No space left on device");
}
