#include "services/kubelet/service.hpp"

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <format>
#include <ranges>
#include <set>

#include "hal/async/clock_watch.hpp"
#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "hal/net/certificates.hpp"
#include "services/http/server.hpp"
#include "services/kubelet/images/routes.hpp"
#include "services/kubeclient/connection.hpp"
#include "services/kubeclient/informer.hpp"
#include "services/kubelet/node.hpp"
#include "services/kubelet/pods/command.hpp"
#include "services/kubelet/pods/pods_face.hpp"
#include "services/kubelet/streams/streams.hpp"

namespace services::kubelet {

namespace fs = std::filesystem;
namespace kc = kubeclient;
namespace log = hal::log;

namespace {

constexpr auto area = "kubelet";
constexpr std::chrono::seconds drain_time_max{2};
constexpr std::chrono::seconds api_wait_max{2};  // at start, before checkpoints alone decide
constexpr std::uint16_t usual_port = 10250;
constexpr std::chrono::seconds ask_again{1};
constexpr std::size_t pods_named_max = 5;  // in a sentence

// Names this root's pods in the control groups, beside those of other roots on the machine.
std::string cgroup_parent(const fs::path& root) {
    return root == "/" ? "/branchbox" : "/branchbox-" + hal::hex(hal::net::sha256(root.lexically_normal().string())).substr(0, 8);
}

std::string runtime_version(std::string said) {
    // "crun version 1.21\n..."
    const auto at = said.find("version ");
    return at == said.npos ? "crun://unknown" : "crun://" + said.substr(at + 8, said.find('\n') - at - 8);
}

network::Options network_options(const config::Service& service) {
    network::Options options;
    options.root = service.root;
    options.data_folder = service.data_folder() / "network";
    options.node_name = service.site;
    return options;
}

kc::Informer::Options pods_of(const std::string& node) {
    kc::Informer::Options options;
    options.field_selector = "spec.nodeName=" + node;
    return options;
}

// Everything of a kubelet, in the order in which it is made.
struct Kubelet {
    explicit Kubelet(config::Service& given);
    Task<> start();
    Task<> run_services();
    Task<> follow_pods();
    Task<> follow_clock();
    Task<> learn_cluster();
    Task<> settle_doubts();
    Task<http::Response> end_outliving();
    Task<> start_without_api();
    Task<> stop_pods();

    [[nodiscard]] NodeView look() const;
    void put(const kc::ObjectPtr& pod);
    void report_problems();
    void connect();
    probes::ProberCalls prober_calls();
    Task<probes::Execution> execute(std::string uid, std::string container, std::vector<std::string> command, std::chrono::steady_clock::duration limit);
    Task<http::Response> answer(http::Request request);

    config::Service& service;
    fs::path run_folder;
    kc::Connection connection;
    kc::Client client;
    kc::EventRecorder events;
    images::ImageStore images;
    network::PodNetwork network;
    pods::Runtime runtime;
    NodeFacts facts;
    volumes::Volumes volumes;
    probes::Prober prober;
    hal::async::TaskGroup group;
    hal::async::Event starts_allowed, container_ended, doubted;
    pods::Parts parts;
    pods::Pods pods;
    pods::PodsFace face;
    streams::Streams streams;
    kc::Informer pod_objects, service_objects;
    Node node;
    std::uint16_t api_port = usual_port;
};

Kubelet::Kubelet(config::Service& given)
    : service(given), run_folder(given.run_folder() / "kubelet"), connection(given), client(connection.client()),
      events(given.executor, client, *given.clock, "kubelet", given.site),
      images(given.data_folder() / "images", *given.pool, *given.clock),
      network(given.executor, *given.pool, network_options(given)),
      runtime(*given.pool, *given.clock, {.run_folder = run_folder, .cgroup_parent = cgroup_parent(given.root)}),
      facts(read_node_facts(given.data_folder(), "")),
      volumes(given.executor, *given.pool, client, *given.clock,
              {.pods_folder = given.data_folder() / "pods", .node_milli_cpu = facts.milli_cpu, .node_memory_bytes = facts.memory_bytes - reserved_memory(facts)}),
      prober(given.executor, *given.clock, prober_calls()), group(given.executor, area), starts_allowed(given.executor), container_ended(given.executor), doubted(given.executor),
      parts{.executor = given.executor,
            .pool = *given.pool,
            .clock = *given.clock,
            .runtime = runtime,
            .images = images,
            .network = network,
            .client = client,
            .events = events,
            .volumes = volumes,
            .prober = prober,
            .node_name = given.site,
            .run_folder = run_folder,
            .data_folder = given.data_folder(),
            .log_folder = given.under_root("/var/log"),
            .cgroup_parent = cgroup_parent(given.root),
            .boot = facts.boot_id,
            .powers = pods::read_powers(),
            .names = {},
            .node_milli_cpu = facts.milli_cpu,
            .node_memory_bytes = facts.memory_bytes - reserved_memory(facts),
            .services = [this] { return service_objects.list(); },
            .starts_allowed = starts_allowed,
            .container_ended = container_ended,
            .doubt = [this] { doubted.set(); }},
      pods(parts, group), face(pods, parts), streams(given.executor, face, *given.clock), pod_objects(given.executor, client, kc::resources::pods, pods_of(given.site)),
      service_objects(given.executor, client, kc::resources::services),
      node(given.executor, client, *given.clock, [this] { return look(); }) {}

NodeView Kubelet::look() const {
    return {service.site, facts, network.box_addresses(), api_port, images.list(), network.problems()};
}

void Kubelet::put(const kc::ObjectPtr& pod) {
    const bool has_outliving = !pods.outliving().empty();
    pods.put(pod);
    if (has_outliving) report_problems();
}

void Kubelet::report_problems() {
    auto problems = network.problems();
    if (const auto keys = pods.outliving(); !keys.empty()) {
        std::string some;
        for (const auto& key : keys | std::views::take(pods_named_max)) some += (some.empty() ? "" : ", ") + key;
        problems.push_back(std::format("the cluster's database is a new one: {} pods of the one before run on from their checkpoints ({}{}); apply their "
                                       "manifests again and they are replaced, or end them by DELETE /pods/outliving on {}",
                                       keys.size(), some, keys.size() > pods_named_max ? ", ..." : "", (service.run_folder() / "kubelet.sock").string()));
    }
    if (service.report_problems) service.report_problems(problems);
}

Task<probes::Execution> Kubelet::execute(std::string uid, std::string container, std::vector<std::string> command, std::chrono::steady_clock::duration limit) {
    std::string id;
    if (const auto* worker = pods.find(uid))
        for (const auto& one : worker->state().containers)
            if (one.name == container && one.is_running()) id = one.id;
    if (id.empty()) throw hal::Error(hal::Code::not_found, "container " + container + " does not run");
    co_return co_await pods::run_command(runtime, std::move(id), std::move(command), limit);
}

probes::ProberCalls Kubelet::prober_calls() {
    return {.execute = [this](std::string uid, std::string container, std::vector<std::string> command,
                              std::chrono::steady_clock::duration limit) { return execute(std::move(uid), std::move(container), std::move(command), limit); },
            .report = [this](const std::string& uid, const std::string& container, probes::Result result, std::string message,
                             std::optional<std::chrono::seconds> grace) {
                if (auto* worker = pods.find(uid)) worker->probed(container, result, std::move(message), grace);
            },
            .event = [this](const kc::json::object& pod, std::string_view type, std::string_view reason, std::string message,
                            std::string field_path) { events.record(pod, type, reason, std::move(message), field_path); }};
}

// Who tells whom.
void Kubelet::connect() {
    images.on_change([this] {
        pods.images_changed();
        node.changed();
    });
    network.on_change([this] {
        node.changed();
        report_problems();
    });
    volumes.on_change([this](const std::string& uid) {
        if (auto* worker = pods.find(uid)) worker->look_again();
    });
    volumes.on_failure([this](const kc::ObjectPtr& pod, const volumes::VolumeFailure& failure) {
        events.record(*pod, "Warning", "FailedMount", failure.message);
    });
    pod_objects.add_handlers({[this](const kc::ObjectPtr& pod) { put(pod); },
                              [this](const kc::ObjectPtr&, const kc::ObjectPtr& pod) { pods.put(pod); },
                              [this](const kc::ObjectPtr& pod) { pods.remove(pod); }});
}

Task<> Kubelet::start() {
    for (const auto& folder : {run_folder, parts.data_folder, parts.log_folder}) fs::create_directories(folder);
    runtime.start();
    const auto said = co_await hal::process::run({.program = "/usr/bin/crun", .arguments = {"--version"}}, std::chrono::seconds(10));
    facts.runtime_version = runtime_version(said.output);
    // Pods together never take what services need.
    parts.cgroups.create(parts.cgroup_parent + "/pods");
    hal::process::CgroupLimits limits;
    limits.memory_bytes = parts.node_memory_bytes;
    parts.cgroups.limit(parts.cgroup_parent + "/pods", limits);
    co_await images.open();
    co_await network.start();
    connect();
    co_await pods.start();
    // Held by now: what adopted containers stand on.
    co_await images.sweep();
    report_problems();
}

Task<> Kubelet::follow_pods() {
    co_await pod_objects.wait_synced();
    std::set<std::string> uids;
    pod_objects.each([&](const kc::ObjectPtr& pod) { uids.insert(std::string(kc::uid_of(*pod))); });
    pods.keep_only(uids);
    pods.allow_starts();
    log::info(area, "{} pods on this node", uids.size());
}

// What runs is reckoned by the monotonic clock; what others read a time from is made anew.
Task<> Kubelet::follow_clock() {
    hal::async::ClockWatch watch(service.executor);
    for (;;) {
        co_await watch.stepped();
        volumes.clock_set();
        node.changed();
    }
}

// A pod that was deleted while this process was away is not started again, if the API server can say so soon.
Task<> Kubelet::start_without_api() {
    co_await hal::async::sleep_for(api_wait_max);
    if (starts_allowed.is_set()) co_return;
    log::info(area, "the API server does not answer: pods start from their checkpoints");
    pods.allow_starts();
}

Task<> Kubelet::run_services() {
    group.spawn("events", events.run());
    group.spawn("images", images.watch_folder(service.under_root("/var/lib/rancher/k3s/agent/images")));
    group.spawn("network", network.run(std::make_shared<kc::Client>(client)));
    group.spawn("volumes", volumes.run());
    group.spawn("clock", follow_clock());
    group.spawn("services", service_objects.run());
    // Containers see the Services there are when they start: pods come after the first list of them.
    group.spawn("node", node.run(group));
    group.spawn("first list", follow_pods());
    group.spawn("start without API", start_without_api());
    co_await service_objects.wait_synced();
    co_await learn_cluster();
    group.spawn("doubts", settle_doubts());
    group.spawn("pods", pod_objects.run());
}

// Which database the API server has. One that is new knows none of the pods here, which is no reason to end them.
Task<> Kubelet::learn_cluster() {
    for (;;) {
        try {
            if (const auto found = co_await client.find(kc::resources::namespaces, "", "kube-system")) {
                if (pods.set_cluster(std::string(kc::uid_of(*found)))) {
                    log::warn(area, "the API server's database is a new one: {} pods run on from their checkpoints", pods.outliving().size());
                    report_problems();
                    node.changed();
                }
                co_return;
            }
        } catch (const hal::Error& error) {
            if (error.code() == hal::Code::cancelled) throw;
            log::debug(area, "the API server does not say which database it has: {}", error.what());
        }
        co_await hal::async::sleep_for(ask_again);
    }
}

Task<> Kubelet::settle_doubts() {
    for (;;) {
        co_await doubted.wait();
        doubted.clear();
        co_await learn_cluster();
    }
}

Task<http::Response> Kubelet::end_outliving() {
    const auto keys = pods.outliving();
    pods.end_outliving();
    report_problems();
    co_return http::text_response(200, std::format("{} pods of an earlier database end\n", keys.size()));
}

Task<> Kubelet::stop_pods() {
    pods.each([](pods::PodWorker& worker) { worker.stop(); });
    for (bool runs = true; runs;) {
        runs = false;
        pods.each([&](pods::PodWorker& worker) { runs = runs || !worker.is_stopped(); });
        if (runs) co_await pods.something_ended();
    }
}

Task<http::Response> Kubelet::answer(http::Request request) {
    if (request.path == "/readyz" && !node.is_registered() && pods.size() == 0)
        co_return http::text_response(503, "the API server did not answer yet, and no pods are known");
    if (request.path == "/metrics")
        co_return http::text_response(200, std::format("# TYPE kubelet_running_pods gauge\nkubelet_running_pods {}\n", pods.size()),
                                      "text/plain; version=0.0.4; charset=utf-8");
    co_return http::text_response(200, "ok");
}

}  // namespace

Task<> run(config::Service& service) {
    Kubelet kubelet(service);
    http::Router router;
    for (const auto* path : {"/healthz", "/readyz", "/metrics"})
        router.add("GET", path, [&kubelet](http::Request request) { return kubelet.answer(std::move(request)); });
    router.add("DELETE", "/pods/outliving", [&kubelet](http::Request) { return kubelet.end_outliving(); });
    images::add_routes(router, kubelet.images);
    http::Server control(service.executor, router.handler());
    for (auto& listener : service.listeners["control"]) control.listen(std::move(listener));
    http::Server api(service.executor, kubelet.streams.handler());
    const auto tls = hal::net::TlsServerContext::make({.certificate_pem = service.credential("serving.crt"),
                                                       .key_pem = service.credential("serving.key"),
                                                       .client_ca_pem = service.credential("client-ca.crt")});
    for (auto& listener : service.listeners["api"]) {
        kubelet.api_port = listener->local().port;
        api.listen(std::move(listener), tls);
    }

    std::exception_ptr ended;
    try {
        co_await kubelet.start();
        kubelet.group.spawn("services", kubelet.run_services());
        if (service.notify_ready) service.notify_ready();
        co_await service.stopping->wait();
        if (service.stops_pods) co_await kubelet.stop_pods();
    } catch (...) {
        ended = std::current_exception();
    }
    co_await hal::async::asio::this_coro::reset_cancellation_state();
    kubelet.group.cancel();
    co_await kubelet.group.join();
    co_await kubelet.prober.stop_all();
    co_await api.drain(drain_time_max);
    co_await kubelet.volumes.references().stop();
    co_await control.drain(drain_time_max);
    if (ended) std::rethrow_exception(ended);
}

}  // namespace services::kubelet
