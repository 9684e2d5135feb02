#include "services/kubelet/volumes/volumes.hpp"

#include <algorithm>
#include <format>
#include <set>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "services/codec/quantity.hpp"
#include "services/kubeclient/object.hpp"
#include "services/kubelet/volumes/content.hpp"
#include "services/kubelet/volumes/folders.hpp"
#include "services/kubelet/volumes/tokens.hpp"

namespace services::kubelet::volumes {

namespace kc = kubeclient;
using hal::Code;
using hal::Error;
using hal::async::offload;

namespace {

// The folder of a kind below volumes/, as the kubelet names it.
std::string_view kind_folder(const json::object& volume) {
    if (volume.contains("emptyDir")) return "kubernetes.io~empty-dir";
    if (volume.contains("configMap")) return "kubernetes.io~configmap";
    if (volume.contains("secret")) return "kubernetes.io~secret";
    if (volume.contains("downwardAPI")) return "kubernetes.io~downward-api";
    if (volume.contains("projected")) return "kubernetes.io~projected";
    return {};
}

const json::object* volume_named(const json::object& pod, std::string_view name) {
    for (const auto& one : kc::array_at(pod, "spec.volumes"))
        if (kc::text(kc::as_object(one), "name") == name) return &kc::as_object(one);
    return nullptr;
}

std::optional<std::uint32_t> group_of(const json::object& pod) {
    const auto group = kc::number(pod, "spec.securityContext.fsGroup", -1);
    return group < 0 ? std::nullopt : std::optional(static_cast<std::uint32_t>(group));
}

// A memory volume is bounded by its sizeLimit and by what the pod's containers may use together. 0: by neither.
std::int64_t memory_bytes_of(const json::object& pod, const json::object& empty_dir) {
    std::int64_t containers = 0;
    for (const auto& one : kc::array_at(pod, "spec.containers")) {
        const auto limit = codec::Quantity::parse(kc::text(kc::as_object(one), "resources.limits.memory"));
        if (!limit || limit->sign() <= 0) {
            containers = 0;
            break;
        }
        containers += limit->value();
    }
    const auto own = codec::Quantity::parse(kc::text(empty_dir, "sizeLimit"));
    if (!own || own->sign() <= 0) return containers;
    return containers > 0 ? std::min(containers, own->value()) : own->value();
}

void set_up_empty_dir(const json::object& pod, const json::object& source, const fs::path& folder) {
    const auto medium = kc::text(source, "medium");
    const auto mode = static_cast<unsigned>(kc::number(source, "mode", 0777));
    std::error_code ignored;
    const bool was_there = fs::exists(folder, ignored) && (medium.empty() || is_mount_point(folder));
    if (was_there) return;
    if (medium.empty())
        make_folder(folder, mode);
    else if (medium == "Memory")
        make_memory_folder(folder, memory_bytes_of(pod, source), mode);
    else
        throw Error(Code::unsupported, std::format("unknown storage medium \"{}\"", medium));
    if (const auto group = group_of(pod)) give_to_group(folder, *group, false, false);
}

void add_key(std::set<std::string>& keys, std::string_view kind, std::string_view name) {
    if (!name.empty()) keys.insert(std::format("{}/{}", kind, name));
}

}  // namespace

std::vector<std::string> referenced_by_volumes(const json::object& pod) {
    std::set<std::string> keys;
    for (const auto& one : kc::array_at(pod, "spec.volumes")) {
        const auto& volume = kc::as_object(one);
        add_key(keys, "configmap", kc::text(volume, "configMap.name"));
        add_key(keys, "secret", kc::text(volume, "secret.secretName"));
        for (const auto& source : kc::array_at(volume, "projected.sources")) {
            add_key(keys, "configmap", kc::text(kc::as_object(source), "configMap.name"));
            add_key(keys, "secret", kc::text(kc::as_object(source), "secret.name"));
        }
    }
    return {keys.begin(), keys.end()};
}

struct Volumes::State {
    struct SetUp {
        ObjectPtr pod;
        std::vector<std::string> keys;
        bool is_busy = false;  // one writer per pod
    };

    hal::async::Executor executor;
    hal::async::Pool& pool;
    const hal::Clock& clock;
    VolumeOptions options;
    References references;
    Tokens tokens;
    std::map<std::string, SetUp> pods;
    std::set<std::string> stale;  // pods whose volumes are to be brought up to date
    hal::async::Event wake, idle;
    std::function<void(const std::string&)> changed;
    std::function<void(const ObjectPtr&, const VolumeFailure&)> failed;

    State(hal::async::Executor on, hal::async::Pool& with, kubeclient::Client client, const hal::Clock& time, VolumeOptions what)
        : executor(on), pool(with), clock(time), options(std::move(what)), references(on, client), tokens(client, time), wake(on), idle(on) {}

    [[nodiscard]] fs::path folder_of(std::string_view uid) const { return options.pods_folder / uid; }
    [[nodiscard]] fs::path path_of(std::string_view uid, const json::object& volume) const {
        return folder_of(uid) / "volumes" / kind_folder(volume) / kc::text(volume, "name");
    }
    [[nodiscard]] fs::path pins_of(std::string_view uid) const { return folder_of(uid) / "volume-subpaths"; }

    Task<> write_files(ObjectPtr pod, json::object volume);
    Task<> set_up_one(ObjectPtr pod, json::object volume);
    Task<std::vector<VolumeFailure>> set_up_all(ObjectPtr pod, bool only_files);
    Task<> refresh(std::string uid);
};

namespace {

// What content_of() will look up, found before, since looking up waits for the API server.
struct Lookups {
    std::map<std::string, ObjectPtr, std::less<>> objects;
    std::map<std::string, std::exception_ptr, std::less<>> failures;
    std::map<std::string, std::string, std::less<>> tokens;            // by path
    std::map<std::string, std::exception_ptr, std::less<>> token_failures;
};

}  // namespace

Task<> Volumes::State::write_files(ObjectPtr pod, json::object volume) {
    Lookups found;
    json::object only{{"spec", {{"volumes", json::array{volume}}}}};
    for (const auto& key : referenced_by_volumes(only)) {
        try {
            found.objects[key] = co_await references.find({std::string(kc::namespace_of(*pod)), key});
        } catch (const Error& failure) {
            if (failure.code() == Code::cancelled) throw;
            found.failures[key] = std::current_exception();
        }
    }
    for (const auto& one : kc::array_at(volume, "projected.sources")) {
        const auto& source = kc::object_at(kc::as_object(one), "serviceAccountToken");
        if (source.empty()) continue;
        const std::string path(kc::text(source, "path"));
        try {
            found.tokens[path] = co_await tokens.token_of(pod, source);
        } catch (const Error& failure) {
            if (failure.code() == Code::cancelled) throw;
            found.token_failures[path] = std::current_exception();
        }
    }
    ContentSources sources{*pod, {}, {}, options.node_milli_cpu, options.node_memory_bytes};
    sources.find = [&found](std::string_view key) -> const json::object* {
        if (const auto failure = found.failures.find(key); failure != found.failures.end()) std::rethrow_exception(failure->second);
        const auto at = found.objects.find(key);
        return at == found.objects.end() ? nullptr : at->second.get();
    };
    sources.token = [&found](const json::object& source) {
        const auto path = kc::text(source, "path");
        if (const auto failure = found.token_failures.find(path); failure != found.token_failures.end()) std::rethrow_exception(failure->second);
        return found.tokens.find(path)->second;
    };
    auto content = content_of(volume, sources);
    const auto folder = path_of(kc::uid_of(*pod), volume);
    const auto group = group_of(*pod);
    const bool in_memory = is_kept_in_memory(volume);
    const auto now = clock.wall();
    co_await offload(pool, [&] {
        if (in_memory)
            make_memory_folder(folder, content_bytes_max, 0777);
        else
            make_folder(folder, 0777);
        if (write_content(folder, content, group, now) && group) give_to_group(folder, *group, true, false);
    });
}

Task<> Volumes::State::set_up_one(ObjectPtr pod, json::object volume) {
    if (has_content(volume)) co_return co_await write_files(pod, std::move(volume));
    if (volume.contains("hostPath")) {
        const std::string path(kc::text(volume, "hostPath.path"));
        if (fs::path(path).lexically_normal() != fs::path(path) && path.find("..") != std::string::npos)
            throw Error(Code::invalid, std::format("invalid HostPath `{}`: must not contain '..'", path));
        const std::string type(kc::text(volume, "hostPath.type"));
        co_return co_await offload(pool, [&] { check_host_path(path, type); });
    }
    if (volume.contains("emptyDir") || volume.size() == 1) {
        const auto folder = path_of(kc::uid_of(*pod), volume);
        co_return co_await offload(pool, [&] { set_up_empty_dir(*pod, kc::object_at(volume, "emptyDir"), folder); });
    }
    std::string kind;
    for (const auto& [key, value] : volume)
        if (key != "name") kind = key;
    throw Error(Code::unsupported, std::format("no volume plugin matched: volumes of kind {} are not supported on this box", kind));
}

Task<std::vector<VolumeFailure>> Volumes::State::set_up_all(ObjectPtr pod, bool only_files) {
    std::vector<VolumeFailure> failures;
    const auto& volumes = kc::array_at(*pod, "spec.volumes");
    for (std::size_t n = 0; n < volumes.size(); ++n) {
        const auto& volume = kc::as_object(volumes[n]);
        if (only_files && !has_content(volume)) continue;
        const std::string name(kc::text(volume, "name"));
        try {
            co_await set_up_one(pod, volume);
        } catch (const Error& failure) {
            if (failure.code() == Code::cancelled) throw;
            failures.push_back({name, std::format("MountVolume.SetUp failed for volume \"{}\" : {}", name, failure.what())});
        } catch (const fs::filesystem_error& failure) {
            failures.push_back({name, std::format("MountVolume.SetUp failed for volume \"{}\" : {}", name, failure.what())});
        }
    }
    co_return failures;
}

// Brings the files of a pod that runs up to date.
Task<> Volumes::State::refresh(std::string uid) {
    const auto at = pods.find(uid);
    if (at == pods.end() || at->second.is_busy) co_return;
    at->second.is_busy = true;
    std::vector<VolumeFailure> failures;
    std::exception_ptr ended;
    const auto pod = at->second.pod;
    try {
        failures = co_await set_up_all(pod, true);
    } catch (...) {
        ended = std::current_exception();
    }
    if (const auto still = pods.find(uid); still != pods.end()) still->second.is_busy = false;
    idle.set();
    if (ended) std::rethrow_exception(ended);
    if (failed && pods.contains(uid))
        for (const auto& failure : failures) failed(pod, failure);
}

Volumes::Volumes(hal::async::Executor executor, hal::async::Pool& pool, kubeclient::Client client, const hal::Clock& clock, VolumeOptions options)
    : state_(std::make_unique<State>(std::move(executor), pool, std::move(client), clock, std::move(options))) {
    state_->references.on_change([state = state_.get()](const std::string& uid, const Reference&) {
        if (state->pods.contains(uid)) {
            state->stale.insert(uid);
            state->wake.set();
        }
        if (state->changed) state->changed(uid);
    });
}

Volumes::~Volumes() = default;

References& Volumes::references() { return state_->references; }

Task<std::vector<VolumeFailure>> Volumes::set_up(ObjectPtr pod, std::vector<std::string> further) {
    const std::string uid(kc::uid_of(*pod));
    auto keys = referenced_by_volumes(*pod);
    keys.insert(keys.end(), further.begin(), further.end());
    state_->references.keep(uid, std::string(kc::namespace_of(*pod)), keys);
    while (state_->pods[uid].is_busy) {
        state_->idle.clear();
        co_await state_->idle.wait();
    }
    state_->pods[uid] = {pod, std::move(keys), true};
    std::vector<VolumeFailure> failures;
    std::exception_ptr ended;
    try {
        failures = co_await state_->set_up_all(pod, false);
    } catch (...) {
        ended = std::current_exception();
    }
    if (const auto at = state_->pods.find(uid); at != state_->pods.end()) at->second.is_busy = false;
    state_->idle.set();
    state_->wake.set();  // a token's time may be the next one
    if (ended) std::rethrow_exception(ended);
    co_return failures;
}

void Volumes::update(ObjectPtr pod) {
    const auto at = state_->pods.find(std::string(kc::uid_of(*pod)));
    if (at == state_->pods.end()) return;
    const bool is_changed = kc::object_at(*at->second.pod, "metadata.labels") != kc::object_at(*pod, "metadata.labels") ||
                            kc::object_at(*at->second.pod, "metadata.annotations") != kc::object_at(*pod, "metadata.annotations");
    at->second.pod = std::move(pod);
    if (!is_changed) return;
    state_->stale.insert(at->first);
    state_->wake.set();
}

Task<std::vector<VolumeMount>> Volumes::mounts_of(ObjectPtr pod, std::string container_name, std::function<std::string(std::string_view)> expand) {
    const auto uid = kc::uid_of(*pod);
    const json::object* container = nullptr;
    for (const auto* list : {"spec.initContainers", "spec.containers", "spec.ephemeralContainers"})
        for (const auto& one : kc::array_at(*pod, list))
            if (kc::text(kc::as_object(one), "name") == container_name) container = &kc::as_object(one);
    if (!container) throw Error(Code::not_found, "the pod has no container " + container_name);

    std::vector<VolumeMount> mounts;
    for (const auto& one : kc::array_at(*container, "volumeMounts")) {
        const auto& wanted = kc::as_object(one);
        const auto name = kc::text(wanted, "name");
        const auto* volume = volume_named(*pod, name);
        if (!volume || !state_->pods.contains(std::string(uid)))
            throw Error(Code::invalid, std::format("cannot find volume \"{}\" to mount into container \"{}\"", name, container_name));
        fs::path source = volume->contains("hostPath") ? fs::path(kc::text(*volume, "hostPath.path"))
                          : kind_folder(*volume).empty() ? state_->folder_of(uid) / "volumes/kubernetes.io~empty-dir" / name
                                                         : state_->path_of(uid, *volume);
        auto sub_path = std::string(kc::text(wanted, "subPath"));
        if (const auto expression = kc::text(wanted, "subPathExpr"); !expression.empty()) sub_path = expand(expression);
        if (!sub_path.empty()) {
            if (sub_path.front() == '/') throw Error(Code::invalid, std::format("error SubPath `{}` must not be an absolute path", sub_path));
            for (const auto& part : fs::path(sub_path))
                if (part == "..") throw Error(Code::invalid, std::format("unable to provision SubPath `{}`: must not contain '..'", sub_path));
            const auto pin = state_->pins_of(uid) / name / container_name / std::to_string(mounts.size());
            try {
                co_await offload(state_->pool, [&] { pin_sub_path(source, sub_path, pin); });
            } catch (const Error& failure) {
                // The pod's owner is not told what the box has at other places.
                hal::log::warn("volumes", "pod {}: {}", kc::key_of(*pod), failure.what());
                throw Error(Code::invalid, std::format("failed to prepare subPath for volumeMount \"{}\" of container \"{}\"", name, container_name));
            }
            source = pin;
        }
        mounts.push_back({source.string(), std::string(kc::text(wanted, "mountPath")), kc::flag(wanted, "readOnly") || has_content(*volume),
                          std::string(kc::text(wanted, "mountPropagation", "None"))});
    }
    co_return mounts;
}

Task<> Volumes::release_container(std::string uid, std::string container) {
    const auto pins = state_->pins_of(uid);
    co_await offload(state_->pool, [&] {
        std::error_code none;
        for (const auto& volume : fs::directory_iterator(pins, none)) remove_folder(volume.path() / container);
    });
}

Task<> Volumes::tear_down(std::string uid) {
    while (state_->pods.contains(uid) && state_->pods[uid].is_busy) {
        state_->idle.clear();
        co_await state_->idle.wait();
    }
    state_->pods.erase(uid);
    state_->stale.erase(uid);
    state_->references.release(uid);
    state_->tokens.forget(uid);
    const auto folder = state_->folder_of(uid);
    co_await offload(state_->pool, [&] {
        remove_folder(folder / "volume-subpaths");
        remove_folder(folder / "volumes");
    });
}

Objects Volumes::needed_by(const std::string& uid) const {
    const auto at = state_->pods.find(uid);
    if (at == state_->pods.end()) return {};
    auto objects = state_->tokens.held_for(uid);
    for (const auto& key : at->second.keys)
        if (const auto object = state_->references.seen({std::string(kc::namespace_of(*at->second.pod)), key})) objects[key] = *object;
    return objects;
}

void Volumes::restore(const ObjectPtr& pod, const Objects& objects) {
    state_->references.restore(std::string(kc::namespace_of(*pod)), objects);
    state_->tokens.restore(std::string(kc::uid_of(*pod)), objects);
}

void Volumes::outlive(const ObjectPtr& pod, const Objects& objects) {
    state_->references.restore(std::string(kc::namespace_of(*pod)), objects, true);
}

void Volumes::clock_set() {
    state_->tokens.renew_all();
    state_->wake.set();
}

void Volumes::on_change(std::function<void(const std::string&)> changed) { state_->changed = std::move(changed); }

void Volumes::on_failure(std::function<void(const ObjectPtr&, const VolumeFailure&)> failed) { state_->failed = std::move(failed); }

Task<> Volumes::run() {
    for (;;) {
        for (const auto& uid : state_->tokens.due()) state_->stale.insert(uid);
        while (!state_->stale.empty()) {
            const auto uid = *state_->stale.begin();
            state_->stale.erase(state_->stale.begin());
            if (const auto at = state_->pods.find(uid); at != state_->pods.end() && at->second.is_busy) {
                state_->idle.clear();
                co_await state_->idle.wait();
            }
            co_await state_->refresh(uid);
        }
        state_->wake.clear();
        if (const auto next = state_->tokens.next_due())
            co_await state_->wake.wait_for(std::max<hal::SteadyTime::duration>(*next - state_->clock.steady(), std::chrono::milliseconds(1)));
        else
            co_await state_->wake.wait();
    }
}

}  // namespace services::kubelet::volumes
