// Network namespaces pinned by path, and the mounts that a container's root is made of. Blocking, short: called on the
// pool where it matters. Owns nothing afterwards: what is mounted stays until unmounted.
#pragma once

#include <filesystem>
#include <vector>

#include "hal/process/spawn.hpp"

namespace hal::process {

// Makes a network namespace with `lo` up and pins it at `path` (a bind mount). Nothing if one is pinned there already.
void pin_network_namespace(const std::filesystem::path& path);
void unpin_namespace(const std::filesystem::path& path);
[[nodiscard]] bool is_pinned(const std::filesystem::path& path);
// A TCP socket (IPv4) that lives in the namespace, not connected.
Descriptor tcp_socket_in(const std::filesystem::path& netns);

// Overlay of `layers` (topmost first) with `upper` and `work`, at `target`. Any number of layers: they are given one by
// one, not in one page of options.
void mount_overlay(const std::vector<std::filesystem::path>& layers, const std::filesystem::path& upper,
                   const std::filesystem::path& work, const std::filesystem::path& target);
void mount_tmpfs(const std::filesystem::path& target, std::int64_t bytes_max);  // 0: half of memory
// Unmounts everything at and below `top`. False if something would not go.
bool unmount_below(const std::filesystem::path& top);

}  // namespace hal::process
