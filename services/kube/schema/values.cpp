#include "services/kube/schema/values.hpp"

#include <array>
#include <chrono>
#include <cmath>
#include <format>

#include "services/codec/quantity.hpp"
#include "services/kube/schema/schema.hpp"

namespace services::kube::schema {

namespace {

constexpr std::string_view time_layout = "2006-01-02T15:04:05Z07:00";
constexpr std::string_view micro_layout = "2006-01-02T15:04:05.000000Z07:00";

struct Moment {
    std::int64_t seconds = 0;
    std::int32_t nanoseconds = 0;
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// time.Parse for RFC 3339: the error names the layout's element where the text stops fitting.
std::expected<Moment, std::string> parse_moment(std::string_view text, std::string_view layout) {
    const auto fail = [&](std::string_view rest, std::string_view element) {
        return std::unexpected(std::format("parsing time \"{}\" as \"{}\": cannot parse \"{}\" as \"{}\"", text, layout, rest, element));
    };
    const auto range = [&](std::string_view what) {
        return std::unexpected(std::format("parsing time \"{}\": {} out of range", text, what));
    };
    std::size_t at = 0;
    const auto number = [&](std::size_t width, int& out) {
        if (text.size() < at + width) return false;
        out = 0;
        for (std::size_t i = 0; i < width; ++i) {
            if (!is_digit(text[at + i])) return false;
            out = out * 10 + (text[at + i] - '0');
        }
        at += width;
        return true;
    };
    const auto literal = [&](char c) { return at < text.size() && text[at] == c ? (++at, true) : false; };
    int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
    if (!number(4, year)) return fail(text.substr(at), "2006");
    if (!literal('-')) return fail(text.substr(at), "-");
    if (!number(2, month)) return fail(text.substr(at), "01");
    if (month < 1 || month > 12) return range("month");
    if (!literal('-')) return fail(text.substr(at), "-");
    if (!number(2, day)) return fail(text.substr(at), "02");
    if (!literal('T')) return fail(text.substr(at), "T");
    if (!number(2, hour)) return fail(text.substr(at), "15");
    if (hour > 23) return range("hour");
    if (!literal(':')) return fail(text.substr(at), ":");
    if (!number(2, minute)) return fail(text.substr(at), "04");
    if (minute > 59) return range("minute");
    if (!literal(':')) return fail(text.substr(at), ":");
    if (!number(2, second)) return fail(text.substr(at), "05");
    if (second > 59) return range("second");
    std::int32_t nanoseconds = 0;
    const bool wants_fraction = layout == micro_layout;
    if (at + 1 < text.size() && (text[at] == '.' || text[at] == ',') && is_digit(text[at + 1])) {
        const std::size_t start = at;
        std::int32_t scale = 100'000'000;
        for (++at; at < text.size() && is_digit(text[at]); ++at, scale /= 10) nanoseconds += (text[at] - '0') * scale;
        if (wants_fraction && at - start != 7) return fail(text.substr(start), ".000000");
    } else if (wants_fraction) {
        return fail(text.substr(at), ".000000");
    }
    std::int64_t offset = 0;
    if (!literal('Z')) {
        if (at >= text.size() || (text[at] != '+' && text[at] != '-') || text.size() < at + 6 || text[at + 3] != ':')
            return fail(text.substr(at), "Z07:00");
        const bool negative = text[at] == '-';
        const std::size_t start = at;
        int hours = 0, minutes = 0;
        ++at;
        if (!number(2, hours)) return fail(text.substr(start), "Z07:00");
        ++at;
        if (!number(2, minutes)) return fail(text.substr(start), "Z07:00");
        if (hours > 24) return range("time zone offset hour");
        if (minutes > 60) return range("time zone offset minute");
        offset = (hours * 60 + minutes) * 60 * (negative ? -1 : 1);
    }
    if (at != text.size()) return std::unexpected(std::format("parsing time \"{}\": extra text: \"{}\"", text, text.substr(at)));
    const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                           std::chrono::day(static_cast<unsigned>(day))};
    if (!date.ok()) return range("day");
    const auto days = std::chrono::sys_days(date).time_since_epoch().count();
    return Moment{std::int64_t{days} * 86400 + hour * 3600 + minute * 60 + second - offset, nanoseconds};
}

}  // namespace

std::string write_time(std::int64_t seconds) {
    return std::format("{:%FT%T}Z", std::chrono::sys_time<std::chrono::seconds>(std::chrono::seconds(seconds)));
}

std::string write_micro_time(std::int64_t seconds, std::int32_t nanoseconds) {
    return std::format("{:%FT%T}.{:06}Z", std::chrono::sys_time<std::chrono::seconds>(std::chrono::seconds(seconds)), nanoseconds / 1000);
}

Text read_time(std::string_view text) {
    auto moment = parse_moment(text, time_layout);
    if (!moment) return std::unexpected(std::move(moment.error()));
    return write_time(moment->seconds);
}

Text read_micro_time(std::string_view text) {
    auto moment = parse_moment(text, micro_layout);
    if (!moment) return std::unexpected(std::move(moment.error()));
    return write_micro_time(moment->seconds, moment->nanoseconds);
}

// time.Duration.String
std::string write_duration(std::int64_t nanoseconds) {
    if (nanoseconds == 0) return "0s";
    const bool negative = nanoseconds < 0;
    const std::uint64_t all = negative ? 0 - static_cast<std::uint64_t>(nanoseconds) : static_cast<std::uint64_t>(nanoseconds);
    const auto fraction = [](std::uint64_t value, std::uint64_t unit) {
        std::string out = std::to_string(value / unit);
        if (std::uint64_t rest = value % unit; rest != 0) {
            std::string digits;
            for (; unit > 1; unit /= 10) digits += static_cast<char>('0' + rest / (unit / 10) % 10);
            while (digits.back() == '0') digits.pop_back();
            out += "." + digits;
        }
        return out;
    };
    std::string out = negative ? "-" : "";
    if (all < 1'000) return out + std::to_string(all) + "ns";
    if (all < 1'000'000) return out + fraction(all, 1'000) + "µs";
    if (all < 1'000'000'000) return out + fraction(all, 1'000'000) + "ms";
    const std::uint64_t minutes = all / 60'000'000'000;
    if (minutes >= 60) out += std::to_string(minutes / 60) + "h";
    if (minutes > 0) out += std::to_string(minutes % 60) + "m";
    return out + fraction(all % 60'000'000'000, 1'000'000'000) + "s";
}

namespace {

using Wide = __int128;  // a duration's digits before they are scaled

// time.ParseDuration
std::expected<std::int64_t, std::string> parse_duration(std::string_view text) {
    const auto invalid = [&] { return std::unexpected(std::format("time: invalid duration \"{}\"", text)); };
    std::string_view rest = text;
    const bool negative = !rest.empty() && rest[0] == '-';
    if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) rest.remove_prefix(1);
    if (rest == "0") return 0;
    if (rest.empty()) return invalid();
    Wide total = 0;
    while (!rest.empty()) {
        Wide value = 0, scale = 1;
        std::size_t at = 0;
        bool any = false;
        for (; at < rest.size() && is_digit(rest[at]); ++at, any = true)
            if ((value = value * 10 + (rest[at] - '0')) > Wide{1} << 63) return invalid();
        if (at < rest.size() && rest[at] == '.')
            for (++at; at < rest.size() && is_digit(rest[at]); ++at, any = true)
                if (scale < 1'000'000'000'000) value = value * 10 + (rest[at] - '0'), scale *= 10;
        if (!any) return invalid();
        rest.remove_prefix(at);
        std::size_t length = 0;
        while (length < rest.size() && rest[length] != '.' && !is_digit(rest[length])) ++length;
        const std::string_view unit = rest.substr(0, length);
        rest.remove_prefix(length);
        Wide factor = 0;
        if (unit == "ns") factor = 1;
        else if (unit == "us" || unit == "µs" || unit == "μs") factor = 1'000;
        else if (unit == "ms") factor = 1'000'000;
        else if (unit == "s") factor = 1'000'000'000;
        else if (unit == "m") factor = 60'000'000'000;
        else if (unit == "h") factor = 3'600'000'000'000;
        else if (unit.empty()) return std::unexpected(std::format("time: missing unit in duration \"{}\"", text));
        else return std::unexpected(std::format("time: unknown unit \"{}\" in duration \"{}\"", unit, text));
        total += value * factor / scale;
        if (total > (Wide{1} << 63) - 1) return invalid();
    }
    return static_cast<std::int64_t>(negative ? -total : total);
}

}  // namespace

Text read_duration(std::string_view text) {
    auto nanoseconds = parse_duration(text);
    if (!nanoseconds) return std::unexpected(std::move(nanoseconds.error()));
    return write_duration(*nanoseconds);
}

std::int64_t nanoseconds_of(std::string_view duration) { return parse_duration(duration).value_or(0); }

std::pair<std::int64_t, std::int32_t> moment_of(std::string_view time) {
    const auto moment = parse_moment(time, time_layout).value_or(Moment{});
    return {moment.seconds, moment.nanoseconds};
}

Text read_quantity(std::string_view text) {
    auto quantity = codec::Quantity::parse(text);
    if (!quantity) return std::unexpected(std::move(quantity.error()));
    return quantity->canonical();
}

std::expected<std::string, DecodeError> canonical_quantity(std::string_view text) {
    auto out = read_quantity(text);
    if (!out) return std::unexpected(DecodeError{std::move(out.error())});
    return *std::move(out);
}

std::string write_base64(std::string_view bytes) {
    static constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t group = 0;
        const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
        for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0U);
        for (std::size_t k = 0; k < 4; ++k) out += k <= count ? alphabet[group >> (18 - 6 * k) & 63] : '=';
    }
    return out;
}

// encoding/base64 StdEncoding: newlines are skipped, padding is required, trailing bits are not looked at.
Text read_base64(std::string_view text) {
    static constexpr auto table = [] {
        std::array<signed char, 256> out{};
        out.fill(-1);
        constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for (std::size_t i = 0; i < alphabet.size(); ++i) out[static_cast<unsigned char>(alphabet[i])] = static_cast<signed char>(i);
        return out;
    }();
    const auto illegal = [](std::size_t at) { return std::unexpected(std::format("illegal base64 data at input byte {}", at)); };
    std::string out;
    out.reserve(text.size() / 4 * 3);
    std::size_t at = 0;
    const auto skip = [&] { while (at < text.size() && (text[at] == '\n' || text[at] == '\r')) ++at; };
    while (true) {
        std::uint32_t group = 0;
        int have = 0;
        for (; have < 4; ++have) {
            skip();
            if (at == text.size()) {
                if (have == 0) return out;
                return illegal(at - static_cast<std::size_t>(have));
            }
            const char c = text[at++];
            if (const int value = table[static_cast<unsigned char>(c)]; value >= 0) {
                group = group << 6 | static_cast<std::uint32_t>(value);
                continue;
            }
            if (c != '=' || have < 2) return illegal(at - 1);
            skip();
            if (have == 2) {
                if (at == text.size()) return illegal(text.size());
                if (text[at] != '=') return illegal(at - 1);
                ++at;
                skip();
            }
            if (at < text.size()) return illegal(at);
            if (have == 2) out += static_cast<char>(group >> 4);
            else (out += static_cast<char>(group >> 10)) += static_cast<char>(group >> 2 & 0xff);
            return out;
        }
        ((out += static_cast<char>(group >> 16)) += static_cast<char>(group >> 8 & 0xff)) += static_cast<char>(group & 0xff);
    }
}

}  // namespace services::kube::schema
