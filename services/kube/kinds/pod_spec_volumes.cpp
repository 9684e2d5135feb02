// Volumes of a PodSpec: names, exactly one source each, and what each source asks for.
#include <algorithm>
#include <array>
#include <format>
#include <ranges>
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
using kubeclient::flag;
using kubeclient::number;
using kubeclient::object_at;
using kubeclient::text;

void require_text(Report& report, const Path& path, const json::object& source, std::initializer_list<std::string_view> names) {
    for (const auto name : names)
        if (text(source, name).empty()) report.required(path.child(name));
}

void check_empty_dir(Report& report, const Path& path, const json::object& source) {
    if (const auto* limit = field(source, "sizeLimit"); limit != nullptr && quantity_of(*limit).sign() < 0)
        report.forbidden(path.child("sizeLimit"), "SizeLimit field must be a valid resource quantity");
    if (const auto mode = number(source, "mode"); mode > 01777 || mode < 0)
        report.invalid(path.child("mode"), mode, "must be a number between 0 and 01777 (octal), both inclusive");
}

void check_host_path(PodSpecCheck& check, const Path& path, const json::object& source) {
    const auto where = text(source, "path");
    if (where.empty()) return check.report.required(path.child("path"));
    check_no_backsteps(check.report, path.child("path"), where);
    static constexpr auto types = std::to_array<std::string_view>(
        {"", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"});
    if (const auto* type = field(source, "type"); type != nullptr && !std::ranges::contains(types, kubeclient::as_text(*type)))
        check.report.not_supported(path.child("type"), *type, types);
}

void check_git_repo(PodSpecCheck& check, const Path& path, const json::object& source) {
    require_text(check.report, path, source, {"repository"});
    check_descending_path(check.report, path.child("directory"), text(source, "directory"));
}

void check_partition(Report& report, const Path& path, const json::object& source) {
    if (const auto partition = number(source, "partition"); partition < 0 || partition > 255)
        report.invalid(path.child("partition"), partition, range_message(1, 255));
}

void check_gce_disk(PodSpecCheck& check, const Path& path, const json::object& source) {
    require_text(check.report, path, source, {"pdName"});
    check_partition(check.report, path, source);
}

void check_aws_disk(PodSpecCheck& check, const Path& path, const json::object& source) {
    require_text(check.report, path, source, {"volumeID"});
    check_partition(check.report, path, source);
}

// A secret's or a configMap's: `name` is the field that names it.
void check_named_files(Report& report, const Path& path, const json::object& source, std::string_view name) {
    require_text(report, path, source, {name});
    check_mode(report, path, source, "defaultMode");
    check_user(report, path.child("defaultUser"), source, "defaultUser");
    std::size_t at = 0;
    for (const auto& item : array_at(source, "items"))
        check_key_to_path(report, path.child("items").index(at++), as_object(item));
}

void check_secret(PodSpecCheck& check, const Path& path, const json::object& source) {
    check_named_files(check.report, path, source, "secretName");
}

void check_config_map(PodSpecCheck& check, const Path& path, const json::object& source) {
    check_named_files(check.report, path, source, "name");
}

void check_nfs(PodSpecCheck& check, const Path& path, const json::object& source) {
    require_text(check.report, path, source, {"server", "path"});
    if (const auto where = text(source, "path"); !where.starts_with('/'))
        check.report.invalid(path.child("path"), json::value(where), "must be an absolute path");
}

bool is_iscsi_name(std::string_view name) {
    const auto alnum = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
    if (name.starts_with("eui")) return name.size() == 20 && std::ranges::all_of(name.substr(4), alnum);
    if (name.starts_with("naa")) return name.size() == 36 && std::ranges::all_of(name.substr(4), alnum);
    // iqn.YYYY-MM.reversed.domain:anything
    if (name.size() < 14 || name[3] != '.' || name[8] != '-' || name[11] != '.') return false;
    for (const auto at : {4, 5, 6, 7, 9, 10})
        if (std::isdigit(static_cast<unsigned char>(name[static_cast<std::size_t>(at)])) == 0) return false;
    const auto rest = name.substr(12);
    const auto colon = rest.find(':');
    if (colon == 0 || colon == std::string_view::npos || colon + 1 == rest.size()) return false;
    return std::ranges::all_of(rest.substr(0, colon), [&](char c) { return alnum(c) || c == '-' || c == '.'; }) &&
           rest.substr(colon + 1).find_first_of(",;*&$| \t\n\r\f") == std::string_view::npos;
}

void check_iscsi_name(Report& report, const Path& path, std::string_view name) {
    if (!name.starts_with("iqn") && !name.starts_with("eui") && !name.starts_with("naa"))
        report.invalid(path, json::value(name), "must be valid format starting with iqn, eui, or naa");
    else if (!is_iscsi_name(name)) report.invalid(path, json::value(name), "must be valid format");
}

void check_iscsi(PodSpecCheck& check, const Path& path, const json::object& source) {
    require_text(check.report, path, source, {"targetPortal"});
    if (const auto iqn = text(source, "iqn"); iqn.empty()) check.report.required(path.child("iqn"));
    else check_iscsi_name(check.report, path.child("iqn"), iqn);
    if (const auto lun = number(source, "lun"); lun < 0 || lun > 255)
        check.report.invalid(path.child("lun"), lun, range_message(0, 255));
    if ((flag(source, "chapAuthDiscovery") || flag(source, "chapAuthSession")) && field(source, "secretRef") == nullptr)
        check.report.required(path.child("secretRef"));
    if (const auto* initiator = field(source, "initiatorName"))
        check_iscsi_name(check.report, path.child("initiatorname"), kubeclient::as_text(*initiator));
}

void check_glusterfs(PodSpecCheck& check, const Path& path, const json::object& source) {
    require_text(check.report, path, source, {"endpoints", "path"});
}

void check_flocker(PodSpecCheck& check, const Path& path, const json::object& source) {
    const auto name = text(source, "datasetName"), uuid = text(source, "datasetUUID");
    if (name.empty() && uuid.empty()) check.report.required(path, "one of datasetName and datasetUUID is required");
    if (!name.empty() && !uuid.empty())
        check.report.invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously");
    if (name.contains('/')) check.report.invalid(path.child("datasetName"), json::value(name), "must not contain '/'");
}

void check_claim(PodSpecCheck& check, const Path& path, const json::object& source) {
    require_text(check.report, path, source, {"claimName"});
}

void check_rbd(PodSpecCheck& check, const Path& path, const json::object& source) {
    if (array_at(source, "monitors").empty()) check.report.required(path.child("monitors"));
    require_text(check.report, path, source, {"image"});
}

void check_secret_reference(Report& report, const Path& path, const json::object& source) {
    if (field(source, "secretRef") != nullptr && text(source, "secretRef.name").empty())
        report.required(path.child("secretRef").child("name"));
}

void check_cinder(PodSpecCheck& check, const Path& path, const json::object& source) {
    require_text(check.report, path, source, {"volumeID"});
    check_secret_reference(check.report, path, source);
}

void check_cephfs(PodSpecCheck& check, const Path& path, const json::object& source) {
    if (array_at(source, "monitors").empty()) check.report.required(path.child("monitors"));
}

bool is_host_and_port(std::string_view pair) {
    const auto colon = pair.rfind(':');
    if (colon == std::string_view::npos) return false;
    const auto host = pair.substr(0, colon);
    return host.starts_with('[') ? host.ends_with(']') : !host.contains(':');
}

void check_quobyte(PodSpecCheck& check, const Path& path, const json::object& source) {
    constexpr std::string_view pairs = "must be a host:port pair or multiple pairs separated by commas";
    const auto registry = text(source, "registry");
    if (registry.empty()) check.report.required(path.child("registry"), pairs);
    else if (text(source, "tenant").size() >= 65)
        check.report.required(path.child("tenant"), "must be a UUID and may not exceed a length of 64 characters");
    else
        for (const auto pair : std::views::split(registry, ','))
            if (!is_host_and_port(std::string_view(pair))) check.report.invalid(path.child("registry"), json::value(registry), pairs);
    require_text(check.report, path, source, {"volume"});
}

void check_downward(PodSpecCheck& check, const Path& path, const json::object& source) {
    check_mode(check.report, path, source, "defaultMode");
    check_user(check.report, path.child("defaultUser"), source, "defaultUser");
    for (const auto& file : array_at(source, "items")) check_downward_file(check.report, path, as_object(file));
}

void check_fc(PodSpecCheck& check, const Path& path, const json::object& source) {
    const auto& names = array_at(source, "targetWWNs");
    const bool has_ids = !array_at(source, "wwids").empty();
    if (names.empty() && !has_ids)
        check.report.required(path.child("targetWWNs"), "must specify either targetWWNs or wwids, but not both");
    if (names.empty()) return;
    if (has_ids) check.report.invalid(path.child("targetWWNs"), names, "targetWWNs and wwids can not be specified simultaneously");
    const auto* lun = field(source, "lun");
    if (lun == nullptr) check.report.required(path.child("lun"), "lun is required if targetWWNs is specified");
    else if (number(source, "lun") < 0 || number(source, "lun") > 255)
        check.report.invalid(path.child("lun"), *lun, range_message(0, 255));
}

void check_flex(PodSpecCheck& check, const Path& path, const json::object& source) {
    require_text(check.report, path, source, {"driver"});
    for (const auto& option : object_at(source, "options")) {
        const std::string key = option.key();
        auto domain = "." + key.substr(0, key.find('/'));
        std::ranges::transform(domain, domain.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        if (domain.ends_with(".kubernetes.io") || domain.ends_with(".k8s.io"))
            check.report.invalid(path.child("options").key(key), json::value(key), "kubernetes.io and k8s.io namespaces are reserved");
    }
}

void check_azure_file(PodSpecCheck& check, const Path& path, const json::object& source) {
    require_text(check.report, path, source, {"secretName", "shareName"});
}

void check_azure_disk(PodSpecCheck& check, const Path& path, const json::object& source) {
    require_text(check.report, path, source, {"diskName", "diskURI"});
    const auto one_of = [&](std::string_view name, std::span<const std::string_view> values) {
        const auto* value = field(source, name);
        if (value != nullptr && !std::ranges::contains(values, kubeclient::as_text(*value)))
            check.report.not_supported(path.child(name), *value, values);
    };
    one_of("cachingMode", std::to_array<std::string_view>({"None", "ReadOnly", "ReadWrite"}));
    one_of("kind", std::to_array<std::string_view>({"Dedicated", "Managed", "Shared"}));
    if (field(source, "kind") == nullptr) return;
    const bool is_managed = text(source, "kind") == "Managed";
    const auto uri = text(source, "diskURI");
    if (is_managed && !uri.starts_with("/subscriptions/"))
        check.report.not_supported(
            path.child("diskURI"), json::value(uri),
            {"/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"});
    if (!is_managed && !uri.starts_with("https://"))
        check.report.not_supported(path.child("diskURI"), json::value(uri),
                                   {"https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"});
}

void check_vsphere(PodSpecCheck& check, const Path& path, const json::object& source) {
    require_text(check.report, path, source, {"volumePath"});
}

void check_photon(PodSpecCheck& check, const Path& path, const json::object& source) {
    require_text(check.report, path, source, {"pdID"});
}

void check_portworx(PodSpecCheck& check, const Path& path, const json::object& source) {
    require_text(check.report, path, source, {"volumeID"});
}

void check_storage_os(PodSpecCheck& check, const Path& path, const json::object& source) {
    const auto name = text(source, "volumeName"), name_space = text(source, "volumeNamespace");
    if (name.empty()) check.report.required(path.child("volumeName"));
    else check.report.invalid(path.child("volumeName"), json::value(name), check_dns1123_label(name));
    if (!name_space.empty())
        check.report.invalid(path.child("volumeNamespace"), json::value(name_space), check_dns1123_label(name_space));
    check_secret_reference(check.report, path, source);
}

void check_scale_io(PodSpecCheck& check, const Path& path, const json::object& source) {
    require_text(check.report, path, source, {"gateway", "system", "volumeName"});
}

void check_csi(PodSpecCheck& check, const Path& path, const json::object& source) {
    const auto driver = text(source, "driver");
    if (driver.empty()) {
        check.report.required(path.child("driver"));
    } else {
        if (driver.size() > 63) check.report.too_long(path.child("driver"), 63);
        std::string lower(driver);
        std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        check.report.invalid(path.child("driver"), json::value(driver), check_dns1123_subdomain(lower));
    }
    if (field(source, "nodePublishSecretRef") == nullptr) return;
    const auto secret = text(source, "nodePublishSecretRef.name");
    if (secret.empty()) check.report.required(path.child("nodePublishSecretRef").child("name"));
    else check.report.invalid(path.child("name"), json::value(secret), check_dns1123_subdomain(secret));
}

void check_ephemeral(PodSpecCheck& check, const Path& path, const json::object& source) {
    if (field(source, "volumeClaimTemplate") == nullptr) return check.report.required(path.child("volumeClaimTemplate"));
    check_claim_template(check.report, path.child("volumeClaimTemplate"), object_at(source, "volumeClaimTemplate"));
}

void check_image(PodSpecCheck& check, const Path& path, const json::object& source) {
    require_text(check.report, path, source, {"reference"});
    check_pull_policy(check.report, path.child("pullPolicy"), text(source, "pullPolicy"));
}

struct Source {
    std::string_view name;      // the field
    std::string_view as_second; // how it is called when another source came first; real names, misspellings too
    std::string_view path;      // where its own faults lie
    void (*check)(PodSpecCheck& check, const Path& path, const json::object& source);
};

// In the real order: the first source counts, every further one is refused.
constexpr auto sources = std::to_array<Source>({
    {"hostPath", "hostPath", "hostPath", check_host_path},
    {"gitRepo", "gitRepo", "gitRepo", check_git_repo},
    {"gcePersistentDisk", "gcePersistentDisk", "persistentDisk", check_gce_disk},
    {"awsElasticBlockStore", "awsElasticBlockStore", "awsElasticBlockStore", check_aws_disk},
    {"secret", "secret", "secret", check_secret},
    {"nfs", "nfs", "nfs", check_nfs},
    {"iscsi", "iscsi", "iscsi", check_iscsi},
    {"glusterfs", "glusterfs", "glusterfs", check_glusterfs},
    {"flocker", "flocker", "flocker", check_flocker},
    {"persistentVolumeClaim", "persistentVolumeClaim", "persistentVolumeClaim", check_claim},
    {"rbd", "rbd", "rbd", check_rbd},
    {"cinder", "cinder", "cinder", check_cinder},
    {"cephfs", "cephFS", "cephfs", check_cephfs},
    {"quobyte", "quobyte", "quobyte", check_quobyte},
    {"downwardAPI", "downwarAPI", "downwardAPI", check_downward},
    {"fc", "fc", "fc", check_fc},
    {"flexVolume", "flexVolume", "flexVolume", check_flex},
    {"configMap", "configMap", "configMap", check_config_map},
    {"azureFile", "azureFile", "azureFile", check_azure_file},
    {"vsphereVolume", "vsphereVolume", "vsphereVolume", check_vsphere},
    {"photonPersistentDisk", "photonPersistentDisk", "photonPersistentDisk", check_photon},
    {"portworxVolume", "portworxVolume", "portworxVolume", check_portworx},
    {"azureDisk", "azureDisk", "azureDisk", check_azure_disk},
    {"storageos", "storageos", "storageos", check_storage_os},
    {"projected", "projected", "projected", check_projected},
    {"scaleIO", "scaleIO", "scaleIO", check_scale_io},
    {"csi", "csi", "csi", check_csi},
    {"ephemeral", "ephemeral", "ephemeral", check_ephemeral},
    {"image", "image", "image", check_image},
});

// The claim that an ephemeral volume makes is named after pod and volume.
void check_claim_name(PodSpecCheck& check, const Path& path, std::string_view volume) {
    const auto pod = check.metadata != nullptr ? text(*check.metadata, "name") : std::string_view();
    if (pod.empty() || volume.empty()) return;
    const auto claim = std::format("{}-{}", pod, volume);
    for (const auto& message : check_dns1123_subdomain(claim))
        check.report.invalid(path.child("name"), json::value(volume), std::format("PVC name {}: {}", go_quoted(claim), message));
}

void check_source(PodSpecCheck& check, const Path& path, const json::object& volume) {
    const auto name = text(volume, "name");
    bool has_source = field(volume, "emptyDir") != nullptr;
    if (has_source) check_empty_dir(check.report, path.child("emptyDir"), object_at(volume, "emptyDir"));
    for (const auto& source : sources) {
        if (field(volume, source.name) == nullptr) continue;
        if (has_source) {
            check.report.forbidden(path.child(source.as_second), "may not specify more than 1 volume type");
        } else {
            source.check(check, path.child(source.path), object_at(volume, source.name));
            if (source.name == "ephemeral") check_claim_name(check, path, name);
        }
        if (source.name == "iscsi" && field(volume, "iscsi.initiatorName") != nullptr &&
            name.size() + 1 + text(volume, "iscsi.targetPortal").size() > 64)
            check.report.invalid(path.child("name"), json::value(name),
                                 "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if "
                                 "iscsi.initiatorName is specified.");
        has_source = true;
    }
    if (!has_source) check.report.required(path, "must specify a volume type");
}

}  // namespace

void check_volumes(PodSpecCheck& check, const Path& path) {
    const auto& volumes = array_at(check.spec, "volumes");
    // Claims that this very pod makes for its ephemeral volumes.
    std::set<std::string> made;
    if (check.metadata != nullptr && !text(*check.metadata, "name").empty())
        for (const auto& volume : volumes)
            if (field(as_object(volume), "ephemeral") != nullptr)
                made.insert(std::format("{}-{}", text(*check.metadata, "name"), text(as_object(volume), "name")));
    for (std::size_t at = 0; at < volumes.size(); ++at) {
        const auto& volume = as_object(volumes[at]);
        const auto name = text(volume, "name");
        const auto before = check.report.size();
        check_source(check, path.index(at), volume);
        if (name.empty()) check.report.required(path.index(at).child("name"));
        else check.report.invalid(path.index(at).child("name"), json::value(name), check_dns1123_label(name));
        if (check.volumes.contains(name)) check.report.duplicate(path.index(at).child("name"), json::value(name));
        if (check.report.size() == before) check.volumes.emplace(name, &volume);
        if (const auto claim = text(volume, "persistentVolumeClaim.claimName"); made.contains(std::string(claim)))
            check.report.invalid(path.index(at).child("persistentVolumeClaim").child("claimName"), json::value(claim),
                                 "must not reference a PVC that gets created for an ephemeral volume");
    }
}

}  // namespace services::kube::kinds
