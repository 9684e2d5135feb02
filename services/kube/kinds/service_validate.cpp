// Validation of Services as they are created.
#include <algorithm>
#include <array>
#include <format>
#include <set>
#include <string>

#include "services/kube/kinds/labels.hpp"
#include "services/kube/kinds/names.hpp"
#include "services/kube/kinds/pod_spec_checks.hpp"
#include "services/kube/kinds/pod_spec_go_form.hpp"
#include "services/kube/kinds/service_addresses.hpp"
#include "services/kube/kinds/service_checks.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {

namespace {

using kubeclient::array_at;
using kubeclient::as_object;
using kubeclient::as_text;
using kubeclient::field;
using kubeclient::number;
using kubeclient::object_at;
using kubeclient::text;

constexpr std::int64_t affinity_seconds_max = 86400;
constexpr std::string_view topology_hints_key = "service.kubernetes.io/topology-aware-hints";
constexpr std::string_view topology_mode_key = "service.kubernetes.io/topology-mode";
constexpr std::string_view source_ranges_key = "service.beta.kubernetes.io/load-balancer-source-ranges";

const Path spec_path("spec");

void check_type(Report& report, const json::object& service) {
    const auto type = text(service, "spec.type");
    if (array_at(service, "spec.ports").empty() && !is_headless(service) && type != "ExternalName")
        report.required(spec_path.child("ports"));
    if ((type == "LoadBalancer" || type == "NodePort") && is_headless(service))
        report.invalid(spec_path.child("clusterIPs").index(0), "None", std::format("may not be set to 'None' for {} services", type));
    if (type != "ExternalName") return;
    for (const auto* name : {"clusterIPs", "ipFamilies"})
        if (!array_at(object_at(service, "spec"), name).empty())
            report.forbidden(spec_path.child(name), "may not be set for ExternalName services");
    if (field(service, "spec.ipFamilyPolicy") != nullptr)
        report.forbidden(spec_path.child("ipFamilyPolicy"), "may not be set for ExternalName services");
    auto name = text(service, "spec.externalName");
    if (name.ends_with('.')) name.remove_suffix(1);
    if (name.empty()) report.required(spec_path.child("externalName"));
    else report.invalid(spec_path.child("externalName"), json::value(name), check_dns1123_subdomain(name));
}

void check_ports(Report& report, const json::array& ports) {
    std::set<std::string_view> names;
    std::size_t at = 0;
    for (const auto& element : ports) {
        const auto& port = as_object(element);
        const auto path = spec_path.child("ports").index(at++);
        const auto name = text(port, "name"), protocol = text(port, "protocol");
        if (!name.empty()) {
            report.invalid(path.child("name"), json::value(name), check_dns1123_label(name));
            if (!names.insert(name).second) report.duplicate(path.child("name"), json::value(name));
        } else if (ports.size() > 1) {
            report.required(path.child("name"));
        }
        report.invalid(path.child("port"), number(port, "port"), check_port_number(number(port, "port")));
        if (protocol.empty()) report.required(path.child("protocol"));
        else if (protocol != "TCP" && protocol != "UDP" && protocol != "SCTP")
            report.not_supported(path.child("protocol"), json::value(protocol), {"SCTP", "TCP", "UDP"});
        check_port_number_or_name(report, path.child("targetPort"), field(port, "targetPort"));
        if (const auto* application = field(port, "appProtocol"))
            report.invalid(path.child("appProtocol"), *application, check_qualified_name(as_text(*application)));
    }
}

void check_affinity(Report& report, const json::object& spec) {
    const auto affinity = text(spec, "sessionAffinity");
    const auto path = spec_path.child("sessionAffinityConfig");
    if (affinity.empty()) report.required(spec_path.child("sessionAffinity"));
    else if (affinity != "ClientIP" && affinity != "None")
        report.not_supported(spec_path.child("sessionAffinity"), json::value(affinity), {"ClientIP", "None"});
    if (affinity == "None" && field(spec, "sessionAffinityConfig") != nullptr)
        report.forbidden(path, "must not be set when session affinity is None");
    if (affinity != "ClientIP") return;
    const auto seconds_path = path.child("clientIP").child("timeoutSeconds");
    if (field(spec, "sessionAffinityConfig") == nullptr) return report.required(path, "when session affinity type is ClientIP");
    if (field(spec, "sessionAffinityConfig.clientIP") == nullptr)
        return report.required(path.child("clientIP"), "when session affinity type is ClientIP");
    const auto* seconds = field(spec, "sessionAffinityConfig.clientIP.timeoutSeconds");
    if (seconds == nullptr) return report.required(seconds_path, "when session affinity type is ClientIP");
    const auto value = number(spec, "sessionAffinityConfig.clientIP.timeoutSeconds");
    if (value <= 0 || value > affinity_seconds_max)
        report.invalid(seconds_path, value, std::format("must be greater than 0 and less than {}", affinity_seconds_max));
}

void check_families(Report& report, const json::object& spec) {
    std::set<std::string_view> seen;
    std::size_t at = 0;
    for (const auto& element : array_at(spec, "ipFamilies")) {
        const auto path = spec_path.child("ipFamilies").index(at++);
        const auto family = as_text(element);
        if (family != "IPv4" && family != "IPv6") report.not_supported(path, element, {"IPv4", "IPv6"});
        if (!seen.insert(family).second) report.duplicate(path, element);
    }
    const auto* policy = field(spec, "ipFamilyPolicy");
    const auto is_one_of = [&](std::initializer_list<std::string_view> names) { return std::ranges::contains(names, as_text(*policy)); };
    if (policy != nullptr && !is_one_of({"PreferDualStack", "RequireDualStack", "SingleStack"}))
        report.not_supported(spec_path.child("ipFamilyPolicy"), *policy, {"PreferDualStack", "RequireDualStack", "SingleStack"});
}

// False when an address is none, so that more would only be noise.
bool check_each_cluster_ip(Report& report, const json::array& ips, const json::array& kept) {
    const auto path = spec_path.child("clusterIPs");
    const auto before = report.size();
    for (std::size_t at = 0; at < ips.size(); ++at) {
        if (at != 0 || as_text(ips[at]) != "None") check_address(report, path.index(at), as_text(ips[at]), kept);
        else if (ips.size() > 1) report.invalid(path, ips, "'None' must be the first and only value");
    }
    const bool is_good = report.size() == before;
    if (ips.size() > 2) report.invalid(path, ips, "may only hold up to 2 values");
    return is_good;
}

void check_cluster_ips(Report& report, const json::object& service, const json::object& before) {
    const auto& spec = object_at(service, "spec");
    if (text(spec, "type") == "ExternalName") return;
    const auto path = spec_path.child("clusterIPs");
    const auto& ips = array_at(spec, "clusterIPs");
    const auto ip = text(spec, "clusterIP");
    if (ip.empty()) {
        if (!ips.empty()) report.invalid(path, ips, "must be empty when `clusterIP` is not specified");
    } else if (ips.empty()) {
        report.required(path);
    } else if (as_text(ips.front()) != ip) {
        report.invalid(path, ips, "first value must match `clusterIP`");
    }
    check_families(report, spec);
    if (!check_each_cluster_ip(report, ips, array_at(before, "spec.clusterIPs"))) return;
    if (ips.size() > 1 && !is_dual_stack(ips)) report.invalid(path, ips, "may specify no more than one IP for each IP family");
    if (is_headless(service)) return;
    const auto& families = array_at(spec, "ipFamilies");
    for (std::size_t at = 0; at < std::min(ips.size(), families.size()); ++at) {
        const bool is_six = is_ipv6_address(as_text(ips[at]));
        const auto family = as_text(families[at]);
        if ((family == "IPv4" && is_six) || (family == "IPv6" && !is_six))
            report.invalid(path.index(at), ips[at], std::format("expected an {} value as indicated by `ipFamilies[{}]`", family, at));
    }
}

void check_external_ips(Report& report, const json::object& service, const json::object& before) {
    std::size_t at = 0;
    for (const auto& ip : array_at(service, "spec.externalIPs")) {
        const auto path = spec_path.child("externalIPs").index(at++);
        const auto faults = report.size();
        check_address(report, path, as_text(ip), array_at(before, "spec.externalIPs"));
        if (report.size() == faults) check_endpoint_address(report, path, as_text(ip));
    }
}

void check_port_collisions(Report& report, const json::object& service) {
    const auto& ports = array_at(service, "spec.ports");
    const auto path = spec_path.child("ports");
    if (text(service, "spec.type") == "ClusterIP")
        for (std::size_t at = 0; at < ports.size(); ++at)
            if (number(as_object(ports[at]), "nodePort") != 0)
                report.forbidden(path.index(at).child("nodePort"), "may not be used when `type` is 'ClusterIP'");
    std::set<std::pair<std::string_view, std::int64_t>> node_ports, own_ports;
    for (std::size_t at = 0; at < ports.size(); ++at) {
        const auto node_port = number(as_object(ports[at]), "nodePort");
        if (node_port != 0 && !node_ports.emplace(text(as_object(ports[at]), "protocol"), node_port).second)
            report.duplicate(path.index(at).child("nodePort"), node_port);
    }
    for (std::size_t at = 0; at < ports.size(); ++at) {
        const auto& port = as_object(ports[at]);
        if (own_ports.emplace(text(port, "protocol"), number(port, "port")).second) continue;
        json::object key;
        for (const auto* name : {"protocol", "port"})
            if (const auto* value = field(port, name)) key[name] = *value;
        report.duplicate(path.index(at), go_form("ServicePort", key));
    }
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t\n\v\f\r";
    const auto first = text.find_first_not_of(blanks);
    return first == std::string_view::npos ? std::string_view() : text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

void check_source_ranges(Report& report, const json::object& service, const json::object& before) {
    const bool is_balanced = text(service, "spec.type") == "LoadBalancer";
    const auto& ranges = array_at(service, "spec.loadBalancerSourceRanges");
    if (!ranges.empty()) {
        const auto path = spec_path.child("LoadBalancerSourceRanges");  // the real spelling
        if (!is_balanced) report.forbidden(path, "may only be used when `type` is 'LoadBalancer'");
        std::size_t at = 0;
        for (const auto& range : ranges) {
            const auto is_kept = std::ranges::any_of(array_at(before, "spec.loadBalancerSourceRanges"),
                                                     [&](const auto& old) { return trimmed(as_text(old)) == trimmed(as_text(range)); });
            if (!is_kept) check_network(report, path.index(at), trimmed(as_text(range)));
            ++at;
        }
        return;
    }
    const auto* annotation = object_at(service, "metadata.annotations").if_contains(source_ranges_key);
    if (annotation == nullptr) return;
    const auto path = Path("metadata.annotations").key(source_ranges_key);
    if (!is_balanced) report.forbidden(path, "may only be used when `type` is 'LoadBalancer'");
    const auto* old = object_at(before, "metadata.annotations").if_contains(source_ranges_key);
    auto rest = trimmed(as_text(*annotation));
    if (rest.empty() || (old != nullptr && *old == *annotation)) return;
    while (true) {
        const auto comma = rest.find(',');
        check_network(report, path, trimmed(rest.substr(0, comma)));
        if (comma == std::string_view::npos) return;
        rest.remove_prefix(comma + 1);
    }
}

void check_traffic(Report& report, const json::object& service) {
    const auto& spec = object_at(service, "spec");
    const auto type = text(spec, "type"), external = text(spec, "externalTrafficPolicy");
    const auto external_path = spec_path.child("externalTrafficPolicy");
    if (!is_externally_accessible(service)) {
        if (!external.empty()) report.invalid(external_path, json::value(external), "may only be set for externally-accessible services");
    } else if (external.empty()) {
        report.required(external_path);
    } else if (external != "Cluster" && external != "Local") {
        report.not_supported(external_path, json::value(external), {"Cluster", "Local"});
    }
    // One that is needed and missing is the allocator's to give.
    if (const auto port = number(spec, "healthCheckNodePort"); port != 0) {
        const auto port_path = spec_path.child("healthCheckNodePort");
        if (needs_health_check(service)) report.invalid(port_path, port, check_port_number(port));
        else report.invalid(port_path, port, "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'");
    }
    const auto* internal = field(spec, "internalTrafficPolicy");
    const auto internal_path = spec_path.child("internalTrafficPolicy");
    if (internal == nullptr) {
        if (type == "NodePort" || type == "LoadBalancer" || type == "ClusterIP") report.required(internal_path);
    } else if (as_text(*internal) != "Cluster" && as_text(*internal) != "Local") {
        report.not_supported(internal_path, *internal, {"Cluster", "Local"});
    }
    static constexpr auto distributions = std::to_array<std::string_view>({"PreferClose", "PreferSameZone", "PreferSameNode"});
    if (const auto* distribution = field(spec, "trafficDistribution");
        distribution != nullptr && !std::ranges::contains(distributions, as_text(*distribution)))
        report.not_supported(spec_path.child("trafficDistribution"), *distribution, distributions);
}

}  // namespace

void check_load_balancer_class(Report& report, const json::object& service) {
    const auto* name = field(service, "spec.loadBalancerClass");
    if (name == nullptr) return;
    const auto path = spec_path.child("loadBalancerClass");
    if (text(service, "spec.type") == "LoadBalancer") report.invalid(path, *name, check_qualified_name(as_text(*name)));
    else report.forbidden(path, "may only be used when `type` is 'LoadBalancer'");
}

void check_service(Report& report, const json::object& service, const json::object& before) {
    const auto& spec = object_at(service, "spec");
    const auto& annotations = object_at(service, "metadata.annotations");
    const auto* hints = annotations.if_contains(topology_hints_key);
    const auto* mode = annotations.if_contains(topology_mode_key);
    if (hints != nullptr && mode != nullptr && *hints != *mode)
        report.invalid(Path("metadata.annotations").key(topology_mode_key), *mode,
                       std::format("must match annotations[{}] when both are specified", topology_hints_key));
    check_type(report, service);
    check_ports(report, array_at(spec, "ports"));
    check_labels(report, spec_path.child("selector"), object_at(spec, "selector"));
    check_affinity(report, spec);
    check_external_ips(report, service, before);
    const auto type = text(spec, "type");
    static constexpr auto types = std::to_array<std::string_view>({"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"});
    if (type.empty()) report.required(spec_path.child("type"));
    else if (!std::ranges::contains(types, type)) report.not_supported(spec_path.child("type"), json::value(type), types);
    check_port_collisions(report, service);
    check_source_ranges(report, service, before);
    const auto allocates = spec_path.child("allocateLoadBalancerNodePorts");
    if (field(spec, "allocateLoadBalancerNodePorts") != nullptr && type != "LoadBalancer")
        report.forbidden(allocates, "may only be used when `type` is 'LoadBalancer'");
    check_load_balancer_class(report, service);
    check_traffic(report, service);
}

bool stops_at_addresses(Report& report, const json::object& service, const json::object& before) {
    check_cluster_ips(report, service, before);
    return !report.is_empty();
}

Causes validate_service(const json::object& service) {
    Report report;
    if (!stops_at_addresses(report, service, {})) check_service(report, service, {});
    return report.take();
}

}  // namespace services::kube::kinds
