#include "services/objects/api/fields.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <format>

#include "services/codec/s3/signature.hpp"
#include "services/codec/s3/tagging.hpp"

namespace services::objects::api {
namespace {

// Kept with the object and given back as they are.
constexpr std::array kept_headers{"content-type", "cache-control", "content-language", "content-encoding", "content-disposition", "expires",
                                  "x-amz-storage-class", "x-amz-website-redirect-location"};
constexpr std::array storage_classes{"STANDARD", "REDUCED_REDUNDANCY"};
constexpr std::string_view meta_prefix = "x-amz-meta-";

bool etag_list_holds(std::string_view list, std::string_view etag) {
    for (std::size_t at = 0; at <= list.size();) {
        const auto comma = std::min(list.find(',', at), list.size());
        const auto one = trimmed(list.substr(at, comma - at));
        if (one == "*" || unquoted(one) == etag) return true;
        at = comma + 1;
    }
    return false;
}

// Dates of headers have whole seconds.
hal::WallTime whole_seconds(hal::WallTime time) { return std::chrono::floor<std::chrono::seconds>(time); }

}  // namespace

std::string http_date(hal::WallTime time) {
    const auto seconds = std::chrono::system_clock::to_time_t(std::chrono::time_point_cast<std::chrono::system_clock::duration>(time));
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    std::array<char, 64> text{};
    const auto size = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    return {text.data(), size};
}

std::optional<hal::WallTime> parse_http_date(std::string_view text) {
    const std::string terminated(text);
    for (const auto* form : {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y", "%Y-%m-%dT%H:%M:%SZ"}) {
        std::tm parts{};
        const auto* end = ::strptime(terminated.c_str(), form, &parts);
        if (end && *end == '\0') return hal::WallTime(std::chrono::seconds(::timegm(&parts)));
    }
    return std::nullopt;
}

std::string xml_date(hal::WallTime time) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(time - seconds).count();
    const auto as_time = std::chrono::system_clock::to_time_t(seconds);
    std::tm parts{};
    ::gmtime_r(&as_time, &parts);
    return std::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour,
                       parts.tm_min, parts.tm_sec, milliseconds);
}

std::string in_quotes(std::string_view etag) { return '"' + std::string(etag) + '"'; }

std::string unquoted(std::string_view etag) {
    if (etag.starts_with("W/")) etag.remove_prefix(2);
    if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') etag = etag.substr(1, etag.size() - 2);
    return std::string(etag);
}

std::string_view trimmed(std::string_view text) {
    const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

std::optional<std::uint64_t> number_of(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failure != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
    return number;
}

Expected<std::optional<Range>> range_of(std::string_view header, std::uint64_t size) {
    if (!header.starts_with("bytes=") || header.contains(',')) return std::nullopt;
    const auto spec = header.substr(6);
    const auto dash = spec.find('-');
    if (dash == std::string_view::npos) return std::nullopt;
    const auto first_text = trimmed(spec.substr(0, dash)), last_text = trimmed(spec.substr(dash + 1));
    const auto first = number_of(first_text), last = number_of(last_text);
    if (first_text.empty()) {  // the last N bytes
        if (!last) return std::nullopt;
        if (*last == 0) return refused(Problem::invalid_range);
        const auto bytes = std::min(*last, size);
        return Range{size - bytes, bytes};
    }
    if (!first || (!last_text.empty() && (!last || *last < *first))) return std::nullopt;
    if (*first >= size) return refused(Problem::invalid_range);
    return Range{*first, std::min(last.value_or(size - 1), size - 1) - *first + 1};
}

Expected<std::optional<Range>> copy_range_of(std::string_view header, std::uint64_t size) {
    if (header.empty()) return std::nullopt;
    const auto dash = header.find('-');
    if (!header.starts_with("bytes=") || dash == std::string_view::npos)
        return invalid_argument("The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy");
    const auto first = number_of(header.substr(6, dash - 6)), last = number_of(header.substr(dash + 1));
    if (!first || !last || *last < *first)
        return invalid_argument("The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy");
    if (*last >= size) return refused(Problem::invalid_range);
    return Range{*first, *last - *first + 1};
}

Expected<void> check_read(const http::Headers& headers, std::string_view prefix, std::string_view etag, hal::WallTime modified) {
    const auto find = [&](std::string_view name) { return headers.find(std::string(prefix) + std::string(name)); };
    modified = whole_seconds(modified);
    const auto since = [](const std::string* text) { return text ? parse_http_date(*text) : std::nullopt; };
    // RFC 9110 13.2.2: tags go before dates. A copy that must not happen is a failed precondition, not "not modified".
    const auto unchanged = prefix.empty() ? Problem::not_modified : Problem::precondition_failed;
    if (const auto* match = find("if-match")) {
        if (!etag_list_holds(*match, etag)) return refused(Problem::precondition_failed);
    } else if (const auto time = since(find("if-unmodified-since")); time && modified > *time) {
        return refused(Problem::precondition_failed);
    }
    if (const auto* none = find("if-none-match")) {
        if (etag_list_holds(*none, etag)) return refused(unchanged);
    } else if (const auto time = since(find("if-modified-since")); time && modified <= *time) {
        return refused(unchanged);
    }
    return {};
}

store::Conditions write_conditions(const http::Headers& headers) {
    store::Conditions conditions;
    if (const auto* none = headers.find("if-none-match")) {
        if (trimmed(*none) == "*")
            conditions.if_none_match_any = true;
        else
            conditions.if_none_match = unquoted(trimmed(*none));
    }
    if (const auto* match = headers.find("if-match")) conditions.if_match = unquoted(trimmed(*match));
    return conditions;
}

bool is_kept_header(std::string_view name) { return std::ranges::find(kept_headers, name) != kept_headers.end(); }

Expected<store::Metadata> metadata_of(const http::Headers& headers) {
    store::Metadata metadata;
    std::size_t user_bytes = 0;
    for (const auto& [name, raw] : headers.all()) {
        auto key = lower(name);
        auto value = std::string(trimmed(raw));
        if (key.starts_with(meta_prefix)) {
            key.erase(0, meta_prefix.size());
            user_bytes += key.size() + value.size();
            // A header that came twice is one value (RFC 9110 5.2).
            const auto same = std::ranges::find(metadata.user, key, &std::pair<std::string, std::string>::first);
            if (same != metadata.user.end())
                same->second += "," + value;
            else
                metadata.user.emplace_back(std::move(key), std::move(value));
        } else if (is_kept_header(key)) {
            if (key == "content-encoding") {
                // aws-chunked describes the way here, not the object.
                std::string rest;
                for (std::size_t at = 0; at <= value.size();) {
                    const auto comma = std::min(value.find(',', at), value.size());
                    const auto one = trimmed(std::string_view(value).substr(at, comma - at));
                    if (one != "aws-chunked" && !one.empty()) rest += (rest.empty() ? "" : ",") + std::string(one);
                    at = comma + 1;
                }
                value = rest;
            }
            if (key == "x-amz-storage-class") {
                if (value.empty() || value == "STANDARD") continue;
                if (std::ranges::find(storage_classes, value) == storage_classes.end())
                    return s3::refuse("InvalidStorageClass", 400, "Invalid storage class.");
            }
            if (!value.empty()) metadata.headers.emplace_back(std::move(key), std::move(value));
        }
    }
    if (user_bytes > user_metadata_bytes_max) return refused(Problem::metadata_too_large);
    if (const auto* text = headers.find("x-amz-tagging"); text && !text->empty()) {
        auto tags = s3::tags_from_header(*text);
        if (!tags) return std::unexpected(std::move(tags.error()));
        metadata.tags = std::move(*tags);
    }
    return metadata;
}

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return result;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) { return a.size() == b.size() && lower(a) == lower(b); }

std::string list_encoded(std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '/' || c == '*') {
            out += c;
        } else if (c == ' ') {
            out += '+';
        } else {
            out += '%';
            out += digits[byte >> 4];
            out += digits[byte & 15];
        }
    }
    return out;
}

}  // namespace services::objects::api
