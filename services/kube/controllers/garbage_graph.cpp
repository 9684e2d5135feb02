#include "services/kube/controllers/garbage_graph.hpp"

#include <algorithm>

#include "services/kubeclient/object.hpp"

namespace services::kube::controllers {

using namespace kubeclient;

std::vector<GarbageGraph::Owner> GarbageGraph::put(std::size_t served, const json::object& object) {
    Node node{.served = served,
              .name_space = std::string(namespace_of(object)),
              .name = std::string(name_of(object)),
              .uid = std::string(uid_of(object)),
              .owners = {},
              .is_deleting = is_deleting(object)};
    node.deletes_dependents = node.is_deleting && has_finalizer(object, "foregroundDeletion");
    node.orphans_dependents = node.is_deleting && has_finalizer(object, "orphan");
    for (const auto& entry : array_at(object, "metadata.ownerReferences")) {
        const auto& owner = as_object(entry);
        node.owners.push_back({.uid = std::string(text(owner, "uid")),
                               .api_version = std::string(text(owner, "apiVersion")),
                               .kind = std::string(text(owner, "kind")),
                               .name = std::string(text(owner, "name")),
                               .is_blocking = flag(owner, "blockOwnerDeletion")});
    }
    auto& place = nodes_[node.uid];
    unlink(place);
    auto before = std::exchange(place, std::move(node)).owners;
    for (const auto& owner : place.owners) dependents_[owner.uid].insert(place.uid);
    return before;
}

void GarbageGraph::unlink(const Node& node) {
    for (const auto& owner : node.owners) {
        const auto entry = dependents_.find(owner.uid);
        if (entry == dependents_.end()) continue;
        entry->second.erase(node.uid);
        if (entry->second.empty()) dependents_.erase(entry);
    }
}

void GarbageGraph::erase(const std::string& uid) {
    const auto node = nodes_.find(uid);
    if (node == nodes_.end()) return;
    unlink(node->second);
    nodes_.erase(node);
}

const GarbageGraph::Node* GarbageGraph::find(const std::string& uid) const {
    const auto node = nodes_.find(uid);
    return node == nodes_.end() ? nullptr : &node->second;
}

std::vector<std::string> GarbageGraph::dependents(const std::string& uid) const {
    const auto entry = dependents_.find(uid);
    return entry == dependents_.end() ? std::vector<std::string>() : std::vector<std::string>(entry->second.begin(), entry->second.end());
}

bool GarbageGraph::has_blocking_dependents(const std::string& uid) const {
    return std::ranges::any_of(dependents(uid), [&](const std::string& dependent) {
        return std::ranges::any_of(find(dependent)->owners, [&](const Owner& owner) { return owner.uid == uid && owner.is_blocking; });
    });
}

}  // namespace services::kube::controllers
