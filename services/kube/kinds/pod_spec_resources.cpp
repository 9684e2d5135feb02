#include "services/kube/kinds/pod_spec_resources.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <format>
#include <limits>
#include <set>

#include "services/kube/kinds/names.hpp"
#include "services/kube/kinds/pod_spec_members.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {

namespace {

using codec::Quantity;
using kubeclient::array_at;
using kubeclient::as_object;
using kubeclient::object_at;
using kubeclient::text;

constexpr std::string_view huge_pages = "hugepages-";

// Resources that are counted, not measured.
constexpr auto counted = std::to_array<std::string_view>({
    "pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps", "persistentvolumeclaims",
    "services.nodeports", "services.loadbalancers",
});
constexpr auto measured = std::to_array<std::string_view>({
    "cpu", "memory", "ephemeral-storage", "storage", "requests.cpu", "requests.memory", "requests.ephemeral-storage",
    "requests.storage", "limits.cpu", "limits.memory", "limits.ephemeral-storage",
});

std::string_view view(json::string_view text) { return {text.data(), text.size()}; }

using Sum = std::map<std::string, Quantity, std::less<>>;

void add(Sum& sum, const Sum& more) {
    for (const auto& [name, amount] : more) {
        const auto [at, is_new] = sum.emplace(name, amount);
        if (!is_new) at->second += amount;
    }
}

void raise(Sum& sum, const Sum& other) {
    for (const auto& [name, amount] : other) {
        const auto [at, is_new] = sum.emplace(name, amount);
        if (!is_new && amount > at->second) at->second = amount;
    }
}

Sum amounts_of(const json::object& container, std::string_view part) {
    Sum out;
    for (const auto& entry : object_at(object_at(container, "resources"), part))
        out.emplace(view(entry.key()), quantity_of(entry.value()));
    return out;
}

enum class Quality : std::uint8_t { none, best_effort, burstable, guaranteed };

Quality quality_of(const json::object& resources) {
    const auto& requests = object_at(resources, "requests");
    const auto& limits = object_at(resources, "limits");
    if (requests.empty() && limits.empty()) return Quality::best_effort;
    auto quality = Quality::none;
    for (const auto* name : {"cpu", "memory"}) {
        const auto* asked = requests.if_contains(name);
        const auto* most = limits.if_contains(name);
        const auto request = asked != nullptr ? quantity_of(*asked) : Quantity();
        const auto limit = most != nullptr ? quantity_of(*most) : Quantity();
        if (request != limit) return Quality::burstable;
        const auto of_name = request.is_zero() ? Quality::best_effort : Quality::guaranteed;
        if (quality != Quality::none && quality != of_name) return Quality::burstable;
        quality = of_name;
    }
    return quality;
}

std::string_view name_of(Quality quality) {
    switch (quality) {
        case Quality::guaranteed: return "Guaranteed";
        case Quality::burstable: return "Burstable";
        default: return "BestEffort";
    }
}

bool states_pod_level(const json::object& resources) {
    for (const auto* part : {"requests", "limits"})
        for (const auto& entry : object_at(resources, part))
            if (is_pod_level_resource(view(entry.key()))) return true;
    return false;
}

// The names for which every container, sidecar and init container states a limit.
std::set<std::string, std::less<>> limited_everywhere(const json::object& spec, std::set<std::string, std::less<>> names) {
    for (const auto* list : {"initContainers", "containers", "ephemeralContainers"})
        for (const auto& container : array_at(spec, list))
            std::erase_if(names, [&](const auto& name) {
                return !object_at(as_object(container), "resources.limits").contains(name);
            });
    return names;
}

}  // namespace

Quantity quantity_of(const json::value& value) {
    const auto text = value.is_string() ? std::string(view(value.get_string())) : json::serialize(value);
    return Quantity::parse(text).value_or(Quantity());
}

void round_quantities(json::object& list) {
    for (auto& entry : list) {
        const auto amount = quantity_of(entry.value());
        const auto milli = amount.milli_value();
        constexpr auto most = std::numeric_limits<std::int64_t>::max();
        if (milli == most || milli == -most || Quantity::milli(milli) == amount) continue;
        const bool is_exponent = amount.format() == Quantity::Format::decimal_exponent;
        entry.value() = is_exponent ? std::format("{}e-3", milli) : std::format("{}m", milli);
    }
}

bool is_huge_page_resource(std::string_view name) { return name.starts_with(huge_pages); }

bool is_native_resource(std::string_view name) { return !name.contains('/') || name.contains("kubernetes.io/"); }

bool is_extended_resource(std::string_view name) {
    if (is_native_resource(name) || name.starts_with("requests.")) return false;
    return check_qualified_name(std::format("requests.{}", name)).empty();
}

bool is_standard_resource(std::string_view name) {
    return std::ranges::contains(counted, name) || std::ranges::contains(measured, name) || is_huge_page_resource(name) ||
           name.starts_with("requests.hugepages-");
}

bool is_container_resource(std::string_view name) {
    return name == "cpu" || name == "memory" || name == "ephemeral-storage" || is_huge_page_resource(name);
}

bool is_pod_level_resource(std::string_view name) {
    return name == "cpu" || name == "memory" || is_huge_page_resource(name);
}

bool is_integer_resource(std::string_view name) { return std::ranges::contains(counted, name) || is_extended_resource(name); }

bool allows_overcommit(std::string_view name) { return is_native_resource(name) && !is_huge_page_resource(name); }

bool is_divisible_by_page(std::string_view huge_page_resource, const Quantity& amount) {
    const auto page = Quantity::parse(huge_page_resource.substr(std::min(huge_page_resource.size(), huge_pages.size())));
    if (!page || page->sign() <= 0 || !page->is_whole()) return false;
    return amount.value() % page->value() == 0;
}

std::map<std::string, Quantity, std::less<>> sum_of_containers(const json::object& spec, std::string_view part) {
    Sum sum;
    for (const auto& container : array_at(spec, "containers")) add(sum, amounts_of(as_object(container), part));
    Sum sidecars, init;
    for (const auto& element : array_at(spec, "initContainers")) {
        const auto& container = as_object(element);
        auto own = amounts_of(container, part);
        if (text(container, "restartPolicy") == "Always") {
            add(sum, own);
            add(sidecars, own);
            own = sidecars;
        } else {
            add(own, sidecars);
        }
        raise(init, own);
    }
    raise(sum, init);
    return sum;
}

std::string_view qos_class_of(const json::object& spec) {
    if (const auto& resources = object_at(spec, "resources"); states_pod_level(resources))
        return name_of(quality_of(resources));
    auto quality = Quality::none;
    for (const auto* list : {"initContainers", "containers"}) {
        for (const auto& container : array_at(spec, list)) {
            const auto own = quality_of(object_at(as_object(container), "resources"));
            if (own == Quality::burstable || (quality != Quality::none && quality != own)) return name_of(Quality::burstable);
            quality = own;
        }
    }
    return name_of(quality);
}

void default_pod_level_resources(json::object& spec) {
    auto* resources = object_member(spec, "resources");
    if (resources == nullptr) return;
    if (object_at(*resources, "requests").empty() && object_at(*resources, "limits").empty()) return;

    // The order counts: limits of huge pages, then requests from containers and limits, then limits from containers.
    auto requests = object_at(*resources, "requests"), limits = object_at(*resources, "limits");
    const auto container_limits = sum_of_containers(spec, "limits");
    for (const auto& [name, amount] : container_limits)
        if (is_huge_page_resource(name) && !requests.contains(name) && !limits.contains(name)) limits[name] = amount.canonical();

    for (const auto& [name, amount] : sum_of_containers(spec, "requests"))
        if (is_pod_level_resource(name) && allows_overcommit(name) && !requests.contains(name))
            requests[name] = amount.canonical();
    for (const auto& limit : limits)
        if (is_pod_level_resource(view(limit.key())) && !requests.contains(limit.key())) requests[limit.key()] = limit.value();

    std::set<std::string, std::less<>> open;
    for (const auto& request : requests) {
        const auto name = view(request.key());
        if (is_pod_level_resource(name) && !limits.contains(name)) open.emplace(name);
    }
    for (const auto& name : limited_everywhere(spec, std::move(open)))
        if (const auto sum = container_limits.find(name); sum != container_limits.end())
            limits[name] = std::max(sum->second, quantity_of(requests.at(name))).canonical();

    if (!limits.empty()) (*resources)["limits"] = std::move(limits);
    if (!requests.empty()) (*resources)["requests"] = std::move(requests);
}

}  // namespace services::kube::kinds
