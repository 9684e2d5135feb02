#include "services/kube/scheduler/scheduler.hpp"

#include <algorithm>
#include <unordered_map>

#include "hal/base/log.hpp"
#include "services/kube/kinds/kind.hpp"
#include "services/kube/scheduler/claims.hpp"
#include "services/kube/scheduler/filters.hpp"
#include "services/kube/scheduler/queue.hpp"
#include "services/kube/scheduler/scores.hpp"
#include "services/kubeclient/events.hpp"

namespace services::kube::scheduler {

using namespace kubeclient;

namespace {

const Resource claims_resource{"", "v1", "persistentvolumeclaims"};
const Resource classes_resource{"storage.k8s.io", "v1", "storageclasses", false};
constexpr std::string_view own_name = "default-scheduler";

// A pod that this scheduler has to place.
bool is_waiting(const json::object& pod) {
    return text(pod, "spec.schedulerName") == own_name && text(pod, "spec.nodeName").empty() && !is_pod_finished(pod) &&
           !is_deleting(pod) && array_at(pod, "spec.schedulingGates").empty();
}

bool is_served(const Resource& resource) { return kinds::find(resource.group, resource.version, resource.plural) != nullptr; }

// What a node may offer anew; its heartbeats change none of it.
bool is_same_offer(const json::object& before, const json::object& node) {
    return object_at(before, "metadata.labels") == object_at(node, "metadata.labels") &&
           object_at(before, "spec") == object_at(node, "spec") &&
           object_at(before, "status.allocatable") == object_at(node, "status.allocatable");
}

class Scheduler {
public:
    explicit Scheduler(Context context)
        : client_(context.api, {.bearer_token = "",
                                .user = "system:kube-scheduler",
                                .groups = {"system:authenticated"},
                                .user_agent = "kube-scheduler/v1.37.2"}),
          clock_(*context.clock), site_(context.site), informers_(context.executor, client_),
          pods_(informers_.of(resources::pods)), nodes_(informers_.of(resources::nodes)),
          namespaces_(informers_.of(resources::namespaces)), claims_(context.executor, client_, claims_resource),
          classes_(context.executor, client_, classes_resource), queue_(context.executor, clock_),
          events_(context.executor, client_, clock_, std::string(own_name)) {
        pods_.add_handlers({.added = [this](const ObjectPtr& pod) { pod_added(*pod); },
                            .updated = [this](const ObjectPtr& before, const ObjectPtr& pod) { pod_updated(*before, *pod); },
                            .deleted = [this](const ObjectPtr& pod) { pod_gone(*pod); }});
        nodes_.add_handlers({.added = [this](const ObjectPtr&) { queue_.wake_failed(); },
                             .updated = [this](const ObjectPtr& before, const ObjectPtr& node) {
                                 if (!is_same_offer(*before, *node)) queue_.wake_failed();
                             },
                             .deleted = {}});
        claims_.on_change([this](const ObjectPtr&) { queue_.wake_failed(); });
        classes_.on_change([this](const ObjectPtr&) { queue_.wake_failed(); });
    }

    Task<> work(hal::async::TaskGroup& group) {
        informers_.start(group);
        for (auto* informer : {&claims_, &classes_})
            if (is_served(informer->resource())) group.spawn("informer " + informer->resource().plural, informer->run());
        group.spawn("events of the scheduler", events_.run());
        co_await pods_.wait_synced();
        co_await nodes_.wait_synced();
        co_await namespaces_.wait_synced();
        while (true) {
            const auto key = co_await queue_.next();
            std::string failure;
            try {
                co_await schedule(key);
            } catch (const hal::Error& e) {
                if (e.code() == hal::Code::cancelled) throw;
                failure = e.what();
            }
            if (failure.empty()) continue;
            hal::log::warn("scheduler", "{}: {}", key, failure);
            queue_.retry(key);
        }
    }

private:
    void pod_added(const json::object& pod) {
        const auto key = key_of(pod);
        if (is_waiting(pod)) return queue_.add(key, number(pod, "spec.priority"));
        queue_.erase(key);
        if (text(pod, "spec.nodeName").empty()) return;
        assumed_.erase(key);
        queue_.wake_failed();  // someone may have waited for its company
    }

    void pod_updated(const json::object& before, const json::object& pod) {
        const bool was_placed = !text(before, "spec.nodeName").empty();
        if (!was_placed) {
            const bool is_news = object_at(before, "spec") != object_at(pod, "spec") ||
                                 object_at(before, "metadata.labels") != object_at(pod, "metadata.labels") ||
                                 is_deleting(before) != is_deleting(pod);
            if (is_news) pod_added(pod);
            return;
        }
        const bool frees = is_pod_finished(pod) && !is_pod_finished(before);
        const bool is_changed = object_at(before, "metadata.labels") != object_at(pod, "metadata.labels") ||
                                object_at(before, "spec") != object_at(pod, "spec");
        if (frees || is_changed) queue_.wake_failed();
    }

    void pod_gone(const json::object& pod) {
        const auto key = key_of(pod);
        queue_.erase(key);
        assumed_.erase(key);
        if (!text(pod, "spec.nodeName").empty()) queue_.wake_failed();
    }

    Task<> schedule(std::string key) {
        const auto pod = pods_.find_key(key);
        if (!pod || !is_waiting(*pod) || assumed_.contains(key)) co_return;
        const auto snapshot = take_snapshot(nodes_, pods_, namespaces_, assumed_);
        const auto claims = claims_of(*pod, claims_, classes_);
        if (snapshot.nodes.empty()) co_return co_await refuse(pod, explain(*pod, {}));
        if (claims.problem) {
            const auto count = std::to_string(snapshot.nodes.size());
            co_return co_await refuse(pod, "0/" + count + " nodes are available: " + *claims.problem + ". not found");
        }
        std::vector<const NodeView*> fitting;
        std::vector<Refusal> refusals;
        for (const auto& view : snapshot.nodes) {
            if (auto refusal = refusal_of(*pod, view, snapshot))
                refusals.push_back(std::move(*refusal));
            else
                fitting.push_back(&view);
        }
        if (fitting.empty()) co_return co_await refuse(pod, explain(*pod, refusals));
        const std::string node(name_of(*fitting[best_of(*pod, fitting)]->node));
        if (claims.unbound.empty()) co_return co_await bind(pod, node);
        for (const auto& claim : claims.unbound) co_await select_node(claim, node);
        queue_.failed(key);  // the bound claim brings it back
    }

    Task<> bind(ObjectPtr pod, std::string node) {
        const auto key = key_of(*pod);
        const std::string space(namespace_of(*pod)), name(name_of(*pod));
        json::object binding{{"apiVersion", "v1"}, {"kind", "Binding"},
                             {"metadata", {{"name", name}, {"namespace", space}, {"uid", uid_of(*pod)}}},
                             {"target", {{"kind", "Node"}, {"name", node}}}};
        assumed_[key] = node;
        std::optional<ApiError> refusal;
        try {
            co_await client_.post(resources::pods, space, name, "binding", std::move(binding));
        } catch (const ApiError& e) {
            refusal = e;
        }
        if (!refusal) {
            queue_.erase(key);
            events_.record_action(*pod, "Normal", "Scheduled", "Binding",
                                  "Successfully assigned " + space + "/" + name + " to " + node, instance());
            co_return;
        }
        assumed_.erase(key);
        // Deleted or placed by someone else meanwhile: its event is on the way.
        if (refusal->status() == 404 || refusal->code() == hal::Code::conflict) co_return queue_.retry(key);
        throw ApiError(*refusal);
    }

    Task<> select_node(ObjectPtr claim, std::string node) {
        if (is_selected_for(*claim, node)) co_return;
        json::object patch{{"metadata", {{"annotations", {{selected_node_annotation, node}}}}}};
        co_await client_.patch(claims_resource, std::string(namespace_of(*claim)), std::string(name_of(*claim)), "merge-patch",
                               std::move(patch));
    }

    Task<> refuse(ObjectPtr pod, std::string message) {
        queue_.failed(key_of(*pod));
        events_.record_action(*pod, "Warning", "FailedScheduling", "Scheduling", message, instance());
        auto conditions = array_at(*pod, "status.conditions");
        json::object condition{{"type", "PodScheduled"}, {"status", "False"}, {"reason", "Unschedulable"},
                               {"message", std::move(message)}, {"lastProbeTime", nullptr},
                               {"observedGeneration", number(*pod, "metadata.generation")}};
        if (!set_condition(conditions, condition, clock_.wall())) co_return;
        json::array changed;
        for (auto& entry : conditions)
            if (text(as_object(entry), "type") == "PodScheduled") changed.push_back(entry);
        json::object patch{{"status", {{"conditions", std::move(changed)}}}};
        try {
            co_await client_.patch(resources::pods, std::string(namespace_of(*pod)), std::string(name_of(*pod)),
                                   "strategic-merge-patch", std::move(patch), "status");
        } catch (const ApiError& e) {
            if (e.status() != 404) throw;
        }
    }

    [[nodiscard]] std::string instance() const { return std::string(own_name) + "-" + site_; }

    Client client_;
    const hal::Clock& clock_;
    std::string site_;
    InformerSet informers_;
    Informer& pods_;
    Informer& nodes_;
    Informer& namespaces_;
    Informer claims_, classes_;  // stay empty while the API serves no such kinds
    SchedulingQueue queue_;
    EventRecorder events_;
    // Bound, but the cache does not show it yet: counted where they go, by key.
    std::unordered_map<std::string, std::string> assumed_;
};

}  // namespace

Task<> run(Context context) {
    hal::async::TaskGroup group(context.executor, "scheduler");
    Scheduler scheduler(context);
    hal::async::Event never(context.executor);
    std::exception_ptr end;
    group.spawn("scheduler", scheduler.work(group));
    try {
        co_await never.wait();
    } catch (const std::exception&) {
        end = std::current_exception();
    }
    co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
    group.cancel();
    co_await group.join();
    std::rethrow_exception(end);
}

}  // namespace services::kube::scheduler
