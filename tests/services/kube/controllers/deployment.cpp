#include "services/kube/controllers/deployment.hpp"

#include <catch2/catch_test_macros.hpp>

#include "fixture.hpp"
#include "services/kube/controllers/replica_set.hpp"

using namespace tests;
namespace rollout = controllers::rollout;

namespace {

json::object deployment(std::int64_t replicas, json::value surge, json::value unavailable, std::string_view image = "a") {
    return {{"metadata", {{"name", "web"}, {"labels", {{"app", "web"}}}}},
            {"spec", {{"replicas", replicas}, {"selector", {{"matchLabels", {{"app", "web"}}}}}, {"template", pod_template("web", image)},
                      {"progressDeadlineSeconds", 600}, {"revisionHistoryLimit", 10},
                      {"strategy", {{"type", "RollingUpdate"},
                                    {"rollingUpdate", {{"maxSurge", std::move(surge)}, {"maxUnavailable", std::move(unavailable)}}}}}}}};
}

void set_image(Fixture& box, std::string_view image) {
    box.api.change(deployments_path, "web", [&](json::object& object) {
        make_object(object, "spec")["template"] = pod_template("web", image);
        auto& metadata = make_object(object, "metadata");
        metadata["generation"] = number(metadata, "generation") + 1;
    });
}

const json::object& web(Fixture& box) { return *box.api.find(deployments_path, "web"); }

// Makes one pod that is not ready yet so; false when all are.
bool ready_one(Fixture& box) {
    for (const auto& pod : box.api.list(pods_path)) {
        if (is_pod_ready(pod)) continue;
        box.set_ready(std::string(name_of(pod)), true);
        return true;
    }
    return false;
}

bool is_done(Fixture& box, std::int64_t replicas, std::int64_t generation) {
    const auto& status = object_at(web(box), "status");
    return number(status, "observedGeneration") == generation && number(status, "updatedReplicas") == replicas &&
           number(status, "availableReplicas") == replicas && number(status, "replicas") == replicas &&
           text(*condition_of(web(box), "Progressing"), "reason") == "NewReplicaSetAvailable";
}

struct Rolling : Fixture {
    Rolling() {
        add<controllers::ReplicaSetController>();
        add<controllers::DeploymentController>();
    }
};

}  // namespace

TEST_CASE("a Deployment makes a ReplicaSet named by its template's hash, and completes when its pods are available") {
    Rolling box;
    box.api.put(deployments_path, deployment(2, "25%", "25%"));
    box.start();
    REQUIRE(box.run_until([&] { return box.api.list(pods_path).size() == 2; }));
    const auto set = box.api.list(sets_path).at(0);
    const auto hash = std::string(label(set, "pod-template-hash"));
    CHECK(name_of(set) == "web-" + hash);
    CHECK(label(box.api.list(pods_path)[0], "pod-template-hash") == hash);
    CHECK(annotation(set, rollout::revision_annotation) == "1");
    CHECK(annotation(set, rollout::desired_annotation) == "2");
    CHECK(annotation(set, rollout::max_annotation) == "3");
    CHECK(text(*condition_of(web(box), "Available"), "reason") == "MinimumReplicasUnavailable");
    REQUIRE(box.run_until([&] {
        ready_one(box);
        return is_done(box, 2, 1);
    }));
    CHECK(annotation(web(box), rollout::revision_annotation) == "1");
    CHECK(text(*condition_of(web(box), "Progressing"), "message") == "ReplicaSet \"web-" + hash + "\" has successfully progressed.");
    CHECK(text(*condition_of(web(box), "Available"), "message") == "Deployment has minimum availability.");
    REQUIRE(box.run_until([&] { return box.event_messages("ScalingReplicaSet").size() == 1; }));
    CHECK(box.event_messages("ScalingReplicaSet")[0] == "Scaled up replica set web-" + hash + " from 0 to 2");
}

TEST_CASE("a roll-over never has fewer pods available than promised, nor more pods than the surge allows") {
    Rolling box;
    box.api.put(deployments_path, deployment(4, 1, 1));
    box.start();
    REQUIRE(box.run_until([&] {
        ready_one(box);
        return is_done(box, 4, 1);
    }));
    std::size_t least = 99, most = 0;
    bool is_rolled_over = false;
    const auto watch = [&] {
        least = std::min(least, box.ready_pods());
        most = std::max(most, box.api.list(pods_path).size());
    };
    set_image(box, "b");
    REQUIRE(box.run_until([&] {
        watch();
        if (box.api.list(sets_path).size() == 2 && box.ready_pods() < box.api.list(pods_path).size()) {
            // Rolled over once more while it rolls.
            if (!std::exchange(is_rolled_over, true)) set_image(box, "c");
        }
        ready_one(box);
        watch();
        return is_done(box, 4, 3);
    }));
    CHECK(least >= 3);
    CHECK(most <= 5);
    for (const auto& pod : box.api.list(pods_path)) CHECK(text(as_object(array_at(pod, "spec.containers")[0]), "image") == "c");
}

TEST_CASE("going back to an older template uses its ReplicaSet again, with a new revision and the old one on record") {
    Rolling box;
    box.api.put(deployments_path, deployment(1, 1, 0));
    box.start();
    const auto roll_to = [&](std::int64_t generation) {
        return box.run_until([&] {
            ready_one(box);
            return is_done(box, 1, generation);
        });
    };
    REQUIRE(roll_to(1));
    set_image(box, "b");
    REQUIRE(roll_to(2));
    CHECK(annotation(web(box), rollout::revision_annotation) == "2");
    set_image(box, "a");
    REQUIRE(roll_to(3));
    CHECK(box.api.list(sets_path).size() == 2);
    CHECK(annotation(web(box), rollout::revision_annotation) == "3");
    const auto sets = box.api.list(sets_path);
    const auto again = std::ranges::find_if(sets, [](const json::object& set) { return number(set, "spec.replicas") == 1; });
    REQUIRE(again != sets.end());
    CHECK(annotation(*again, rollout::revision_annotation) == "3");
    CHECK(annotation(*again, rollout::revision_history_annotation) == "1");
}

TEST_CASE("Recreate starts no new pod while an old one is there") {
    Rolling box;
    auto object = deployment(1, 0, 0);
    make_object(object, "spec")["strategy"] = json::object{{"type", "Recreate"}};
    box.api.put(deployments_path, std::move(object));
    box.start();
    REQUIRE(box.run_until([&] {
        ready_one(box);
        return is_done(box, 1, 1);
    }));
    // A finalizer stands for a kubelet that takes its time.
    const std::string old(name_of(box.api.list(pods_path)[0]));
    box.api.change(pods_path, old, [](json::object& pod) { make_object(pod, "metadata")["finalizers"] = json::array{"kubelet"}; });
    set_image(box, "b");
    REQUIRE(box.run_until([&] { return is_deleting(*box.api.find(pods_path, old)); }));
    box.settle();
    CHECK(box.api.list(sets_path).size() == 1);
    box.api.erase(pods_path, old);
    REQUIRE(box.run_until([&] {
        ready_one(box);
        return is_done(box, 1, 2);
    }));
}

TEST_CASE("a paused Deployment scales but does not roll, and rolls on once it is resumed") {
    Rolling box;
    auto object = deployment(1, 1, 0);
    make_object(object, "spec")["paused"] = true;
    box.api.put(deployments_path, std::move(object));
    box.start();
    REQUIRE(box.run_until([&] { return condition_of(web(box), "Progressing") != nullptr; }));
    CHECK(text(*condition_of(web(box), "Progressing"), "reason") == "DeploymentPaused");
    box.settle();
    CHECK(box.api.list(sets_path).empty());
    box.api.change(deployments_path, "web", [](json::object& changed) { make_object(changed, "spec").erase("paused"); });
    CHECK(box.run_until([&] { return box.api.list(pods_path).size() == 1; }));
}

TEST_CASE("a roll-out that does not move is told after its deadline, and not a second before") {
    Rolling box;
    auto object = deployment(1, 1, 0);
    make_object(object, "spec")["progressDeadlineSeconds"] = 1;
    box.api.put(deployments_path, std::move(object));
    box.start();
    REQUIRE(box.run_until([&] { return box.api.list(pods_path).size() == 1; }));
    box.clock.advance(std::chrono::seconds(1));
    box.settle();
    CHECK(text(*condition_of(web(box), "Progressing"), "reason") != "ProgressDeadlineExceeded");
    box.clock.advance(std::chrono::seconds(1));
    REQUIRE(box.run_until([&] { return text(*condition_of(web(box), "Progressing"), "reason") == "ProgressDeadlineExceeded"; }));
    CHECK(text(*condition_of(web(box), "Progressing"), "status") == "False");
}

TEST_CASE("old ReplicaSets beyond the history limit are deleted, oldest first") {
    Rolling box;
    auto object = deployment(1, 1, 0);
    make_object(object, "spec")["revisionHistoryLimit"] = 1;
    box.api.put(deployments_path, std::move(object));
    box.start();
    std::int64_t generation = 0;
    for (const auto image : {"a", "b", "c"}) {
        if (generation > 0) set_image(box, image);
        ++generation;
        REQUIRE(box.run_until([&] {
            ready_one(box);
            return is_done(box, 1, generation);
        }));
    }
    REQUIRE(box.run_until([&] { return box.api.list(sets_path).size() == 2; }));
    for (const auto& set : box.api.list(sets_path)) CHECK(annotation(set, rollout::revision_annotation) != "1");
}

TEST_CASE("surge rounds up and unavailable rounds down; both nothing lets one be unavailable") {
    const auto bounds = [](std::int64_t replicas, json::value surge, json::value unavailable) {
        const auto object = deployment(replicas, std::move(surge), std::move(unavailable));
        return std::pair(rollout::max_surge(object), rollout::max_unavailable(object));
    };
    CHECK(bounds(4, "25%", "25%") == std::pair<std::int64_t, std::int64_t>(1, 1));
    CHECK(bounds(5, "25%", "25%") == std::pair<std::int64_t, std::int64_t>(2, 1));
    CHECK(bounds(3, "25%", "25%") == std::pair<std::int64_t, std::int64_t>(1, 0));
    CHECK(bounds(3, "0%", "25%") == std::pair<std::int64_t, std::int64_t>(0, 1));
    CHECK(bounds(2, 0, 5) == std::pair<std::int64_t, std::int64_t>(0, 2));
    CHECK(bounds(0, 1, 1) == std::pair<std::int64_t, std::int64_t>(1, 0));
}

TEST_CASE("a template's hash is a name without vowels that differs by template and by collision") {
    const auto one = pod_template("web", "a");
    const auto hash = rollout::template_hash(one, 0);
    CHECK(hash == rollout::template_hash(one, 0));
    CHECK(hash != rollout::template_hash(pod_template("web", "b"), 0));
    CHECK(hash != rollout::template_hash(one, 1));
    CHECK(hash.find_first_not_of("bcdfghjklmnpqrstvwxz2456789") == std::string::npos);
    CHECK(rollout::set_name(std::string(300, 'a'), hash).size() == 253);
}
