// Resource requirements: names, quantities, requests against limits, huge pages and claims, of containers and of the pod
// as a whole.
#include <algorithm>
#include <format>
#include <string>

#include "services/kube/kinds/names.hpp"
#include "services/kube/kinds/pod_spec_checks.hpp"
#include "services/kube/kinds/pod_spec_resources.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {

namespace {

using kubeclient::array_at;
using kubeclient::as_object;
using kubeclient::as_text;
using kubeclient::field;
using kubeclient::object_at;
using kubeclient::text;

std::string_view view(json::string_view key) { return {key.data(), key.size()}; }

// True when it is a name at all.
bool check_resource_name(Report& report, const Path& path, std::string_view name) {
    const auto faults = check_qualified_name(name);
    report.invalid(path, json::value(name), faults);
    if (!faults.empty()) return false;
    if (name.contains('/') || is_standard_resource(name)) return true;
    report.invalid(path, json::value(name), "must be a standard resource type or fully qualified");
    return false;
}

void check_container_resource_name(Report& report, const Path& path, std::string_view name) {
    check_resource_name(report, path, name);
    if (!name.contains('/')) {
        if (!is_container_resource(name)) report.invalid(path, json::value(name), "must be a standard resource for containers");
    } else if (!is_native_resource(name) && !is_extended_resource(name)) {
        report.invalid(path, json::value(name), "doesn't follow extended resource name standard");
    }
}

void check_pod_resource_name(Report& report, const Path& path, std::string_view name) {
    if (check_resource_name(report, path, name) && !is_pod_level_resource(name))
        report.not_supported(path, json::value(name), {"cpu", "hugepages-", "memory"});
}

void check_pages(Report& report, const Path& path, std::string_view name, const json::value& amount) {
    if (!is_divisible_by_page(name, quantity_of(amount)))
        report.invalid(path, amount, std::format("{} is not positive integer multiple of {}", as_text(amount), name));
}

constexpr std::size_t known_claims_characters_max = 4'000'000;  // in all causes of a pod

void check_claims(PodSpecCheck& check, const Path& path, const json::array& claims) {
    auto& report = check.report;
    std::set<std::string> taken;
    std::size_t at = 0;
    for (const auto& element : claims) {
        const auto claim_path = path.index(at++);
        const auto name = text(as_object(element), "name"), request = text(as_object(element), "request");
        if (name.empty()) {
            report.required(claim_path);
            continue;
        }
        if (taken.contains(std::string(name))) {
            report.duplicate(claim_path, json::value(name));
        } else {
            std::string key(name);
            if (!request.empty()) {
                report.invalid(claim_path.child("request"), json::value(request), check_dns1123_label(request));
                key += "/" + std::string(request);
            }
            if (taken.contains(key)) report.duplicate(claim_path, json::value(key));
            else if (request.empty())
                for (auto other = taken.lower_bound(key + "/"); other != taken.end() && other->starts_with(key + "/"); ++other)
                    report.duplicate(claim_path, json::value(name));
            taken.insert(std::move(key));
        }
        if (check.claims.contains(name)) continue;
        std::string known;
        for (const auto claim : check.claims) known += (known.empty() ? ": " : ", ") + std::string(claim);
        if ((check.claims_told += known.size()) > known_claims_characters_max) return;  // each wrong name tells all right ones
        report.add({"FieldValueNotFound",
                    std::format("Not found: {}: must be one of the names in pod.spec.resourceClaims{}", go_quoted(name),
                                known.empty() ? " which is empty" : known),
                    claim_path.text()});
    }
}

// Of a pod that states resources as a whole: no container may outgrow it.
void check_consistency(PodSpecCheck& check, const Path& path, const json::object& resources) {
    const auto& requests = object_at(resources, "requests");
    const auto& limits = object_at(resources, "limits");
    for (const auto& [name, amount] : sum_of_containers(check.spec, "requests"))
        if (const auto* own = requests.if_contains(name); own != nullptr && amount > quantity_of(*own))
            check.report.invalid(path.child("requests").key(name), *own,
                                 std::format("must be greater than or equal to aggregate container requests of {}", amount.canonical()));
    for (const auto& [name, amount] : sum_of_containers(check.spec, "limits"))
        if (const auto* own = limits.if_contains(name); own != nullptr && is_huge_page_resource(name) && amount > quantity_of(*own))
            check.report.invalid(path.child("limits").key(name), *own,
                                 std::format("must be greater than or equal to aggregate container limits of {}", amount.canonical()));
    std::size_t at = 0;
    for (const auto& container : array_at(check.spec, "containers")) {
        const auto container_path = path.child("containers").index(at++);
        for (const auto& limit : object_at(as_object(container), "resources.limits"))
            if (const auto* own = limits.if_contains(limit.key());
                own != nullptr && quantity_of(limit.value()) > quantity_of(*own))
                check.report.invalid(container_path.key(view(limit.key())).child("limits"), limit.value(),
                                     std::format("must be less than or equal to pod limits of {}", as_text(*own)));
    }
}

}  // namespace

void check_quantity(Report& report, const Path& path, std::string_view resource, const json::value& amount) {
    const auto quantity = quantity_of(amount);
    if (quantity.sign() < 0) report.invalid(path, amount, negative_message);
    if (is_integer_resource(resource) && quantity.milli_value() % 1000 != 0) report.invalid(path, amount, "must be an integer");
}

void check_requirements(PodSpecCheck& check, const Path& path, const json::object& requirements, bool is_pod_level) {
    auto& report = check.report;
    const auto limits_path = path.child("limits"), requests_path = path.child("requests");
    const auto& limits = object_at(requirements, "limits");
    bool has_cpu_or_memory = false, has_huge_pages = false;
    const auto check_entry = [&](const Path& entry_path, std::string_view name, const json::value& amount) {
        if (is_pod_level) check_pod_resource_name(report, entry_path, name);
        else check_container_resource_name(report, entry_path, name);
        check_quantity(report, entry_path, name, amount);
        has_cpu_or_memory |= name == "cpu" || name == "memory";
        has_huge_pages |= is_huge_page_resource(name);
    };
    for (const auto& entry : limits) {
        const auto name = view(entry.key());
        check_entry(limits_path.key(name), name, entry.value());
        if (is_huge_page_resource(name)) check_pages(report, limits_path.key(name), name, entry.value());
    }
    for (const auto& entry : object_at(requirements, "requests")) {
        const auto name = view(entry.key());
        check_entry(requests_path.key(name), name, entry.value());
        const auto request = quantity_of(entry.value());
        if (const auto* limit = limits.if_contains(name)) {
            const auto most = quantity_of(*limit);
            if (request != most && !allows_overcommit(name))
                report.invalid(requests_path, entry.value(), std::format("must be equal to {} limit of {}", name, as_text(*limit)));
            else if (request > most)
                report.invalid(requests_path, entry.value(),
                               std::format("must be less than or equal to {} limit of {}", name, as_text(*limit)));
        } else if (!allows_overcommit(name)) {
            report.required(limits_path, "Limit must be set for non overcommitable resources");
        }
        if (is_huge_page_resource(name)) check_pages(report, requests_path.key(name), name, entry.value());
    }
    if (has_huge_pages && !has_cpu_or_memory) report.forbidden(path, "HugePages require cpu or memory");
    check_claims(check, path.child("claims"), array_at(requirements, "claims"));
}

void check_pod_level_requirements(PodSpecCheck& check, const Path& path) {
    if (field(check.spec, "resources") == nullptr) return;
    if (text(check.spec, "os.name") == "windows") return check.report.forbidden(path, "may not be set for a windows pod");
    const auto& resources = object_at(check.spec, "resources");
    if (field(resources, "claims") != nullptr)
        check.report.forbidden(path.child("claims"), "claims may not be set for Resources at pod-level");
    check_requirements(check, path, resources, true);
    check_consistency(check, path, resources);
}

}  // namespace services::kube::kinds
