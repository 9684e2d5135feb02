// What both sides of a signature compute from a request: its query taken apart, the canonical request and the string to
// sign of Version 4, the string to sign of Version 2. Pure; for this folder's signature code.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hal/base/clock.hpp"
#include "services/codec/s3/signature.hpp"

namespace services::codec::s3 {

// A target in its two parts, and the query decoded, in order.
struct Target {
    std::string_view path;  // raw
    std::vector<std::pair<std::string, std::string>> query;
    [[nodiscard]] const std::string* find(std::string_view name) const;  // exact case, as AWS
};
Target target_of(std::string_view raw);

// The first field of that name, or null.
const std::string* find_field(const Fields& fields, std::string_view lower_case_name);
std::string lower_case(std::string_view text);
bool same_name(std::string_view name, std::string_view lower_case_name);

// Without what `leave_out` names (X-Amz-Signature). `header_lines` are "name:value\n" of each signed header.
std::string canonical_request(std::string_view method, const Target& target, std::string_view leave_out, std::string_view header_lines,
                              std::string_view signed_headers, std::string_view payload);
// "name:value\n": all values of that name, trimmed, joined by commas.
void append_header_line(std::string& to, const Fields& headers, std::string_view lower_case_name);
std::string string_to_sign(std::string_view time_text, std::string_view scope, std::string_view canonical_request);
// `path` is the resource to sign, raw.
std::string string_to_sign_v2(const SignedRequest& request, const Target& target, std::string_view path, std::string_view date);

// 20260101T000000Z, and RFC 1123 ("Mon, 02 Jan 2006 15:04:05 GMT" or +0000). Nullopt when it is neither.
std::optional<hal::WallTime> iso8601_time(std::string_view text);
std::optional<hal::WallTime> rfc1123_time(std::string_view text);
std::string iso8601_text(hal::WallTime time);

}  // namespace services::codec::s3
