// Node: taints, pod networks, provider and amounts. A node may state its status when it is created; later only through the
// status subresource.
#include <algorithm>
#include <array>
#include <format>
#include <set>
#include <string>
#include <utility>

#include "services/kube/kinds/names.hpp"
#include "services/kube/kinds/pod_spec_members.hpp"
#include "services/kube/kinds/pod_spec_resources.hpp"
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
using kubeclient::make_object;
using kubeclient::object_at;
using kubeclient::text;

constexpr std::size_t feature_bytes_max = 253;

// podCIDR is the first of podCIDRs, and wins where an older client states it alone or otherwise.
void agree_on_networks(json::object& spec) {
    const std::string first(text(spec, "podCIDR"));
    const auto& networks = array_at(spec, "podCIDRs");
    if (!first.empty() && (networks.empty() || as_text(networks.front()) != first)) spec["podCIDRs"] = json::array{first};
    else if (!networks.empty()) spec["podCIDR"] = std::string(as_text(networks.front()));
}

void apply_defaults(json::object& object) {
    if (auto* spec = object_member(object, "spec")) agree_on_networks(*spec);
    auto* status = object_member(object, "status");
    if (status == nullptr || field(*status, "allocatable") != nullptr) return;
    if (const auto* capacity = field(*status, "capacity")) {
        const json::value copy = *capacity;
        (*status)["allocatable"] = copy;
    }
}

void erase_member(json::object& object, std::string_view holder, std::string_view member) {
    if (auto* found = object_member(object, holder)) found->erase(member);
}

// No pod comes to a new node before its controller has seen it ready and lifts this taint.
void add_not_ready_taint(json::object& object) {
    constexpr std::string_view key = "node.kubernetes.io/not-ready", effect = "NoSchedule";
    auto& taints = kubeclient::make_object(object, "spec")["taints"];
    if (!taints.is_array()) taints = json::array();
    const bool is_there = std::ranges::any_of(taints.get_array(), [&](const json::value& taint) {
        return text(as_object(taint), "key") == key && text(as_object(taint), "effect") == effect;
    });
    if (!is_there) taints.get_array().push_back(json::object{{"key", key}, {"effect", effect}});
}

// Dynamic kubelet configuration is gone, preemption policies are not switched on.
void prepare_create(json::object& object) {
    add_not_ready_taint(object);
    erase_member(object, "spec", "configSource");
    erase_member(object, "status", "config");
    erase_member(object, "spec", "podPreemptionPolicy");
}

void prepare_update(json::object& object, const json::object& before) {
    if (const auto* status = before.if_contains("status")) object["status"] = *status;
    else object.erase("status");
    if (field(before, "spec.configSource") == nullptr) erase_member(object, "spec", "configSource");
    if (field(before, "spec.podPreemptionPolicy") == nullptr) erase_member(object, "spec", "podPreemptionPolicy");
}

void prepare_status(json::object& object, const json::object& before) {
    if (field(before, "status.config") == nullptr) erase_member(object, "status", "config");
}

// Taints lie under spec; the real server reports them under metadata.
void check_taints(Report& report, const json::object& node) {
    std::set<std::pair<std::string_view, std::string_view>> seen;
    const auto& taints = array_at(node, "spec.taints");
    for (std::size_t i = 0; i < taints.size(); ++i) {
        const auto& taint = as_object(taints[i]);
        const auto path = Path("metadata.taints").index(i);
        const auto key = text(taint, "key"), value = text(taint, "value"), effect = text(taint, "effect");
        report.invalid(path.child("key"), key, check_qualified_name(key));
        std::string faults;
        for (const auto& fault : check_label_value(value)) faults += (faults.empty() ? "" : ";") + fault;
        if (!faults.empty()) report.invalid(path.child("value"), value, faults);
        if (effect.empty()) report.required(path.child("effect"));
        else if (effect != "NoSchedule" && effect != "PreferNoSchedule" && effect != "NoExecute")
            report.not_supported(path.child("effect"), TypedText{effect}, {"NoSchedule", "PreferNoSchedule", "NoExecute"});
        if (!seen.emplace(effect, key).second) {
            const auto* added = field(taint, "timeAdded");
            const json::object printed{
                {"Key", key}, {"Value", value}, {"Effect", effect}, {"TimeAdded", added == nullptr ? json::value(nullptr) : *added}};
            report.add({"FieldValueDuplicate",
                        std::format("Duplicate value: {}: taints must be unique by key and effect pair", go_json(printed)), path.text()});
        }
    }
}

void check_amounts(Report& report, const json::object& node) {
    for (const auto* list : {"capacity", "allocatable"})
        for (const auto& [name, value] : object_at(object_at(node, "status"), list)) {
            const auto path = Path("status").child(list).child(name);
            const auto amount = quantity_of(value);
            if (amount.sign() < 0) report.invalid(path, value, negative_message);
            if (is_integer_resource(name) && !amount.is_whole()) report.invalid(path, value, "must be an integer");
        }
}

bool is_feature_name(std::string_view name) {
    const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    if (name.empty() || name.front() < 'A' || name.front() > 'Z') return false;
    char previous = '/';
    for (const char c : name) {
        if (previous == '/' ? !is_letter(c) : !is_letter(c) && !(c >= '0' && c <= '9') && c != '/') return false;
        previous = c;
    }
    return previous != '/';
}

void check_features(Report& report, const json::object& node) {
    const auto& features = array_at(node, "status.declaredFeatures");
    const Path path("status.declaredFeatures");
    for (std::size_t i = 0; i < features.size(); ++i) {
        const auto name = as_text(features[i]);
        if (name.size() > feature_bytes_max)
            report.invalid(path.index(i), name,
                           std::format("invalid feature name {}: {}", go_quoted(name), max_length_message(feature_bytes_max)));
        else if (!is_feature_name(name))
            report.invalid(path.index(i), name,
                           std::format("invalid feature name {}: must start with an UpperCamelCase segment, with subsequent segments "
                                       "separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric "
                                       "characters and slashes",
                                       go_quoted(name)));
        if (i + 1 == features.size()) break;
        const auto next = as_text(features[i + 1]);
        if (name == next) report.duplicate(path.index(i + 1), next);
        else if (name > next) report.invalid(path.index(i + 1), next, "list must be sorted alphabetically");
    }
}

void check_pod_networks(Report& report, const json::object& node) {
    const auto& networks = array_at(node, "spec.podCIDRs");
    const Path path("spec.podCIDRs");
    std::size_t readable = 0, ipv6 = 0;
    for (std::size_t i = 0; i < networks.size(); ++i) {
        check_network(report, path.index(i), as_text(networks[i]));
        const auto network = parse_network(as_text(networks[i]));
        readable += network ? 1 : 0;
        ipv6 += network && network->address.is_ipv6 ? 1 : 0;
    }
    if (networks.size() < 2) return;
    if (readable < networks.size()) {
        const auto broken = std::ranges::find_if(networks, [](const json::value& network) { return !parse_network(as_text(network)); });
        report.internal(path, std::format("invalid PodCIDRs. failed to check with dual stack with error:invalid CIDR[{}]: <nil> (invalid CIDR "
                                          "address: {})",
                                          broken - networks.begin(), as_text(*broken)));
    }
    const bool is_dual = readable == networks.size() && ipv6 != 0 && ipv6 != networks.size();
    if (!is_dual || networks.size() > 2) report.invalid(path, networks, "may specify no more than one CIDR for each IP family");
}

void check_swap(Report& report, const json::object& node) {
    const auto capacity = kubeclient::number(node, "status.nodeInfo.swap.capacity", 1);
    if (capacity <= 0) report.invalid(Path("metadata.nodeSwapStatus.capacity"), capacity, "must be greater than zero");
}

void check(Report& report, const json::object& node) {
    check_taints(report, node);
    check_amounts(report, node);
    check_swap(report, node);
    check_features(report, node);
    check_pod_networks(report, node);
}

void check_changes(Report& report, const json::object& node, const json::object& before) {
    check_amounts(report, node);
    check_features(report, node);
    std::set<std::pair<std::string_view, std::string_view>> addresses;
    const auto& list = array_at(node, "status.addresses");
    for (std::size_t i = 0; i < list.size(); ++i) {
        const auto type = text(as_object(list[i]), "type"), address = text(as_object(list[i]), "address");
        if (!addresses.emplace(type, address).second)
            report.duplicate(Path("status.addresses").index(i), json::object{{"Type", type}, {"Address", address}});
    }
    const auto& old_networks = array_at(before, "spec.podCIDRs");
    if (!old_networks.empty() && old_networks != array_at(node, "spec.podCIDRs"))
        report.forbidden(Path("spec.podCIDRs"), "node updates may not change podCIDR except from \"\" to valid");
    const auto provider = text(node, "spec.providerID"), old_provider = text(before, "spec.providerID");
    if (!old_provider.empty() && provider != old_provider)
        report.invalid(Path("spec.providerID"), nullptr,
                       provider.empty() ? "field cannot be cleared once set" : "field cannot be modified once set");
    check_taints(report, node);
    if (text(node, "spec.externalID") != text(before, "spec.externalID")) report.forbidden(Path("spec.externalID"), "may not be updated");
}

Causes validate(const json::object& node) {
    Report report;
    check(report, node);
    return report.take();
}

// Both halves look at amounts, features and taints; what they say twice is said once.
Causes validate_update(const json::object& node, const json::object& before) {
    Report report;
    check(report, node);
    check_changes(report, node, before);
    return report.take();
}

Causes validate_status(const json::object& node, const json::object& before) {
    Report report;
    check_changes(report, node, before);
    return report.take();
}

std::vector<std::string> warnings(const json::object& node) {
    std::vector<std::string> found;
    if (field(node, "spec.configSource") != nullptr) found.emplace_back("spec.configSource: the feature is removed");
    if (!text(node, "spec.externalID").empty())
        found.emplace_back("spec.externalID: this field is deprecated, and is unused by Kubernetes");
    const auto& networks = array_at(node, "spec.podCIDRs");
    for (std::size_t i = 0; i < networks.size(); ++i)
        for (auto& warning : network_warnings(Path("spec.podCIDRs").index(i), as_text(networks[i]))) found.push_back(std::move(warning));
    return found;
}

json::object without_times(json::object node) {
    auto& metadata = node["metadata"].as_object();
    metadata.erase("managedFields");
    metadata.erase("resourceVersion");
    auto conditions = array_at(node, "status.conditions");
    for (auto& condition : conditions)
        if (condition.is_object()) condition.as_object().erase("lastHeartbeatTime");
    make_object(node, "status")["conditions"] = std::move(conditions);
    return node;
}

// What the kubelet writes every five minutes when nothing has changed.
bool is_heartbeat(const json::object& node, const json::object& before) { return without_times(node) == without_times(before); }

}  // namespace

const Rules& node_rules() {
    static constexpr Rules rules{.apply_defaults = apply_defaults,
                                 .prepare_create = prepare_create,
                                 .prepare_update = prepare_update,
                                 .validate = validate,
                                 .validate_update = validate_update,
                                 .validate_status = validate_status,
                                 .warnings = warnings,
                                 .prepare_status = prepare_status,
                                 .is_heartbeat = is_heartbeat};
    return rules;
}

}  // namespace services::kube::kinds
