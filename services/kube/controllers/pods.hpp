// Pods as controllers make, count and choose them: from a template, with Events about what was done.
#pragma once

#include "services/kube/controllers/controller.hpp"

namespace services::kube::controllers {

// Neither finished nor being deleted.
bool is_pod_active(const json::object& pod);
// Being deleted, and still running something.
bool is_pod_terminating(const json::object& pod);
// The first time at which one of `pods` that is ready but not yet available becomes so.
std::optional<hal::WallTime> next_available(const std::vector<ObjectPtr>& pods, std::int64_t min_ready_seconds, hal::WallTime now);
// Reorders so that those to be deleted first come first. `rank` counts active pods of the same application per node.
void order_for_deletion(std::vector<ObjectPtr>& pods, const std::unordered_map<std::string, std::size_t>& pods_on_node,
                        hal::WallTime now);

class PodControl {
public:
    PodControl(Client client, EventRecorder& events) : client_(std::move(client)), events_(events) {}
    // `owner`: its spec.template is the pod's. Throws what the API said, after an Event.
    Task<> create(ObjectPtr owner);
    Task<> remove(ObjectPtr owner, std::string pod);

private:
    Client client_;
    EventRecorder& events_;
};

}  // namespace services::kube::controllers
