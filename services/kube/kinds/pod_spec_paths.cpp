#include "services/kube/kinds/pod_spec_paths.hpp"

#include <format>

#include "services/kube/kinds/report.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {

namespace {

using kubeclient::array_at;
using kubeclient::as_object;
using kubeclient::field;
using kubeclient::object_at;
using kubeclient::text;

struct File {
    std::string path, source;  // source: "" where the volume is the source
    bool operator==(const File&) const = default;
    [[nodiscard]] std::string shown() const {
        return source.empty() ? go_quoted(path) : std::format("{} ({})", go_quoted(path), source);
    }
    [[nodiscard]] bool is_in_the_way_of(const File& other) const {
        if (path.empty() || other.path.empty()) return false;
        return *this == other || (path + '/').starts_with(other.path + '/') || (other.path + '/').starts_with(path + '/');
    }
};

std::vector<File> files_of(const json::array& items, const std::string& source) {
    std::vector<File> files;
    for (const auto& item : items) files.push_back({std::string(text(as_object(item), "path")), source});
    return files;
}

// The first source that a projection states, as the real server reads it.
std::vector<File> files_of_projection(const json::object& projection) {
    if (field(projection, "configMap.items") != nullptr)
        return files_of(array_at(projection, "configMap.items"), "ConfigMap " + go_quoted(text(projection, "configMap.name")));
    if (field(projection, "secret.items") != nullptr)
        return files_of(array_at(projection, "secret.items"), "Secret " + go_quoted(text(projection, "secret.name")));
    if (field(projection, "downwardAPI.items") != nullptr) return files_of(array_at(projection, "downwardAPI.items"), "DownwardAPI");
    if (field(projection, "serviceAccountToken") != nullptr)
        return {{std::string(text(projection, "serviceAccountToken.path")), "ServiceAccountToken"}};
    if (field(projection, "clusterTrustBundle") != nullptr) {
        const auto& bundle = object_at(projection, "clusterTrustBundle");
        const auto name = text(bundle, "name", text(bundle, "signerName"));
        return {{std::string(text(bundle, "path")), "ClusterTrustBundle " + go_quoted(name)}};
    }
    std::vector<File> files;
    constexpr std::pair<std::string_view, std::string_view> parts[] = {{"certificateChainPath", "PodCertificate chain"},
                                                                       {"keyPath", "PodCertificate key"},
                                                                       {"credentialBundlePath", "PodCertificate credential bundle"}};
    for (const auto& [name, source] : parts)
        if (const auto path = text(object_at(projection, "podCertificate"), name); !path.empty())
            files.push_back({std::string(path), std::string(source)});
    return files;
}

class Volume {
public:
    Volume(std::string_view name, std::string description, std::vector<std::string>& out)
        : name_(name), description_(std::move(description)), out_(out) {}

    void add(std::vector<File> files) {
        for (auto& file : files) {
            while (file.path.ends_with('/')) file.path.pop_back();
            for (const auto& other : files_)
                if (other.is_in_the_way_of(file))
                    out_.push_back(std::format("volume {} ({}): overlapping paths: {} with {}", go_quoted(name_), description_,
                                               file.shown(), other.shown()));
            files_.push_back(std::move(file));
        }
    }

private:
    std::string_view name_;
    std::string description_;
    std::vector<std::string>& out_;
    std::vector<File> files_;
};

}  // namespace

std::vector<std::string> overlapping_path_warnings(const json::array& volumes) {
    std::vector<std::string> out;
    for (const auto& element : volumes) {
        const auto& volume = as_object(element);
        const auto name = text(volume, "name");
        if (field(volume, "configMap") != nullptr)
            Volume(name, "ConfigMap " + go_quoted(text(volume, "configMap.name")), out).add(files_of(array_at(volume, "configMap.items"), ""));
        if (field(volume, "secret") != nullptr)
            Volume(name, "Secret " + go_quoted(text(volume, "secret.secretName")), out).add(files_of(array_at(volume, "secret.items"), ""));
        if (field(volume, "downwardAPI") != nullptr)
            Volume(name, "DownwardAPI", out).add(files_of(array_at(volume, "downwardAPI.items"), ""));
        Volume projected(name, "Projected", out);
        for (const auto& source : array_at(volume, "projected.sources")) {
            if (as_object(source).empty())
                out.push_back(std::format("volume {} (Projected) has no sources provided", go_quoted(name)));
            else projected.add(files_of_projection(as_object(source)));
        }
    }
    return out;
}

}  // namespace services::kube::kinds
