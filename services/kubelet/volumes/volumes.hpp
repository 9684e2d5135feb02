// A pod's volumes on this box: emptyDir, hostPath, configMap, secret, downwardAPI and projected ones, made under the pod's
// folder, kept up to date while it runs, and what each container gets mounted of them.
//
// Owns PODS/UID/volumes and PODS/UID/volume-subpaths, the tmpfs mounts in there, and the watches behind them; not the pod's
// other files, nor anything a hostPath names (never deleted through: mounts are taken down first, and removal stays on one
// file system). Layout as the kubelet's (volumes/kubernetes.io~configmap/NAME, `..data`). Called on the loop's thread; files
// are written on the pool. Bounded: `content_bytes_max` per volume of files, references by References::watched_max.
#pragma once

#include <boost/json/object.hpp>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hal/async/pool.hpp"
#include "hal/async/task.hpp"
#include "hal/base/clock.hpp"
#include "services/kubelet/volumes/references.hpp"

namespace services::kubelet::volumes {

inline constexpr std::int64_t content_bytes_max = 16 * 1024 * 1024;  // configMap, secret, downwardAPI, projected

struct VolumeOptions {
    std::filesystem::path pods_folder;  // PODS
    std::int64_t node_milli_cpu = 0, node_memory_bytes = 0;  // allocatable: what a container without limits may use
};

struct VolumeMount {
    std::string source, target;
    bool is_read_only = false;
    std::string propagation = "None";  // HostToContainer, Bidirectional
};

// What keeps one volume from being there: an event's text, reason FailedMount.
struct VolumeFailure {
    std::string volume;
    std::string message;  // MountVolume.SetUp failed for volume "x" : configmap "y" not found
};

// The ConfigMaps and Secrets that a pod's volumes name, as keys of Objects ("configmap/NAME"), sorted.
std::vector<std::string> referenced_by_volumes(const json::object& pod);

class Volumes {
public:
    Volumes(hal::async::Executor executor, hal::async::Pool& pool, kubeclient::Client client, const hal::Clock& clock,
            VolumeOptions options);
    ~Volumes();

    // The same watches serve the environment: keep() is called by set_up() with the volumes' and `further` keys.
    [[nodiscard]] References& references();

    // Makes what is missing of the pod's volumes and brings the rest up to date; safe to call again (a retry, an adopted pod,
    // a reboot). What could not be made is told; the caller tries again, at once when on_change() says so. `further`: keys of
    // Objects that the pod needs besides (referenced_by_environment).
    Task<std::vector<VolumeFailure>> set_up(ObjectPtr pod, std::vector<std::string> further = {});
    // The pod's metadata changed: downwardAPI files follow. Nothing for a pod that is not set up.
    void update(ObjectPtr pod);

    // The mounts of a container in the order of its volumeMounts, for a pod that is set up; subPaths are resolved now, without
    // leaving the volume, and pinned. `expand`: subPathExpr with the container's variables (may throw). Throws Error{invalid|io}
    // with the kubelet's text: `cannot find volume "x" to mount into container "y"`, `failed to prepare subPath for volumeMount
    // "x" of container "y"`.
    Task<std::vector<VolumeMount>> mounts_of(ObjectPtr pod, std::string container, std::function<std::string(std::string_view)> expand);
    // The container is gone: its pinned subPaths too.
    Task<> release_container(std::string uid, std::string container);
    // The pod is gone: nothing is left of its volumes. Throws Error{io} when something would not go; may be called again.
    Task<> tear_down(std::string uid);

    // What a checkpoint has to hold so that the pod comes back while the API server does not answer: ConfigMaps, Secrets, and
    // service account tokens ("token/..."). restore() gives them back before set_up().
    [[nodiscard]] Objects needed_by(const std::string& uid) const;
    void restore(const ObjectPtr& pod, const Objects& objects);
    // The same for a pod whose objects the API server's new database never had.
    void outlive(const ObjectPtr& pod, const Objects& objects);

    // Somebody has set the clock: tokens that it ended, or may soon, are renewed.
    void clock_set();

    // Called when something that a pod's volumes or environment name has changed: try set_up() again if it failed.
    void on_change(std::function<void(const std::string& uid)> changed);
    // Called when a volume of a running pod could not be brought up to date.
    void on_failure(std::function<void(const ObjectPtr& pod, const VolumeFailure& failure)> failed);

    // Renews service account tokens and brings volumes up to date after changes, until cancelled. Once.
    Task<> run();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace services::kubelet::volumes
