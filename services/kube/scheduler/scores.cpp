#include "services/kube/scheduler/scores.hpp"

#include <algorithm>
#include <cmath>

#include "services/kube/scheduler/filters.hpp"

namespace services::kube::scheduler {

using namespace kubeclient;

namespace {

constexpr double score_max = 100;
// Of the default profile; the others count once.
constexpr double affinity_weight = 2, taint_weight = 3;
constexpr std::string_view scored_resources[] = {"cpu", "memory"};

double share_used(const json::object& pod, const NodeView& view, std::string_view resource) {
    const auto there = static_cast<double>(amount(view.allocatable, resource));
    if (there <= 0) return 1;
    const auto used = static_cast<double>(amount(view.scoring_requested, resource) + amount(scoring_requests(pod), resource));
    return std::min(used / there, 1.0);
}

double least_allocated(const json::object& pod, const NodeView& view) {
    double sum = 0;
    for (const auto resource : scored_resources) sum += (1 - share_used(pod, view, resource)) * score_max;
    return sum / static_cast<double>(std::size(scored_resources));
}

// The closer the shares of cpu and memory in use, the better.
double balanced(const json::object& pod, const NodeView& view) {
    const auto spread = std::abs(share_used(pod, view, "cpu") - share_used(pod, view, "memory")) / 2;
    return (1 - spread) * score_max;
}

double preferred_affinity(const json::object& pod, const json::object& node) {
    double weight = 0;
    for (const auto& entry : array_at(pod, "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution"))
        if (matches_term(object_at(as_object(entry), "preference"), node))
            weight += static_cast<double>(number(as_object(entry), "weight"));
    return weight;
}

double unwelcome(const json::object& pod, const json::object& node) {
    return static_cast<double>(std::ranges::count_if(array_at(node, "spec.taints"), [&](const json::value& entry) {
        return text(as_object(entry), "effect") == "PreferNoSchedule" && !tolerates(pod, as_object(entry));
    }));
}

// Onto 0 to 100 of the highest.
void normalise(std::vector<double>& values) {
    const auto highest = std::ranges::max(values);
    if (highest <= 0) return;
    for (auto& value : values) value = value * score_max / highest;
}

}  // namespace

std::size_t best_of(const json::object& pod, const std::vector<const NodeView*>& fitting) {
    std::vector<double> affinities, taints;
    for (const auto* view : fitting) {
        affinities.push_back(preferred_affinity(pod, *view->node));
        taints.push_back(unwelcome(pod, *view->node));
    }
    normalise(affinities);
    normalise(taints);
    std::size_t best = 0;
    double best_score = -1;
    for (std::size_t i = 0; i < fitting.size(); ++i) {
        const auto score = least_allocated(pod, *fitting[i]) + balanced(pod, *fitting[i]) +
                           affinity_weight * affinities[i] + taint_weight * (score_max - taints[i]);
        if (score <= best_score) continue;
        best = i;
        best_score = score;
    }
    return best;
}

}  // namespace services::kube::scheduler
