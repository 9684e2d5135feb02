#include "firmware/guard/services.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"
#include "hal/disk/file.hpp"
#include "hal/net/certificates.hpp"
#include "services/config/settings.hpp"
#include "services/discovery/service.hpp"
#include "services/kube/service.hpp"
#include "services/kubelet/service.hpp"
#include "services/objects/service.hpp"
#include "services/uplink/service.hpp"

namespace firmware::guard {
namespace {

constexpr std::size_t host_name_bytes_max = 64;  // HOST_NAME_MAX
constexpr std::int64_t mebibyte = 1024 * 1024;

constexpr Port kube_ports[] = {{"api", 6443}};
constexpr Port discovery_ports[] = {{"dns", 53, true, true, "10.42.0.1"}};
constexpr Port kubelet_ports[] = {{"api", 10250}};
constexpr Port objects_ports[] = {{.name = "s3", .number = 9000, .known_as = "minio"}};
constexpr Port uplink_ports[] = {{.name = "proxy", .number = 0, .has_tcp = false, .socket = "uplink-proxy.sock"}};

constexpr ServiceRow table[] = {
    {"kube", kube_ports, "", "", true, true, false, false, 256 * mebibyte, services::kube::run},
    {"discovery", discovery_ports, "system:coredns", "branchbox:services", false, false, false, false, 128 * mebibyte, services::discovery::run},
    {"kubelet", kubelet_ports, "system:node:", "system:nodes", true, false, true, true, 256 * mebibyte, services::kubelet::run},
    {.name = "objects", .ports = objects_ports, .common_name = "", .organization = "", .has_serving_certificate = false, .is_api_server = false,
     .is_root = false, .runs_pods = false, .memory_bytes_max = 256 * mebibyte, .run = services::objects::run, .upstream = "objects", .has_root_user = true},
    {"uplink", uplink_ports, "", "", false, false, false, false, 128 * mebibyte, services::uplink::run, "upstream"},
};

}  // namespace

Identity ServiceRow::identity(std::string_view site) const {
    Identity identity;
    identity.client.common_name = common_name;
    if (common_name.ends_with(':')) identity.client.common_name += site;
    identity.is_api_server = is_api_server;
    identity.has_root_user = has_root_user;
    if (!organization.empty()) identity.client.organizations.emplace_back(organization);
    identity.has_serving_certificate = has_serving_certificate;
    return identity;
}

std::vector<std::string> ServiceRow::dns_names(const std::string& site) const {
    std::vector<std::string> names{"localhost", site};
    if (is_api_server)
        for (const auto* kubernetes : {"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"})
            names.emplace_back(kubernetes);
    return names;
}

std::vector<std::string> ServiceRow::own_addresses() const {
    std::vector<std::string> addresses{"127.0.0.1", "::1"};
    if (is_api_server) addresses.insert(addresses.end(), {"10.43.0.1", "10.42.0.1"});  // the Service `kubernetes`, its endpoint
    return addresses;
}

std::string host_label() {
    std::array<char, host_name_bytes_max + 1> name{};
    if (::gethostname(name.data(), host_name_bytes_max) != 0) return "box";
    std::string label(name.data());
    label.resize(std::min(label.find('.'), label.size()));
    for (char& c : label)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return label.empty() ? "box" : label;
}

std::string control_group(const std::filesystem::path& root) {
    std::string name = "branchbox-services";
    if (root != "/") name += "-" + hal::hex(hal::net::sha256(root.lexically_normal().string())).substr(0, 8);
    return "/" + name;
}

std::filesystem::path data_folder(const std::filesystem::path& root, std::string_view service) { return root / "var/lib/branchbox" / service; }

namespace {

constexpr std::size_t named_file_bytes_max = 256 * 1024;

const boost::json::value* value_at(const boost::json::object& settings, std::string_view path) {
    const auto dot = path.find('.');
    const auto* found = settings.if_contains(path.substr(0, dot));
    if (!found || dot == path.npos) return found;
    return found->is_object() ? value_at(found->get_object(), path.substr(dot + 1)) : nullptr;
}

}  // namespace

std::map<std::string, std::string> named_files(const boost::json::object& settings, std::string_view section, std::vector<std::string>& problems) {
    std::map<std::string, std::string> files;
    const std::string prefix = std::string(section) + ".";
    for (const auto& setting : services::config::settings()) {
        if (setting.form != services::config::Form::file || !setting.path.starts_with(prefix)) continue;
        const auto* name = value_at(settings, setting.path.substr(prefix.size()));
        if (!name || !name->is_string()) continue;
        const std::string path(name->get_string());
        try {
            if (auto text = hal::disk::read_file(path, named_file_bytes_max))
                files.emplace(setting.path, *std::move(text));
            else
                problems.push_back("'" + std::string(setting.path) + "': there is no file " + path);
        } catch (const hal::Error& failure) {
            problems.push_back("'" + std::string(setting.path) + "': " + failure.what());
        }
    }
    return files;
}

boost::json::object settings_of(const ServiceRow& row, const services::config::Configuration& configuration) {
    auto settings = configuration.section(row.settings_section());
    if (row.upstream.empty()) return settings;
    const auto upstream = configuration.section("upstream");
    if (const auto* part = upstream.if_contains(row.upstream)) settings["upstream"] = *part;
    return settings;
}

std::map<std::string, std::string> files_of(const ServiceRow& row, const boost::json::object& settings, std::vector<std::string>& problems) {
    auto files = named_files(settings, row.settings_section(), problems);
    const auto* upstream = row.upstream.empty() ? nullptr : settings.if_contains("upstream");
    if (upstream && upstream->is_object()) files.merge(named_files(upstream->get_object(), "upstream." + std::string(row.upstream), problems));
    return files;
}

std::span<const ServiceRow> all_services() { return table; }

const ServiceRow* find_service(std::string_view name) {
    const auto it = std::ranges::find(table, name, &ServiceRow::name);
    return it == std::end(table) ? nullptr : &*it;
}

}  // namespace firmware::guard
