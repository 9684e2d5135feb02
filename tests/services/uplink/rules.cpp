// The uplink's rules alone: times and randomness are arguments.
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>

#include "services/uplink/backoff.hpp"
#include "services/uplink/budget.hpp"
#include "services/uplink/forecast.hpp"
#include "services/uplink/reach.hpp"
#include "services/uplink/schedule.hpp"
#include "services/uplink/usage.hpp"

using namespace std::chrono_literals;
using namespace services::uplink;
using services::config::parse_window;

namespace {

constexpr hal::SteadyTime start{};
// A Tuesday.
constexpr LocalTime noon = std::chrono::local_days(std::chrono::year(2026) / 11 / 24) + 12h;

Wants wanting(std::initializer_list<Class> classes) {
    Wants wants;
    for (const auto one : classes) wants.set(static_cast<std::size_t>(one));
    return wants;
}

// Sends for `time` what is allowed, each class always wanting more; what each got.
std::array<std::uint64_t, class_count> send_for(Budget& budget, Wants wants, hal::SteadyTime& now, std::chrono::milliseconds time) {
    std::array<std::uint64_t, class_count> sent{};
    for (const auto end = now + time; now < end;) {
        if (const auto turn = budget.next(wants, now)) {
            budget.take(*turn, budget.grant_bytes());
            sent[static_cast<std::size_t>(*turn)] += budget.grant_bytes();
            continue;
        }
        const auto next = budget.next_time(wants);
        if (!next) break;
        now = std::max(*next, now + 1us);
    }
    return sent;
}

std::uint64_t sum(const std::array<std::uint64_t, class_count>& sent) {
    std::uint64_t all = 0;
    for (const auto one : sent) all += one;
    return all;
}

Schedule schedule_of(std::optional<std::uint64_t> bits, std::initializer_list<std::string_view> windows) {
    std::vector<services::config::Window> list;
    for (const auto one : windows) list.push_back(parse_window(one).value());
    return {bits, list};
}

}  // namespace

TEST_CASE("five classes that all want more share a rate by their weights, and the rate is kept within a grant or two") {
    Budget budget(shares_by_default, start);
    budget.set_rate(32'000, false, start);
    auto now = start;
    const auto sent = send_for(budget, wanting({Class::queue, Class::metrics, Class::logs, Class::backlog, Class::bulk}), now, 60s);
    CHECK(static_cast<double>(sum(sent)) == Catch::Approx(60 * 32'000).margin(2.0 * static_cast<double>(budget.grant_bytes())));
    for (std::size_t i = 1; i < class_count; ++i)
        CHECK(static_cast<double>(sent[i]) / static_cast<double>(sum(sent)) == Catch::Approx(shares_by_default[i] / 100.0).margin(0.005));
}

TEST_CASE("alerts go before every other class") {
    Budget budget(shares_by_default, start);
    budget.set_rate(32'000, false, start);
    auto now = start;
    const auto sent = send_for(budget, wanting({Class::alerts, Class::queue, Class::bulk}), now, 10s);
    CHECK(sent[static_cast<std::size_t>(Class::alerts)] == sum(sent));
}

TEST_CASE("the share of a class that wants nothing goes to the others, and it saves nothing up") {
    Budget budget(shares_by_default, start);
    budget.set_rate(100'000, false, start);
    auto now = start;
    const auto alone = send_for(budget, wanting({Class::bulk}), now, 30s);
    CHECK(static_cast<double>(sum(alone)) == Catch::Approx(3'000'000).epsilon(0.01));
    const auto both = send_for(budget, wanting({Class::queue, Class::bulk}), now, 30s);
    CHECK(static_cast<double>(both[1]) / static_cast<double>(sum(both)) == Catch::Approx(40.0 / 48).margin(0.01));
}

TEST_CASE("an idle bucket does not grow beyond a quarter of a second") {
    Budget budget(shares_by_default, start);
    budget.set_rate(32'000, false, start);
    auto now = start + 24h;
    const auto sent = send_for(budget, wanting({Class::bulk}), now, 1s);
    CHECK(sum(sent) <= 32'000 + budget.burst_bytes() + budget.grant_bytes());
}

TEST_CASE("a loop that is late by less than a quarter of a second loses nothing of its rate") {
    Budget budget(shares_by_default, start);
    budget.set_rate(32'000, false, start);
    std::uint64_t sent = 0;
    for (auto now = start; now < start + 60s; now += 200ms)
        while (const auto turn = budget.next(wanting({Class::queue, Class::bulk}), now)) {
            budget.take(*turn, budget.grant_bytes());
            sent += budget.grant_bytes();
        }
    CHECK(static_cast<double>(sent) == Catch::Approx(60 * 32'000).epsilon(0.005));
}

TEST_CASE("when a cap is reached alerts alone may leave") {
    Budget budget(shares_by_default, start);
    budget.set_rate(32'000, true, start);
    auto now = start;
    CHECK_FALSE(budget.next(wanting({Class::queue, Class::bulk}), now + 1s));
    CHECK_FALSE(budget.next_time(wanting({Class::queue, Class::bulk})));
    CHECK(budget.next(wanting({Class::alerts, Class::bulk}), now + 1s) == Class::alerts);
}

TEST_CASE("without a rate everything may leave at once, in turn") {
    Budget budget(shares_by_default, start);
    for (int i = 0; i < 1000; ++i) {
        const auto turn = budget.next(wanting({Class::queue, Class::bulk}), start);
        REQUIRE(turn);
        budget.take(*turn, 1000);
    }
}

TEST_CASE("a rate that is raised or lowered holds from then on") {
    Budget budget(shares_by_default, start);
    budget.set_rate(32'000, false, start);
    auto now = start;
    send_for(budget, wanting({Class::bulk}), now, 5s);
    budget.set_rate(320'000, false, now);
    CHECK(static_cast<double>(sum(send_for(budget, wanting({Class::bulk}), now, 10s))) == Catch::Approx(3'200'000).epsilon(0.01));
    budget.set_rate(3'200, false, now);
    CHECK(static_cast<double>(sum(send_for(budget, wanting({Class::bulk}), now, 60s))) == Catch::Approx(192'000).epsilon(0.05));
}

TEST_CASE("a schedule's window holds from its first minute to its last, on its days alone") {
    const auto schedule = schedule_of(2'000'000, {"mon-fri 08:00-18:00 256kbit"});
    const auto day = std::chrono::floor<std::chrono::days>(noon);
    CHECK(schedule.at(day + 7h + 59min).bytes_per_second == 250'000);
    CHECK(schedule.at(day + 7h + 59min).until == day + 8h);
    CHECK(schedule.at(day + 8h).bytes_per_second == 32'000);
    CHECK(schedule.at(noon).until == day + 18h);
    CHECK(schedule.at(day + 18h).bytes_per_second == 250'000);
    CHECK(schedule.at(noon + 96h).bytes_per_second == 250'000);  // Saturday
    CHECK(schedule.at(noon + 96h).until == day + 96h + 48h + 8h);
}

TEST_CASE("a window over midnight belongs to the day it begins on, and a later one wins") {
    const auto schedule = schedule_of(1'000'000, {"mon 22:00-06:00 8Mbit", "tue 05:00-06:00 unlimited"});
    const auto day = std::chrono::floor<std::chrono::days>(noon);
    CHECK(schedule.at(day + 1h).bytes_per_second == 1'000'000);
    CHECK_FALSE(schedule.at(day + 5h).bytes_per_second);
    CHECK(schedule.at(day + 6h).bytes_per_second == 125'000);
    CHECK(schedule.at(day + 25h).bytes_per_second == 125'000);
}

TEST_CASE("back-off is anywhere up to a bound that doubles to five minutes, and starts anew after a success") {
    Backoff backoff;
    CHECK(backoff.failed(0) == 0ms);
    CHECK(backoff.failed(0.5) == 250ms);
    for (int i = 0; i < 40; ++i) CHECK(backoff.failed(0.999) <= Backoff::bound_max);
    CHECK(backoff.bound() == Backoff::bound_max);
    backoff.reset();
    CHECK(backoff.failed(0.999) < Backoff::bound_min);
}

TEST_CASE("a cap counts a day and a month of local time, and ends with them") {
    Usage usage({.day_bytes = 1000, .month_bytes = 1500});
    usage.add(999, noon);
    CHECK_FALSE(usage.is_over(noon));
    CHECK(usage.left(noon) == 1U);
    usage.add(1, noon);
    CHECK(usage.is_over(noon));
    CHECK(usage.over_until(noon) == std::chrono::floor<std::chrono::days>(noon) + 24h);
    CHECK_FALSE(usage.is_over(noon + 12h));
    usage.add(500, noon + 13h);
    CHECK(usage.is_over(noon + 13h));
    CHECK(usage.over_until(noon + 13h) == std::chrono::local_days(std::chrono::year(2026) / 12 / 1));
    CHECK_FALSE(usage.is_over(noon + std::chrono::days(7)));
}

TEST_CASE("usage outlives a restart, and a clock that is set back gives no second allowance") {
    Usage usage({.day_bytes = 1000, .month_bytes = {}});
    usage.add(5, noon);
    CHECK_FALSE(usage.is_worth_saving());
    usage.add(995, noon);
    CHECK(usage.is_worth_saving());
    Usage later({.day_bytes = 1000, .month_bytes = {}});
    REQUIRE(later.restore(usage.text()));
    CHECK(later.is_over(noon + 1h));
    CHECK(later.is_over(noon - 48h));
    CHECK_FALSE(later.restore("{}"));
    CHECK_FALSE(later.restore("no JSON"));
}

TEST_CASE("a forecast divides the rate by shares, and what is left over once a class is done") {
    Shares shares{0, 3, 1, 1, 1, 1};
    const auto seen = forecast({{Class::queue, 3000}, {Class::bulk, 2000}}, shares, schedule_of(8000, {}), std::nullopt, noon);
    CHECK(seen[0] == 4s);  // 750 bytes a second
    CHECK(seen[1] == 5s);  // 1000 in the same 4 s, then 1000 alone
}

TEST_CASE("a forecast knows the windows of the night, the line's own speed, and when there is no telling") {
    const auto schedule = schedule_of(8000, {"00:00-06:00 80kbit"});
    // 12 h at 1000 bytes a second, then 10000.
    CHECK(forecast({{Class::backlog, 12 * 3600 * 1000 + 36'000}}, shares_by_default, schedule, std::nullopt, noon)[0] == 43'204s);
    CHECK(forecast({{Class::backlog, 1000}}, shares_by_default, schedule, 100.0, noon)[0] == 10s);
    CHECK_FALSE(forecast({{Class::backlog, 1000}}, shares_by_default, Schedule(), std::nullopt, noon)[0]);
    CHECK(forecast({{Class::backlog, 1000}}, shares_by_default, Schedule(), 500.0, noon)[0] == 2s);
    CHECK_FALSE(forecast({{Class::backlog, 1ULL << 50}}, shares_by_default, schedule, std::nullopt, noon)[0]);
    CHECK(forecast({{Class::backlog, 0}}, shares_by_default, Schedule(), std::nullopt, noon)[0] == 0s);
}

TEST_CASE("a name is reachable by a default route over a link with a carrier, an address by any route that covers it") {
    const hal::net::Link up{2, "eth0", true, false, true}, unplugged{2, "eth0", true, false, false}, loop{1, "lo", true, true, true};
    const hal::net::Route by_default{"", 0, 2, "192.0.2.1", "", 0, false}, near{"198.51.100.0", 25, 2, "", "", 0, false};
    CHECK(has_way("hq.example", {loop, up}, {by_default}));
    CHECK_FALSE(has_way("hq.example", {loop, unplugged}, {by_default}));
    CHECK_FALSE(has_way("hq.example", {loop, up}, {near}));
    CHECK(has_way("198.51.100.127", {loop, up}, {near}));
    CHECK_FALSE(has_way("198.51.100.128", {loop, up}, {near}));
    CHECK_FALSE(has_way("2001:db8::1", {loop, up}, {by_default}));
    CHECK(has_way("127.0.0.1", {loop}, {}));
    CHECK(has_way("localhost", {loop}, {}));
}
