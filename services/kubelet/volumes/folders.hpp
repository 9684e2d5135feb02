// What volumes do to the file system: the atomic writer's layout, ownership by fsGroup, hostPath checks, subPaths that cannot
// leave their volume, and removal that never follows a mount. Blocking functions for the pool; no state.
//
// The atomic writer (as the kubelet's): VOLUME/..2026_11_24_09_00_00.123456789/PATH holds the files, VOLUME/..data is a
// symbolic link to that folder, and VOLUME/FIRST, one per first element of the paths, a link to ..data/FIRST. An update makes
// a new folder beside and renames a new link over ..data: a reader sees all of the old files or all of the new ones.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "hal/base/clock.hpp"
#include "services/kubelet/volumes/content.hpp"

namespace services::kubelet::volumes {

namespace fs = std::filesystem;

// Makes `volume` hold exactly `content`; nothing is touched when it does. `group`: fsGroup. False when it held that already.
// Throws Error{invalid} for a path that would leave the volume, Error{io|exhausted}.
bool write_content(const fs::path& volume, const Content& content, std::optional<std::uint32_t> group, hal::WallTime now);

// Gives all below `top` to the group, readable (and writable) for it, folders with the set-group bit. `only_if_root_differs`:
// fsGroupChangePolicy OnRootMismatch.
void give_to_group(const fs::path& top, std::uint32_t group, bool is_read_only, bool only_if_root_differs);

// Makes `folder` an empty folder with `mode`, or takes the one that is there.
void make_folder(const fs::path& folder, unsigned mode);
// A tmpfs at `folder` unless there is one. `bytes_max` 0: half of memory.
void make_memory_folder(const fs::path& folder, std::int64_t bytes_max, unsigned mode);
bool is_mount_point(const fs::path& folder);

// Checks `path` against a hostPath type, makes it for the ...OrCreate ones. Throws Error{invalid} with the kubelet's text.
void check_host_path(const fs::path& path, const std::string& type);

// The place `sub_path` below `volume`, made as a folder when it does not exist, bind-mounted at `target`. Symbolic links inside
// the volume are followed, none leads out of it. Throws Error.
void pin_sub_path(const fs::path& volume, const std::string& sub_path, const fs::path& target);

// Unmounts all below `top` and removes it, never crossing into another file system. Throws Error{io} when something stays.
void remove_folder(const fs::path& top);

}  // namespace services::kubelet::volumes
