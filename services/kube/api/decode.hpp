// Bodies of requests: from bytes and a Content-Type to an object of a kind, with the real texts for what cannot be read.
#pragma once

#include <functional>

#include "services/kube/api/api.hpp"

namespace services::kube::api {

// The media type of a Content-Type header, without its parameters.
std::string media_type(const http::Request& request);

// "array", "string", "bool", "number", "object": as encoding/json names what it found.
std::string_view json_type(const json::value& value);

// How unknown and duplicate fields are met (trap 9): an error, a warning, or nothing. "" is Warn.
void meet_strict_errors(const std::vector<std::string>& errors, std::string_view field_validation, const std::string& prefix,
                        std::vector<std::string>& warnings);

// An object of `gvk` from JSON text that a patch made; errors as a patch answers them, with what `shown` says was patched.
json::object decode_object(const schema::GroupVersionKind& gvk, std::string_view text, std::string_view field_validation,
                           std::vector<std::string>& warnings, const std::function<std::string()>& shown);

}  // namespace services::kube::api
