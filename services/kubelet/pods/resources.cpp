#include "services/kubelet/pods/resources.hpp"

#include <algorithm>
#include <array>

#include "services/kubeclient/object.hpp"

namespace services::kubelet::pods {

namespace kc = kubeclient;

namespace {

constexpr std::int64_t shares_min = 2, shares_per_cpu = 1024;
constexpr std::int64_t quota_min_us = 1000, quota_us_per_milli_cpu = 100;  // periods of 100 ms
constexpr std::array lists{"spec.initContainers", "spec.containers"};

std::int64_t shares_of(std::int64_t milli_cpu) { return std::max(shares_min, milli_cpu * shares_per_cpu / 1000); }
std::int64_t quota_of(std::int64_t milli_cpu) { return std::max(quota_min_us, milli_cpu * quota_us_per_milli_cpu); }

}  // namespace

std::optional<codec::Quantity> resource_of(const json::object& container, std::string_view list, std::string_view name) {
    const auto& resources = kc::object_at(container, "resources");
    const auto* value = kc::object_at(resources, list).if_contains(name);
    if (!value && list == "requests") value = kc::object_at(resources, "limits").if_contains(name);
    if (!value) return std::nullopt;
    const auto parsed = value->is_int64() ? codec::Quantity(value->as_int64()) : codec::Quantity::parse(kc::as_text(*value));
    return parsed ? std::optional(*parsed) : std::nullopt;
}

std::string qos_class(const json::object& pod) {
    bool has_any = false, is_guaranteed = true;
    for (const auto* list : lists)
        for (const auto& item : kc::array_at(pod, list))
            for (const auto* name : {"cpu", "memory"}) {
                const auto request = resource_of(item.as_object(), "requests", name), limit = resource_of(item.as_object(), "limits", name);
                has_any = has_any || (request && !request->is_zero()) || (limit && !limit->is_zero());
                is_guaranteed = is_guaranteed && limit && !limit->is_zero() && request && *request == *limit;
            }
    return !has_any ? "BestEffort" : is_guaranteed ? "Guaranteed" : "Burstable";
}

std::string pod_cgroup(const std::string& parent, const json::object& pod) {
    const auto quality = qos_class(pod);
    const auto* folder = quality == "Guaranteed" ? "/pods/pod" : quality == "Burstable" ? "/pods/burstable/pod" : "/pods/besteffort/pod";
    return parent + folder + std::string(kc::uid_of(pod));
}

hal::process::CgroupLimits container_limits(const json::object& container) {
    hal::process::CgroupLimits limits;
    const auto cpu = resource_of(container, "requests", "cpu");
    limits.cpu_shares = shares_of(cpu ? cpu->milli_value() : 0);
    if (const auto limit = resource_of(container, "limits", "cpu"); limit && !limit->is_zero()) limits.cpu_quota_us = quota_of(limit->milli_value());
    if (const auto limit = resource_of(container, "limits", "memory"); limit && !limit->is_zero()) limits.memory_bytes = limit->value();
    return limits;
}

hal::process::CgroupLimits pod_limits(const json::object& pod) {
    std::int64_t request = 0, cpu = 0, memory = 0;
    bool every_cpu = true, every_memory = true;
    // Init containers run before the others, one by one: the pod needs the larger of the two.
    for (const auto* list : lists) {
        std::int64_t list_request = 0, list_cpu = 0, list_memory = 0;
        for (const auto& item : kc::array_at(pod, list)) {
            const auto& container = item.as_object();
            const auto add = [&](std::int64_t& sum, std::int64_t value) {
                const bool is_alone = list == lists[0] && kc::text(container, "restartPolicy") != "Always";
                sum = is_alone ? std::max(sum, value) : sum + value;
            };
            const auto milli = [&](std::string_view which) {
                const auto amount = resource_of(container, which, "cpu");
                return amount ? amount->milli_value() : 0;
            };
            const auto bytes = resource_of(container, "limits", "memory");
            every_cpu = every_cpu && milli("limits") > 0;
            every_memory = every_memory && bytes && !bytes->is_zero();
            add(list_request, milli("requests"));
            add(list_cpu, milli("limits"));
            add(list_memory, bytes ? bytes->value() : 0);
        }
        request = std::max(request, list_request);
        cpu = std::max(cpu, list_cpu);
        memory = std::max(memory, list_memory);
    }
    hal::process::CgroupLimits limits;
    limits.cpu_shares = shares_of(request);
    if (every_cpu && cpu > 0) limits.cpu_quota_us = quota_of(cpu);
    if (every_memory && memory > 0) limits.memory_bytes = memory;
    return limits;
}

int oom_score_adjustment(const json::object& pod, const json::object& container, std::int64_t memory_capacity) {
    const auto quality = qos_class(pod);
    if (quality == "Guaranteed") return -997;
    if (quality == "BestEffort") return 1000;
    const auto request = resource_of(container, "requests", "memory");
    const auto share = memory_capacity > 0 && request ? 1000 * request->value() / memory_capacity : 0;
    return static_cast<int>(std::clamp<std::int64_t>(1000 - share, 3, 999));
}

}  // namespace services::kubelet::pods
