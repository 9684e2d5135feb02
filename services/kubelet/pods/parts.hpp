// What all pods of this node share, and what they are given by the kubelet's other parts. Owned by whoever makes Pods and
// outlives them.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hal/async/pool.hpp"
#include "hal/async/task.hpp"
#include "hal/base/clock.hpp"
#include "hal/process/cgroup.hpp"
#include "services/kubeclient/client.hpp"
#include "services/kubeclient/events.hpp"
#include "services/kubelet/images/images.hpp"
#include "services/kubelet/network/pod_network.hpp"
#include "services/kubelet/pods/oci_config.hpp"
#include "services/kubelet/pods/pod_files.hpp"
#include "services/kubelet/pods/runtime.hpp"
#include "services/kubelet/pods/state.hpp"
#include "services/kubelet/probes/prober.hpp"
#include "services/kubelet/volumes/volumes.hpp"

namespace services::kubelet::pods {

struct Parts {
    hal::async::Executor executor;
    hal::async::Pool& pool;
    const hal::Clock& clock;
    Runtime& runtime;
    images::ImageStore& images;
    network::PodNetwork& network;
    kubeclient::Client& client;
    kubeclient::EventRecorder& events;
    volumes::Volumes& volumes;
    probes::Prober& prober;

    std::string node_name;
    std::filesystem::path run_folder;    // /run/branchbox/kubelet
    std::filesystem::path data_folder;   // /var/lib/branchbox/kubelet
    std::filesystem::path log_folder;    // /var/log: pods/ and containers/ below
    std::string cgroup_parent;
    std::string boot;                    // /proc/sys/kernel/random/boot_id
    Powers powers;
    ClusterNames names;
    std::int64_t node_milli_cpu = 0, node_memory_bytes = 0;
    // The Services there are now, for environment variables.
    std::function<std::vector<kubeclient::ObjectPtr>()> services = [] { return std::vector<kubeclient::ObjectPtr>(); };
    hal::process::Cgroups cgroups = hal::process::Cgroups();
    // Not set: only what runs already is kept. Set once the API server said which pods there are, or did not in time.
    hal::async::Event& starts_allowed;
    hal::async::Event& container_ended;  // set each time one has been noted
    // The API server says that it has no such pod: it was deleted, or the database is a new one. Answered by
    // Pods::vanished() or Pods::set_cluster().
    std::function<void()> doubt = [] {};
};

// Times and bounds of the kubelet, as the real one has them.
inline constexpr std::chrono::seconds back_off_min{10}, back_off_max{300};
inline constexpr std::chrono::seconds back_off_forgotten{600};  // ran this long: the next crash is a first one
inline constexpr std::chrono::seconds retry_delay{10};          // after a pod could not be brought to its spec
inline constexpr std::chrono::seconds hook_grace_min{2};        // left to a container after its preStop hook
inline constexpr std::size_t termination_message_bytes_max = 4096;
inline constexpr std::size_t fallback_message_bytes_max = 2048;

}  // namespace services::kubelet::pods
