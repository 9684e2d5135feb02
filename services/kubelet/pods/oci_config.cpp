#include "services/kubelet/pods/oci_config.hpp"

#include <signal.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>

#include "hal/base/error.hpp"
#include "services/kubeclient/object.hpp"
#include "services/kubelet/pods/seccomp.hpp"

namespace services::kubelet::pods {

namespace kc = kubeclient;
namespace fs = std::filesystem;

namespace {

// In the order of their numbers (linux/capability.h).
constexpr std::array capability_names{
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT",
    "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE",
    "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
    "PERFMON", "BPF", "CHECKPOINT_RESTORE"};
constexpr std::array default_capabilities{"CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID",
                                          "SETFCAP", "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"};
// procMount Default.
constexpr std::array masked_paths{"/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                                  "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
                                  "/sys/devices/virtual/powercap"};
constexpr std::array read_only_paths{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
constexpr auto default_path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
struct SignalName {
    std::string_view name;
    int number;
};
constexpr SignalName signal_names[] = {
    {"HUP", SIGHUP}, {"INT", SIGINT}, {"QUIT", SIGQUIT}, {"KILL", SIGKILL}, {"USR1", SIGUSR1},
    {"USR2", SIGUSR2}, {"TERM", SIGTERM}, {"CONT", SIGCONT}, {"STOP", SIGSTOP}, {"WINCH", SIGWINCH}};

template <class Range>
json::array texts(const Range& range) {
    json::array made;
    for (const auto& one : range) made.emplace_back(one);
    return made;
}

const json::object& security(const json::object& container) { return kc::object_at(container, "securityContext"); }
bool is_privileged(const json::object& container) { return kc::flag(security(container), "privileged"); }

json::object capabilities(const OciInput& input) {
    std::vector<std::string_view> chosen(default_capabilities.begin(), default_capabilities.end());
    const auto take_all = [&] { chosen.assign(capability_names.begin(), capability_names.end()); };
    if (is_privileged(input.container)) {
        take_all();
    } else {
        const auto& add = kc::array_at(security(input.container), "capabilities.add");
        const auto& drop = kc::array_at(security(input.container), "capabilities.drop");
        const auto bare = [](std::string_view name) { return name.starts_with("CAP_") ? name.substr(4) : name; };
        const auto has_all = [](const json::array& list) { return std::ranges::any_of(list, [](const auto& one) { return kc::as_text(one) == "ALL"; }); };
        if (has_all(add)) take_all();
        if (has_all(drop)) chosen.clear();
        for (const auto& one : drop) std::erase(chosen, bare(kc::as_text(one)));
        for (const auto& one : add)
            if (const auto name = bare(kc::as_text(one)); std::ranges::find(chosen, name) == chosen.end()) chosen.push_back(name);
    }
    json::array names;
    for (std::size_t number = 0; number < capability_names.size(); ++number)
        if ((input.powers.capabilities >> number & 1) && std::ranges::find(chosen, std::string_view(capability_names[number])) != chosen.end())
            names.emplace_back(std::string("CAP_") + capability_names[number]);
    return {{"bounding", names}, {"effective", names}, {"permitted", names}};
}

json::array environment(const OciInput& input) {
    std::vector<std::string> all{default_path};
    const auto put = [&](const std::string& one) {
        const auto name = one.substr(0, one.find('=') + 1);
        const auto it = std::ranges::find_if(all, [&](const std::string& have) { return have.starts_with(name); });
        if (it == all.end())
            all.push_back(one);
        else
            *it = one;
    };
    for (const auto& one : input.image.environment) put(one);
    if (!kc::flag(input.pod, "spec.hostNetwork")) put("HOSTNAME=" + input.host_name);
    if (kc::flag(input.container, "tty")) put("TERM=xterm");
    for (const auto& [name, value] : input.variables) put(name + "=" + value);
    return texts(all);
}

json::array arguments(const OciInput& input) {
    const auto& command = kc::array_at(input.container, "command");
    const auto& arguments = kc::array_at(input.container, "args");
    // A command in the spec takes the place of the image's entrypoint and of its arguments.
    auto words = command.empty() ? input.image.entrypoint : expanded(command, input.variables);
    const auto rest = !arguments.empty() ? expanded(arguments, input.variables) : command.empty() ? input.image.command : std::vector<std::string>();
    words.insert(words.end(), rest.begin(), rest.end());
    return texts(words);
}

json::object mount(const char* target, const char* type, const char* source, std::vector<std::string> options) {
    return {{"destination", target}, {"type", type}, {"source", source}, {"options", texts(options)}};
}

json::array mounts(const OciInput& input) {
    const bool privileged = is_privileged(input.container);
    const auto* access = privileged ? "rw" : "ro";
    json::array all{mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}),
                    mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
                    mount("/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}),
                    mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
                    mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", access}),
                    mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", access})};
    const auto shm = kc::flag(input.pod, "spec.hostIPC") ? std::string("/dev/shm") : input.shared_memory.string();
    if (!shm.empty()) all.push_back(mount("/dev/shm", "bind", shm.c_str(), {"rbind", "nosuid", "noexec", "nodev"}));
    for (const auto& one : input.mounts) {
        const auto* how = one.propagation == "Bidirectional" ? "rshared" : one.propagation == "HostToContainer" ? "rslave" : "rprivate";
        all.push_back(mount(one.target.c_str(), "bind", one.source.c_str(), {"rbind", how, one.is_read_only ? "ro" : "rw"}));
    }
    return all;
}

json::object resources(const OciInput& input) {
    json::object memory, cpu, all;
    if (input.limits.memory_bytes) memory["limit"] = *input.limits.memory_bytes;
    // Swap is not given beyond the limit: what is over it is killed, as in a node without swap.
    if (input.limits.memory_bytes) memory["swap"] = *input.limits.memory_bytes;
    if (input.limits.cpu_shares) cpu["shares"] = *input.limits.cpu_shares;
    if (input.limits.cpu_quota_us) cpu["quota"] = *input.limits.cpu_quota_us, cpu["period"] = 100'000;
    if (!memory.empty()) all["memory"] = std::move(memory);
    if (!cpu.empty()) all["cpu"] = std::move(cpu);
    if (input.limits.pids) all["pids"] = json::object{{"limit", *input.limits.pids}};
    all["devices"] = json::array{json::object{{"allow", is_privileged(input.container)}, {"access", "rwm"}}};
    // One process of a container killed for want of memory takes the whole of it along, as the kubelet has it on v2.
    if (input.powers.is_unified_cgroup && input.limits.memory_bytes) all["unified"] = json::object{{"memory.oom.group", "1"}};
    return all;
}

json::object linux_part(const OciInput& input) {
    json::array namespaces{json::object{{"type", "mount"}}};
    if (!input.process_namespace.empty())
        namespaces.push_back(json::object{{"type", "pid"}, {"path", input.process_namespace.string()}});
    else if (!kc::flag(input.pod, "spec.hostPID"))
        namespaces.push_back(json::object{{"type", "pid"}});
    if (!kc::flag(input.pod, "spec.hostIPC")) namespaces.push_back(json::object{{"type", "ipc"}});
    if (!input.network_namespace.empty()) {
        namespaces.push_back(json::object{{"type", "uts"}});
        namespaces.push_back(json::object{{"type", "network"}, {"path", input.network_namespace.string()}});
    }
    json::object part{{"namespaces", std::move(namespaces)}, {"cgroupsPath", input.cgroup}, {"resources", resources(input)}};
    if (is_privileged(input.container)) {
        json::array devices;
        for (const auto& device : input.powers.devices) devices.push_back(device);
        part["devices"] = std::move(devices);
    } else if (kc::text(security(input.container), "procMount", "Default") == "Default") {
        part["maskedPaths"] = texts(masked_paths);
        part["readonlyPaths"] = texts(read_only_paths);
    }
    const auto profile = kc::text(security(input.container), "seccompProfile.type", kc::text(input.pod, "spec.securityContext.seccompProfile.type"));
    if (profile == "Localhost")
        throw hal::Error(hal::Code::unsupported, "seccompProfile Localhost is not supported on this box: use RuntimeDefault or Unconfined");
    if (profile == "RuntimeDefault" && !is_privileged(input.container))
        part["seccomp"] = default_seccomp(kc::array_at(capabilities(input), "bounding"));
    json::object sysctls;
    for (const auto& one : kc::array_at(input.pod, "spec.securityContext.sysctls"))
        sysctls[kc::text(one.as_object(), "name")] = kc::text(one.as_object(), "value");
    // As everywhere: a pod may serve low ports and ping without being root.
    if (!input.network_namespace.empty()) {
        sysctls.emplace("net.ipv4.ip_unprivileged_port_start", "0");
        sysctls.emplace("net.ipv4.ping_group_range", "0 2147483647");
    }
    if (!sysctls.empty()) part["sysctl"] = std::move(sysctls);
    return part;
}

}  // namespace

json::object oci_config(const OciInput& input) {
    const auto& context = security(input.container);
    auto folder = std::string(kc::text(input.container, "workingDir", input.image.working_directory));
    if (folder.empty()) folder = "/";
    json::object process{{"terminal", kc::flag(input.container, "tty")},
                         {"user", {{"uid", input.user.uid}, {"gid", input.user.gid}, {"additionalGids", texts(input.user.groups)}}},
                         {"args", arguments(input)},
                         {"env", environment(input)},
                         {"cwd", folder},
                         {"capabilities", capabilities(input)},
                         {"oomScoreAdj", std::max(input.oom_score, input.powers.oom_score_min)},
                         {"noNewPrivileges", !is_privileged(input.container) && !kc::flag(context, "allowPrivilegeEscalation", true)}};
    json::object config{{"ociVersion", "1.0.2"},
                        {"process", std::move(process)},
                        {"root", {{"path", input.rootfs.string()}, {"readonly", kc::flag(context, "readOnlyRootFilesystem")}}},
                        {"mounts", mounts(input)},
                        {"linux", linux_part(input)},
                        {"annotations",
                         {{"io.kubernetes.pod.name", kc::name_of(input.pod)},
                          {"io.kubernetes.pod.namespace", kc::namespace_of(input.pod)},
                          {"io.kubernetes.pod.uid", kc::uid_of(input.pod)},
                          {"io.kubernetes.container.name", kc::text(input.container, "name")}}}};
    if (!input.network_namespace.empty()) config["hostname"] = input.host_name;
    return config;
}

int stop_signal_of(const json::object& container, const images::ImageConfig& image) {
    std::string_view name = kc::text(container, "lifecycle.stopSignal", image.stop_signal);
    int number = 0;
    std::from_chars(name.data(), name.data() + name.size(), number);
    if (number > 0) return number;
    if (name.starts_with("SIG")) name.remove_prefix(3);
    for (const auto& [known, value] : signal_names)
        if (name == known) return value;
    return SIGTERM;
}

Powers read_powers() {
    Powers powers;
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("CapBnd:")) std::from_chars(line.data() + 8, line.data() + line.size(), powers.capabilities, 16);
    constexpr int sys_resource = 24;
    if (!(powers.capabilities >> sys_resource & 1)) std::ifstream("/proc/self/oom_score_adj") >> powers.oom_score_min;
    powers.is_unified_cgroup = hal::process::Cgroups().is_unified();
    std::error_code failure;
    for (fs::recursive_directory_iterator it("/dev", failure), end; !failure && it != end; it.increment(failure)) {
        const auto name = it->path().filename();
        if (it->is_directory(failure) && (name == "pts" || name == "shm" || name == "mqueue" || name == "fd")) it.disable_recursion_pending();
        struct stat facts{};
        if (::lstat(it->path().c_str(), &facts) != 0 || (!S_ISCHR(facts.st_mode) && !S_ISBLK(facts.st_mode)) || name == "console" || name == "ptmx" || name == "tty") continue;
        powers.devices.push_back({{"path", it->path().string()},
                                  {"type", S_ISCHR(facts.st_mode) ? "c" : "b"},
                                  {"major", major(facts.st_rdev)},
                                  {"minor", minor(facts.st_rdev)},
                                  {"fileMode", facts.st_mode & 07777},
                                  {"uid", facts.st_uid},
                                  {"gid", facts.st_gid}});
    }
    return powers;
}

}  // namespace services::kubelet::pods
