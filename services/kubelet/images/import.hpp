// An archive's images brought into the layers folder. Blocking, on a worker; knows nothing of the index. Read twice:
// first the documents that say what is in it, then the layers that are not there yet, each straight into its folder.
#pragma once

#include <boost/json/object.hpp>

#include <filesystem>
#include <string>
#include <vector>

#include "services/kubelet/images/images.hpp"

namespace services::kubelet::images {

// An image as the index keeps it.
struct Record {
    std::string id;
    std::vector<std::string> references;  // normalised, sorted
    std::uint64_t size_bytes = 0;
    std::string architecture;
    hal::WallTime imported;
    boost::json::object config;           // the config's "config" object
    std::vector<std::string> diff_ids;    // lowest first
};

// Where a layer lies: layers/sha256-<hex>.
std::filesystem::path layer_folder(const std::filesystem::path& layers, const std::string& diff_id);

// Unpacks into `staging` and moves what holds to `layers`; what was moved before a failure stays for a sweep.
// `reference` names an image without a name of its own. Throws Error that begins with the archive's name.
std::vector<Record> import_layers(const std::filesystem::path& archive, const std::string& reference,
                                  const std::filesystem::path& layers, const std::filesystem::path& staging,
                                  const ImageLimits& limits);

}  // namespace services::kubelet::images
