#include "services/kube/api/address_families.hpp"

#include <boost/json/array.hpp>

#include "services/kube/api/status.hpp"
#include "services/kube/kinds/report.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::api {
namespace {

using kubeclient::array_at;
using kubeclient::as_text;
using kubeclient::text;

constexpr std::string_view single_stack = "SingleStack";
constexpr std::string_view prefer_dual_stack = "PreferDualStack";
constexpr std::string_view require_dual_stack = "RequireDualStack";

const kinds::Path policy_path{"spec.ipFamilyPolicy"};

bool is_same(const json::object& a, const json::object& b, std::string_view path) { return array_at(a, path) == array_at(b, path); }

// An update that leaves a PreferDualStack Service's addresses alone is let through as it is.
bool keeps_preferred(const json::object& service, const json::object& before) {
    const auto old_policy = text(before, "spec.ipFamilyPolicy");
    return text(service, "spec.ipFamilyPolicy") == prefer_dual_stack && (old_policy.empty() || old_policy == prefer_dual_stack) &&
           text(service, "spec.type") == text(before, "spec.type") && is_same(service, before, "spec.clusterIPs") &&
           is_same(service, before, "spec.ipFamilies");
}

void set_policy(json::object& spec, const json::object* before, bool is_headless_without_selector) {
    if (!text(spec, "ipFamilyPolicy").empty()) return;
    const auto old_policy = before != nullptr ? text(*before, "spec.ipFamilyPolicy") : std::string_view();
    if (!old_policy.empty()) spec["ipFamilyPolicy"] = old_policy;
    else spec["ipFamilyPolicy"] = is_headless_without_selector ? require_dual_stack : single_stack;
}

void keep_first(json::object& spec, std::string_view name) {
    auto& list = spec[name].as_array();
    list.resize(1);
}

void check_change(kinds::Report& report, json::object& service, const json::object& before) {
    auto& spec = service["spec"].as_object();
    if (text(spec, "ipFamilyPolicy") == single_stack) {
        if (is_same(service, before, "spec.clusterIPs") && array_at(spec, "clusterIPs").size() > 1) keep_first(spec, "clusterIPs");
        if (is_same(service, before, "spec.ipFamilies") && array_at(spec, "ipFamilies").size() > 1) keep_first(spec, "ipFamilies");
        return;
    }
    const auto is_reduced = [&](std::string_view path) {
        return !array_at(service, path).empty() && array_at(service, path).size() < array_at(before, path).size();
    };
    if (is_reduced("spec.clusterIPs")) report.invalid(policy_path, text(spec, "ipFamilyPolicy"), "must be 'SingleStack' to release the secondary cluster IP");
    if (is_reduced("spec.ipFamilies")) report.invalid(policy_path, text(spec, "ipFamilyPolicy"), "must be 'SingleStack' to release the secondary IP family");
}

void check_single(kinds::Report& report, const json::object& spec) {
    if (text(spec, "ipFamilyPolicy") != single_stack) return;
    constexpr std::string_view needed = "must be 'RequireDualStack' or 'PreferDualStack' when multiple ";
    if (array_at(spec, "clusterIPs").size() == 2) report.invalid(policy_path, single_stack, std::string(needed) + "cluster IPs are specified");
    if (array_at(spec, "ipFamilies").size() == 2) report.invalid(policy_path, single_stack, std::string(needed) + "IP families are specified");
}

// Addresses that are given say their families.
void add_families_of_addresses(kinds::Report& report, json::object& spec) {
    json::array families = array_at(spec, "ipFamilies");
    const auto& addresses = array_at(spec, "clusterIPs");
    for (std::size_t i = 0; i < addresses.size(); ++i) {
        const auto address = as_text(addresses[i]);
        if (address == "None") break;
        if (i < families.size()) continue;
        if (address.contains(':'))
            report.invalid(kinds::Path("spec.clusterIPs").index(i), addresses, "IPv6 is not configured on this cluster");
        else
            families.emplace_back("IPv4");
    }
    if (!families.empty()) spec["ipFamilies"] = std::move(families);
}

void refuse(kinds::Report& report, const json::object& service) {
    if (report.is_empty()) return;
    static const schema::GroupVersionKind kind{"", "v1", "Service"};
    throw StatusError(invalid(kind, kubeclient::name_of(service), report.take()));
}

}  // namespace

void set_address_families(json::object& service, const json::object* before) {
    auto& spec = service["spec"].as_object();
    if (text(spec, "type") == "ExternalName") return;
    if (before != nullptr && keeps_preferred(service, *before)) return;
    // Without a selector the endpoints are written by hand and may be of any family, whatever the cluster has.
    const bool is_headless_without_selector = text(spec, "clusterIP") == "None" && kubeclient::object_at(spec, "selector").empty();
    set_policy(spec, before, is_headless_without_selector);

    kinds::Report report;
    if (before != nullptr) check_change(report, service, *before);
    check_single(report, spec);
    add_families_of_addresses(report, spec);
    refuse(report, service);

    if (is_headless_without_selector) {
        json::array families = array_at(spec, "ipFamilies");
        if (families.empty()) families.emplace_back("IPv4");
        if (families.size() < 2 && text(spec, "ipFamilyPolicy") != single_stack)
            families.emplace_back(as_text(families[0]) == "IPv4" ? "IPv6" : "IPv4");
        spec["ipFamilies"] = std::move(families);
        return;
    }
    if (text(spec, "ipFamilyPolicy") == require_dual_stack)
        report.invalid(policy_path, require_dual_stack, "this cluster is not configured for dual-stack services");
    const auto& families = array_at(spec, "ipFamilies");
    for (std::size_t i = 0; i < families.size(); ++i)
        if (as_text(families[i]) != "IPv4") report.invalid(kinds::Path("spec.ipFamilies").index(i), families[i], "not configured on this cluster");
    refuse(report, service);
    if (families.empty()) spec["ipFamilies"] = json::array{"IPv4"};
}

}  // namespace services::kube::api
