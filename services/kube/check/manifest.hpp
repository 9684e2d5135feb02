// Kubernetes manifests read as the API server would read them, before they are sent: for `branchbox check`. What is wrong
// is said in the server's own words, with the place in the file, and a hint that names the mend where one is near.
//
// Pure: text in, findings out; asks no server, so what depends on other objects (names taken, namespaces)
// is not seen. Bounded by `manifest_bytes_max` and `documents_max`.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace services::kube::check {

inline constexpr std::size_t manifest_bytes_max = 3 * 1024 * 1024;
inline constexpr std::size_t documents_max = 1000;

struct Finding {
    std::size_t line = 0, column = 0;  // 1 and up; 0: the file as a whole
    std::string message;               // the API server's error
    std::string hint;                  // "" when none is near
};

// True if `text` looks like a manifest: its first document has apiVersion and kind at the top, and the apiVersion is not
// the box's own.
bool is_manifest(std::string_view text);
// In the order of the file; empty: the server would take all of it.
std::vector<Finding> check_manifest(std::string_view text);

}  // namespace services::kube::check
