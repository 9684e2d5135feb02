#include "services/kube/scheduler/snapshot.hpp"

namespace services::kube::scheduler {

using namespace kubeclient;

Snapshot take_snapshot(const Informer& nodes, const Informer& pods, const Informer& namespaces,
                       const std::unordered_map<std::string, std::string>& assumed) {
    Snapshot snapshot;
    std::unordered_map<std::string, std::vector<ObjectPtr>> assumed_on;
    for (const auto& [key, node] : assumed)
        if (auto pod = pods.find_key(key)) assumed_on[node].push_back(std::move(pod));
    nodes.each([&](const ObjectPtr& node) {
        NodeView view{.node = node, .pods = {}, .allocatable = allocatable(*node), .requested = {}, .scoring_requested = {}};
        const std::string name(name_of(*node));
        view.pods = pods.by_index("node", name);
        std::erase_if(view.pods, [](const ObjectPtr& pod) { return is_pod_finished(*pod); });
        if (const auto more = assumed_on.find(name); more != assumed_on.end())
            view.pods.insert(view.pods.end(), more->second.begin(), more->second.end());
        for (const auto& pod : view.pods) {
            add(view.requested, requests(*pod));
            add(view.scoring_requested, scoring_requests(*pod));
        }
        snapshot.nodes.push_back(std::move(view));
    });
    namespaces.each([&](const ObjectPtr& space) {
        snapshot.namespace_labels.emplace(name_of(*space), object_at(*space, "metadata.labels"));
    });
    return snapshot;
}

}  // namespace services::kube::scheduler
