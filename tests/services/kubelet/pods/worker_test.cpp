// Pods from spec to containers and back, against an API server that is a map: no network, the pods are on the box's own.
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch_test_macros.hpp>

#include <cstdlib>
#include <format>

#include "hal/net/certificates.hpp"
#include "hal/process/namespaces.hpp"
#include "services/kubelet/pods/pods.hpp"
#include "tests/services/kubelet/pods/lab.hpp"

using namespace lab;
namespace kc = services::kubeclient;
namespace http = services::http;
namespace kubelet = services::kubelet;
using services::kubeclient::ObjectPtr;

namespace {

// Takes status patches and deletes of pods; everything else is not found.
struct Api {
    std::map<std::string, json::object> pods;  // by name
    std::set<std::string> removed;
    std::function<void()> changed = [] {};
    bool answers = true;  // false: there is no API server

    Task<http::Response> handle(http::Request request) {
        if (!answers) {
            changed();
            throw hal::Error(hal::Code::unavailable, "no API server");
        }
        request.split_target();
        const std::string prefix = "/api/v1/namespaces/ns/pods/";
        if (request.path.starts_with(prefix)) {
            const auto name = request.path.substr(prefix.size(), request.path.find('/', prefix.size()) - prefix.size());
            if (request.method == "DELETE") {
                removed.insert(name);
                changed();
                co_return http::json_response(200, R"({"kind":"Status","status":"Success"})");
            }
            if (const auto it = pods.find(name); it != pods.end()) {
                const auto patch = json::parse(request.body).as_object();
                it->second["status"] = kc::object_at(patch, "status");
                changed();
                co_return http::json_response(200, json::serialize(it->second));
            }
        }
        co_return http::json_response(404, R"({"kind":"Status","status":"Failure","reason":"NotFound","code":404,"message":"not found"})");
    }
};

kubelet::network::Options network_options(const fs::path& root) {
    kubelet::network::Options options;
    options.root = root;
    options.data_folder = root / "data/network";
    return options;
}

// A kubelet's parts without its Node and informers.
struct Box : Lab {
    Api api;
    kc::Client client{[this](http::Request request) { return api.handle(std::move(request)); }, {}};
    kc::EventRecorder events{loop.get_executor(), client, clock, "kubelet", "node"};
    kubelet::images::ImageStore images{root / "data/images", pool, clock};
    kubelet::network::PodNetwork network{loop.get_executor(), pool, network_options(root)};
    kubelet::volumes::Volumes volumes{loop.get_executor(), pool, client, clock, {.pods_folder = root / "data/pods"}};
    kubelet::probes::Prober prober{loop.get_executor(), clock, {}};
    hal::async::Event starts_allowed{loop.get_executor()}, container_ended{loop.get_executor()}, api_changed{loop.get_executor()};
    pods::Parts parts{.executor = loop.get_executor(), .pool = pool, .clock = clock, .runtime = runtime, .images = images, .network = network,
                      .client = client, .events = events, .volumes = volumes, .prober = prober, .node_name = "node",
                      .run_folder = root / "run", .data_folder = root / "data", .log_folder = root / "log", .cgroup_parent = group,
                      .boot = "boot-1", .powers = pods::read_powers(), .names = {}, .starts_allowed = starts_allowed, .container_ended = container_ended};

    Box() {
        api.changed = [this] { api_changed.set(); };
        starts_allowed.set();
        run(images.open());
        run(import());
    }

    ~Box() {
        for (const auto& id : runtime.known()) run(runtime.remove(id));
        hal::process::unmount_below(root);
    }

    Task<> import() {
        const auto folder = root / "archive";
        fs::create_directories(folder);
        const auto tar = [&](const fs::path& archive, const fs::path& from) {
            REQUIRE(std::system(std::format("tar -C {} -cf {} .", from.string(), archive.string()).c_str()) == 0);
        };
        tar(folder / "layer.tar", root / "rootfs");
        const auto layer = hal::hex(hal::net::sha256(text_of(folder / "layer.tar")));
        std::ofstream(folder / "config.json") << json::serialize(json::object{
            {"architecture", "amd64"}, {"os", "linux"}, {"config", {{"Env", {"PATH=/bin"}}}},
            {"rootfs", {{"type", "layers"}, {"diff_ids", {"sha256:" + layer}}}}});
        std::ofstream(folder / "manifest.json") << R"([{"Config":"config.json","RepoTags":["busybox:1"],"Layers":["layer.tar"]}])";
        tar(root / "image.tar", folder);
        co_await images.import_archive(root / "image.tar");
    }

    ObjectPtr pod(const std::string& name, const std::string& script, const std::string& policy) {
        auto made = json::parse(R"({"metadata":{"namespace":"ns","generation":1},"spec":{"hostNetwork":true,"terminationGracePeriodSeconds":1,
            "containers":[{"name":"c","image":"busybox:1","command":["/bin/sh","-c"]}]}})").as_object();
        made["metadata"].as_object()["name"] = name;
        made["metadata"].as_object()["uid"] = "uid-" + name;
        made["spec"].as_object()["restartPolicy"] = policy;
        made["spec"].at("containers").at(0).as_object()["args"] = json::array{script};
        api.pods[name] = made;
        return std::make_shared<const json::object>(std::move(made));
    }

    json::object status(const std::string& name) { return kc::object_at(api.pods[name], "status"); }

    // Until what the API was told holds.
    Task<> until(std::function<bool()> holds) {
        while (!holds()) {
            api_changed.clear();
            if (!co_await api_changed.wait_for(std::chrono::seconds(20))) throw std::runtime_error("the API was not told in time");
        }
    }
};

// One kubelet process's pods; its end leaves the containers.
Task<> with_pods(Box& box, std::function<Task<>(pods::Pods&)> body) {
    hal::async::TaskGroup group(box.loop.get_executor(), "test");
    pods::Pods all(box.parts, group);
    std::exception_ptr failure;
    try {
        co_await body(all);
    } catch (...) {
        failure = std::current_exception();
    }
    group.cancel();
    co_await group.join();
    if (failure) std::rethrow_exception(failure);
}

json::object marked_deleted(json::object pod) {
    pod["metadata"].as_object()["deletionTimestamp"] = "2026-11-24T12:00:00Z";
    pod["metadata"].as_object()["deletionGracePeriodSeconds"] = 1;
    return pod;
}

Task<> runs_to_success(Box& box, pods::Pods& all) {
    all.put(box.pod("done", "echo worked", "Never"));
    co_await box.until([&box] {
        const json::object pod{{"status", box.status("done")}};
        return kc::text(pod, "status.phase") == "Succeeded" && kc::condition_status(pod, "PodReadyToStartContainers") == "False";
    });
}

Task<> crashes(Box& box, pods::Pods& all) {
    all.put(box.pod("crash", "echo why > /dev/termination-log; exit 3", "Always"));
    co_await box.until([&box] {
        const auto status = box.status("crash");
        const auto& all_statuses = kc::array_at(status, "containerStatuses");
        return !all_statuses.empty() && kc::text(all_statuses[0].as_object(), "state.waiting.reason") == "CrashLoopBackOff";
    });
}

Task<> starts(Box& box, pods::Pods& all) {
    all.put(box.pod("kept", "exec sleep 1000", "Always"));
    co_await box.until([&box] { return kc::text(box.status("kept"), "phase") == "Running"; });
}

Task<> is_deleted(Box& box, pods::Pods& all) {
    co_await starts(box, all);
    all.put(std::make_shared<const json::object>(marked_deleted(box.api.pods["kept"])));
    co_await box.until([&box] { return box.api.removed.contains("kept"); });
}

// What a further process, or the same after a reboot, makes of the checkpoint.
Task<> goes_on(Box& box, pods::Pods&, std::string boot) {
    box.parts.boot = std::move(boot);
    box.api.answers = false;
    hal::async::TaskGroup group(box.loop.get_executor(), "worker");
    pods::PodWorker worker(box.parts, pods::PodState::from_json(json::parse(text_of(box.root / "data/pods/uid-kept/pod.json"))));
    worker.adopt();
    group.spawn("pod", worker.run());
    // It tries to tell the API server once it has done what there was to do.
    co_await box.until([&worker] { return worker.state().containers[0].is_running(); });
    group.cancel();
    co_await group.join();
}

}  // namespace

TEST_CASE("a pod that ends well is Succeeded, and nothing but its log is left") {
    Box box;
    box.run(with_pods(box, [&box](pods::Pods& all) { return runs_to_success(box, all); }));
    const auto status = box.status("done");
    const auto& container = kc::array_at(status, "containerStatuses")[0].as_object();
    CHECK(kc::text(container, "state.terminated.reason") == "Completed");
    CHECK(kc::text(container, "imageID").starts_with("sha256:"));
    CHECK(text_of(box.root / "log/pods/ns_done_uid-done/c/0.log").contains("stdout F worked\n"));
    CHECK(box.runtime.known().empty());
    CHECK_FALSE(fs::exists(box.root / "run/pods/uid-done"));
}

TEST_CASE("a container that crashes is restarted at once, then only after a while, and says why it ended") {
    Box box;
    box.run(with_pods(box, [&box](pods::Pods& all) { return crashes(box, all); }));
    const auto status = box.status("crash");
    const auto& container = kc::array_at(status, "containerStatuses")[0].as_object();
    CHECK(kc::number(container, "restartCount") == 1);
    CHECK(kc::text(container, "state.waiting.message") == "back-off 10s restarting failed container=c pod=crash_ns(uid-crash)");
    CHECK(kc::number(container, "lastState.terminated.exitCode") == 3);
    CHECK(kc::text(container, "lastState.terminated.message") == "why\n");
    CHECK(kc::text(status, "phase") == "Running");
}

TEST_CASE("a pod that is deleted ends within its grace, and the API is told with nothing left of it") {
    Box box;
    box.run(with_pods(box, [&box](pods::Pods& all) { return is_deleted(box, all); }));
    CHECK(box.runtime.known().empty());
    CHECK_FALSE(fs::exists(box.root / "data/pods/uid-kept"));
    CHECK_FALSE(fs::exists(box.root / "log/pods/ns_kept_uid-kept"));
}

TEST_CASE("a container goes on while no kubelet is there, and its checkpoint knows it") {
    Box box;
    box.run(with_pods(box, [&box](pods::Pods& all) { return starts(box, all); }));
    const auto known = box.runtime.known();
    REQUIRE(known.size() == 1);
    const auto checkpoint = pods::PodState::from_json(json::parse(text_of(box.root / "data/pods/uid-kept/pod.json")));
    CHECK(checkpoint.containers[0].id == known[0]);
    CHECK(box.runtime.process_of(known[0]) > 0);
    box.run(with_pods(box, [&box](pods::Pods& all) { return goes_on(box, all, "boot-1"); }));
    CHECK(box.runtime.known() == known);
    CHECK_FALSE(fs::exists(box.root / "log/pods/ns_kept_uid-kept/c/1.log"));
}

TEST_CASE("after a reboot a pod starts again from its checkpoint while the API server does not answer") {
    Box box;
    box.run(with_pods(box, [&box](pods::Pods& all) { return starts(box, all); }));
    for (const auto& id : box.runtime.known()) box.run(box.runtime.remove(id));
    box.run(with_pods(box, [&box](pods::Pods& all) { return goes_on(box, all, "boot-2"); }));
    CHECK(box.runtime.known().size() == 1);
    CHECK(fs::exists(box.root / "log/pods/ns_kept_uid-kept/c/1.log"));
}
