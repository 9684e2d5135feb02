#include "hal/base/clock.hpp"

#include <algorithm>
#include <format>
#include <sstream>

#include "hal/base/error.hpp"

namespace hal {

namespace {

WallTime system_time() { return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now()); }

}  // namespace

WallTime SystemClock::wall() const {
    const auto now = system_time();
    if (now >= floor_.wall) return now;
    return floor_.wall + std::chrono::duration_cast<std::chrono::microseconds>(std::max(steady() - floor_.at, SteadyTime::duration::zero()));
}

SteadyTime SystemClock::steady() const { return std::chrono::steady_clock::now(); }

bool SystemClock::is_trusted() const { return system_time() >= floor_.wall; }

std::string rfc3339(WallTime time) {
    return std::format("{:%Y-%m-%dT%H:%M:%SZ}", std::chrono::floor<std::chrono::seconds>(time));
}

std::string rfc3339_micro(WallTime time) { return std::format("{:%Y-%m-%dT%H:%M:%SZ}", time); }

WallTime parse_rfc3339(const std::string& text) {
    for (const char* format : {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S%Ez"}) {
        std::istringstream in(text);
        WallTime time;
        in >> std::chrono::parse(format, time);
        if (in && (in.peek() == std::istringstream::traits_type::eof())) return time;
    }
    throw Error(Code::invalid, "time '" + text + "' is not RFC 3339 (2006-01-02T15:04:05Z)");
}

}  // namespace hal
