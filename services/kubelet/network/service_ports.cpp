#include <algorithm>

#include "services/kubelet/network/service_rules.hpp"

namespace services::kubelet::network {

namespace kc = kubeclient;
namespace json = boost::json;

namespace {

bool is_ipv4(std::string_view ip) { return !ip.empty() && ip != "None" && ip.find(':') == std::string_view::npos; }

std::string lower(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return result;
}

std::vector<std::string> addresses_at(const json::object& object, std::string_view path) {
    std::vector<std::string> result;
    for (const auto& one : kc::array_at(object, path))
        if (is_ipv4(kc::as_text(one))) result.emplace_back(kc::as_text(one));
    return result;
}

// The endpoints of every slice for the Service's port `name`.
std::vector<ServiceEndpoint> endpoints_of(const std::vector<kc::ObjectPtr>& slices, std::string_view name,
                                          const std::string& protocol, const std::string& node_name) {
    std::vector<ServiceEndpoint> result;
    for (const auto& slice : slices) {
        if (kc::text(*slice, "addressType") != "IPv4") continue;
        for (const auto& port_value : kc::array_at(*slice, "ports")) {
            const auto& port = kc::as_object(port_value);
            const auto number = kc::number(port, "port");
            if (kc::text(port, "name") != name || lower(kc::text(port, "protocol", "TCP")) != protocol) continue;
            if (number <= 0 || number > 65535) continue;
            for (const auto& value : kc::array_at(*slice, "endpoints")) {
                const auto& endpoint = kc::as_object(value);
                const auto& addresses = kc::array_at(endpoint, "addresses");
                if (addresses.empty() || !is_ipv4(kc::as_text(addresses.front()))) continue;
                ServiceEndpoint one;
                one.ip = kc::as_text(addresses.front());  // further ones of an endpoint are not used (EndpointSlice v1)
                one.port = static_cast<std::uint16_t>(number);
                one.is_ready = kc::flag(endpoint, "conditions.ready", true);
                one.is_serving = kc::flag(endpoint, "conditions.serving", one.is_ready);
                one.is_terminating = kc::flag(endpoint, "conditions.terminating", false);
                one.is_local = kc::text(endpoint, "nodeName") == node_name;
                if (result.size() < endpoints_max) result.push_back(std::move(one));
            }
        }
    }
    std::ranges::sort(result);
    const auto repeated = std::ranges::unique(
        result, [](const ServiceEndpoint& a, const ServiceEndpoint& b) { return a.ip == b.ip && a.port == b.port; });
    result.erase(repeated.begin(), repeated.end());
    return result;
}

}  // namespace

std::vector<ServicePort> service_ports(const json::object& service, const std::vector<kc::ObjectPtr>& slices,
                                       const std::string& node_name) {
    std::vector<ServicePort> result;
    if (kc::text(service, "spec.type") == "ExternalName") return result;
    ServicePort common;
    common.name = kc::key_of(service);
    common.addresses = addresses_at(service, "spec.clusterIPs");
    if (common.addresses.empty() && is_ipv4(kc::text(service, "spec.clusterIP")))
        common.addresses.emplace_back(kc::text(service, "spec.clusterIP"));
    if (common.addresses.empty()) return result;
    common.external_addresses = addresses_at(service, "spec.externalIPs");
    if (kc::text(service, "spec.type") == "LoadBalancer") {
        for (const auto& value : kc::array_at(service, "status.loadBalancer.ingress")) {
            const auto& ingress = kc::as_object(value);
            if (kc::text(ingress, "ipMode", "VIP") == "Proxy") continue;
            common.is_balanced = true;
        }
        for (const auto& value : kc::array_at(service, "spec.loadBalancerSourceRanges"))
            if (is_ipv4(kc::as_text(value))) common.source_ranges.emplace_back(kc::as_text(value));
    }
    if (kc::text(service, "spec.sessionAffinity") == "ClientIP")
        common.affinity_seconds = static_cast<std::uint32_t>(
            kc::number(service, "spec.sessionAffinityConfig.clientIP.timeoutSeconds", 10'800));
    common.external_is_local = kc::text(service, "spec.externalTrafficPolicy") == "Local";
    common.internal_is_local = kc::text(service, "spec.internalTrafficPolicy") == "Local";
    for (const auto& value : kc::array_at(service, "spec.ports")) {
        const auto& port = kc::as_object(value);
        ServicePort one = common;
        one.protocol = lower(kc::text(port, "protocol", "TCP"));
        one.port = static_cast<std::uint16_t>(kc::number(port, "port"));
        one.node_port = static_cast<std::uint16_t>(kc::number(port, "nodePort"));
        one.endpoints = endpoints_of(slices, kc::text(port, "name"), one.protocol, node_name);
        if (one.port != 0) result.push_back(std::move(one));
    }
    return result;
}

std::vector<ServiceEndpoint> usable(const std::vector<ServiceEndpoint>& endpoints, bool local_only) {
    std::vector<ServiceEndpoint> ready, ending;
    for (const auto& one : endpoints) {
        if (local_only && !one.is_local) continue;
        if (one.is_ready)
            ready.push_back(one);
        else if (one.is_serving && one.is_terminating)
            ending.push_back(one);
    }
    return ready.empty() ? ending : ready;
}

}  // namespace services::kubelet::network
