// The header rules of S3 objects: dates, entity tags, ranges, conditions of reads, and which request headers stay with an
// object and come back.
//
// Pure. Rules from RFC 9110 (8.8, 13, 14) where S3 says nothing of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hal/base/clock.hpp"
#include "services/http/message.hpp"
#include "services/objects/api/error.hpp"
#include "services/objects/store/types.hpp"

namespace services::objects::api {

inline constexpr std::size_t user_metadata_bytes_max = 8 * 1024;  // MinIO's; S3 has 2 KiB

// "Tue, 24 Nov 2026 09:00:00 GMT"
std::string http_date(hal::WallTime time);
std::optional<hal::WallTime> parse_http_date(std::string_view text);
// "2026-11-24T09:00:00.000Z", as in S3's XML.
std::string xml_date(hal::WallTime time);

std::string in_quotes(std::string_view etag);
std::string unquoted(std::string_view etag);

struct Range {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
};
// The range that `header` selects of `size` bytes; nullopt: all of it (no header, or one that is to be ignored). An
// unsatisfiable one is InvalidRange.
Expected<std::optional<Range>> range_of(std::string_view header, std::uint64_t size);
// x-amz-copy-source-range: "bytes=first-last" and nothing else, within the object.
Expected<std::optional<Range>> copy_range_of(std::string_view header, std::uint64_t size);

// Conditions of a read; `prefix` is "" or "x-amz-copy-source-". Refusal NotModified (304) or PreconditionFailed.
Expected<void> check_read(const http::Headers& headers, std::string_view prefix, std::string_view etag, hal::WallTime modified);
// Conditions of a write: If-Match, If-None-Match.
store::Conditions write_conditions(const http::Headers& headers);

// What of the request stays with the object: standard headers, x-amz-meta-*, x-amz-tagging, storage class.
Expected<store::Metadata> metadata_of(const http::Headers& headers);
// Header names that the store keeps and GET gives back.
bool is_kept_header(std::string_view lower_case_name);

std::string lower(std::string_view text);
bool equal_ignoring_case(std::string_view a, std::string_view b);
std::string_view trimmed(std::string_view text);
// Digits alone, within 64 bits.
std::optional<std::uint64_t> number_of(std::string_view text);

// `encoding-type=url`, as MinIO encodes.
std::string list_encoded(std::string_view text);

}  // namespace services::objects::api
