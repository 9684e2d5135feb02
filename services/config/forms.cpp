#include "services/config/forms.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <utility>

namespace services::config {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// The digits in front, with at most three places after the point, in thousandths; nothing when there are none or too many.
std::optional<std::uint64_t> take_thousandths(std::string_view& text) {
    constexpr std::size_t digits_max = 12, places_max = 3;
    std::size_t digits = 0;
    while (digits < text.size() && is_digit(text[digits])) ++digits;
    if (digits == 0 || digits > digits_max) return std::nullopt;
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + digits, value);
    text.remove_prefix(digits);
    value *= 1000;
    if (!text.starts_with('.')) return value;
    text.remove_prefix(1);
    std::size_t places = 0;
    std::uint64_t weight = 100;
    for (; places < text.size() && is_digit(text[places]); ++places, weight /= 10) value += static_cast<std::uint64_t>(text[places] - '0') * weight;
    if (places == 0 || places > places_max) return std::nullopt;
    text.remove_prefix(places);
    return value;
}

using Unit = std::pair<std::string_view, std::uint64_t>;

std::optional<std::uint64_t> amount(std::string_view text, std::span<const Unit> units, std::uint64_t most) {
    const auto thousandths = take_thousandths(text);
    if (!thousandths) return std::nullopt;
    const auto unit = std::ranges::find(units, text, &Unit::first);
    if (unit == units.end()) return std::nullopt;
    const auto value = static_cast<unsigned __int128>(*thousandths) * unit->second / 1000;
    if (value == 0 || value > most) return std::nullopt;
    return static_cast<std::uint64_t>(value);
}

std::string_view take_word(std::string_view& text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    const auto word = text.substr(0, text.find(' '));
    text.remove_prefix(word.size());
    while (text.starts_with(' ')) text.remove_prefix(1);
    return word;
}

std::optional<int> day_of(std::string_view name) {
    constexpr std::array<std::string_view, 7> names{"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
    const auto it = std::ranges::find(names, name);
    if (it == names.end()) return std::nullopt;
    return static_cast<int>(it - names.begin());
}

// "mon-fri,sun"
std::optional<std::uint8_t> days_of(std::string_view word) {
    unsigned days = 0;
    for (;;) {
        const auto part = word.substr(0, word.find(','));
        const auto dash = part.find('-');
        const auto first = day_of(part.substr(0, dash));
        const auto last = dash == part.npos ? first : day_of(part.substr(dash + 1));
        if (!first || !last) return std::nullopt;
        for (int day = *first;; day = (day + 1) % 7) {
            days |= 1U << day;
            if (day == *last) break;
        }
        if (part.size() == word.size()) return static_cast<std::uint8_t>(days);
        word.remove_prefix(part.size() + 1);
    }
}

std::optional<int> minute_of(std::string_view text) {
    if (text.size() != 5 || text[2] != ':') return std::nullopt;
    for (const std::size_t at : {0, 1, 3, 4})
        if (!is_digit(text[at])) return std::nullopt;
    const int hour = (text[0] - '0') * 10 + text[1] - '0', minute = (text[3] - '0') * 10 + text[4] - '0';
    if (minute > 59 || hour > 24 || (hour == 24 && minute != 0)) return std::nullopt;
    return hour * 60 + minute;
}

bool is_host(std::string_view host) {
    constexpr std::size_t host_bytes_max = 253;
    if (host.empty() || host.size() > host_bytes_max) return false;
    return std::ranges::all_of(host, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '.' || c == '_' || c == ':'; });
}

}  // namespace

std::optional<std::uint64_t> parse_rate(std::string_view text) {
    constexpr std::array<Unit, 4> units{{{"bit", 1}, {"kbit", 1000}, {"Mbit", 1'000'000}, {"Gbit", 1'000'000'000}}};
    return amount(text, units, 1'000'000'000'000);
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
    constexpr std::array<Unit, 10> units{{{"", 1}, {"B", 1}, {"kB", 1000}, {"MB", 1'000'000}, {"GB", 1'000'000'000}, {"TB", 1'000'000'000'000},
                                          {"KiB", 1ULL << 10}, {"MiB", 1ULL << 20}, {"GiB", 1ULL << 30}, {"TiB", 1ULL << 40}}};
    return amount(text, units, 1ULL << 53);
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
    constexpr std::array<Unit, 4> units{{{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}}};
    constexpr std::size_t digits_max = 9;
    if (text.empty()) return std::nullopt;
    std::uint64_t total = 0;
    while (!text.empty()) {
        std::size_t digits = 0, letters = 0;
        while (digits < text.size() && is_digit(text[digits])) ++digits;
        if (digits == 0 || digits > digits_max) return std::nullopt;
        while (digits + letters < text.size() && !is_digit(text[digits + letters])) ++letters;
        const auto unit = std::ranges::find(units, text.substr(digits, letters), &Unit::first);
        if (unit == units.end()) return std::nullopt;
        std::uint64_t value = 0;
        std::from_chars(text.data(), text.data() + digits, value);
        total += value * unit->second;
        text.remove_prefix(digits + letters);
        if (total > 1ULL << 50) return std::nullopt;
    }
    return std::chrono::milliseconds(total);
}

std::optional<Window> parse_window(std::string_view text) {
    Window window;
    auto word = take_word(text);
    if (const auto days = days_of(word)) {
        window.days = *days;
        word = take_word(text);
    }
    if (const auto dash = word.find('-'); dash != word.npos) {
        const auto begin = minute_of(word.substr(0, dash)), end = minute_of(word.substr(dash + 1));
        if (!begin || !end || *begin == 24 * 60 || *begin == *end) return std::nullopt;
        window.begin_minute = *begin;
        window.end_minute = *end == 0 ? 24 * 60 : *end;
        word = take_word(text);
    }
    if (!text.empty()) return std::nullopt;
    if (word == "unlimited") return window;
    window.bits_per_second = parse_rate(word);
    if (!window.bits_per_second) return std::nullopt;
    return window;
}

std::optional<HostPort> parse_host_port(std::string_view text) {
    HostPort result;
    std::string_view host;
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        if (end == text.npos || text.substr(0, end).find(':') == text.npos) return std::nullopt;
        host = text.substr(1, end - 1);
        text.remove_prefix(end + 1);
    } else {
        host = text.substr(0, text.find(':'));
        text.remove_prefix(host.size());
    }
    result.host.resize(host.size());
    std::ranges::transform(host, result.host.begin(), lower);
    if (!is_host(result.host) || !text.starts_with(':')) return std::nullopt;
    text.remove_prefix(1);
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), result.port);
    if (failure != std::errc{} || end != text.data() + text.size() || result.port == 0) return std::nullopt;
    return result;
}

namespace {

std::uint16_t port_of(std::string_view scheme) {
    constexpr std::array<std::pair<std::string_view, std::uint16_t>, 4> ports{{{"http", 80}, {"https", 443}, {"amqp", 5672}, {"amqps", 5671}}};
    const auto it = std::ranges::find(ports, scheme, &std::pair<std::string_view, std::uint16_t>::first);
    return it == ports.end() ? 0 : it->second;
}

}  // namespace

std::string Url::authority() const {
    std::string text = host.contains(':') ? "[" + host + "]" : host;
    if (port != port_of(scheme)) text += ":" + std::to_string(port);
    return text;
}

std::optional<Url> parse_url(std::string_view text) {
    const auto colon = text.find("://");
    if (colon == text.npos || colon == 0 || colon > 16) return std::nullopt;
    Url url;
    url.scheme.resize(colon);
    std::ranges::transform(text.substr(0, colon), url.scheme.begin(), lower);
    url.port = port_of(url.scheme);
    if (url.port == 0) return std::nullopt;
    text.remove_prefix(colon + 3);
    const auto place = text.substr(0, text.find_first_of("/?#"));
    url.target = text.substr(place.size());
    const bool has_bad = std::ranges::any_of(url.target, [](char c) { return c <= ' ' || c == 0x7f || c == '#'; });
    if (has_bad || place.empty()) return std::nullopt;
    if (!url.target.starts_with('/')) url.target.insert(url.target.begin(), '/');
    const auto bracket = place.rfind(']');
    const bool has_port = place.find(':', bracket == place.npos ? 0 : bracket) != place.npos;
    const auto found = parse_host_port(has_port ? std::string(place) : std::string(place) + ":" + std::to_string(url.port));
    if (!found) return std::nullopt;
    url.host = found->host;
    url.port = found->port;
    return url;
}

}  // namespace services::config
