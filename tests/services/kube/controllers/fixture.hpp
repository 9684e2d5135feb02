// The loops under test on the in-memory API, with a kubelet that tests drive by hand.
#pragma once

#include <memory>
#include <vector>

#include "../harness.hpp"
#include "services/kube/controllers/controller.hpp"

namespace tests {

namespace controllers = services::kube::controllers;
using namespace services::kubeclient;

inline const std::string pods_path = "/api/v1/namespaces/x/pods";
inline const std::string sets_path = "/apis/apps/v1/namespaces/x/replicasets";
inline const std::string deployments_path = "/apis/apps/v1/namespaces/x/deployments";

inline json::object condition(std::string_view type, std::string_view status, std::string_view since = "2026-11-24T09:00:00Z") {
    return {{"type", type}, {"status", status}, {"lastTransitionTime", since}};
}

struct Fixture : Loop {
    Client client{api.handler(), {}};
    InformerSet informers{context.get_executor(), client};
    controllers::Environment environment{context.get_executor(), client, clock, informers};
    hal::async::TaskGroup group{context.get_executor(), "test"};
    std::vector<std::unique_ptr<controllers::Controller>> loops;

    Fixture() = default;
    ~Fixture() { stop(group); }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;

    template <class Made, class... Args>
    Made& add(Args... args) {
        loops.push_back(std::make_unique<Made>(environment, std::move(args)...));
        return static_cast<Made&>(*loops.back());
    }
    void start() {
        informers.start(group);
        settle();
        for (auto& loop : loops) loop->start(group);
        settle();
    }
    // What a kubelet does: the pod runs, and is ready or not.
    void set_ready(const std::string& pod, bool is_ready) {
        api.change(pods_path, pod, [&](json::object& object) {
            json::array conditions;
            conditions.emplace_back(condition("Ready", is_ready ? "True" : "False"));
            auto& status = make_object(object, "status");
            status["phase"] = "Running";
            status["conditions"] = std::move(conditions);
        });
    }
    [[nodiscard]] std::size_t ready_pods() const {
        std::size_t count = 0;
        for (const auto& pod : api.list(pods_path)) count += is_pod_ready(pod) ? 1 : 0;
        return count;
    }
    [[nodiscard]] std::vector<std::string> event_messages(std::string_view reason) const {
        std::vector<std::string> found;
        for (const auto& event : api.list("/api/v1/events"))
            if (text(event, "reason") == reason) found.emplace_back(text(event, "message"));
        return found;
    }
};

inline json::object pod_template(std::string_view app, std::string_view image) {
    json::array containers;
    containers.emplace_back(json::object{{"name", "c"}, {"image", image}});
    return {{"metadata", {{"labels", {{"app", app}}}}}, {"spec", {{"containers", std::move(containers)}}}};
}

inline json::object replica_set(std::string_view name, std::int64_t replicas) {
    return {{"metadata", {{"name", name}}},
            {"spec", {{"replicas", replicas}, {"selector", {{"matchLabels", {{"app", name}}}}}, {"template", pod_template(name, "a")}}}};
}

}  // namespace tests
