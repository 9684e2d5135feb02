// Volume mounts and block devices of a container.
#include <algorithm>
#include <array>
#include <string>

#include "services/kube/kinds/pod_spec_checks.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {

namespace {

using kubeclient::array_at;
using kubeclient::as_object;
using kubeclient::field;
using kubeclient::flag;
using kubeclient::text;

// Paths by name of what the container mounts or takes as devices.
std::map<std::string_view, std::string_view> paths_of(const json::array& entries, std::string_view path_field) {
    std::map<std::string_view, std::string_view> out;
    for (const auto& entry : entries) out.insert_or_assign(text(as_object(entry), "name"), text(as_object(entry), path_field));
    return out;
}

bool has_path(const std::map<std::string_view, std::string_view>& paths, std::string_view path) {
    return std::ranges::any_of(paths, [&](const auto& entry) { return entry.second == path; });
}

void check_propagation(Report& report, const Path& path, const json::object& mount, const json::object& container) {
    const auto* propagation = field(mount, "mountPropagation");
    if (propagation == nullptr) return;
    static constexpr auto modes = std::to_array<std::string_view>({"Bidirectional", "HostToContainer", "None"});
    const auto mode = kubeclient::as_text(*propagation);
    if (!std::ranges::contains(modes, mode)) report.not_supported(path, *propagation, modes);
    if (mode == "Bidirectional" && !flag(container, "securityContext.privileged"))
        report.forbidden(path, "Bidirectional mount propagation is available only to privileged containers");
}

void check_recursive_read_only(Report& report, const Path& path, const json::object& mount) {
    const auto* value = field(mount, "recursiveReadOnly");
    if (value == nullptr) return;
    const auto mode = kubeclient::as_text(*value);
    if (mode == "Enabled" || mode == "IfPossible") {
        if (!flag(mount, "readOnly")) report.forbidden(path, "may only be specified when readOnly is true");
        if (text(mount, "mountPropagation", "None") != "None")
            report.forbidden(path, "may only be specified when mountPropagation is None or not specified");
    } else if (mode != "Disabled") {
        report.not_supported(path, *value, {"Disabled", "Enabled", "IfPossible"});
    }
}

}  // namespace

void check_mounts(PodSpecCheck& check, const Path& path, const json::object& container) {
    auto& report = check.report;
    const auto devices = paths_of(array_at(container, "volumeDevices"), "devicePath");
    std::set<std::string_view> taken;
    std::size_t at = 0;
    for (const auto& element : array_at(container, "volumeMounts")) {
        const auto& mount = as_object(element);
        const auto mount_path = path.index(at++);
        const auto name = text(mount, "name"), where = text(mount, "mountPath");
        if (name.empty()) report.required(mount_path.child("name"));
        if (!check.volumes.contains(name)) report.not_found(mount_path.child("name"), json::value(name));
        if (where.empty()) report.required(mount_path.child("mountPath"));
        if (!taken.insert(where).second) report.invalid(mount_path.child("mountPath"), json::value(where), "must be unique");
        if (devices.contains(name))
            report.invalid(mount_path.child("name"), json::value(name), "must not already exist in volumeDevices");
        if (has_path(devices, where))
            report.invalid(mount_path.child("mountPath"), json::value(where),
                           "must not already exist as a path in volumeDevices");
        // From here on the real server names the list, not the mount, in some causes.
        const auto sub_path = text(mount, "subPath"), expression = text(mount, "subPathExpr");
        if (!sub_path.empty()) check_descending_path(report, path.child("subPath"), sub_path);
        if (!expression.empty()) {
            if (!sub_path.empty())
                report.invalid(mount_path.child("subPathExpr"), json::value(expression),
                               "subPathExpr and subPath are mutually exclusive");
            check_descending_path(report, path.child("subPathExpr"), expression);
        }
        check_propagation(report, path.child("mountPropagation"), mount, container);
        check_recursive_read_only(report, path.child("recursiveReadOnly"), mount);
    }
}

void check_devices(PodSpecCheck& check, const Path& path, const json::object& container) {
    auto& report = check.report;
    const auto mounts = paths_of(array_at(container, "volumeMounts"), "mountPath");
    std::set<std::string_view> names, paths;
    std::size_t at = 0;
    for (const auto& element : array_at(container, "volumeDevices")) {
        const auto& device = as_object(element);
        const auto name_path = path.index(at).child("name"), where_path = path.index(at).child("devicePath");
        ++at;
        const auto name = text(device, "name"), where = text(device, "devicePath");
        const auto volume = check.volumes.find(name);
        if (name.empty()) report.required(name_path);
        if (names.contains(name)) report.invalid(name_path, json::value(name), "must be unique");
        if (volume == check.volumes.end()) {
            report.not_found(name_path, json::value(name));
        } else if (field(*volume->second, "persistentVolumeClaim") == nullptr && field(*volume->second, "ephemeral") == nullptr) {
            report.invalid(name_path, json::value(name),
                           "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode");
        }
        if (where.empty()) report.required(where_path);
        if (paths.contains(where)) report.invalid(where_path, json::value(where), "must be unique");
        Report backsteps;
        check_no_backsteps(backsteps, where_path, where);
        if (!backsteps.is_empty()) report.invalid(where_path, json::value(where), "can not contain backsteps ('..')");
        else paths.insert(where);
        if (mounts.contains(name)) report.invalid(name_path, json::value(name), "must not already exist in volumeMounts");
        if (has_path(mounts, where))
            report.invalid(where_path, json::value(where), "must not already exist as a path in volumeMounts");
        if (!name.empty()) names.insert(name);
    }
}

}  // namespace services::kube::kinds
