#include "services/kube/controllers/pod_gc.hpp"

#include <algorithm>

namespace services::kube::controllers {

PodGcController::PodGcController(Environment& environment)
    : Controller(environment, "pod-garbage-collector"), pods_(environment.informers.of(resources::pods)),
      nodes_(environment.informers.of(resources::nodes)) {
    pods_.add_handlers({.added = [this](const ObjectPtr& pod) { look(pod); },
                        .updated = [this](const ObjectPtr&, const ObjectPtr& pod) { look(pod); },
                        .deleted = [this](const ObjectPtr& pod) { queue_.cancel_delayed(key_of(*pod)); }});
    nodes_.add_handlers({.added = {}, .updated = {}, .deleted = [this](const ObjectPtr& node) {
        for (const auto& pod : pods_.by_index("node", name_of(*node))) look(pod);
    }});
}

void PodGcController::look(const ObjectPtr& pod) {
    if (is_pod_finished(*pod)) queue_.add("");
    const auto node = text(*pod, "spec.nodeName");
    if (node.empty()) {
        if (is_deleting(*pod)) queue_.add(key_of(*pod));
    } else if (!nodes_.find("", node)) {
        queue_.add_after(key_of(*pod), quarantine);
    }
}

Task<> PodGcController::sync(std::string key) {
    if (key.empty()) co_return co_await remove_excess();
    const auto pod = pods_.find_key(key);
    if (!pod) co_return;
    const std::string node(text(*pod, "spec.nodeName"));
    if (node.empty()) {
        if (is_deleting(*pod)) co_await force_delete(pod);
        co_return;
    }
    // The cache may be late: only the API knows that a node is gone.
    if (nodes_.find("", node) || co_await environment_.client.find(resources::nodes, "", node)) co_return;
    co_await remove_orphan(pod);
}

Task<> PodGcController::remove_excess() {
    std::vector<ObjectPtr> finished;
    pods_.each([&finished](const ObjectPtr& pod) {
        if (is_pod_finished(*pod) && !is_deleting(*pod)) finished.push_back(pod);
    });
    if (finished.size() <= finished_max) co_return;
    std::ranges::sort(finished, {}, [](const ObjectPtr& pod) {
        return std::pair(std::string(text(*pod, "metadata.creationTimestamp")), key_of(*pod));
    });
    finished.resize(finished.size() - finished_max);
    for (const auto& pod : finished) co_await force_delete(pod);
}

Task<> PodGcController::remove_orphan(ObjectPtr pod) {
    if (!is_pod_finished(*pod)) {
        json::array conditions;
        conditions.emplace_back(json::object{{"type", "DisruptionTarget"}, {"status", "True"}, {"reason", "DeletionByPodGC"},
                                             {"message", "PodGC: node no longer exists"},
                                             {"observedGeneration", number(*pod, "metadata.generation")},
                                             {"lastTransitionTime", hal::rfc3339(environment_.clock.wall())}});
        json::object patch{{"status", {{"phase", "Failed"}, {"conditions", std::move(conditions)}}}};
        try {
            co_await environment_.client.patch(resources::pods, std::string(namespace_of(*pod)), std::string(name_of(*pod)),
                                               "strategic-merge-patch", std::move(patch), "status");
        } catch (const ApiError& e) {
            if (e.status() != 404) throw;
        }
    }
    co_await force_delete(pod);
}

Task<> PodGcController::force_delete(ObjectPtr pod) {
    try {
        co_await environment_.client.remove(resources::pods, std::string(namespace_of(*pod)), std::string(name_of(*pod)),
                                            {.grace_seconds = 0, .propagation = "", .uid = std::string(uid_of(*pod))});
    } catch (const ApiError& e) {
        if (e.status() != 404 && e.code() != hal::Code::conflict) throw;
    }
}

}  // namespace services::kube::controllers
