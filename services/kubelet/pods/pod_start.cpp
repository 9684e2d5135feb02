// A pod's sandbox (cgroup, network, files, volumes) and the start of its containers.
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <format>
#include <fstream>
#include <iterator>

#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "hal/process/namespaces.hpp"
#include "services/kubelet/pods/log_rotation.hpp"
#include "services/kubelet/pods/pod_worker.hpp"
#include "services/kubelet/pods/resources.hpp"

namespace services::kubelet::pods {

namespace fs = std::filesystem;
namespace kc = kubeclient;
using hal::Code;
using hal::Error;
using Phase = ContainerState::Phase;

namespace {

constexpr std::int64_t shared_memory_bytes = 64 << 20;

std::string text_of(const fs::path& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
}

void write_text(const fs::path& file, std::string_view text) {
    std::ofstream out(file, std::ios::trunc);
    out << text << std::flush;
    if (!out) throw hal::system_error("write " + file.string());
}

std::vector<network::HostPort> host_ports(const json::object& pod) {
    std::vector<network::HostPort> ports;
    for (const auto* list : {"spec.initContainers", "spec.containers"})
        for (const auto& container : kc::array_at(pod, list))
            for (const auto& item : kc::array_at(container.as_object(), "ports")) {
                const auto& one = item.as_object();
                if (const auto port = kc::number(one, "hostPort"); port > 0)
                    ports.push_back({std::string(kc::text(one, "protocol", "TCP")), static_cast<std::uint16_t>(port),
                                     static_cast<std::uint16_t>(kc::number(one, "containerPort")), std::string(kc::text(one, "hostIP"))});
            }
    return ports;
}

// The pod's own folder on the tmpfs of RUN: files that are mounted into each container, and its shared memory.
void make_run_folder(fs::path folder, std::string hosts, std::string resolver, std::string host_name) {
    fs::create_directories(folder / "shm");
    fs::create_directories(folder / "termination");
    write_text(folder / "hosts", hosts);
    write_text(folder / "resolv.conf", resolver);
    write_text(folder / "hostname", host_name + "\n");
    hal::process::unmount_below(folder / "shm");
    hal::process::mount_tmpfs(folder / "shm", shared_memory_bytes);
    fs::permissions(folder / "shm", fs::perms(01777));
}

void mount_root(std::vector<fs::path> layers, fs::path writable, fs::path target) {
    for (const auto& folder : {writable / "upper", writable / "work", target}) fs::create_directories(folder);
    hal::process::mount_overlay(layers, writable / "upper", writable / "work", target);
}

}  // namespace

// Safe to call again: only what is missing is made.
Task<> PodWorker::make_sandbox() {
    const bool is_new = !state_.has_sandbox;
    if (!is_new && has_volumes_) co_return;
    std::string failure;
    try {
        parts_.cgroups.create(pod_cgroup(parts_.cgroup_parent, state_.pod));
        parts_.cgroups.limit(pod_cgroup(parts_.cgroup_parent, state_.pod), pod_limits(state_.pod));
        state_.host_addresses = parts_.network.box_addresses();
        if (on_host_network()) {
            state_.addresses = state_.host_addresses;
        } else {
            const auto pin = [path = network_namespace()] { hal::process::pin_network_namespace(path); };
            co_await hal::async::offload(parts_.pool, pin);
            state_.addresses = {(co_await parts_.network.attach(uid_, network_namespace(), host_ports(state_.pod))).ip};
        }
        if (is_new) {
            const auto hosts = hosts_file(state_.pod, state_.addresses, parts_.node_name, parts_.names.domain, text_of("/etc/hosts"));
            const auto resolver = resolv_conf(state_.pod, parts_.names, text_of("/etc/resolv.conf"));
            const auto make = std::bind_front(make_run_folder, run_folder(), hosts, resolver, host_name_of(state_.pod, parts_.node_name));
            co_await hal::async::offload(parts_.pool, make);
        }
    } catch (const Error& error) {
        if (error.code() == Code::cancelled) throw;
        failure = error.what();
    }
    if (!failure.empty()) {
        event("Warning", "FailedCreatePodSandBox", "Failed to create pod sandbox: " + failure);
        throw Error(Code::unavailable, failure);
    }
    parts_.volumes.restore(std::make_shared<json::object>(state_.pod), state_.objects);
    const auto failures = co_await parts_.volumes.set_up(std::make_shared<json::object>(state_.pod), referenced_by_environment(state_.pod));
    for (const auto& one : failures) event("Warning", "FailedMount", one.message);
    if (!failures.empty()) throw Error(Code::unavailable, failures.front().message);
    has_volumes_ = true;
    if (!is_new) co_return;
    state_.has_sandbox = true;
    co_await checkpoint();
}

// The ConfigMaps and Secrets that the environment names, as the API has them now or had them last.
Task<ReferencedObjects> PodWorker::environment_objects() {
    ReferencedObjects objects;
    for (auto& key : referenced_by_environment(state_.pod))
        if (const auto found = co_await parts_.volumes.references().find({std::string(kc::namespace_of(state_.pod)), key}))
            objects.emplace(key, *found);
    co_return objects;
}

void PodWorker::refuse(ContainerState& container, std::string reason, std::string message) {
    auto& live = live_.find(container.name)->second;
    if (container.ended) container.last = std::exchange(container.ended, {});
    container.phase = Phase::waiting;
    container.waiting_reason = std::move(reason);
    container.waiting_message = std::move(message);
    live.back_off = std::min(std::max(live.back_off * 2, back_off_min), back_off_max);
    live.not_before = Steady::now() + live.back_off;
    look_again_at(live.not_before);
}

Task<> PodWorker::start_container(ContainerState& container) {
    const auto spec = state_.spec_of(container);
    const auto reference = std::string(kc::text(spec, "image"));
    const auto policy = kc::text(spec, "imagePullPolicy", "IfNotPresent");
    auto image = parts_.images.find(reference);
    if (!image) {
        if (policy == "Never") {
            const auto message = std::format("Container image \"{}\" is not present with pull policy of Never", reference);
            event("Warning", "ErrImageNeverPull", message, &container);
            refuse(container, "ErrImageNeverPull", message);
        } else if (container.waiting_reason == "ErrImagePull" || container.waiting_reason == "ImagePullBackOff") {
            const auto message = std::format("Back-off pulling image \"{}\"", reference);
            event("Normal", "BackOff", message, &container);
            refuse(container, "ImagePullBackOff", message);
        } else {
            const auto message = std::format("failed to pull image \"{}\": this box has no registry to pull from, and the image was not imported", reference);
            event("Normal", "Pulling", std::format("Pulling image \"{}\"", reference), &container);
            event("Warning", "Failed", std::format("Failed to pull image \"{}\": {}", reference, message), &container);
            event("Warning", "Failed", "Error: ErrImagePull", &container);
            refuse(container, "ErrImagePull", message);
        }
        co_return;
    }
    event("Normal", "Pulled",
          policy == "Always" ? std::format("Container image \"{}\" was imported and is used as it is: imagePullPolicy Always pulls nothing on this box", reference)
                             : std::format("Container image \"{}\" already present on machine and can be accessed by the pod", reference),
          &container);
    const auto id = hal::hex(hal::random_bytes(32));
    std::string failure;
    try {
        co_await launch(container, std::move(*image), id);
    } catch (const Error& error) {
        if (error.code() == Code::cancelled) throw;
        failure = error.what();
    }
    if (failure.empty()) {
        report_.set();
        co_await checkpoint();
        co_return;
    }
    event("Warning", "Failed", "Error: " + failure, &container);
    co_await remove_container(id);
    refuse(container, container.waiting_reason, failure);
}

// Leaves in waiting_reason how far it came.
Task<> PodWorker::launch(ContainerState& container, images::Image image, std::string id) {
    const auto spec = state_.spec_of(container);
    container.waiting_reason = "CreateContainerError";
    parts_.images.hold(id, image.layers);
    const auto mount = std::bind_front(mount_root, image.layers, upper(id), rootfs(id));
    co_await hal::async::offload(parts_.pool, mount);
    container.waiting_reason = "CreateContainerConfigError";
    auto config = co_await configure(container, image, id);
    container.waiting_reason = "CreateContainerError";
    const auto log = log_file(container.name, container.attempts);
    fs::create_directories(log.parent_path());
    co_await parts_.runtime.create({.id = id,
                                    .config = std::move(config),
                                    .log_file = log,
                                    .has_terminal = kc::flag(spec, "tty"),
                                    .has_stdin = kc::flag(spec, "stdin"),
                                    .stdin_once = kc::flag(spec, "stdinOnce")});
    event("Normal", "Created", "Container created", &container);
    container.waiting_reason = "RunContainerError";
    co_await parts_.runtime.run(id);
    event("Normal", "Started", "Container started", &container);

    auto& live = live_.find(container.name)->second;
    if (container.ended) container.last = std::exchange(container.ended, {});
    container.phase = Phase::running;
    container.waiting_reason.clear();
    container.waiting_message.clear();
    container.id = id;
    container.started = parts_.clock.wall();
    container.attempts += 1;
    container.image = kc::text(spec, "image");
    container.image_id = image.id;
    container.stop_signal = stop_signal_of(spec, image.config);
    container.is_started = container.is_ready = false;
    live.since = Steady::now();
    live.end.reset();
    live.is_killed = false;
    live.reason.clear();
    live.ended->clear();
    std::error_code ignored;
    fs::create_directories(log_link(container).parent_path(), ignored);
    fs::create_symlink(log, log_link(container), ignored);
    watch(container.name, id);
    if (const auto* hook = kc::field(spec, "lifecycle.postStart"))
        tasks_.spawn("postStart of " + container.name, run_post_start(container.name, hook->as_object(), id));
    else
        begin_probes(container);
}

// Until the hook has passed the container counts neither as started nor as ready.
Task<> PodWorker::run_post_start(std::string name, json::object hook, std::string id) {
    const auto failure = co_await run_hook(std::move(hook), id);
    auto& container = *state_.find(name);
    if (container.id != id || !container.is_running()) co_return;
    if (failure.empty()) {
        begin_probes(container);
    } else {
        hal::log::warn("kubelet", "pod {}: postStart of {}: {}", kc::key_of(state_.pod), name, failure);
        event("Warning", "FailedPostStartHook", "PostStartHook failed", &container);
        begin_kill(name, grace(), "FailedPostStartHook");
    }
    wake_.set();
}

Task<json::object> PodWorker::configure(ContainerState& container, images::Image image, std::string id) {
    const auto spec = state_.spec_of(container);
    // Fields of the status that a container may ask for, as they will be.
    auto pod = state_.pod;
    json::object status;
    const auto addresses = [&](const char* single, const char* plural, const std::vector<std::string>& all) {
        json::array list;
        for (const auto& one : all) list.push_back(json::object{{"ip", one}});
        status[plural] = std::move(list);
        if (!all.empty()) status[single] = all.front();
    };
    addresses("podIP", "podIPs", state_.addresses);
    addresses("hostIP", "hostIPs", state_.host_addresses);
    pod["status"] = std::move(status);

    fs::path process_namespace;
    if (const auto target = kc::text(spec, "targetContainerName"); !target.empty())
        if (const auto* one = state_.find(target))
            if (const auto pid = parts_.runtime.process_of(one->id); pid > 0) process_namespace = std::format("/proc/{}/ns/pid", pid);
    const auto services = parts_.services();
    const auto objects = co_await environment_objects();
    auto variables = environment_of({pod, spec, objects, services, parts_.node_milli_cpu, parts_.node_memory_bytes});
    const auto find_user = [pod, spec, config = image.config, root = rootfs(id)] { return user_of(pod, spec, config, root); };
    auto user = co_await hal::async::offload(parts_.pool, find_user);
    auto mounts = file_mounts(container, spec);
    const auto expand = [&variables](std::string_view text) { return expanded(text, variables); };
    for (auto& one : co_await parts_.volumes.mounts_of(std::make_shared<json::object>(state_.pod), container.name, expand))
        mounts.push_back({std::move(one.source), std::move(one.target), one.is_read_only, std::move(one.propagation)});
    const auto termination = run_folder() / "termination" / container.name;
    write_text(termination, "");
    fs::permissions(termination, fs::perms(0666));
    co_return oci_config({.pod = pod,
                          .container = spec,
                          .image = image.config,
                          .rootfs = rootfs(id),
                          .network_namespace = network_namespace(),
                          .process_namespace = process_namespace,
                          .cgroup = pod_cgroup(parts_.cgroup_parent, state_.pod) + "/" + id,
                          .limits = container_limits(spec),
                          .oom_score = oom_score_adjustment(pod, spec, parts_.node_memory_bytes),
                          .host_name = host_name_of(pod, parts_.node_name),
                          .variables = std::move(variables),
                          .user = std::move(user),
                          .mounts = std::move(mounts),
                          .shared_memory = run_folder() / "shm",
                          .powers = parts_.powers});
}

std::vector<Mount> PodWorker::file_mounts(const ContainerState& container, const json::object& spec) const {
    std::vector<Mount> mounts;
    const auto add = [&](const fs::path& source, std::string target) {
        const auto& own = kc::array_at(spec, "volumeMounts");
        const bool is_taken = std::ranges::any_of(own, [&](const auto& one) { return kc::text(one.as_object(), "mountPath") == target; });
        if (!is_taken) mounts.push_back({source.string(), std::move(target)});
    };
    add(run_folder() / "hosts", "/etc/hosts");
    add(run_folder() / "resolv.conf", "/etc/resolv.conf");
    add(run_folder() / "hostname", "/etc/hostname");
    add(run_folder() / "termination" / container.name, std::string(kc::text(spec, "terminationMessagePath", "/dev/termination-log")));
    return mounts;
}

void PodWorker::begin_probes(ContainerState& container) {
    if (!container.is_running()) return;
    const auto& spec = state_.spec_of(container);
    container.is_started = container.is_started || !spec.contains("startupProbe");
    container.is_ready = container.is_ready || (container.is_started && !spec.contains("readinessProbe"));
    parts_.prober.start({.pod = state_.pod,
                         .container = spec,
                         .address = state_.addresses.empty() ? "" : state_.addresses.front(),
                         .started = container.started,
                         .is_started = container.is_started});
}

void PodWorker::watch(const std::string& name, const std::string& id) {
    tasks_.spawn("container " + name, wait_end(name, id, log_file(name, state_.find(name)->restarts())));
}

// While the container runs its log is kept within its bound.
Task<> PodWorker::wait_end(std::string name, std::string id, fs::path log) {
    hal::async::TaskGroup logs(parts_.executor, "log of " + name);
    logs.spawn("rotation", keep_log_bounded(parts_.runtime, parts_.clock, id, std::move(log)));
    std::optional<Ended> end;
    std::exception_ptr failure;
    try {
        end = co_await parts_.runtime.wait_end(id);
    } catch (...) {
        failure = std::current_exception();
    }
    co_await hal::async::asio::this_coro::reset_cancellation_state();
    logs.cancel();
    co_await logs.join();
    if (failure) std::rethrow_exception(failure);
    auto& live = live_.find(name)->second;
    live.end = std::move(end);
    live.ended->set();
    wake_.set();
}

}  // namespace services::kubelet::pods
