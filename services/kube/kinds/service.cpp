// Service: defaults, and what writes keep or drop. Cluster addresses, families and node ports are given out by the API's
// allocator.
#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "services/kube/kinds/pod_spec_members.hpp"
#include "services/kube/kinds/rules.hpp"
#include "services/kube/kinds/service_checks.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {

namespace {

using kubeclient::array_at;
using kubeclient::as_object;
using kubeclient::field;
using kubeclient::number;
using kubeclient::object_at;
using kubeclient::text;

constexpr std::int64_t client_ip_seconds = 10800;

std::string_view type_of(const json::object& service) { return text(service, "spec.type"); }
bool has_cluster_ip(const json::object& service) { return type_of(service) != "ExternalName"; }
bool has_node_ports(const json::object& service) { return type_of(service) == "NodePort" || type_of(service) == "LoadBalancer"; }

void default_port(json::object& port) {
    if (text(port, "protocol").empty()) port["protocol"] = "TCP";
    const auto* target = field(port, "targetPort");
    const bool is_open = target == nullptr || *target == 0 || (target->is_string() && target->get_string().empty());
    if (is_open) port["targetPort"] = number(port, "port");
}

void default_affinity(json::object& spec) {
    if (text(spec, "sessionAffinity").empty()) spec["sessionAffinity"] = "None";
    const auto affinity = text(spec, "sessionAffinity");
    if (affinity == "None") spec.erase("sessionAffinityConfig");
    if (affinity == "ClientIP" && field(spec, "sessionAffinityConfig.clientIP.timeoutSeconds") == nullptr)
        spec["sessionAffinityConfig"] = json::object{{"clientIP", {{"timeoutSeconds", client_ip_seconds}}}};
}

void apply_defaults(json::object& service) {
    auto& spec = kubeclient::make_object(service, "spec");
    default_affinity(spec);
    if (text(spec, "type").empty()) spec["type"] = "ClusterIP";
    for_each_object(spec, "ports", default_port);
    if (is_externally_accessible(service) && text(spec, "externalTrafficPolicy").empty()) spec["externalTrafficPolicy"] = "Cluster";
    const auto type = text(spec, "type");
    const bool is_known = type == "ClusterIP" || type == "NodePort" || type == "LoadBalancer";
    if (is_known && field(spec, "internalTrafficPolicy") == nullptr) spec["internalTrafficPolicy"] = "Cluster";
    if (type_of(service) != "LoadBalancer") return;
    if (field(spec, "allocateLoadBalancerNodePorts") == nullptr) spec["allocateLoadBalancerNodePorts"] = true;
    if (auto* status = object_member(service, "status"))
        if (auto* balancer = object_member(*status, "loadBalancer"))
            for_each_object(*balancer, "ingress", [](json::object& ingress) {
                if (!text(ingress, "ip").empty() && field(ingress, "ipMode") == nullptr) ingress["ipMode"] = "VIP";
            });
}

// An ExternalName takes no traffic. A policy that is none is left for validation to refuse.
void drop_internal_policy(json::object& service) {
    const auto policy = text(service, "spec.internalTrafficPolicy");
    if (!has_cluster_ip(service) && (policy == "Cluster" || policy == "Local"))
        object_member(service, "spec")->erase("internalTrafficPolicy");
}

// clusterIPs follows a clusterIP that stands alone, as clients from before it write.
void prepare_create(json::object& service) {
    service["status"] = json::object{{"loadBalancer", json::object()}};
    auto& spec = kubeclient::make_object(service, "spec");
    drop_internal_policy(service);
    if (const auto ip = text(spec, "clusterIP"); !ip.empty() && array_at(spec, "clusterIPs").empty())
        spec["clusterIPs"] = json::array{json::value(ip)};
}

std::set<std::int64_t> node_ports_of(const json::object& service) {
    std::set<std::int64_t> ports;
    for (const auto& port : array_at(service, "spec.ports"))
        if (const auto node_port = number(as_object(port), "nodePort"); node_port != 0) ports.insert(node_port);
    return ports;
}

// What was given out stays when a client leaves it out.
void keep_allocated(json::object& service, const json::object& before) {
    auto& spec = *object_member(service, "spec");
    const auto& old = object_at(before, "spec");
    if (has_cluster_ip(before) && has_cluster_ip(service)) {
        if (text(spec, "clusterIP").empty() && !text(old, "clusterIP").empty()) spec["clusterIP"] = old.at("clusterIP");
        if (array_at(spec, "clusterIPs").empty() && !array_at(old, "clusterIPs").empty()) spec["clusterIPs"] = old.at("clusterIPs");
    }
    if (has_node_ports(before) && has_node_ports(service)) {
        auto used = node_ports_of(service);
        std::map<std::string_view, std::int64_t> by_name;
        for (const auto& port : array_at(old, "ports")) by_name[text(as_object(port), "name")] = number(as_object(port), "nodePort");
        for_each_object(spec, "ports", [&](json::object& port) {
            const auto known = by_name.find(text(port, "name"));
            if (number(port, "nodePort") == 0 && known != by_name.end() && known->second != 0 && !used.contains(known->second))
                port["nodePort"] = known->second;
        });
    }
    if (needs_health_check(before) && needs_health_check(service) && number(spec, "healthCheckNodePort") == 0)
        if (const auto port = number(old, "healthCheckNodePort"); port != 0) spec["healthCheckNodePort"] = port;
}

void settle_cluster_ips(json::object& spec, const json::object& old) {
    const auto ip = std::string(text(spec, "clusterIP")), old_ip = std::string(text(old, "clusterIP"));
    const bool is_same_list = array_at(spec, "clusterIPs") == array_at(old, "clusterIPs");
    if (ip == old_ip) {
        if (array_at(spec, "clusterIPs").empty() && !array_at(old, "clusterIPs").empty()) spec["clusterIPs"] = old.at("clusterIPs");
    } else if (is_same_list) {
        if (ip.empty()) spec.erase("clusterIPs");
        else spec["clusterIPs"] = json::array{json::value(ip)};
    }
}

bool is_same(const json::object& spec, const json::object& old, std::string_view name) {
    const auto* value = field(spec, name);
    const auto* before = field(old, name);
    return value == nullptr || before == nullptr ? value == before : *value == *before;
}

// A field that the new type has no use for goes, when the client did not touch it.
void drop_unused(json::object& service, const json::object& before) {
    auto& spec = *object_member(service, "spec");
    const auto& old = object_at(before, "spec");
    const auto drop_same = [&](std::string_view name) {
        if (is_same(spec, old, name)) spec.erase(name);
    };
    if (has_cluster_ip(before) && !has_cluster_ip(service)) {
        if (is_same(spec, old, "clusterIP") && is_same(spec, old, "clusterIPs")) spec.erase("clusterIP"), spec.erase("clusterIPs");
        drop_same("ipFamilies");
        drop_same("ipFamilyPolicy");
    }
    if (has_node_ports(before) && !has_node_ports(service) && std::ranges::includes(node_ports_of(before), node_ports_of(service)))
        for_each_object(spec, "ports", [](json::object& port) { port.erase("nodePort"); });
    if (needs_health_check(before) && !needs_health_check(service)) drop_same("healthCheckNodePort");
    const bool was_balanced = type_of(before) == "LoadBalancer", is_balanced = type_of(service) == "LoadBalancer";
    if (was_balanced && !is_balanced) {
        drop_same("allocateLoadBalancerNodePorts");
        drop_same("loadBalancerClass");
    }
    if (is_externally_accessible(before) && !is_externally_accessible(service)) drop_same("externalTrafficPolicy");
    if (!is_balanced) service["status"].as_object()["loadBalancer"] = json::object();
}

void prepare_update(json::object& service, const json::object& before) {
    kubeclient::make_object(service, "spec");
    service["status"] = object_at(before, "status");
    keep_allocated(service, before);
    settle_cluster_ips(*object_member(service, "spec"), object_at(before, "spec"));
    drop_unused(service, before);
    drop_internal_policy(service);
}

}  // namespace

bool is_headless(const json::object& service) {
    const auto& ips = array_at(service, "spec.clusterIPs");
    return ips.size() == 1 && kubeclient::as_text(ips.front()) == "None";
}

bool is_externally_accessible(const json::object& service) {
    return has_node_ports(service) || (type_of(service) == "ClusterIP" && !array_at(service, "spec.externalIPs").empty());
}

bool needs_health_check(const json::object& service) {
    return type_of(service) == "LoadBalancer" && text(service, "spec.externalTrafficPolicy") == "Local";
}

const Rules& service_rules() {
    static constexpr Rules rules{.apply_defaults = apply_defaults,
                                 .prepare_create = prepare_create,
                                 .prepare_update = prepare_update,
                                 .validate = validate_service,
                                 .validate_update = validate_service_update,
                                 .validate_status = validate_service_status,
                                 .warnings = service_warnings};
    return rules;
}

}  // namespace services::kube::kinds
