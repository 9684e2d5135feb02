// The unified diff of two texts that a refused pod update shows, in the shape of Python's difflib, which the real server's
// library follows: three lines of context, no file names, and lines that are too common in a long text (200 lines or
// more) count for nothing when matches are sought.
//
// Pure. Made for texts of a pod's size (some hundred lines); texts beyond diff_lines_max lines a side are not compared, and
// the search for equal stretches ends after a fixed number of steps, after which the diff is right but not the shortest.
#pragma once

#include <string>
#include <string_view>

namespace services::kube::kinds {

inline constexpr std::size_t diff_lines_max = 20'000;

// "" when they are equal; a note instead of a diff when a side is longer than diff_lines_max.
std::string unified_diff(std::string_view before, std::string_view after);

}  // namespace services::kube::kinds
