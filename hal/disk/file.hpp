// Small files written so that a pulled plug leaves the old content or the new, never a part. Blocking: called from a
// worker (hal/async/pool.hpp) or before the loop runs. Messages name the path.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <sys/types.h>

namespace hal::disk {

// The file's bytes; empty when there is none. Throws Error{too_large} past `bytes_max`, Error{io}.
std::optional<std::string> read_file(const std::filesystem::path& path, std::size_t bytes_max);
// Replaces `path`: a temporary file beside it, fsync, rename, fsync of the folder. Throws Error{exhausted|io}; then the
// old content stands.
void replace_file(const std::filesystem::path& path, std::string_view bytes, mode_t mode = 0644);
// Makes what was created, renamed or removed in `folder` durable.
void sync_folder(const std::filesystem::path& folder);
// Everything written on the file system of `path` so far.
void sync_file_system(const std::filesystem::path& path);

}  // namespace hal::disk
