// A container's log kept within its bound: past `log_bytes_max` the file is renamed (N.log.20261124-131500.000001) and a new
// one begun; `log_files_max` are kept. Woken by the kernel when something was written (inotify), at most each
// `look_interval`; a container that says nothing costs nothing.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include "services/kubelet/pods/runtime.hpp"

namespace services::kubelet::pods {

inline constexpr std::uintmax_t log_bytes_max = 10 << 20;
inline constexpr std::size_t log_files_max = 5;
inline constexpr std::chrono::seconds look_interval{10};

// Runs until cancelled, or until the file is gone.
Task<> keep_log_bounded(Runtime& runtime, const hal::Clock& clock, std::string id, std::filesystem::path file);
// The log and what was set aside of it.
void remove_log(const std::filesystem::path& file);
// Renames the log if it is over `bytes_max` and drops the oldest ones. True if it was renamed: then conmon is to reopen it.
bool rotate_log(const std::filesystem::path& file, std::uintmax_t bytes_max, std::size_t files_max, hal::WallTime now);

}  // namespace services::kubelet::pods
