#include "services/uplink/usage.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

namespace services::uplink {
namespace {

namespace json = boost::json;
using std::chrono::days;
using std::chrono::year_month_day;

constexpr int version = 1;

std::int64_t day_of(LocalTime time) { return std::chrono::floor<days>(time).time_since_epoch().count(); }

std::int64_t month_of(LocalTime time) {
    const year_month_day date(std::chrono::floor<days>(time));
    return static_cast<int>(date.year()) * 12LL + static_cast<unsigned>(date.month()) - 1;
}

}  // namespace

bool Usage::restore(std::string_view text) {
    boost::system::error_code failure;
    const auto value = json::parse(text, failure);
    if (failure || !value.is_object()) return false;
    const auto& object = value.get_object();
    const auto number = [&](std::string_view key) -> std::optional<std::int64_t> {
        const auto* found = object.if_contains(key);
        boost::system::error_code wrong;
        const auto read = found ? found->to_number<std::int64_t>(wrong) : -1;
        if (wrong || read < 0) return std::nullopt;
        return read;
    };
    const auto day = number("day"), month = number("month"), of_day = number("day_bytes"), of_month = number("month_bytes");
    if (number("version") != version || !day || !month || !of_day || !of_month) return false;
    day_ = *day;
    month_ = *month;
    day_bytes_ = static_cast<std::uint64_t>(*of_day);
    month_bytes_ = static_cast<std::uint64_t>(*of_month);
    return true;
}

std::string Usage::text() const {
    return json::serialize(json::object{
               {"version", version}, {"day", day_}, {"day_bytes", day_bytes_}, {"month", month_}, {"month_bytes", month_bytes_}}) + "\n";
}

// A clock that is set back goes on in the period it was in: nobody gets a second allowance by it.
void Usage::turn(LocalTime now) {
    if (const auto day = day_of(now); day > day_) {
        day_ = day;
        day_bytes_ = 0;
    }
    if (const auto month = month_of(now); month > month_) {
        month_ = month;
        month_bytes_ = 0;
    }
}

void Usage::add(std::uint64_t bytes, LocalTime now) {
    turn(now);
    day_bytes_ += bytes;
    month_bytes_ += bytes;
    unsaved_ += bytes;
}

std::optional<std::uint64_t> Usage::left(LocalTime now) {
    turn(now);
    std::optional<std::uint64_t> left;
    const auto bound = [&](std::optional<std::uint64_t> cap, std::uint64_t used) {
        if (cap) left = std::min(left.value_or(UINT64_MAX), *cap > used ? *cap - used : 0);
    };
    bound(caps_.day_bytes, day_bytes_);
    bound(caps_.month_bytes, month_bytes_);
    return left;
}

bool Usage::is_over(LocalTime now) { return left(now) == 0U; }

LocalTime Usage::over_until(LocalTime now) const {
    const auto today = std::chrono::floor<days>(now);
    if (!caps_.month_bytes || month_bytes_ < *caps_.month_bytes) return today + days(1);
    const year_month_day date(today);
    return std::chrono::local_days((date.year() / date.month() / 1) + std::chrono::months(1));
}

bool Usage::is_worth_saving() const {
    constexpr std::uint64_t part = 100;
    const auto least = std::min(caps_.day_bytes.value_or(UINT64_MAX), caps_.month_bytes.value_or(UINT64_MAX));
    return least != UINT64_MAX && unsaved_ > 0 && unsaved_ >= least / part;
}

}  // namespace services::uplink
