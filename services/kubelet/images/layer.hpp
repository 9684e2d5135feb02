// One layer's tar unpacked into a folder of its own that overlayfs takes as lowerdir (image-spec layer.md): whiteouts
// become its device 0:0, an opaque folder its xattr. Owners, modes, times, links and xattrs are kept. Needs root.
// Blocking. Nothing is written outside the folder, whatever the archive says.
#pragma once

#include <cstdint>
#include <filesystem>

#include "services/kubelet/images/tar.hpp"

namespace services::kubelet::images {

struct LayerLimits {
    std::uint64_t bytes_max;
    std::uint64_t entries_max;
    std::size_t path_bytes_max;
};

// `folder` exists and is empty. Returns the bytes of its files. Throws Error{corrupt|invalid|too_large|exhausted}.
std::uint64_t unpack_layer(TarReader& tar, const std::filesystem::path& folder, const LayerLimits& limits);

}  // namespace services::kubelet::images
