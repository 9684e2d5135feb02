// The files of configMap, secret, downwardAPI and projected volumes, as the pod's spec and the objects it names say. Pure:
// what is looked up comes in as arguments. Texts of failures are the kubelet's.
#pragma once

#include <boost/json/object.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "services/kubelet/volumes/references.hpp"

namespace services::kubelet::volumes {

struct File {
    std::string bytes;
    unsigned mode = 0644;
};
// By path below the volume.
using Content = std::map<std::string, File>;

struct ContentSources {
    const json::object& pod;
    // The object of "configmap/NAME" or "secret/NAME"; null when it does not exist. Throws what kept it from being known.
    std::function<const json::object*(std::string_view key)> find;
    // The token for a serviceAccountToken source. Throws.
    std::function<std::string(const json::object& source)> token;
    std::int64_t node_milli_cpu = 0, node_memory_bytes = 0;
};

// True for the four kinds of volumes that are made of files here.
bool has_content(const json::object& volume);
// Whether the files belong into memory: all but plain configMaps.
bool is_kept_in_memory(const json::object& volume);
// Throws Error{invalid|not_found} with the kubelet's text; of a projected volume's sources all that fail are named.
Content content_of(const json::object& volume, const ContentSources& sources);

// One line per entry, sorted: key="value", quoted as Go quotes.
std::string formatted_map(const json::object& map);

}  // namespace services::kubelet::volumes
