// What ConfigMaps and Secrets share: how much data they hold, and what `immutable` freezes. Private to their files.
#pragma once

#include <boost/json/object.hpp>

#include <span>
#include <string_view>

#include "services/kube/kinds/report.hpp"

namespace services::kube::kinds {

inline constexpr std::size_t data_bytes_max = 1024 * 1024;

// Once `immutable`, an object stays so, and none of `members` changes.
void check_frozen(Report& report, const json::object& object, const json::object& before, std::span<const std::string_view> members);

// The number of bytes that standard base64 text stands for.
std::size_t bytes_in_base64(std::string_view text);

}  // namespace services::kube::kinds
