// The Node object and its status, and the facts of the machine they are made of.
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <format>
#include <fstream>
#include <thread>

#include "hal/base/bytes.hpp"
#include "hal/net/certificates.hpp"
#include "services/kubeclient/object.hpp"
#include "services/kubelet/node.hpp"
#include "services/kubelet/pods/pods.hpp"

namespace services::kubelet {

namespace fs = std::filesystem;
namespace kc = kubeclient;

namespace {

constexpr auto version = "v1.37.2+k3s1";
constexpr std::int64_t reserved_memory_max = std::int64_t{512} << 20;
constexpr auto pod_range = "10.42.0.0/24";

std::string line_of(const fs::path& file) {
    std::string line;
    std::ifstream in(file);
    std::getline(in, line);
    return line;
}

std::string os_image() {
    std::ifstream in("/etc/os-release");
    for (std::string line; std::getline(in, line);)
        if (line.starts_with("PRETTY_NAME=\"")) return line.substr(13, line.size() - 14);
    return "linux";
}

// A machine id as systemd writes it; a machine without one has the same one each time all the same.
std::string id_or_derived(std::string id) {
    if (!id.empty()) return id;
    struct utsname names{};
    ::uname(&names);
    return hal::hex(hal::net::sha256(names.nodename)).substr(0, 32);
}

json::object quantities(const NodeFacts& facts, std::int64_t memory) {
    return {{"cpu", facts.milli_cpu % 1000 == 0 ? std::to_string(facts.milli_cpu / 1000) : std::format("{}m", facts.milli_cpu)},
            {"ephemeral-storage", std::format("{}Ki", facts.storage_bytes / 1024)},
            {"hugepages-1Gi", "0"},
            {"hugepages-2Mi", "0"},
            {"memory", std::format("{}Ki", memory / 1024)},
            {"pods", std::to_string(pods::Pods::pods_max)}};
}

json::array addresses(const NodeView& view) {
    json::array all;
    for (const auto& one : view.addresses) all.push_back(json::object{{"type", "InternalIP"}, {"address", one}});
    all.push_back(json::object{{"type", "Hostname"}, {"address", view.name}});
    return all;
}

json::array images_of(const NodeView& view) {
    auto sorted = view.images;
    std::ranges::sort(sorted, std::greater{}, &images::Image::size_bytes);
    sorted.resize(std::min(sorted.size(), Node::images_max));
    json::array all;
    for (const auto& one : sorted)
        all.push_back(json::object{{"names", json::array(one.references.begin(), one.references.end())}, {"sizeBytes", one.size_bytes}});
    return all;
}

}  // namespace

NodeFacts read_node_facts(const fs::path& data_folder, std::string runtime_version) {
    NodeFacts facts;
    struct utsname names{};
    ::uname(&names);
    struct sysinfo memory{};
    ::sysinfo(&memory);
    struct statvfs disk{};
    ::statvfs(data_folder.c_str(), &disk);
    facts.milli_cpu = std::max(1U, std::thread::hardware_concurrency()) * std::int64_t{1000};
    facts.memory_bytes = static_cast<std::int64_t>(memory.totalram) * memory.mem_unit;
    facts.storage_bytes = static_cast<std::int64_t>(disk.f_blocks * disk.f_frsize);
    facts.inodes = static_cast<std::int64_t>(disk.f_files);
    facts.machine_id = id_or_derived(line_of("/etc/machine-id"));
    facts.system_uuid = line_of("/sys/class/dmi/id/product_uuid");
    if (facts.system_uuid.empty()) facts.system_uuid = facts.machine_id;
    facts.boot_id = line_of("/proc/sys/kernel/random/boot_id");
    facts.kernel_version = names.release;
    facts.os_image = os_image();
    const std::string machine = names.machine;
    facts.architecture = machine == "x86_64" ? "amd64" : machine == "aarch64" ? "arm64" : machine;
    facts.runtime_version = std::move(runtime_version);
    return facts;
}

std::int64_t reserved_memory(const NodeFacts& facts) { return std::min(reserved_memory_max, facts.memory_bytes / 4); }

json::object node_object(const NodeView& view) {
    const auto& arch = view.facts.architecture;
    const auto address = view.addresses.empty() ? std::string() : view.addresses.front();
    return {{"apiVersion", "v1"},
            {"kind", "Node"},
            {"metadata",
             {{"name", view.name},
              {"labels",
               {{"beta.kubernetes.io/arch", arch},
                {"beta.kubernetes.io/instance-type", "k3s"},
                {"beta.kubernetes.io/os", "linux"},
                {"kubernetes.io/arch", arch},
                {"kubernetes.io/hostname", view.name},
                {"kubernetes.io/os", "linux"},
                {"node-role.kubernetes.io/control-plane", "true"},
                {"node.kubernetes.io/instance-type", "k3s"}}},
              {"annotations",
               {{"alpha.kubernetes.io/provided-node-ip", address},
                {"k3s.io/hostname", view.name},
                {"k3s.io/internal-ip", address},
                {"k3s.io/node-args", "[\"server\"]"},
                {"k3s.io/node-env", "{}"},
                {"volumes.kubernetes.io/controller-managed-attach-detach", "true"}}}}},
            {"spec", {{"podCIDR", pod_range}, {"podCIDRs", json::array{pod_range}}, {"providerID", "k3s://" + view.name}}}};
}

json::object node_status(const NodeView& view, const json::object& before, hal::WallTime now) {
    json::array conditions = kc::array_at(before, "conditions");
    const auto put = [&](const char* type, bool is_true, const char* reason, const std::string& message) {
        json::object condition{{"type", type}, {"status", is_true ? "True" : "False"}, {"reason", reason}, {"message", message},
                               {"lastHeartbeatTime", hal::rfc3339(now)}};
        kc::set_condition(conditions, std::move(condition), now);
    };
    put("MemoryPressure", false, "KubeletHasSufficientMemory", "kubelet has sufficient memory available");
    put("DiskPressure", false, "KubeletHasNoDiskPressure", "kubelet has no disk pressure");
    put("PIDPressure", false, "KubeletHasSufficientPID", "kubelet has sufficient PID available");
    // What disturbs forwarding does not keep pods from running: said, not held against the node.
    std::string ready = "kubelet is posting ready status";
    for (const auto& problem : view.problems) ready += "; " + problem;
    put("Ready", true, "KubeletReady", ready);
    const auto& facts = view.facts;
    return {{"addresses", addresses(view)},
            {"capacity", quantities(facts, facts.memory_bytes)},
            {"allocatable", quantities(facts, facts.memory_bytes - reserved_memory(facts))},
            {"conditions", std::move(conditions)},
            {"daemonEndpoints", {{"kubeletEndpoint", {{"Port", view.kubelet_port}}}}},
            {"images", images_of(view)},
            {"nodeInfo",
             {{"architecture", facts.architecture},
              {"bootID", facts.boot_id},
              {"containerRuntimeVersion", facts.runtime_version},
              {"kernelVersion", facts.kernel_version},
              {"kubeProxyVersion", ""},
              {"kubeletVersion", version},
              {"machineID", facts.machine_id},
              {"operatingSystem", "linux"},
              {"osImage", facts.os_image},
              {"systemUUID", facts.system_uuid}}}};
}

}  // namespace services::kubelet
