// A PodSpec's validation put together in the real server's order, and what stands in no other part.
#include <algorithm>
#include <array>
#include <charconv>
#include <format>
#include <limits>
#include <string>

#include "services/kube/kinds/labels.hpp"
#include "services/kube/kinds/names.hpp"
#include "services/kube/kinds/pod_spec_checks.hpp"
#include "services/kube/kinds/pod_spec_go_form.hpp"
#include "services/kube/kinds/service_addresses.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {

namespace {

using kubeclient::array_at;
using kubeclient::as_object;
using kubeclient::as_text;
using kubeclient::field;
using kubeclient::flag;
using kubeclient::number;
using kubeclient::object_at;
using kubeclient::text;

constexpr std::string_view mirror_key = "kubernetes.io/config.mirror";
constexpr std::string_view deletion_cost_key = "controller.kubernetes.io/pod-deletion-cost";
constexpr std::size_t name_servers_max = 3, search_paths_max = 32, search_characters_max = 2048, host_name_max = 64;

void check_resource_claims(PodSpecCheck& check, const Path& path) {
    auto& report = check.report;
    const auto& claims = array_at(check.spec, "resourceClaims");
    for (const auto& claim : claims)
        if (const auto name = text(as_object(claim), "name"); !name.empty()) check.claims.insert(name);
    std::set<std::string_view> taken;
    std::size_t at = 0;
    for (const auto& element : claims) {
        const auto& claim = as_object(element);
        const auto claim_path = path.index(at++);
        if (check.metadata != nullptr && object_at(*check.metadata, "annotations").contains(mirror_key)) {
            report.forbidden(Path("[]"), "static pods do not support resource claims");  // a path without a name prints so
            continue;
        }
        const auto name = text(claim, "name");
        if (name.empty()) report.required(claim_path.child("name"));
        else if (!taken.insert(name).second) report.duplicate(claim_path.child("name"), json::value(name));
        else report.invalid(claim_path.child("name"), json::value(name), check_dns1123_label(name));
        const auto* direct = field(claim, "resourceClaimName");
        const auto* by_template = field(claim, "resourceClaimTemplateName");
        if (direct != nullptr && by_template != nullptr)
            report.invalid(claim_path, go_form("PodResourceClaim", claim),
                           "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified");
        if (direct == nullptr && by_template == nullptr)
            report.invalid(claim_path, go_form("PodResourceClaim", claim),
                           "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`");
        for (const auto* reference : {"resourceClaimName", "resourceClaimTemplateName"})
            if (const auto* value = field(claim, reference))
                report.invalid(claim_path.child(reference), *value, check_dns1123_subdomain(as_text(*value)));
    }
}

// On the host's network a port is the host's.
void check_host_network_ports(PodSpecCheck& check, const Path& path) {
    if (!flag(check.spec, "hostNetwork")) return;
    std::size_t at = 0;
    for (const auto& container : array_at(check.spec, "containers")) {
        const auto ports_path = path.child("containers").index(at++).child("ports");
        std::size_t port_at = 0;
        for (const auto& element : array_at(as_object(container), "ports")) {
            const auto host = number(as_object(element), "hostPort"), own = number(as_object(element), "containerPort");
            const auto port_path = ports_path.index(port_at++).child("hostPort");
            // A template may leave it open: it is filled in when the pod is made.
            if ((check.metadata != nullptr || host != 0) && host != own)
                check.report.invalid(port_path, host, "must match `containerPort` when `hostNetwork` is true");
        }
    }
}

void check_choice(Report& report, const Path& path, std::string_view value, std::initializer_list<std::string_view> choices) {
    if (value.empty()) report.required(path);
    else if (!std::ranges::contains(choices, value)) report.not_supported(path, json::value(value), choices);
}

void check_dns(PodSpecCheck& check, const Path& path) {
    auto& report = check.report;
    const auto* value = field(check.spec, "dnsConfig");
    const auto& config = object_at(check.spec, "dnsConfig");
    const auto& servers = array_at(config, "nameservers");
    if (text(check.spec, "dnsPolicy") == "None") {
        if (value == nullptr) return report.required(path, "must provide `dnsConfig` when `dnsPolicy` is None");
        if (servers.empty())
            return report.required(path.child("nameservers"), "must provide at least one DNS nameserver when `dnsPolicy` is None");
    }
    if (servers.size() > name_servers_max)
        report.invalid(path.child("nameservers"), servers, std::format("must not have more than {} nameservers", name_servers_max));
    std::size_t at = 0;
    for (const auto& server : servers) check_address(report, path.child("nameservers").index(at++), as_text(server));
    const auto& searches = array_at(config, "searches");
    if (searches.size() > search_paths_max)
        report.invalid(path.child("searches"), searches, std::format("must not have more than {} search paths", search_paths_max));
    std::size_t characters = searches.empty() ? 0 : searches.size() - 1;
    for (const auto& search : searches) characters += as_text(search).size();
    if (characters > search_characters_max)
        report.invalid(path.child("searches"), searches,
                       std::format("must not have more than {} characters (including spaces) in the search list", search_characters_max));
    at = 0;
    for (const auto& element : searches) {
        const auto search_path = path.child("searches").index(at++);
        auto search = as_text(element);
        if (search == ".") continue;
        if (search.ends_with('.')) search.remove_suffix(1);
        report.invalid(search_path, json::value(search), check_dns1123_subdomain_with_underscore(search));
    }
    at = 0;
    for (const auto& option : array_at(config, "options")) {
        if (text(as_object(option), "name").empty()) report.required(path.child("options").index(at), "must not be empty");
        ++at;
    }
}

void check_gates(PodSpecCheck& check, const Path& path) {
    std::size_t at = 0;
    for (const auto& gate : array_at(check.spec, "readinessGates")) {
        const auto type = text(as_object(gate), "conditionType");
        check.report.invalid(path.child("readinessGates").index(at++).child("conditionType"), json::value(type),
                             check_qualified_name(type));
    }
    std::set<std::string_view> seen;
    at = 0;
    for (const auto& gate : array_at(check.spec, "schedulingGates")) {
        const auto gate_path = path.child("schedulingGates").index(at++);
        const auto name = text(as_object(gate), "name");
        check.report.invalid(gate_path, json::value(name), check_qualified_name(name));
        if (!seen.insert(name).second) check.report.duplicate(gate_path, json::value(name));
    }
}

// With users of its own a pod shares no other namespace with its host.
void check_host_users(PodSpecCheck& check, const Path& path) {
    if (check.has_host_users) return;
    // The two upper-case names are the real server's.
    constexpr auto names = std::to_array<std::pair<std::string_view, std::string_view>>(
        {{"hostNetwork", "hostNetwork"}, {"hostPID", "HostPID"}, {"hostIPC", "HostIPC"}});
    for (const auto& [name, shown] : names)
        if (flag(check.spec, name)) check.report.forbidden(path.child(shown), "when `hostUsers` is false");
    visit_containers(check.spec, path, [&](const json::object& container, const Path& container_path) {
        if (!array_at(container, "volumeDevices").empty())
            check.report.forbidden(container_path.child("volumeDevices"), "when `hostUsers` is false");
    });
}

void check_host_name_override(PodSpecCheck& check, const Path& path) {
    const auto* value = field(check.spec, "hostnameOverride");
    if (value == nullptr) return;
    if (flag(check.spec, "setHostnameAsFQDN")) check.report.forbidden(path, "may not be specified when setHostnameAsFQDN is true");
    if (flag(check.spec, "hostNetwork")) check.report.forbidden(path, "may not be specified when hostNetwork is true");
    if (as_text(*value).size() > host_name_max) check.report.too_long(path, host_name_max);
    check.report.invalid(path, *value, check_dns1123_subdomain(as_text(*value)));
}

// A 32-bit number without a plus sign or leading zeros.
bool is_deletion_cost(std::string_view text) {
    if (text.empty() || (text != "0" && text[0] != '-' && !(text[0] >= '1' && text[0] <= '9'))) return false;
    std::int32_t cost = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), cost);
    return error == std::errc() && end == text.data() + text.size();
}

using NameRule = Messages (*)(std::string_view);

void check_name(PodSpecCheck& check, const Path& path, std::string_view name, NameRule rule) {
    if (const auto value = text(check.spec, name); !value.empty())
        check.report.invalid(path.child(name), json::value(value), rule(value));
}

// What comes after scheduling, in order.
void check_names_and_rest(PodSpecCheck& check, const Path& path) {
    auto& report = check.report;
    check_name(check, path, "serviceAccountName", check_dns1123_subdomain);
    const auto account = text(check.spec, "serviceAccountName"), old_account = text(check.spec, "serviceAccount");
    if (account != old_account)
        report.invalid(path.child("deprecatedServiceAccount"), json::value(old_account),
                       std::format("must be the same as serviceAccountName: {}", go_quoted(account)));
    check_name(check, path, "nodeName", check_dns1123_subdomain);
    if (const auto* seconds = field(check.spec, "activeDeadlineSeconds")) {
        const auto value = number(check.spec, "activeDeadlineSeconds");
        report.invalid(path.child("activeDeadlineSeconds"), *seconds,
                       check_in_range(value, 1, std::numeric_limits<std::int32_t>::max()));
    }
    check_name(check, path, "hostname", check_dns1123_label);
    check_name(check, path, "subdomain", check_dns1123_label);
    check_tolerations(report, path.child("tolerations"), array_at(check.spec, "tolerations"));
    std::size_t at = 0;
    for (const auto& alias : array_at(check.spec, "hostAliases")) {
        const auto alias_path = path.child("hostAliases").index(at++);
        check_address(report, alias_path.child("ip"), text(as_object(alias), "ip"));
        std::size_t name_at = 0;
        for (const auto& name : array_at(as_object(alias), "hostnames"))
            report.invalid(alias_path.child("hostnames").index(name_at++), name, check_dns1123_subdomain(as_text(name)));
    }
    check_name(check, path, "priorityClassName", check_dns1123_subdomain);
    if (const auto* name = field(check.spec, "runtimeClassName"))
        report.invalid(path.child("runtimeClassName"), *name, check_dns1123_subdomain(as_text(*name)));
    if (const auto* policy = field(check.spec, "preemptionPolicy"))
        check_choice(report, path.child("preemptionPolicy"), as_text(*policy), {"PreemptLowerPriority", "Never"});
    if (const auto& overhead = object_at(check.spec, "overhead"); !overhead.empty())
        check_requirements(check, path.child("overhead"), {{"limits", overhead}});
    check_operating_system(check, path);
    check_file_key_volumes(check, path);
}

}  // namespace

void check_pod_spec(Report& report, const Path& path, const json::object& spec, const json::object* metadata) {
    PodSpecCheck check{.report = report, .spec = spec, .metadata = metadata};
    if (field(spec, "terminationGracePeriodSeconds") == nullptr) report.required(path.child("terminationGracePeriodSeconds"));
    else check.grace_seconds = number(spec, "terminationGracePeriodSeconds");
    check.has_host_users = flag(spec, "hostUsers", true);
    check_volumes(check, path.child("volumes"));
    check_resource_claims(check, path.child("resourceClaims"));
    check_containers(check, path.child("containers"));
    check_init_containers(check, path.child("initContainers"));
    check_ephemeral_containers(check, path.child("ephemeralContainers"));
    check_pod_level_requirements(check, path.child("resources"));
    check_host_network_ports(check, path);
    check_choice(report, path.child("restartPolicy"), text(spec, "restartPolicy"), {"Always", "OnFailure", "Never"});
    check_choice(report, path.child("dnsPolicy"), text(spec, "dnsPolicy"),
                 {"ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"});
    check_labels(report, path.child("nodeSelector"), object_at(spec, "nodeSelector"));
    check_pod_security(check, path.child("securityContext"));
    if (flag(spec, "shareProcessNamespace") && flag(spec, "hostPID"))
        report.invalid(path.child("shareProcessNamespace"), true, "ShareProcessNamespace and HostPID cannot both be enabled");
    check_affinity(check, path.child("affinity"));
    check_dns(check, path.child("dnsConfig"));
    check_gates(check, path);
    check_spread(check, path.child("topologySpreadConstraints"));
    check_host_process(check, path);
    check_host_users(check, path);
    check_host_name_override(check, path.child("hostnameOverride"));
    check_names_and_rest(check, path);
}

void check_pod_annotations(Report& report, const Path& path, const json::object& annotations, const json::object& spec) {
    if (const auto* mirror = annotations.if_contains(mirror_key); mirror != nullptr && text(spec, "nodeName").empty())
        report.invalid(path.key(mirror_key), *mirror, "must set spec.nodeName if mirror pod annotation is set");
    if (const auto* cost = annotations.if_contains(deletion_cost_key); cost != nullptr && !is_deletion_cost(as_text(*cost)))
        report.invalid(path.key(deletion_cost_key), *cost, "must be a 32bit integer");
    check_security_annotations(report, path, annotations, spec);
}

void check_pod_template(Report& report, const Path& path, const json::object& pod_template) {
    const auto& spec = object_at(pod_template, "spec");
    const auto& annotations = object_at(pod_template, "metadata.annotations");
    const auto spec_path = path.child("spec");
    check_labels(report, path.child("labels"), object_at(pod_template, "metadata.labels"));
    check_annotations(report, path.child("annotations"), annotations);
    check_pod_annotations(report, path.child("annotations"), annotations, spec);
    check_pod_spec(report, spec_path, spec, nullptr);
    check_seccomp_agreement(report, spec_path, annotations, spec);
    check_apparmor_agreement(report, spec_path, annotations, spec);
    if (!array_at(spec, "ephemeralContainers").empty())
        report.forbidden(spec_path.child("ephemeralContainers"), "ephemeral containers not allowed in pod template");
}

}  // namespace services::kube::kinds
