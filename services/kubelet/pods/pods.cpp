#include "services/kubelet/pods/pods.hpp"

#include <boost/json/parse.hpp>

#include <algorithm>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "hal/disk/file.hpp"
#include "hal/process/namespaces.hpp"

namespace services::kubelet::pods {

namespace fs = std::filesystem;
namespace kc = kubeclient;
namespace log = hal::log;

namespace {

constexpr auto area = "kubelet";
constexpr std::size_t checkpoint_bytes_max = 16 << 20;

std::vector<PodState> read_checkpoints(fs::path folder) {
    std::vector<PodState> found;
    std::error_code failure;
    for (const auto& entry : fs::directory_iterator(folder, failure)) {
        const auto file = entry.path() / "pod.json";
        try {
            if (const auto text = hal::disk::read_file(file, checkpoint_bytes_max)) found.push_back(PodState::from_json(boost::json::parse(*text)));
        } catch (const std::exception& error) {
            // Its containers are ended as nobody's; the API server's object starts it anew.
            log::error(area, "{}: {}", file.string(), error.what());
        }
    }
    return found;
}

std::vector<std::string> names_in(const fs::path& folder) {
    std::vector<std::string> names;
    std::error_code failure;
    for (const auto& entry : fs::directory_iterator(folder, failure)) names.push_back(entry.path().filename());
    return names;
}

void remove_tree(fs::path folder) {
    hal::process::unmount_below(folder);
    std::error_code ignored;
    fs::remove_all(folder, ignored);
}

}  // namespace

Pods::Pods(Parts& parts, hal::async::TaskGroup& group) : parts_(parts), group_(group) {}

Task<> Pods::start() {
    const auto read = std::bind_front(read_checkpoints, parts_.data_folder / "pods");
    for (auto& state : co_await hal::async::offload(parts_.pool, read)) {
        log::info(area, "pod {} is taken up from its checkpoint", kc::key_of(state.pod));
        take_up(std::move(state));
    }
    co_await remove_orphans();
}

// Containers, roots and folders that no checkpoint names: of a start that was cut off, or of a pod that is gone.
Task<> Pods::remove_orphans() {
    std::set<std::string> ids, uids;
    for (const auto& [uid, worker] : workers_) {
        uids.insert(uid);
        for (const auto& container : worker->state().containers)
            if (container.is_running()) ids.insert(container.id);
    }
    for (const auto& id : parts_.runtime.known())
        if (!ids.contains(id)) co_await parts_.runtime.remove(id);
    std::vector<fs::path> leftovers;
    const auto note = [&](const fs::path& folder, const std::set<std::string>& kept) {
        for (const auto& name : names_in(folder))
            if (!kept.contains(name)) leftovers.push_back(folder / name);
    };
    note(parts_.run_folder / "rootfs", ids);
    note(parts_.data_folder / "rootfs", ids);
    note(parts_.run_folder / "pods", uids);
    for (const auto& uid : names_in(parts_.data_folder / "pods"))
        if (!uids.contains(uid)) {
            co_await parts_.volumes.tear_down(uid);
            leftovers.push_back(parts_.data_folder / "pods" / uid);
        }
    for (const auto& folder : leftovers) {
        const auto remove = std::bind_front(remove_tree, folder);
        co_await hal::async::offload(parts_.pool, remove);
    }
    for (const auto& uid : names_in(parts_.run_folder / "netns"))
        if (!uids.contains(uid)) hal::process::unpin_namespace(parts_.run_folder / "netns" / uid);
    std::vector<std::string> kept(uids.begin(), uids.end());
    co_await parts_.network.keep_only(std::move(kept));
}

void Pods::take_up(PodState state) {
    auto uid = state.uid();
    auto& worker = *workers_.emplace(uid, std::make_unique<PodWorker>(parts_, std::move(state))).first->second;
    worker.adopt();
    group_.spawn("pod " + uid, run(uid));
}

Task<> Pods::run(std::string uid) {
    co_await workers_.at(uid)->run();
    workers_.erase(uid);
}

void Pods::put(kc::ObjectPtr pod) {
    const auto uid = std::string(kc::uid_of(*pod));
    if (const auto it = workers_.find(uid); it != workers_.end()) {
        it->second->update(std::move(pod));
        return;
    }
    // One that is over before we knew it holds nothing here; one that is being deleted still waits for our word.
    if (kc::is_pod_finished(*pod) && !kc::is_deleting(*pod)) return;
    if (workers_.size() >= pods_max) {
        if (is_waiting_.insert(uid).second) log::warn(area, "pod {} waits: this node holds {} pods", kc::key_of(*pod), pods_max);
        return;
    }
    is_waiting_.erase(uid);
    replace_outliving(*pod);
    take_up(PodState::of(*pod));
    parts_.doubt();  // of which database it is: the one asked last may be gone
}

// A pod made anew after its manifest was applied again has the name (a bare one, of a StatefulSet) or the labels (of a
// Deployment, whose hash of the template is the same for the same template) of the one that it stands for.
void Pods::replace_outliving(const kc::json::object& pod) {
    for (auto& [uid, worker] : workers_) {
        const auto& old = worker->state().pod;
        if (!worker->is_outliving() || worker->is_ending() || kc::namespace_of(old) != kc::namespace_of(pod)) continue;
        const auto& labels = kc::object_at(old, "metadata.labels");
        if (kc::name_of(old) != kc::name_of(pod) && (labels.empty() || labels != kc::object_at(pod, "metadata.labels"))) continue;
        log::info(area, "pod {} of an earlier database ends: {} takes its place", kc::key_of(old), kc::key_of(pod));
        worker->vanished();
        return;
    }
}

bool Pods::set_cluster(const std::string& uid) {
    const auto before = outliving();
    for (auto& [pod, worker] : workers_) {
        if (worker->state().cluster.empty())
            worker->belongs_to(uid);  // new, or a checkpoint of a release that did not know
        else if (worker->state().cluster != uid)
            worker->outlive();
        if (worker->is_missed()) worker->vanished();
    }
    return outliving() != before;
}

void Pods::end_outliving() {
    for (auto& [uid, worker] : workers_)
        if (worker->is_outliving()) worker->vanished();
}

std::vector<std::string> Pods::outliving() {
    std::vector<std::string> keys;
    for (auto& [uid, worker] : workers_)
        if (worker->is_outliving() && !worker->is_ending()) keys.push_back(kc::key_of(worker->state().pod));
    std::ranges::sort(keys);
    return keys;
}

void Pods::remove(const kc::ObjectPtr& pod) {
    is_waiting_.erase(std::string(kc::uid_of(*pod)));
    auto* worker = find(std::string(kc::uid_of(*pod)));
    if (!worker) return;
    // The last word of a pod that was being deleted; any other may be that of a database which is not there any more.
    if (kc::is_deleting(*pod) || kc::is_deleting(worker->state().pod))
        worker->vanished();
    else
        worker->missed();
}

void Pods::keep_only(const std::set<std::string>& uids) {
    for (auto& [uid, worker] : workers_)
        if (!uids.contains(uid) && !worker->is_outliving()) worker->vanished();
}

void Pods::images_changed() {
    for (auto& [uid, worker] : workers_) worker->images_changed();
}

void Pods::allow_starts() {
    parts_.starts_allowed.set();
    for (auto& [uid, worker] : workers_) worker->look_again();
}

Task<> Pods::something_ended() {
    parts_.container_ended.clear();
    co_await parts_.container_ended.wait();
}

PodWorker* Pods::find(const std::string& uid) {
    const auto it = workers_.find(uid);
    return it == workers_.end() ? nullptr : it->second.get();
}

PodWorker* Pods::find(std::string_view name_space, std::string_view name) {
    for (auto& [uid, worker] : workers_)
        if (kc::name_of(worker->state().pod) == name && kc::namespace_of(worker->state().pod) == name_space) return worker.get();
    return nullptr;
}

void Pods::each(const std::function<void(PodWorker&)>& visit) {
    for (auto& [uid, worker] : workers_) visit(*worker);
}

}  // namespace services::kubelet::pods
