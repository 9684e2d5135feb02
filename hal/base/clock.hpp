// Time as an argument. Wall time may be wrong on a box without a battery clock, so it carries whether it is trusted and
// never runs below a persisted floor (the last thing written); time-outs use the monotonic reading, which no one sets.
#pragma once

#include <chrono>
#include <string>

namespace hal {

using WallTime = std::chrono::sys_time<std::chrono::microseconds>;
using SteadyTime = std::chrono::steady_clock::time_point;

class Clock {
public:
    virtual ~Clock() = default;
    // Now, never earlier than the floor.
    [[nodiscard]] virtual WallTime wall() const = 0;
    [[nodiscard]] virtual SteadyTime steady() const = 0;
    // False while the system clock stands before the floor (a board that started in 1970).
    [[nodiscard]] virtual bool is_trusted() const = 0;
};

// A wall time known to have passed at a moment of the monotonic clock, which all processes of one boot share.
struct ClockFloor {
    WallTime wall{};
    SteadyTime at{};
};

// The system's clock. Where it stands before the floor, time runs on from the floor until it is set.
class SystemClock : public Clock {
public:
    explicit SystemClock(ClockFloor floor = {}) : floor_(floor) {}
    [[nodiscard]] WallTime wall() const override;
    [[nodiscard]] SteadyTime steady() const override;
    [[nodiscard]] bool is_trusted() const override;
    [[nodiscard]] const ClockFloor& floor() const { return floor_; }
    // Lower, too: a clock that somebody has set is right, and what was known before was not.
    void set_floor(ClockFloor floor) { floor_ = floor; }

private:
    ClockFloor floor_;
};

// A clock that tests turn by hand.
class ManualClock : public Clock {
public:
    explicit ManualClock(WallTime start) : wall_(start) {}
    [[nodiscard]] WallTime wall() const override { return wall_; }
    [[nodiscard]] SteadyTime steady() const override { return steady_; }
    [[nodiscard]] bool is_trusted() const override { return true; }
    void advance(std::chrono::microseconds by) {
        wall_ += by;
        steady_ += by;
    }
    // Somebody set it: the monotonic reading stays.
    void set_wall(WallTime wall) { wall_ = wall; }

private:
    WallTime wall_;
    SteadyTime steady_{};
};

// "2026-11-24T09:00:00Z" and "2026-11-24T09:00:00.000000Z" (RFC 3339, as Kubernetes' Time and MicroTime).
std::string rfc3339(WallTime time);
std::string rfc3339_micro(WallTime time);
// Reads RFC 3339 with optional fraction and offset; throws Error{invalid}.
WallTime parse_rfc3339(const std::string& text);

}  // namespace hal
