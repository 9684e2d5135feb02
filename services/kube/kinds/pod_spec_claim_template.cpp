// The PersistentVolumeClaim that an ephemeral volume is made from.
#include <algorithm>
#include <array>

#include "services/kube/kinds/labels.hpp"
#include "services/kube/kinds/names.hpp"
#include "services/kube/kinds/pod_spec_checks.hpp"
#include "services/kube/kinds/pod_spec_resources.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {

namespace {

using kubeclient::array_at;
using kubeclient::as_text;
using kubeclient::field;
using kubeclient::object_at;
using kubeclient::text;

constexpr auto access_modes =
    std::to_array<std::string_view>({"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"});
constexpr auto volume_modes = std::to_array<std::string_view>({"Block", "Filesystem"});

void check_access_modes(Report& report, const Path& path, const json::array& modes) {
    bool has_once_pod = false, has_other = false;
    for (const auto& element : modes) {
        const auto mode = as_text(element);
        const bool is_known = std::ranges::contains(access_modes, mode);
        if (!is_known) report.not_supported(path, json::value(mode), access_modes);
        has_once_pod |= mode == "ReadWriteOncePod";
        has_other |= is_known && mode != "ReadWriteOncePod";
    }
    if (has_once_pod && has_other) report.forbidden(path, "may not use ReadWriteOncePod with other access modes");
}

void check_storage(Report& report, const Path& path, const json::object& spec) {
    const auto* storage = field(object_at(spec, "resources.requests"), "storage");
    if (storage == nullptr) report.required(path);
    else if (quantity_of(*storage).sign() <= 0) report.invalid(path, *storage, "must be greater than zero");
    else check_quantity(report, path, "storage", *storage);
}

void check_data_source(Report& report, const Path& path, const json::object& source) {
    for (const auto* name : {"name", "kind"})
        if (text(source, name).empty()) report.required(path.child(name));
    const auto group = text(source, "apiGroup"), kind = text(source, "kind");
    if (group.empty() && kind != "PersistentVolumeClaim")
        report.invalid(path, json::value(kind), "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
    if (!group.empty()) report.invalid(path.child("apiGroup"), json::value(group), check_dns1123_subdomain(group));
    if (const auto name_space = text(source, "namespace"); !name_space.empty())
        report.invalid(path.child("namespace"), json::value(name_space), check_dns1123_label(name_space));
}

void check_class_name(Report& report, const Path& path, std::string_view name) {
    if (!name.empty()) report.invalid(path, json::value(name), check_dns1123_subdomain(name));
}

}  // namespace

void check_claim_template(Report& report, const Path& path, const json::object& claim_template) {
    const auto& metadata = object_at(claim_template, "metadata");
    check_annotations(report, path.child("metadata").child("annotations"), object_at(metadata, "annotations"));
    check_labels(report, path.child("metadata").child("labels"), object_at(metadata, "labels"));
    // Labels and annotations alone reach the claim.
    for (const auto& member : metadata)
        if (member.key() != "labels" && member.key() != "annotations" && !member.value().is_null())
            report.forbidden(path.child("metadata").child(member.key()), "cannot be set");

    const auto& spec = object_at(claim_template, "spec");
    const auto spec_path = path.child("spec");
    const auto& modes = array_at(spec, "accessModes");
    if (modes.empty()) report.required(spec_path.child("accessModes"), "at least 1 access mode is required");
    check_label_selector(report, spec_path.child("selector"), field(spec, "selector"));
    check_access_modes(report, spec_path.child("accessModes"), modes);
    check_storage(report, spec_path.child("resources").key("storage"), spec);
    check_class_name(report, spec_path.child("storageClassName"), text(spec, "storageClassName"));
    if (const auto* mode = field(spec, "volumeMode"); mode != nullptr && !std::ranges::contains(volume_modes, as_text(*mode)))
        report.not_supported(spec_path.child("volumeMode"), *mode, volume_modes);
    for (const auto* name : {"dataSource", "dataSourceRef"})
        if (field(spec, name) != nullptr) check_data_source(report, spec_path.child(name), object_at(spec, name));
    check_class_name(report, spec_path.child("volumeAttributesClassName"), text(spec, "volumeAttributesClassName"));
}

}  // namespace services::kube::kinds
