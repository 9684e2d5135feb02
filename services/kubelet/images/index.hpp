// The list of images as a file: index.json, replaced whole.
//
//   {"version": 1,
//    "images": [{"id": "sha256:..", "references": ["docker.io/library/redis:7"], "size": 1234, "architecture": "amd64",
//                "imported": "2026-11-24T09:00:00.000000Z", "config": {"Cmd": ["redis-server"]},
//                "layers": ["sha256:..", "sha256:.."]}],
//    "archives": {"/var/lib/.../redis.tar": "1234-1700000000000000000"}}
//
// `layers` is lowest first; `archives` says which version (size and time) of a watched archive was imported.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "services/kubelet/images/import.hpp"

namespace services::kubelet::images {

inline constexpr std::size_t index_bytes_max = 16 << 20;

struct Index {
    std::vector<Record> images;
    std::map<std::string, std::string> archives;
};

std::string to_text(const Index& index);
// Throws Error{corrupt}.
Index index_of(const std::string& text);
ImageConfig config_of(const boost::json::object& config);

}  // namespace services::kubelet::images
