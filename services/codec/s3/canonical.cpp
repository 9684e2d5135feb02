#include "services/codec/s3/canonical.hpp"

#include <algorithm>
#include <charconv>
#include <format>
#include <map>

#include "services/codec/s3/hmac.hpp"

namespace services::codec::s3 {

namespace {

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// Trimmed, runs of blanks inside made one.
void append_trimmed(std::string& to, std::string_view value) {
    const auto blank = [](char c) { return c == ' ' || c == '\t'; };
    while (!value.empty() && blank(value.front())) value.remove_prefix(1);
    while (!value.empty() && blank(value.back())) value.remove_suffix(1);
    bool was_blank = false;
    for (const char c : value) {
        if (blank(c)) {
            if (!was_blank) to += ' ';
            was_blank = true;
        } else {
            to += c;
            was_blank = false;
        }
    }
}

// The query parameters that Version 2 signs, in order.
constexpr std::string_view signed_v2[] = {"acl",
                                          "cors",
                                          "delete",
                                          "encryption",
                                          "legal-hold",
                                          "lifecycle",
                                          "location",
                                          "logging",
                                          "notification",
                                          "partNumber",
                                          "policy",
                                          "replication",
                                          "requestPayment",
                                          "response-cache-control",
                                          "response-content-disposition",
                                          "response-content-encoding",
                                          "response-content-language",
                                          "response-content-type",
                                          "response-expires",
                                          "retention",
                                          "select",
                                          "select-type",
                                          "tagging",
                                          "torrent",
                                          "uploadId",
                                          "uploads",
                                          "versionId",
                                          "versioning",
                                          "versions",
                                          "website"};

// `digits` decimal digits at the front of `text`, taken off; -1 when they are not there.
int take_number(std::string_view& text, std::size_t digits) {
    if (text.size() < digits || !std::ranges::all_of(text.substr(0, digits), [](char c) { return c >= '0' && c <= '9'; })) return -1;
    int number = 0;
    std::from_chars(text.data(), text.data() + digits, number);
    text.remove_prefix(digits);
    return number;
}

bool take(std::string_view& text, std::string_view what) {
    if (!text.starts_with(what)) return false;
    text.remove_prefix(what.size());
    return true;
}

std::optional<hal::WallTime> time_from(int year, int month, int day, int hour, int minute, int second) {
    const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                           std::chrono::day(static_cast<unsigned>(day))};
    if (year < 0 || month < 1 || day < 1 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 || !date.ok())
        return std::nullopt;
    return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) + std::chrono::seconds(second);
}

}  // namespace

const std::string* Target::find(std::string_view name) const {
    for (const auto& [key, value] : query)
        if (key == name) return &value;
    return nullptr;
}

Target target_of(std::string_view raw) {
    Target target;
    const auto mark = raw.find('?');
    target.path = raw.substr(0, mark);
    auto rest = mark == std::string_view::npos ? std::string_view() : raw.substr(mark + 1);
    while (!rest.empty()) {
        const auto part = rest.substr(0, rest.find('&'));
        rest.remove_prefix(std::min(rest.size(), part.size() + 1));
        if (part.empty()) continue;
        const auto equals = part.find('=');
        const auto name = part.substr(0, equals);
        const auto value = equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1);
        // A wrong %XX stands for itself: the signature decides.
        target.query.emplace_back(uri_decoded(name, true).value_or(std::string(name)), uri_decoded(value, true).value_or(std::string(value)));
    }
    return target;
}

bool same_name(std::string_view name, std::string_view lower_case_name) {
    return name.size() == lower_case_name.size() &&
           std::ranges::equal(name, lower_case_name, [](char a, char b) { return lower(a) == b; });
}

const std::string* find_field(const Fields& fields, std::string_view lower_case_name) {
    for (const auto& [name, value] : fields)
        if (same_name(name, lower_case_name)) return &value;
    return nullptr;
}

std::string lower_case(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(), lower);
    return result;
}

void append_header_line(std::string& to, const Fields& headers, std::string_view lower_case_name) {
    to += lower_case_name;
    to += ':';
    bool is_first = true;
    for (const auto& [name, value] : headers) {
        if (!same_name(name, lower_case_name)) continue;
        if (!is_first) to += ',';
        is_first = false;
        append_trimmed(to, value);
    }
    to += '\n';
}

std::string canonical_request(std::string_view method, const Target& target, std::string_view leave_out, std::string_view header_lines,
                              std::string_view signed_headers, std::string_view payload) {
    std::vector<std::pair<std::string, std::string>> query;
    query.reserve(target.query.size());
    for (const auto& [name, value] : target.query)
        if (name != leave_out) query.emplace_back(uri_encoded(name, false), uri_encoded(value, false));
    std::ranges::sort(query);

    std::string text;
    text.reserve(512 + header_lines.size());
    text += method;
    text += '\n';
    const auto path = uri_decoded(target.path, false);
    text += uri_encoded(path ? std::string_view(*path) : target.path, true);
    text += '\n';
    for (std::size_t i = 0; i < query.size(); ++i) {
        if (i != 0) text += '&';
        text += query[i].first;
        text += '=';
        text += query[i].second;
    }
    text += '\n';
    text += header_lines;
    text += '\n';
    text += signed_headers;
    text += '\n';
    text += payload;
    return text;
}

std::string string_to_sign(std::string_view time_text, std::string_view scope, std::string_view canonical) {
    std::string text = "AWS4-HMAC-SHA256\n";
    text += time_text;
    text += '\n';
    text += scope;
    text += '\n';
    text += sha256_hex(canonical);
    return text;
}

std::string string_to_sign_v2(const SignedRequest& request, const Target& target, std::string_view path, std::string_view date) {
    std::string text(request.method);
    for (const std::string_view name : {"content-md5", "content-type"}) {
        text += '\n';
        if (const auto* value = find_field(*request.headers, name)) text += *value;
    }
    text += '\n';
    text += date;
    text += '\n';

    std::map<std::string, std::string> amz;
    for (const auto& [name, value] : *request.headers) {
        auto key = lower_case(name);
        if (!key.starts_with("x-amz-")) continue;
        auto& values = amz[std::move(key)];
        if (!values.empty()) values += ',';
        values += value;
    }
    for (const auto& [name, value] : amz) {
        text += name;
        text += ':';
        text += value;
        text += '\n';
    }

    text += path;
    char separator = '?';
    for (const auto name : signed_v2) {
        const auto* value = target.find(name);
        if (value == nullptr) continue;
        text += separator;
        separator = '&';
        text += name;
        if (value->empty()) continue;
        text += '=';
        text += *value;
    }
    return text;
}

std::optional<hal::WallTime> iso8601_time(std::string_view text) {
    if (text.size() != 16) return std::nullopt;
    const int year = take_number(text, 4), month = take_number(text, 2), day = take_number(text, 2);
    if (!take(text, "T")) return std::nullopt;
    const int hour = take_number(text, 2), minute = take_number(text, 2), second = take_number(text, 2);
    if (text != "Z") return std::nullopt;
    return time_from(year, month, day, hour, minute, second);
}

std::optional<hal::WallTime> rfc1123_time(std::string_view text) {
    constexpr std::string_view months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    if (text.size() < 29 || text.substr(3, 2) != ", ") return std::nullopt;
    text.remove_prefix(5);
    const int day = take_number(text, 2);
    if (!take(text, " ")) return std::nullopt;
    const auto month = std::ranges::find(months, text.substr(0, 3));
    if (month == std::end(months)) return std::nullopt;
    text.remove_prefix(3);
    if (!take(text, " ")) return std::nullopt;
    const int year = take_number(text, 4);
    if (!take(text, " ")) return std::nullopt;
    const int hour = take_number(text, 2);
    if (!take(text, ":")) return std::nullopt;
    const int minute = take_number(text, 2);
    if (!take(text, ":")) return std::nullopt;
    const int second = take_number(text, 2);
    if (text != " GMT" && text != " UTC" && text != " +0000" && text != " -0000") return std::nullopt;
    return time_from(year, static_cast<int>(month - std::begin(months)) + 1, day, hour, minute, second);
}

std::string iso8601_text(hal::WallTime time) { return std::format("{:%Y%m%dT%H%M%SZ}", std::chrono::floor<std::chrono::seconds>(time)); }

}  // namespace services::codec::s3
