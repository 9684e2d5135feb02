// Environment variables of a container and the references by which they, and downward API files, take their values.
#include <algorithm>
#include <array>
#include <cctype>
#include <format>
#include <string>

#include "services/kube/kinds/names.hpp"
#include "services/kube/kinds/pod_spec_checks.hpp"
#include "services/kube/kinds/pod_spec_resources.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {

namespace {

using kubeclient::array_at;
using kubeclient::as_object;
using kubeclient::field;
using kubeclient::object_at;
using kubeclient::text;

// All fields that a reference may name at all; each place takes some of them.
constexpr auto known_fields = std::to_array<std::string_view>({
    "metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName",
    "spec.restartPolicy", "spec.serviceAccountName", "spec.schedulerName", "status.phase", "status.hostIP",
    "status.hostIPs", "status.podIP", "status.podIPs",
});
constexpr auto env_fields = std::to_array<std::string_view>({
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP",
    "status.hostIPs", "status.podIP", "status.podIPs",
});
constexpr auto file_fields = std::to_array<std::string_view>(
    {"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"});
constexpr auto resource_fields =
    std::to_array<std::string_view>({"limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu",
                                     "requests.ephemeral-storage", "requests.memory"});
constexpr auto byte_divisors = std::to_array<std::string_view>(
    {"1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"});

void check_divisor(Report& report, const Path& path, const json::object& selector) {
    const auto* divisor = field(selector, "divisor");
    if (divisor == nullptr || quantity_of(*divisor).is_zero()) return;
    const auto resource = text(selector, "resource"), value = kubeclient::as_text(*divisor);
    const auto refuse_unless_bytes = [&](std::string_view name) {
        if (!std::ranges::contains(byte_divisors, value))
            report.invalid(path.child("divisor"), json::value(resource),
                           std::format("only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are "
                                       "supported with the {} resource", name));
    };
    if (resource.ends_with(".cpu")) {
        if (value != "1m" && value != "1")
            report.invalid(path.child("divisor"), json::value(resource),
                           "only divisor's values 1m and 1 are supported with the cpu resource");
    } else if (resource.ends_with(".memory")) {
        refuse_unless_bytes("memory");
    } else if (resource.ends_with(".ephemeral-storage")) {
        refuse_unless_bytes("local ephemeral storage");
    } else if (resource.starts_with("requests.hugepages-") || resource.starts_with("limits.hugepages-")) {
        refuse_unless_bytes("hugepages");
    }
}

// Of a ConfigMap's or a Secret's key.
void check_key_reference(Report& report, const Path& path, const json::object& reference) {
    const auto name = text(reference, "name"), key = text(reference, "key");
    report.invalid(path.child("name"), json::value(name), check_dns1123_subdomain(name));
    if (key.empty()) report.required(path.child("key"));
    else report.invalid(path.child("key"), json::value(key), check_config_key(key));
}

void check_file_reference(Report& report, const Path& path, const json::object& reference) {
    const auto key = text(reference, "key"), volume = text(reference, "volumeName"), file = text(reference, "path");
    if (key.empty()) report.required(path.child("key"));
    else report.invalid(path.child("key"), json::value(key), check_relaxed_env_name(key));
    if (volume.empty()) report.required(path.child("volumeName"));
    else report.invalid(path.child("volumeName"), json::value(volume), check_dns1123_label(volume));
    if (file.empty()) report.required(path.child("path"));
    else check_no_backsteps(report, path.child("path"), file);
}

void check_value_from(Report& report, const Path& path, const json::object& variable) {
    if (field(variable, "valueFrom") == nullptr) return;
    const auto& from = object_at(variable, "valueFrom");
    int sources = 0;
    const auto takes = [&](std::string_view name) { return field(from, name) != nullptr && ++sources > 0; };
    if (takes("fieldRef")) check_field_selector(report, path.child("fieldRef"), object_at(from, "fieldRef"), false);
    if (takes("resourceFieldRef"))
        check_resource_selector(report, path.child("resourceFieldRef"), object_at(from, "resourceFieldRef"), false);
    for (const auto* name : {"configMapKeyRef", "secretKeyRef"})
        if (takes(name)) check_key_reference(report, path.child(name), object_at(from, name));
    if (takes("fileKeyRef")) check_file_reference(report, path.child("fileKeyRef"), object_at(from, "fileKeyRef"));

    if (sources == 0)
        report.invalid(path, "", "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or "
                                 "`fileKeyRef`");
    else if (!text(variable, "value").empty()) report.invalid(path, "", "may not be specified when `value` is not empty");
    else if (sources > 1) report.invalid(path, "", "may not have more than one field specified at a time");
}

}  // namespace

void check_field_selector(Report& report, const Path& path, const json::object& selector, bool is_volume) {
    const auto version = text(selector, "apiVersion"), name = text(selector, "fieldPath");
    if (version.empty()) return report.required(path.child("apiVersion"));
    if (name.empty()) return report.required(path.child("fieldPath"));
    const auto refuse = [&](std::string_view why) {
        report.invalid(path.child("fieldPath"), json::value(name), std::format("error converting fieldPath: {}", why));
    };
    if (version != "v1") return refuse(std::format("unsupported pod version: {}", version));
    if (const auto bracket = name.find("['"); name.ends_with("']") && bracket != std::string_view::npos && bracket > 0 &&
                                              bracket + 2 <= name.size() - 2) {
        const auto map = name.substr(0, bracket);
        std::string key(name.substr(bracket + 2, name.size() - bracket - 4));
        if (map != "metadata.annotations" && map != "metadata.labels")
            return refuse(std::format("field label does not support subscript: {}", name));
        if (map == "metadata.annotations")
            std::ranges::transform(key, key.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        return report.invalid(path, json::value(key), check_qualified_name(key));
    }
    const auto meant = name == "spec.host" ? std::string_view("spec.nodeName") : name;  // as old clients call it
    if (!std::ranges::contains(known_fields, meant)) return refuse(std::format("field label not supported: {}", name));
    const std::span<const std::string_view> supported = is_volume ? std::span<const std::string_view>(file_fields) : env_fields;
    if (!std::ranges::contains(supported, meant)) report.not_supported(path.child("fieldPath"), json::value(meant), supported);
}

void check_resource_selector(Report& report, const Path& path, const json::object& selector, bool is_volume) {
    const auto resource = text(selector, "resource");
    const bool is_huge_pages = resource.starts_with("requests.hugepages-") || resource.starts_with("limits.hugepages-");
    if (is_volume && text(selector, "containerName").empty()) report.required(path.child("containerName"));
    else if (resource.empty()) report.required(path.child("resource"));
    else if (!is_huge_pages && !std::ranges::contains(resource_fields, resource))
        report.not_supported(path.child("resource"), json::value(resource), resource_fields);
    check_divisor(report, path, selector);
}

void check_env(PodSpecCheck& check, const Path& path, const json::array& variables) {
    std::size_t at = 0;
    for (const auto& element : variables) {
        const auto& variable = as_object(element);
        const auto variable_path = path.index(at++);
        if (const auto name = text(variable, "name"); name.empty()) check.report.required(variable_path.child("name"));
        else check.report.invalid(variable_path.child("name"), json::value(name), check_relaxed_env_name(name));
        check_value_from(check.report, variable_path.child("valueFrom"), variable);
    }
}

void check_env_from(PodSpecCheck& check, const Path& path, const json::array& sources) {
    std::size_t at = 0;
    for (const auto& element : sources) {
        const auto& source = as_object(element);
        const auto source_path = path.index(at++);
        if (const auto prefix = text(source, "prefix"); !prefix.empty())
            check.report.invalid(source_path.child("prefix"), json::value(prefix), check_relaxed_env_name(prefix));
        int count = 0;
        for (const auto* name : {"configMapRef", "secretRef"}) {
            if (field(source, name) == nullptr) continue;
            ++count;
            const auto object = text(object_at(source, name), "name");
            const auto name_path = source_path.child(name).child("name");
            if (object.empty()) check.report.required(name_path);
            else check.report.invalid(name_path, json::value(object), check_dns1123_subdomain(mask_trailing_dash(object)));
        }
        // The list itself is named here, not the entry.
        if (count == 0) check.report.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`");
        else if (count > 1) check.report.invalid(path, "", "may not have more than one field specified at a time");
    }
}

void check_file_key_volumes(PodSpecCheck& check, const Path& path) {
    std::map<std::string_view, const json::object*> volumes;
    for (const auto& volume : array_at(check.spec, "volumes"))
        volumes.insert_or_assign(text(as_object(volume), "name"), &as_object(volume));
    visit_containers(check.spec, path, [&](const json::object& container, const Path& container_path) {
        std::size_t at = 0;
        for (const auto& element : array_at(container, "env")) {
            const auto name_path =
                container_path.child("env").index(at++).child("valueFrom").child("fileKeyRef").child("volumeName");
            if (field(as_object(element), "valueFrom.fileKeyRef") == nullptr) continue;
            const auto name = text(as_object(element), "valueFrom.fileKeyRef.volumeName");
            const auto volume = volumes.find(name);
            if (volume == volumes.end()) check.report.not_found(name_path, json::value(name));
            else if (field(*volume->second, "emptyDir") == nullptr)
                check.report.invalid(name_path, json::value(name), "referenced volume must be of type emptyDir");
        }
    });
}

}  // namespace services::kube::kinds
