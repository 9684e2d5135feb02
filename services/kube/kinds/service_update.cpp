// Validation of updates to Services and their status: addresses and families stay once they are given, but a second one may
// come and go.
#include <algorithm>
#include <array>
#include <string>

#include "services/kube/kinds/names.hpp"
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
using kubeclient::text;

const Path spec_path("spec");

// Go's nil slice prints null.
json::value shown(const json::array& list) { return list.empty() ? json::value() : json::value(list); }

bool is_external_name(const json::object& service) { return text(service, "spec.type") == "ExternalName"; }

void check_released(Report& report, const json::object& service, std::string_view what) {
    const auto* policy = field(service, "spec.ipFamilyPolicy");
    if (policy == nullptr || as_text(*policy) != "SingleStack")
        report.invalid(spec_path.child("ipFamilyPolicy"), policy == nullptr ? json::value() : *policy,
                       std::string("must be set to 'SingleStack' when releasing the secondary ") + std::string(what));
}

void check_cluster_ip_changes(Report& report, const json::object& service, const json::object& before) {
    if (is_external_name(service) || is_external_name(before) || (is_headless(service) && is_headless(before))) return;
    const auto& now = array_at(service, "spec.clusterIPs");
    const auto& old = array_at(before, "spec.clusterIPs");
    const auto path = spec_path.child("clusterIPs");
    if (old.size() == now.size()) {
        for (std::size_t at = 0; at < old.size(); ++at)
            if (old[at] != now[at]) report.invalid(path.index(at), shown(now), "may not change once set");
        return;
    }
    if (now.empty()) report.invalid(path.index(0), shown(now), "primary clusterIP can not be unset");
    if (!old.empty() && !now.empty() && now.front() != old.front()) report.invalid(path.index(0), shown(now), "may not change once set");
    if (old.size() > now.size() && now.size() == 1) check_released(report, service, "clusterIP");
}

void check_family_changes(Report& report, const json::object& service, const json::object& before) {
    if (is_external_name(service) || is_external_name(before) || is_headless(service) || is_headless(before)) return;
    const auto& now = array_at(service, "spec.ipFamilies");
    const auto& old = array_at(before, "spec.ipFamilies");
    const auto& ips = array_at(service, "spec.clusterIPs");
    const auto path = spec_path.child("ipFamilies").index(0);
    if (old.size() == now.size()) {
        for (std::size_t at = 0; at < old.size(); ++at)
            if (old[at] != now[at]) report.invalid(path, shown(now), "may not change once set");
        return;
    }
    const bool is_released = old.size() > now.size();
    if (is_released && ips.empty()) report.invalid(path, shown(now), "primary ipFamily can not be unset");
    // The real server shows the addresses here, not the families.
    if (!old.empty() && !now.empty() && now.front() != old.front()) report.invalid(path, shown(ips), "may not change once set");
    if (is_released && now.size() == 1) check_released(report, service, "ipFamily");
}

void check_class_change(Report& report, const json::object& service, const json::object& before) {
    const auto* now = field(service, "spec.loadBalancerClass");
    const auto* old = field(before, "spec.loadBalancerClass");
    const bool is_same = now == nullptr || old == nullptr ? now == old : *now == *old;
    if (text(service, "spec.type") == "LoadBalancer" && text(before, "spec.type") == "LoadBalancer" && !is_same)
        report.invalid(spec_path.child("loadBalancerClass"), now == nullptr ? json::value() : *now, "may not change once set");
    check_load_balancer_class(report, service);
}

void check_ingress(Report& report, const Path& path, const json::object& ingress, const json::array& kept) {
    const auto ip = text(ingress, "ip"), host = text(ingress, "hostname");
    if (!ip.empty()) check_address(report, path.child("ip"), ip, kept);
    const auto* mode = field(ingress, "ipMode");
    if (mode == nullptr) {
        if (!ip.empty()) report.required(path.child("ipMode"), "must be specified when `ip` is set");
    } else if (ip.empty()) {
        report.forbidden(path.child("ipMode"), "may not be specified when `ip` is not set");
    } else if (as_text(*mode) != "Proxy" && as_text(*mode) != "VIP") {
        report.not_supported(path.child("ipMode"), *mode, {"Proxy", "VIP"});
    }
    if (host.empty()) return;
    report.invalid(path.child("hostname"), json::value(host), check_dns1123_subdomain(host));
    if (parse_address(host)) report.invalid(path.child("hostname"), json::value(host), "must be a DNS name, not an IP address");
}

}  // namespace

Causes validate_service_update(const json::object& service, const json::object& before) {
    Report report;
    if (stops_at_addresses(report, service, before)) return report.take();
    check_cluster_ip_changes(report, service, before);
    check_family_changes(report, service, before);
    check_class_change(report, service, before);
    const auto port = number(service, "spec.healthCheckNodePort");
    if (needs_health_check(before) && needs_health_check(service) && port != number(before, "spec.healthCheckNodePort"))
        report.forbidden(spec_path.child("healthCheckNodePort"), immutable_message);
    check_service(report, service, before);
    return report.take();
}

Causes validate_service_status(const json::object& service, const json::object& before) {
    Report report;
    const Path path("status.loadBalancer.ingress");
    const auto& list = array_at(service, "status.loadBalancer.ingress");
    if (!list.empty() && text(service, "spec.type") != "LoadBalancer") {
        report.forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'");
        return report.take();
    }
    json::array kept;
    for (const auto& ingress : array_at(before, "status.loadBalancer.ingress"))
        if (const auto* ip = field(as_object(ingress), "ip")) kept.push_back(*ip);
    std::size_t at = 0;
    for (const auto& ingress : list) check_ingress(report, path.index(at++), as_object(ingress), kept);
    return report.take();
}

}  // namespace services::kube::kinds
