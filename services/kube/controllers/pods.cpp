#include "services/kube/controllers/pods.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <tuple>

namespace services::kube::controllers {

bool is_pod_active(const json::object& pod) { return !is_pod_finished(pod) && !is_deleting(pod); }
bool is_pod_terminating(const json::object& pod) { return !is_pod_finished(pod) && is_deleting(pod); }

std::optional<hal::WallTime> next_available(const std::vector<ObjectPtr>& pods, std::int64_t min_ready_seconds,
                                            hal::WallTime now) {
    std::optional<hal::WallTime> next;
    for (const auto& pod : pods) {
        if (!is_pod_ready(*pod) || is_pod_available(*pod, min_ready_seconds, now)) continue;
        const auto since = text(*condition_of(*pod, "Ready"), "lastTransitionTime");
        if (since.empty()) continue;
        const auto at = hal::parse_rfc3339(std::string(since)) + std::chrono::seconds(min_ready_seconds);
        if (!next || at < *next) next = at;
    }
    return next;
}

namespace {

// Ages compare by their power of two, so that about as old pods are chosen from by chance (their uid), not by birth.
int age_rank(std::string_view since, hal::WallTime now) {
    if (since.empty()) return -1;
    const auto age = now - hal::parse_rfc3339(std::string(since));
    return age.count() <= 0 ? -1 : static_cast<int>(std::log2(static_cast<double>(age.count()) * 1000.0));
}

int phase_rank(std::string_view phase) { return phase == "Running" ? 2 : phase == "Unknown" ? 1 : 0; }

std::int64_t restarts_max(const json::object& pod) {
    std::int64_t most = 0;
    for (const auto list : {"status.initContainerStatuses", "status.containerStatuses"})
        for (const auto& entry : array_at(pod, list)) most = std::max(most, number(as_object(entry), "restartCount"));
    return most;
}

std::int64_t deletion_cost(const json::object& pod) {
    const auto value = annotation(pod, "controller.kubernetes.io/pod-deletion-cost");
    std::int64_t cost = 0;
    std::from_chars(value.data(), value.data() + value.size(), cost);
    return cost;
}

}  // namespace

void order_for_deletion(std::vector<ObjectPtr>& pods, const std::unordered_map<std::string, std::size_t>& pods_on_node,
                        hal::WallTime now) {
    // First to go: unassigned, pending, not ready, cheap, doubled up on a node, ready for a short time, restarted often, young.
    using Order = std::tuple<bool, int, bool, std::int64_t, std::int64_t, int, std::int64_t, int, std::string>;
    const auto order_of = [&](const json::object& pod) -> Order {
        const std::string node(text(pod, "spec.nodeName"));
        const auto on_node = pods_on_node.find(node);
        const bool is_ready = is_pod_ready(pod);
        return {!node.empty(),
                phase_rank(text(pod, "status.phase")),
                is_ready,
                deletion_cost(pod),
                on_node == pods_on_node.end() ? 0 : -static_cast<std::int64_t>(on_node->second),
                is_ready ? age_rank(text(*condition_of(pod, "Ready"), "lastTransitionTime"), now) : 0,
                -restarts_max(pod),
                age_rank(text(pod, "metadata.creationTimestamp"), now),
                std::string(uid_of(pod))};
    };
    std::vector<std::pair<Order, ObjectPtr>> ordered;
    ordered.reserve(pods.size());
    for (auto& pod : pods) ordered.emplace_back(order_of(*pod), std::move(pod));
    std::ranges::sort(ordered, {}, &std::pair<Order, ObjectPtr>::first);
    for (std::size_t i = 0; i < pods.size(); ++i) pods[i] = std::move(ordered[i].second);
}

Task<> PodControl::create(ObjectPtr owner) {
    const auto& pod_template = object_at(*owner, "spec.template");
    json::object metadata{{"generateName", std::string(name_of(*owner)) + "-"}};
    for (const auto part : {"labels", "annotations", "finalizers"})
        if (const auto* value = object_at(pod_template, "metadata").if_contains(part)) metadata[part] = *value;
    json::array references;
    references.emplace_back(controller_reference(*owner, text(*owner, "apiVersion"), text(*owner, "kind")));
    metadata["ownerReferences"] = std::move(references);
    json::object pod{{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", std::move(metadata)},
                     {"spec", object_at(pod_template, "spec")}};
    try {
        const auto made = co_await client_.create(resources::pods, std::string(namespace_of(*owner)), std::move(pod));
        events_.record(*owner, "Normal", "SuccessfulCreate", "Created pod: " + std::string(name_of(made)));
    } catch (const ApiError& e) {
        if (!is_namespace_ending(e)) events_.record(*owner, "Warning", "FailedCreate", std::string("Error creating: ") + e.what());
        throw;
    }
}

Task<> PodControl::remove(ObjectPtr owner, std::string pod) {
    try {
        co_await client_.remove(resources::pods, std::string(namespace_of(*owner)), pod);
        events_.record(*owner, "Normal", "SuccessfulDelete", "Deleted pod: " + pod);
    } catch (const ApiError& e) {
        if (e.status() != 404) events_.record(*owner, "Warning", "FailedDelete", std::string("Error deleting: ") + e.what());
        throw;
    }
}

}  // namespace services::kube::controllers
