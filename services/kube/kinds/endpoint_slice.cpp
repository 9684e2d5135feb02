// EndpointSlice: up to 1000 endpoints of one address family behind a Service. Its generation moves with everything but
// metadata, and with its labels.
#include <algorithm>
#include <array>
#include <format>
#include <set>
#include <string>

#include "services/kube/kinds/labels.hpp"
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
using kubeclient::as_text;
using kubeclient::field;
using kubeclient::number;
using kubeclient::object_at;
using kubeclient::text;

constexpr std::size_t endpoints_max = 1000, addresses_max = 100, ports_max = 20'000, topology_max = 16, hints_max = 8;
constexpr std::string_view host_label = "kubernetes.io/hostname";

void apply_defaults(json::object& object) {
    for_each_object(object, "ports", [](json::object& port) {
        if (field(port, "name") == nullptr) port["name"] = "";
        if (field(port, "protocol") == nullptr) port["protocol"] = "TCP";
    });
}

// v1 has no topology: it is dropped, after a node's name that an earlier form kept there has moved to its own field.
void drop_topology(json::object& object, const std::set<std::string_view>& known_nodes) {
    for_each_object(object, "endpoints", [&](json::object& endpoint) {
        const auto topology = object_at(endpoint, "deprecatedTopology");
        if (const auto* host = topology.if_contains(host_label); host != nullptr && field(endpoint, "nodeName") == nullptr)
            if (known_nodes.contains(as_text(*host)) && check_dns1123_subdomain(as_text(*host)).empty()) endpoint["nodeName"] = *host;
        endpoint.erase("deprecatedTopology");
    });
}

void prepare_create(json::object& object) {
    kubeclient::make_object(object, "metadata")["generation"] = 1;
    drop_topology(object, {});
}

bool is_same_content(const json::object& object, const json::object& before) {
    const auto of = [](const json::object& from, std::string_view member) {
        const auto* value = from.if_contains(member);
        return value == nullptr ? json::value(nullptr) : *value;
    };
    return of(object, "addressType") == of(before, "addressType") && array_at(object, "endpoints") == array_at(before, "endpoints") &&
           array_at(object, "ports") == array_at(before, "ports") &&
           object_at(object, "metadata.labels") == object_at(before, "metadata.labels");
}

void prepare_update(json::object& object, const json::object& before) {
    const auto step = is_same_content(object, before) ? 0 : 1;
    kubeclient::make_object(object, "metadata")["generation"] = number(before, "metadata.generation") + step;
    if (array_at(object, "endpoints") == array_at(before, "endpoints")) return;
    std::set<std::string_view> known;
    for (const auto& endpoint : array_at(before, "endpoints"))
        if (const auto* host = object_at(as_object(endpoint), "deprecatedTopology").if_contains(host_label)) known.insert(as_text(*host));
    drop_topology(object, known);
}

void check_family(Report& report, const Path& list, const Path& path, std::string_view address, bool wants_ipv6) {
    const auto parsed = parse_address(address);
    const auto before = report.size();
    check_address(report, path, address);
    if (wants_ipv6 && report.size() == before && parsed->canonical != address)
        report.invalid(path, address, std::format("must be in canonical form ({})", go_quoted(parsed->canonical)));
    if (report.size() != before) return;
    if (parsed->is_ipv6 != wants_ipv6) report.invalid(list, address, wants_ipv6 ? "must be an IPv6 address" : "must be an IPv4 address");
    check_endpoint_address(report, path, address);
}

void check_domain(Report& report, const Path& path, std::string_view name) {
    if (name.empty()) return report.required(path);
    if (name.ends_with('.')) name.remove_suffix(1);
    if (const auto faults = check_dns1123_subdomain(name); !faults.empty()) {
        std::string joined;
        for (const auto& fault : faults) joined += (joined.empty() ? "" : ",") + fault;
        return report.invalid(path, name, joined);
    }
    if (!name.contains('.')) report.invalid(path, name, "should be a domain with at least two segments separated by dots");
}

void check_addresses(Report& report, const Path& path, std::string_view type, const json::array& addresses) {
    if (addresses.empty()) report.declared()->required(path);
    else if (addresses.size() > addresses_max) report.declared()->too_many(path, addresses.size(), addresses_max);
    for (std::size_t i = 0; i < addresses.size(); ++i) {
        const auto address = as_text(addresses[i]);
        if (type == "IPv4" || type == "IPv6") check_family(report, path, path.index(i), address, type == "IPv6");
        else if (type == "FQDN") check_domain(report, path.index(i), address);
    }
}

void check_hints(Report& report, const Path& path, const json::object& hints) {
    const auto check = [&](std::string_view member, auto&& check_name) {
        const auto& list = array_at(hints, member);
        if (list.size() > hints_max) {
            report.too_many(path.child(member), list.size(), hints_max);
            return false;
        }
        std::set<std::string_view> names;
        for (std::size_t i = 0; i < list.size(); ++i) {
            const auto name = text(as_object(list[i]), "name");
            const auto at = path.child(member).index(i).child("name");
            if (!names.insert(name).second) report.duplicate(at, name);
            report.invalid(at, name, check_name(name));
        }
        return true;
    };
    if (check("forZones", check_label_value)) check("forNodes", check_dns1123_subdomain);
}

void check_endpoint(Report& report, const Path& path, std::string_view type, const json::object& endpoint) {
    check_addresses(report, path.child("addresses"), type, array_at(endpoint, "addresses"));
    if (field(endpoint, "nodeName") != nullptr)
        report.invalid(path.child("nodeName"), text(endpoint, "nodeName"), check_dns1123_subdomain(text(endpoint, "nodeName")));
    const auto& topology = object_at(endpoint, "deprecatedTopology");
    if (topology.size() > topology_max) report.too_many(path.child("deprecatedTopology"), topology.size(), topology_max);
    check_labels(report, path.child("deprecatedTopology"), topology);
    if (field(endpoint, "hostname") != nullptr)
        report.invalid(path.child("hostname"), text(endpoint, "hostname"), check_dns1123_label(text(endpoint, "hostname")));
    check_hints(report, path.child("hints"), object_at(endpoint, "hints"));
}

void check_endpoints(Report& report, const json::object& object) {
    const auto& endpoints = array_at(object, "endpoints");
    if (endpoints.size() > endpoints_max) return report.too_many(Path("endpoints"), endpoints.size(), endpoints_max);
    const auto type = text(object, "addressType");
    for (std::size_t i = 0; i < endpoints.size(); ++i)
        check_endpoint(report, Path("endpoints").index(i), type, as_object(endpoints[i]));
}

void check_ports(Report& report, const json::object& object) {
    const auto& ports = array_at(object, "ports");
    if (ports.size() > ports_max) return report.too_many(Path("ports"), ports.size(), ports_max);
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < ports.size(); ++i) {
        const auto& port = as_object(ports[i]);
        const auto path = Path("ports").index(i);
        const auto name = text(port, "name"), protocol = text(port, "protocol");
        if (!name.empty()) report.invalid(path.child("name"), name, check_dns1123_label(name));
        if (!names.insert(name).second) report.duplicate(path.child("name"), name);
        if (protocol != "TCP" && protocol != "UDP" && protocol != "SCTP")
            report.not_supported(path.child("protocol"), TypedText{protocol}, {"SCTP", "TCP", "UDP"});
        if (field(port, "appProtocol") != nullptr)
            report.invalid(path.child("appProtocol"), text(port, "appProtocol"), check_qualified_name(text(port, "appProtocol")));
    }
}

// A change of the family is refused by the declarative rules, which come last and then do not look further: an unknown
// family is left to the older rules, in their place.
void check_address_type(Report& report, std::string_view type, const json::object* before) {
    const Path path("addressType");
    const bool is_changed = before != nullptr && text(*before, "addressType") != type;
    constexpr auto known = std::to_array<std::string_view>({"FQDN", "IPv4", "IPv6"});
    const bool is_known = std::ranges::contains(known, type);
    if (type.empty()) report.declared()->required(path);
    else if (!is_known && is_changed) report.not_supported(path, TypedText{type}, known);
    else if (!is_known) report.declared()->not_supported(path, TypedText{type}, known);
    if (is_changed) report.declared()->invalid(path, nullptr, immutable_message);
}

// `before` is null on create.
Causes check(const json::object& object, const json::object* before) {
    Report report;
    check_address_type(report, text(object, "addressType"), before);
    check_ports(report, object);
    if (before == nullptr || array_at(*before, "endpoints") != array_at(object, "endpoints")) check_endpoints(report, object);
    return report.take();
}

Causes validate(const json::object& object) { return check(object, nullptr); }
Causes validate_update(const json::object& object, const json::object& before) { return check(object, &before); }

std::vector<std::string> spelling_warnings(const json::object& object) {
    std::vector<std::string> found;
    const auto manager = kubeclient::label(object, "endpointslice.kubernetes.io/managed-by");
    if (manager == "endpointslice-controller.k8s.io" || manager == "endpointslicemirroring-controller.k8s.io") return found;
    const auto& endpoints = array_at(object, "endpoints");
    for (std::size_t i = 0; i < endpoints.size(); ++i) {
        const auto& addresses = array_at(as_object(endpoints[i]), "addresses");
        for (std::size_t j = 0; j < addresses.size(); ++j) {
            const auto path = Path("endpoints").index(i).child("addresses").index(j);
            for (auto& warning : address_warnings(path, as_text(addresses[j]))) found.push_back(std::move(warning));
        }
    }
    return found;
}

std::vector<std::string> warnings(const json::object& object) {
    auto found = spelling_warnings(object);
    if (text(object, "addressType") == "FQDN") found.insert(found.begin(), "spec.addressType: FQDN endpoints are deprecated");
    return found;
}

std::vector<std::string> update_warnings(const json::object& object, const json::object&) { return spelling_warnings(object); }

}  // namespace

const Rules& endpoint_slice_rules() {
    static constexpr Rules rules{.apply_defaults = apply_defaults,
                                 .prepare_create = prepare_create,
                                 .prepare_update = prepare_update,
                                 .validate = validate,
                                 .validate_update = validate_update,
                                 .warnings = warnings,
                                 .update_warnings = update_warnings};
    return rules;
}

}  // namespace services::kube::kinds
