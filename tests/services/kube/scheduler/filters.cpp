#include "services/kube/scheduler/filters.hpp"

#include <boost/asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>

#include "services/kube/scheduler/queue.hpp"
#include "services/kube/scheduler/scores.hpp"

using namespace services::kube::scheduler;
using namespace services::kubeclient;

namespace {

struct Town {
    Snapshot snapshot;

    NodeView& add(std::string_view name, json::object labels = {}, json::array taints = {}) {
        labels["kubernetes.io/hostname"] = name;
        NodeView view;
        view.node = std::make_shared<const json::object>(
            json::object{{"metadata", {{"name", name}, {"labels", std::move(labels)}}}, {"spec", {{"taints", std::move(taints)}}},
                         {"status", {{"allocatable", {{"cpu", "2"}, {"memory", "1Gi"}, {"pods", "3"}}}}}});
        view.allocatable = allocatable(*view.node);
        snapshot.nodes.push_back(std::move(view));
        return snapshot.nodes.back();
    }
    void run(std::size_t on, json::object pod) {
        auto& view = snapshot.nodes.at(on);
        count(view, pod);
        view.pods.push_back(std::make_shared<const json::object>(std::move(pod)));
    }
    static void count(NodeView& view, const json::object& pod) {
        add_to(view.requested, requests(pod));
        add_to(view.scoring_requested, scoring_requests(pod));
    }
    static void add_to(Amounts& to, const Amounts& amounts) { services::kube::scheduler::add(to, amounts); }
    [[nodiscard]] std::string refusal(const json::object& pod, std::size_t on = 0) const {
        const auto found = refusal_of(pod, snapshot.nodes.at(on), snapshot);
        if (!found) return "";
        std::string reasons;
        for (const auto& reason : found->reasons) reasons.append(reasons.empty() ? "" : ", ").append(reason);
        return reasons;
    }
};

json::object pod(json::object spec = {}, json::object labels = {}) {
    return {{"metadata", {{"name", "p"}, {"namespace", "x"}, {"uid", "p"}, {"labels", std::move(labels)}}}, {"spec", std::move(spec)}};
}

json::object container(std::string_view cpu, std::string_view restart = "") {
    json::object found{{"name", "c"}, {"resources", {{"requests", {{"cpu", cpu}}}}}};
    if (!restart.empty()) found["restartPolicy"] = restart;
    return found;
}

json::object term(std::string_view app, std::string_view key) {
    return {{"topologyKey", key}, {"labelSelector", {{"matchLabels", {{"app", app}}}}}};
}

json::object affinity(std::string_view kind, json::object one_term) {
    return {{"affinity", {{kind, {{"requiredDuringSchedulingIgnoredDuringExecution", json::array{std::move(one_term)}}}}}}};
}

}  // namespace

TEST_CASE("a pod asks for its containers, or for its largest init container beside the sidecars started before it") {
    const auto one = pod({{"containers", json::array{container("100m"), container("200m")}}});
    CHECK(amount(requests(one), "cpu") == 300);
    const auto init = pod({{"containers", json::array{container("100m")}},
                           {"initContainers", json::array{container("50m", "Always"), container("300m"), container("40m", "Always")}}});
    CHECK(amount(requests(init), "cpu") == 350);
    const auto sidecars = pod({{"containers", json::array{container("400m")}}, {"overhead", {{"cpu", "10m"}}},
                               {"initContainers", json::array{container("50m", "Always"), container("300m")}}});
    CHECK(amount(requests(sidecars), "cpu") == 460);
    const auto whole = pod({{"containers", json::array{container("400m")}}, {"resources", {{"requests", {{"cpu", "1"}}}}}});
    CHECK(amount(requests(whole), "cpu") == 1000);
}

TEST_CASE("resources fit to the last thousandth, and what no eviction helps is told apart") {
    Town town;
    town.add("n");
    town.run(0, pod({{"containers", json::array{container("1500m")}}}));
    CHECK(town.refusal(pod({{"containers", json::array{container("500m")}}})).empty());
    CHECK(town.refusal(pod({{"containers", json::array{container("501m")}}})) == "Insufficient cpu");
    CHECK(refusal_of(pod({{"containers", json::array{container("2")}}}), town.snapshot.nodes[0], town.snapshot)->is_helped_by_eviction);
    CHECK_FALSE(refusal_of(pod({{"containers", json::array{container("2001m")}}}), town.snapshot.nodes[0], town.snapshot)->is_helped_by_eviction);
    town.run(0, pod());
    CHECK(town.refusal(pod()).empty());
    town.run(0, pod());
    CHECK(town.refusal(pod()) == "Too many pods");
}

TEST_CASE("taints keep out what does not tolerate them; PreferNoSchedule keeps out nothing") {
    Town town;
    town.add("n", {}, json::array{json::object{{"key", "a"}, {"value", "1"}, {"effect", "NoSchedule"}},
                                  json::object{{"key", "b"}, {"effect", "PreferNoSchedule"}}});
    CHECK(town.refusal(pod()) == "node(s) had untolerated taint(s)");
    const auto with = [](json::object toleration) { return pod({{"tolerations", json::array{std::move(toleration)}}}); };
    CHECK(town.refusal(with({{"key", "a"}, {"value", "1"}, {"operator", "Equal"}})).empty());
    CHECK_FALSE(town.refusal(with({{"key", "a"}, {"value", "2"}})).empty());
    CHECK_FALSE(town.refusal(with({{"key", "a"}, {"operator", "Exists"}, {"effect", "NoExecute"}})).empty());
    CHECK(town.refusal(with({{"operator", "Exists"}})).empty());
}

TEST_CASE("node selectors and required node affinity choose nodes") {
    Town town;
    town.add("n", {{"disk", "ssd"}, {"cores", "8"}});
    CHECK(town.refusal(pod({{"nodeSelector", {{"disk", "ssd"}}}})).empty());
    CHECK(town.refusal(pod({{"nodeSelector", {{"disk", "hdd"}}}})) == "node(s) didn't match Pod's node affinity/selector");
    const auto with = [](json::object one_term) {
        return pod({{"affinity", {{"nodeAffinity", {{"requiredDuringSchedulingIgnoredDuringExecution",
                                                      {{"nodeSelectorTerms", json::array{std::move(one_term)}}}}}}}}});
    };
    const auto expression = [](std::string_view key, std::string_view op, json::array values) {
        return json::array{json::object{{"key", key}, {"operator", op}, {"values", std::move(values)}}};
    };
    CHECK(town.refusal(with({{"matchExpressions", expression("cores", "Gt", {"7"})}})).empty());
    CHECK_FALSE(town.refusal(with({{"matchExpressions", expression("cores", "Gt", {"8"})}})).empty());
    CHECK(town.refusal(with({{"matchFields", expression("metadata.name", "In", {"n"})}})).empty());
    CHECK_FALSE(town.refusal(with({{"matchFields", expression("metadata.name", "In", {"m"})}})).empty());
    CHECK_FALSE(town.refusal(with({})).empty());
}

TEST_CASE("a host port is free on another address or protocol only") {
    const auto with = [](std::int64_t port, std::string_view protocol, std::string_view ip) {
        return pod({{"containers", json::array{json::object{
                        {"name", "c"}, {"ports", json::array{json::object{{"hostPort", port}, {"protocol", protocol}, {"hostIP", ip}}}}}}}});
    };
    Town town;
    town.add("n");
    town.run(0, with(80, "TCP", "10.0.0.1"));
    CHECK(town.refusal(with(80, "TCP", "0.0.0.0")) == "node(s) didn't have free ports for the requested pod ports");
    CHECK(town.refusal(with(80, "TCP", "10.0.0.2")).empty());
    CHECK(town.refusal(with(80, "UDP", "10.0.0.1")).empty());
    CHECK(town.refusal(with(81, "TCP", "10.0.0.1")).empty());
}

TEST_CASE("pods stay near or away from others, by zone as well as by host, and the first of a group may be first") {
    Town town;
    town.add("a", {{"zone", "1"}});
    town.add("b", {{"zone", "1"}});
    town.add("c", {{"zone", "2"}});
    const auto near = pod(affinity("podAffinity", term("db", "zone")));
    CHECK(town.refusal(near) == "node(s) didn't match pod affinity rules");
    CHECK(town.refusal(pod(affinity("podAffinity", term("web", "zone")), {{"app", "web"}})).empty());
    town.run(0, pod({}, {{"app", "db"}}));
    CHECK(town.refusal(near, 1).empty());
    CHECK_FALSE(town.refusal(near, 2).empty());
    const auto away = pod(affinity("podAntiAffinity", term("db", "kubernetes.io/hostname")));
    CHECK(town.refusal(away, 0) == "node(s) didn't match pod anti-affinity rules");
    CHECK(town.refusal(away, 1).empty());
    town.run(2, pod(affinity("podAntiAffinity", term("web", "zone")), {{"app", "x"}}));
    CHECK(town.refusal(pod({}, {{"app", "web"}}), 2) == "node(s) didn't satisfy existing pods anti-affinity rules");
    CHECK(town.refusal(pod({}, {{"app", "web"}}), 0).empty());
}

TEST_CASE("topology spread keeps the skew, and a node without the label is out") {
    Town town;
    town.add("a", {{"zone", "1"}});
    town.add("b", {{"zone", "2"}});
    town.add("c");
    const auto spread = pod({{"topologySpreadConstraints",
                              json::array{json::object{{"maxSkew", 1}, {"topologyKey", "zone"}, {"whenUnsatisfiable", "DoNotSchedule"},
                                                       {"labelSelector", {{"matchLabels", {{"app", "web"}}}}}}}}},
                            {{"app", "web"}});
    CHECK(town.refusal(spread, 2) == "node(s) didn't match pod topology spread constraints (missing required label)");
    CHECK(town.refusal(spread, 0).empty());
    town.run(0, pod({}, {{"app", "web"}}));
    CHECK(town.refusal(spread, 0) == "node(s) didn't match pod topology spread constraints");
    CHECK(town.refusal(spread, 1).empty());
}

TEST_CASE("the emptier node is the better one, unless another is preferred or it would rather have nothing") {
    Town town;
    town.add("a");
    town.add("b");
    const auto best = [&](const json::object& object) {
        return best_of(object, {&town.snapshot.nodes[0], &town.snapshot.nodes[1]});
    };
    CHECK(best(pod()) == 0);
    town.run(0, pod({{"containers", json::array{container("1")}}}));
    CHECK(best(pod()) == 1);
    const auto prefers_a = pod({{"affinity", {{"nodeAffinity", {{"preferredDuringSchedulingIgnoredDuringExecution",
        json::array{json::object{{"weight", 100}, {"preference", {{"matchFields", json::array{json::object{
            {"key", "metadata.name"}, {"operator", "In"}, {"values", json::array{"a"}}}}}}}}}}}}}}});
    CHECK(best(prefers_a) == 0);
}

TEST_CASE("reasons are counted and sorted as the real message has them") {
    const Refusal cpu{.reasons = {"Insufficient cpu"}, .is_helped_by_eviction = true};
    const Refusal taint{.reasons = {"node(s) had untolerated taint(s)"}, .is_helped_by_eviction = false};
    CHECK(explain(pod(), {cpu, taint, cpu}) ==
          "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu. preemption: 0/3 nodes are available: 1 "
          "Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod.");
    CHECK(explain(pod({{"preemptionPolicy", "Never"}}), {cpu}) ==
          "0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never.");
}

TEST_CASE("waiting pods come by priority, then in order; failed ones after a back-off that doubles from 1 s to 10 s") {
    boost::asio::io_context loop(1);
    hal::ManualClock clock(hal::parse_rfc3339("2026-11-24T09:00:00Z"));
    SchedulingQueue queue(loop.get_executor(), clock);
    queue.add("low", 0);
    queue.add("later", 0);
    queue.add("high", 10);
    CHECK(queue.next_ready() == "high");
    CHECK(queue.next_ready() == "low");
    CHECK(queue.next_ready() == "later");
    queue.failed("later");
    CHECK(queue.failed_count() == 1);
    for (const int back_off : {1, 2, 4, 8, 10, 10}) {
        queue.wake_failed();
        clock.advance(std::chrono::seconds(back_off) - std::chrono::microseconds(1));
        CHECK(queue.next_ready() == std::nullopt);
        clock.advance(std::chrono::microseconds(1));
        CHECK(queue.next_ready() == "later");
        queue.failed("later");
    }
    // Nothing changes: it is tried again after five minutes all the same.
    clock.advance(SchedulingQueue::wait_max);
    CHECK(queue.next_ready() == "later");
    queue.wake_failed();
    queue.failed("later");  // something changed while it was tried
    CHECK(queue.failed_count() == 0);
    queue.erase("later");
    clock.advance(std::chrono::hours(1));
    CHECK(queue.next_ready() == std::nullopt);
}
