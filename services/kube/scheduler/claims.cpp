#include "services/kube/scheduler/claims.hpp"

namespace services::kube::scheduler {

using namespace kubeclient;

Claims claims_of(const json::object& pod, const Informer& claims, const Informer& classes) {
    Claims found;
    for (const auto& entry : array_at(pod, "spec.volumes")) {
        const auto& volume = as_object(entry);
        std::string name(text(volume, "persistentVolumeClaim.claimName"));
        const bool is_ephemeral = volume.contains("ephemeral");
        if (is_ephemeral) name = std::string(name_of(pod)) + "-" + std::string(text(volume, "name"));
        if (name.empty()) continue;
        const auto claim = claims.find(namespace_of(pod), name);
        if (!claim) {
            found.problem = is_ephemeral ? "waiting for ephemeral volume controller to create the persistentvolumeclaim \"" + name + "\""
                                         : "persistentvolumeclaim \"" + name + "\" not found";
        } else if (is_deleting(*claim)) {
            found.problem = "persistentvolumeclaim \"" + name + "\" is being deleted";
        } else if (text(*claim, "status.phase") == "Lost") {
            found.problem = "persistentvolumeclaim \"" + name + "\" bound to non-existent persistentvolume \"" +
                            std::string(text(*claim, "spec.volumeName")) + "\"";
        } else if (text(*claim, "spec.volumeName").empty()) {
            const auto storage_class = classes.find("", text(*claim, "spec.storageClassName"));
            if (storage_class && text(*storage_class, "volumeBindingMode") == "WaitForFirstConsumer")
                found.unbound.push_back(claim);
            else
                found.problem = "pod has unbound immediate PersistentVolumeClaims";
        }
        if (found.problem) return found;
    }
    return found;
}

bool is_selected_for(const json::object& claim, std::string_view node) { return annotation(claim, selected_node_annotation) == node; }

}  // namespace services::kube::scheduler
