// A container of a pod as the OCI runtime-spec's config.json says it. Pure: every path, number and name is given.
#pragma once

#include <boost/json/object.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "hal/process/cgroup.hpp"
#include "services/kubelet/images/images.hpp"
#include "services/kubelet/pods/environment.hpp"

namespace services::kubelet::pods {

struct Mount {
    std::string source, target;
    bool is_read_only = false;
    std::string propagation = "None";  // HostToContainer, Bidirectional
};

// Who a container runs as.
struct User {
    std::uint32_t uid = 0, gid = 0;
    std::vector<std::uint32_t> groups;
};

// Numbers and names of the image's USER and the security contexts; names are looked up in `rootfs`/etc/passwd and group
// without following links out of it. Throws Error{invalid} with the kubelet's text when runAsNonRoot forbids it.
User user_of(const json::object& pod, const json::object& container, const images::ImageConfig& image, const std::filesystem::path& rootfs);

// What this machine lets a container have: a box inside a container has less itself.
struct Powers {
    std::uint64_t capabilities = ~std::uint64_t{0};  // a bit per number, as CapBnd in /proc/self/status
    int oom_score_min = -1000;                       // what may be written without CAP_SYS_RESOURCE
    bool is_unified_cgroup = false;
    std::vector<boost::json::object> devices;        // of the host, for privileged containers: runtime-spec's linux.devices
};
Powers read_powers();

struct OciInput {
    const json::object& pod;
    const json::object& container;
    const images::ImageConfig& image;
    std::filesystem::path rootfs;
    std::filesystem::path network_namespace;  // empty: the host's
    std::filesystem::path process_namespace;  // of another container; empty: its own
    std::string cgroup;
    hal::process::CgroupLimits limits;
    int oom_score = 0;
    std::string host_name;
    Variables variables;
    User user;
    std::vector<Mount> mounts;  // volumes and the kubelet's files, in order
    std::filesystem::path shared_memory;  // /dev/shm of the pod
    const Powers& powers;
};

json::object oci_config(const OciInput& input);
// The signal that asks it to end: lifecycle.stopSignal, the image's, or SIGTERM.
int stop_signal_of(const json::object& container, const images::ImageConfig& image);

}  // namespace services::kubelet::pods
