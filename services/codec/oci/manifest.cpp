#include "services/codec/oci/manifest.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <algorithm>

#include "hal/base/error.hpp"
#include "services/codec/oci/reference.hpp"

namespace services::codec::oci {

using hal::Code;
using hal::Error;
namespace json = boost::json;

namespace {

using Documents = std::map<std::string, std::string>;

constexpr int index_depth_max = 4;  // an index may point to an index

json::value document(const Documents& documents, const std::string& path) {
    const auto found = documents.find(path);
    if (found == documents.end()) throw Error(Code::invalid, path + " is missing");
    boost::system::error_code failure;
    auto value = json::parse(found->second, failure);
    if (failure) throw Error(Code::invalid, path + " is not JSON: " + failure.message());
    if (!value.is_object() && !value.is_array()) throw Error(Code::invalid, path + " is neither an object nor a list");
    return value;
}

std::string text_at(const json::value& object, std::string_view key) {
    const auto* fields = object.if_object();
    const auto* value = fields != nullptr ? fields->if_contains(key) : nullptr;
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

const json::array& list_at(const json::value& object, std::string_view key) {
    static const json::array none;
    const auto* fields = object.if_object();
    const auto* value = fields != nullptr ? fields->if_contains(key) : nullptr;
    return value != nullptr && value->is_array() ? value->get_array() : none;
}

const json::value& object_at(const json::value& object, std::string_view key) {
    static const json::value none = json::object();
    const auto* fields = object.if_object();
    const auto* value = fields != nullptr ? fields->if_contains(key) : nullptr;
    return value != nullptr && value->is_object() ? *value : none;
}

// Reads the diff ids and the architecture that the config names, one for each layer.
void read_config(const Documents& documents, ArchivedImage& image, std::size_t layers_max) {
    const auto config = document(documents, image.config_path);
    const auto& diff_ids = list_at(object_at(config, "rootfs"), "diff_ids");
    image.architecture = text_at(config, "architecture");
    if (diff_ids.size() != image.layers.size())
        throw Error(Code::invalid, image.config_path + " names " + std::to_string(diff_ids.size()) + " layers, the manifest " +
                                       std::to_string(image.layers.size()));
    if (diff_ids.size() > layers_max)
        throw Error(Code::too_large, image.config_path + " has " + std::to_string(diff_ids.size()) + " layers, at most " +
                                         std::to_string(layers_max) + " can be mounted");
    for (std::size_t i = 0; i < diff_ids.size(); ++i) {
        const std::string id = diff_ids[i].is_string() ? std::string(diff_ids[i].get_string()) : "";
        if (!is_sha256_digest(id)) throw Error(Code::invalid, image.config_path + ": '" + id + "' is not a sha256 digest");
        image.layers[i].diff_id = id;
    }
}

std::string blob_path(const std::string& digest, const std::string& where) {
    if (!is_sha256_digest(digest)) throw Error(Code::invalid, where + ": '" + digest + "' is not a sha256 digest");
    return "blobs/sha256/" + digest.substr(7);
}

std::vector<ArchivedImage> docker_images(const Documents& documents, std::size_t layers_max) {
    const auto manifest = document(documents, "manifest.json");
    if (!manifest.is_array()) throw Error(Code::invalid, "manifest.json is not a list");
    std::vector<ArchivedImage> images;
    for (const auto& entry : manifest.get_array()) {
        ArchivedImage image;
        image.config_path = text_at(entry, "Config");
        for (const auto& tag : list_at(entry, "RepoTags"))
            if (tag.is_string()) image.references.emplace_back(tag.get_string());
        for (const auto& layer : list_at(entry, "Layers")) {
            if (!layer.is_string()) throw Error(Code::invalid, "manifest.json: a layer is not a path");
            image.layers.push_back({.path = std::string(layer.get_string()), .digest = "", .diff_id = ""});
        }
        read_config(documents, image, layers_max);
        images.push_back(std::move(image));
    }
    return images;
}

class Layout {
public:
    Layout(const Documents& documents, std::string_view architecture, std::size_t layers_max)
        : documents_(documents), architecture_(architecture), layers_max_(layers_max) {}

    void read_index(const std::string& path, const std::vector<std::string>& references, int depth) {
        if (depth > index_depth_max) throw Error(Code::invalid, path + ": indexes point to each other too deeply");
        const auto index = document(documents_, path);
        for (const auto& descriptor : list_at(index, "manifests")) read_descriptor(path, descriptor, references, depth);
    }

    std::vector<ArchivedImage> images;

private:
    void read_descriptor(const std::string& index_path, const json::value& descriptor, std::vector<std::string> references, int depth) {
        const auto digest = text_at(descriptor, "digest");
        const auto path = blob_path(digest, index_path);
        const auto& annotations = object_at(descriptor, "annotations");
        // An attestation is stored as a manifest, too (BuildKit).
        if (text_at(annotations, "vnd.docker.reference.type") == "attestation-manifest") return;
        const auto platform = text_at(object_at(descriptor, "platform"), "architecture");
        if (!platform.empty() && platform != architecture_) return;
        auto name = text_at(annotations, "io.containerd.image.name");
        if (name.empty()) name = text_at(annotations, "org.opencontainers.image.ref.name");
        if (!name.empty()) references = {name};
        if (!documents_.contains(path)) {
            if (depth > 0) return;  // of another platform, left out when the archive was made
            throw Error(Code::invalid, path + " is missing");
        }
        const auto manifest = document(documents_, path);
        if (!list_at(manifest, "manifests").empty()) return read_index(path, references, depth + 1);
        read_manifest(path, digest, manifest, std::move(references));
    }

    void read_manifest(const std::string& path, const std::string& digest, const json::value& manifest,
                       std::vector<std::string> references) {
        const auto same = std::ranges::find(images, digest, &ArchivedImage::manifest_digest);
        if (same != images.end()) {
            same->references.insert(same->references.end(), references.begin(), references.end());
            return;
        }
        ArchivedImage image;
        image.references = std::move(references);
        image.manifest_digest = digest;
        image.config_digest = text_at(object_at(manifest, "config"), "digest");
        image.config_path = blob_path(image.config_digest, path);
        for (const auto& layer : list_at(manifest, "layers")) {
            const auto layer_digest = text_at(layer, "digest");
            image.layers.push_back({.path = blob_path(layer_digest, path), .digest = layer_digest, .diff_id = ""});
        }
        read_config(documents_, image, layers_max_);
        images.push_back(std::move(image));
    }

    const Documents& documents_;
    std::string architecture_;
    std::size_t layers_max_;
};

}  // namespace

std::vector<ArchivedImage> images_of(const Documents& documents, std::string_view architecture, std::size_t layers_max) {
    std::vector<ArchivedImage> images;
    if (documents.contains("oci-layout") && documents.contains("index.json")) {
        Layout layout(documents, architecture, layers_max);
        layout.read_index("index.json", {}, 0);
        images = std::move(layout.images);
    } else if (documents.contains("manifest.json")) {
        images = docker_images(documents, layers_max);
    } else {
        throw Error(Code::invalid, "neither manifest.json (docker save) nor oci-layout with index.json is in it");
    }
    if (images.empty()) throw Error(Code::invalid, "it holds no image for " + std::string(architecture));
    return images;
}

}  // namespace services::codec::oci
