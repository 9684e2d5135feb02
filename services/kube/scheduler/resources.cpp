#include "services/kube/scheduler/resources.hpp"

#include <algorithm>

#include "services/codec/quantity.hpp"

namespace services::kube::scheduler {

using namespace kubeclient;

namespace {

constexpr std::int64_t small_cpu_milli = 100;
constexpr std::int64_t small_memory_bytes = 200LL * 1024 * 1024;

Amounts parse(const json::object& list) {
    Amounts found;
    for (const auto& [name, value] : list) {
        const auto quantity = codec::Quantity::parse(as_text(value));
        if (quantity) found[std::string(std::string_view(name))] = name == "cpu" ? quantity->milli_value() : quantity->value();
    }
    return found;
}

void raise(Amounts& to, const Amounts& amounts) {
    for (const auto& [name, value] : amounts) to[name] = std::max(to[name], value);
}

Amounts container_requests(const json::object& container, bool is_for_score) {
    auto found = parse(object_at(container, "resources.requests"));
    if (is_for_score) {
        found.try_emplace("cpu", small_cpu_milli);
        found.try_emplace("memory", small_memory_bytes);
    }
    return found;
}

Amounts requests(const json::object& pod, bool is_for_score) {
    Amounts running;
    for (const auto& entry : array_at(pod, "spec.containers")) add(running, container_requests(as_object(entry), is_for_score));
    Amounts sidecars, starting;
    for (const auto& entry : array_at(pod, "spec.initContainers")) {
        const auto& container = as_object(entry);
        auto needed = container_requests(container, is_for_score);
        if (text(container, "restartPolicy") == "Always") {
            add(sidecars, needed);
            raise(starting, sidecars);
        } else {
            add(needed, sidecars);
            raise(starting, needed);
        }
    }
    add(running, sidecars);
    raise(running, starting);
    // Amounts for the whole pod replace what its containers add up to.
    for (const auto& [name, value] : parse(object_at(pod, "spec.resources.requests"))) running[name] = value;
    add(running, parse(object_at(pod, "spec.overhead")));
    return running;
}

}  // namespace

std::int64_t amount(const Amounts& amounts, std::string_view name) {
    const auto found = amounts.find(name);
    return found == amounts.end() ? 0 : found->second;
}

void add(Amounts& to, const Amounts& amounts) {
    for (const auto& [name, value] : amounts) to[name] += value;
}

Amounts allocatable(const json::object& node) {
    auto found = parse(object_at(node, "status.capacity"));
    for (const auto& [name, value] : parse(object_at(node, "status.allocatable"))) found[name] = value;
    return found;
}

Amounts requests(const json::object& pod) { return requests(pod, false); }
Amounts scoring_requests(const json::object& pod) { return requests(pod, true); }

}  // namespace services::kube::scheduler
