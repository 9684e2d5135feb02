// Warnings about Services: deprecated annotations and fields, addresses in odd spellings, fields that have no effect.
#include <algorithm>
#include <format>
#include <iterator>
#include <string>

#include "services/kube/kinds/service_addresses.hpp"
#include "services/kube/kinds/service_checks.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {

using kubeclient::array_at;
using kubeclient::as_text;
using kubeclient::object_at;
using kubeclient::text;

std::vector<std::string> service_warnings(const json::object& service) {
    std::vector<std::string> out;
    const Path path("spec");
    const auto& spec = object_at(service, "spec");
    const auto& external_ips = array_at(spec, "externalIPs");
    const auto type = text(spec, "type"), cluster_ip = text(spec, "clusterIP"), balancer_ip = text(spec, "loadBalancerIP");
    const auto append = [&](std::vector<std::string> more) { std::ranges::move(more, std::back_inserter(out)); };
    const auto append_each = [&](std::string_view name, std::vector<std::string> (*warnings)(const Path&, std::string_view)) {
        std::size_t at = 0;
        for (const auto& value : array_at(spec, name)) append(warnings(path.child(name).index(at++), as_text(value)));
    };

    if (object_at(service, "metadata.annotations").contains("service.kubernetes.io/topology-aware-hints"))
        out.emplace_back("annotation service.kubernetes.io/topology-aware-hints is deprecated, please use "
                         "service.kubernetes.io/topology-mode instead");
    if (!cluster_ip.empty() && cluster_ip != "None") append_each("clusterIPs", address_warnings);
    const bool has_no_address = type == "ClusterIP" && cluster_ip == "None";
    if (has_no_address) {
        if (!balancer_ip.empty()) out.emplace_back("spec.loadBalancerIP is ignored for headless services");
        if (!external_ips.empty()) out.emplace_back("spec.externalIPs is ignored for headless services");
        if (text(spec, "sessionAffinity") != "None") out.emplace_back("spec.SessionAffinity is ignored for headless services");
    }
    append_each("externalIPs", address_warnings);
    if (!external_ips.empty() && !has_no_address && type != "ExternalName")
        out.emplace_back("spec.externalIPs is deprecated and may no longer be implemented in some clusters");
    if (!balancer_ip.empty()) append(address_warnings(path.child("loadBalancerIP"), balancer_ip));
    append_each("loadBalancerSourceRanges", network_warnings);
    if (type == "ExternalName" && !external_ips.empty()) out.emplace_back(R"(spec.externalIPs is ignored when spec.type is "ExternalName")");
    if (type != "ExternalName" && !text(spec, "externalName").empty())
        out.emplace_back(R"(spec.externalName is ignored when spec.type is not "ExternalName")");
    if (text(spec, "trafficDistribution") == "PreferClose")
        out.emplace_back(R"(spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone")");
    return out;
}

}  // namespace services::kube::kinds
