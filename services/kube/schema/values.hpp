// The scalar forms of Kubernetes that are neither JSON nor protobuf scalars: quantities, times, durations, base64. Each
// reads what Go's reader accepts and writes what Go writes, or gives Go's own error text.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace services::kube::schema {

using Text = std::expected<std::string, std::string>;  // canonical form, or the error

Text read_time(std::string_view text);        // metav1.Time: whole seconds, UTC
Text read_micro_time(std::string_view text);  // metav1.MicroTime
Text read_duration(std::string_view text);    // metav1.Duration
Text read_quantity(std::string_view text);

std::string write_time(std::int64_t seconds);
std::string write_micro_time(std::int64_t seconds, std::int32_t nanoseconds);
std::string write_duration(std::int64_t nanoseconds);
// Of canonical texts, for the wire; 0 for others.
std::pair<std::int64_t, std::int32_t> moment_of(std::string_view time);  // seconds, nanoseconds
std::int64_t nanoseconds_of(std::string_view duration);
std::string write_base64(std::string_view bytes);
Text read_base64(std::string_view text);  // to bytes; "illegal base64 data at input byte N"

}  // namespace services::kube::schema
