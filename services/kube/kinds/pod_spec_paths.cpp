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

// A pod with more files or more overlaps than these is not told of all; the headers of an answer would not hold them either.
constexpr std::size_t comparisons_max = 4'000'000;
constexpr std::size_t warnings_max = 1'000;

bool is_within(std::string_view path, std::string_view folder) {
    return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

struct File {
    std::string path, source;  // source: "" where the volume is the source
    [[nodiscard]] std::string shown() const {
        return source.empty() ? go_quoted(path) : std::format("{} ({})", go_quoted(path), source);
    }
    [[nodiscard]] bool is_in_the_way_of(const File& other) const {
        if (path.empty() || other.path.empty()) return false;
        return is_within(path, other.path) || is_within(other.path, path);
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
    Volume(std::string_view name, std::string description, std::vector<std::string>& out, std::size_t& comparisons)
        : name_(name), description_(std::move(description)), out_(out), comparisons_(comparisons) {}

    void add(std::vector<File> files) {
        for (auto& file : files) {
            while (file.path.ends_with('/')) file.path.pop_back();
            comparisons_ += files_.size();
            if (comparisons_ > comparisons_max || out_.size() > warnings_max) return;
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
    std::size_t& comparisons_;  // of the whole pod
    std::vector<File> files_;
};

}  // namespace

std::vector<std::string> overlapping_path_warnings(const json::array& volumes) {
    std::vector<std::string> out;
    std::size_t comparisons = 0;
    for (const auto& element : volumes) {
        const auto& volume = as_object(element);
        const auto name = text(volume, "name");
        const auto check = [&](std::string description, std::string_view items) {
            Volume(name, std::move(description), out, comparisons).add(files_of(array_at(volume, items), ""));
        };
        if (field(volume, "configMap") != nullptr) check("ConfigMap " + go_quoted(text(volume, "configMap.name")), "configMap.items");
        if (field(volume, "secret") != nullptr) check("Secret " + go_quoted(text(volume, "secret.secretName")), "secret.items");
        if (field(volume, "downwardAPI") != nullptr) check("DownwardAPI", "downwardAPI.items");
        Volume projected(name, "Projected", out, comparisons);
        for (const auto& source : array_at(volume, "projected.sources")) {
            if (as_object(source).empty())
                out.push_back(std::format("volume {} (Projected) has no sources provided", go_quoted(name)));
            else projected.add(files_of_projection(as_object(source)));
        }
    }
    return out;
}

}  // namespace services::kube::kinds
