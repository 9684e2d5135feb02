// Endpoints, the old form of EndpointSlices: addresses that are ready and those that are not, by ports.
#include <format>
#include <string>

#include "services/kube/kinds/names.hpp"
#include "services/kube/kinds/pod_spec_members.hpp"
#include "services/kube/kinds/report.hpp"
#include "services/kube/kinds/rules.hpp"
#include "services/kube/kinds/service_addresses.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {
namespace {

using kubeclient::array_at;
using kubeclient::as_object;
using kubeclient::field;
using kubeclient::number;
using kubeclient::text;

void apply_defaults(json::object& object) {
    for_each_object(object, "subsets", [](json::object& subset) {
        for_each_object(subset, "ports", [](json::object& port) {
            if (text(port, "protocol").empty()) port["protocol"] = "TCP";
        });
    });
}

void check_endpoint(Report& report, const Path& path, const json::object& address) {
    const auto ip = text(address, "ip"), hostname = text(address, "hostname");
    check_address(report, path.child("ip"), ip);
    if (!hostname.empty()) report.invalid(path.child("hostname"), hostname, check_dns1123_label(hostname));
    if (field(address, "nodeName") != nullptr)
        report.invalid(path.child("nodeName"), text(address, "nodeName"), check_dns1123_subdomain(text(address, "nodeName")));
    if (parse_address(ip)) check_endpoint_address(report, path.child("ip"), ip);
    else report.invalid(path.child("ip"), ip, "must be a valid IP address");
}

void check_port(Report& report, const Path& path, const json::object& port, bool needs_name) {
    const auto name = text(port, "name"), protocol = text(port, "protocol");
    if (!name.empty()) report.invalid(path.child("name"), name, check_dns1123_label(name));
    else if (needs_name) report.required(path.child("name"));
    report.invalid(path.child("port"), number(port, "port"), check_port_number(number(port, "port")));
    if (protocol.empty()) report.required(path.child("protocol"));
    else if (protocol != "TCP" && protocol != "UDP" && protocol != "SCTP")
        report.not_supported(path.child("protocol"), TypedText{protocol}, {"SCTP", "TCP", "UDP"});
    if (field(port, "appProtocol") != nullptr)
        report.invalid(path.child("appProtocol"), text(port, "appProtocol"), check_qualified_name(text(port, "appProtocol")));
}

Causes validate(const json::object& object) {
    Report report;
    const auto& subsets = array_at(object, "subsets");
    for (std::size_t i = 0; i < subsets.size(); ++i) {
        const auto& subset = as_object(subsets[i]);
        const auto path = Path("subsets").index(i);
        if (array_at(subset, "addresses").empty() && array_at(subset, "notReadyAddresses").empty())
            report.required(path, "must specify `addresses` or `notReadyAddresses`");
        for (const auto* member : {"addresses", "notReadyAddresses"}) {
            const auto& addresses = array_at(subset, member);
            for (std::size_t j = 0; j < addresses.size(); ++j)
                check_endpoint(report, path.child(member).index(j), as_object(addresses[j]));
        }
        const auto& ports = array_at(subset, "ports");
        for (std::size_t j = 0; j < ports.size(); ++j)
            check_port(report, path.child("ports").index(j), as_object(ports[j]), ports.size() > 1);
    }
    return report.take();
}

// What an earlier release took stays valid as long as it is not touched.
Causes validate_update(const json::object& object, const json::object& before) {
    return array_at(object, "subsets") == array_at(before, "subsets") ? Causes{} : validate(object);
}

std::vector<std::string> warnings(const json::object& object) {
    if (kubeclient::label(object, "endpoints.kubernetes.io/managed-by") == "endpoint-controller") return {};
    std::vector<std::string> found;
    const auto& subsets = array_at(object, "subsets");
    for (std::size_t i = 0; i < subsets.size(); ++i)
        for (const auto* member : {"addresses", "notReadyAddresses"}) {
            const auto& addresses = array_at(as_object(subsets[i]), member);
            for (std::size_t j = 0; j < addresses.size(); ++j) {
                const auto path = Path("subsets").index(i).child(member).index(j).child("ip");
                for (auto& warning : address_warnings(path, text(as_object(addresses[j]), "ip"))) found.push_back(std::move(warning));
            }
        }
    return found;
}

}  // namespace

const Rules& endpoints_rules() {
    static constexpr Rules rules{
        .apply_defaults = apply_defaults, .validate = validate, .validate_update = validate_update, .warnings = warnings};
    return rules;
}

}  // namespace services::kube::kinds
