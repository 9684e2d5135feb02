#include "services/kubelet/images/index.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "hal/base/error.hpp"

namespace services::kubelet::images {

using hal::Code;
using hal::Error;
namespace json = boost::json;

namespace {

constexpr int index_version = 1;

json::array list_of(const std::vector<std::string>& texts) {
    json::array list;
    for (const auto& text : texts) list.emplace_back(text);
    return list;
}

std::vector<std::string> texts_at(const json::object& object, std::string_view key) {
    std::vector<std::string> texts;
    if (const auto* value = object.if_contains(key); value != nullptr && value->is_array())
        for (const auto& item : value->get_array())
            if (item.is_string()) texts.emplace_back(item.get_string());
    return texts;
}

std::string text_at(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

}  // namespace

std::string to_text(const Index& index) {
    json::array images;
    for (const auto& image : index.images)
        images.push_back(json::object{{"id", image.id},
                                      {"references", list_of(image.references)},
                                      {"size", image.size_bytes},
                                      {"architecture", image.architecture},
                                      {"imported", hal::rfc3339_micro(image.imported)},
                                      {"config", image.config},
                                      {"layers", list_of(image.diff_ids)}});
    json::object archives;
    for (const auto& [path, version] : index.archives) archives[path] = version;
    return json::serialize(json::object{{"version", index_version}, {"images", images}, {"archives", archives}});
}

Index index_of(const std::string& text) {
    try {
        boost::system::error_code failure;
        const auto whole = json::parse(text, failure);
        if (failure) throw Error(Code::corrupt, failure.message());
        const auto& root = whole.as_object();
        if (root.at("version").to_number<int>() != index_version) throw Error(Code::corrupt, "its version is not known");
        Index index;
        for (const auto& item : root.at("images").as_array()) {
            const auto& object = item.as_object();
            Record record;
            record.id = text_at(object, "id");
            record.references = texts_at(object, "references");
            record.size_bytes = object.at("size").to_number<std::uint64_t>();
            record.architecture = text_at(object, "architecture");
            record.imported = hal::parse_rfc3339(text_at(object, "imported"));
            record.config = object.at("config").as_object();
            record.diff_ids = texts_at(object, "layers");
            for (const auto& diff_id : record.diff_ids)
                if (!codec::oci::is_sha256_digest(diff_id)) throw Error(Code::corrupt, "a layer's digest is none");
            index.images.push_back(std::move(record));
        }
        for (const auto& [path, version] : root.at("archives").as_object()) index.archives[path] = version.as_string();
        return index;
    } catch (const std::exception& e) {
        throw Error(Code::corrupt, std::string("the image index cannot be read: ") + e.what());
    }
}

ImageConfig config_of(const json::object& config) {
    ImageConfig out;
    out.entrypoint = texts_at(config, "Entrypoint");
    out.command = texts_at(config, "Cmd");
    out.environment = texts_at(config, "Env");
    out.user = text_at(config, "User");
    out.working_directory = text_at(config, "WorkingDir");
    out.stop_signal = text_at(config, "StopSignal");
    if (const auto* volumes = config.if_contains("Volumes"); volumes != nullptr && volumes->is_object())
        for (const auto& volume : volumes->get_object()) out.volumes.emplace_back(volume.key());
    if (const auto* labels = config.if_contains("Labels"); labels != nullptr && labels->is_object())
        for (const auto& label : labels->get_object())
            if (label.value().is_string()) out.labels[label.key()] = label.value().get_string();
    return out;
}

}  // namespace services::kubelet::images
