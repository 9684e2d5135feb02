// The two patches that need no schema: JSON patch (RFC 6902) and JSON merge patch (RFC 7386), with the error texts of
// Kubernetes' own libraries. Pure functions. Bounded: a JSON patch holds at most 10,000 operations, as the real server's.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

namespace services::kube::schema {

namespace json = boost::json;

inline constexpr std::size_t patch_operations_max = 10'000;

struct PatchError {
    enum class Kind {
        malformed,       // 400 BadRequest
        unprocessable,   // 422: the patch is well-formed, but does not apply
        too_large,       // 413
        internal,        // 500: what the real server has no better status for
    } kind = Kind::malformed;
    std::string message;
};

// Copies grow the result to at most this many bytes, as the real server limits them.
inline constexpr std::size_t patch_copy_bytes_max = 3 * 1024 * 1024;

// Objects that the patch opened come out by their keys' order, others as they were: as Go's encoder writes the real
// library's result, which messages about it quote.
std::expected<json::object, PatchError> json_patch(json::object current, std::string_view patch_text);
std::expected<json::object, PatchError> json_merge_patch(json::object current, std::string_view patch_text);

// RFC 7386 on values, for who has parsed already.
void merge_into(json::value& target, const json::value& patch);

}  // namespace services::kube::schema
