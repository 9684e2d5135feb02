#include "firmware/guard/services.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "hal/base/bytes.hpp"
#include "hal/net/certificates.hpp"
#include "services/discovery/service.hpp"
#include "services/kube/service.hpp"
#include "services/kubelet/service.hpp"

namespace firmware::guard {
namespace {

constexpr std::size_t host_name_bytes_max = 64;  // HOST_NAME_MAX
constexpr std::int64_t mebibyte = 1024 * 1024;

constexpr Port kube_ports[] = {{"api", 6443}};
constexpr Port discovery_ports[] = {{"dns", 53, true, true, "10.42.0.1"}};
constexpr Port kubelet_ports[] = {{"api", 10250}};

constexpr ServiceRow table[] = {
    {"kube", kube_ports, "", "", true, true, false, false, 256 * mebibyte, services::kube::run},
    {"discovery", discovery_ports, "system:coredns", "branchbox:services", false, false, false, false, 128 * mebibyte, services::discovery::run},
    {"kubelet", kubelet_ports, "system:node:", "system:nodes", true, false, true, true, 256 * mebibyte, services::kubelet::run},
};

}  // namespace

Identity ServiceRow::identity(std::string_view site) const {
    Identity identity;
    identity.client.common_name = common_name;
    if (common_name.ends_with(':')) identity.client.common_name += site;
    identity.is_api_server = is_api_server;
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

std::span<const ServiceRow> all_services() { return table; }

const ServiceRow* find_service(std::string_view name) {
    const auto it = std::ranges::find(table, name, &ServiceRow::name);
    return it == std::end(table) ? nullptr : &*it;
}

}  // namespace firmware::guard
