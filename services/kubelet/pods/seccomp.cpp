#include "services/kubelet/pods/seccomp.hpp"

#include <algorithm>
#include <cerrno>
#include <initializer_list>
#include <string_view>

namespace services::kubelet::pods {

namespace json = boost::json;

namespace {

struct Refused {
    std::string_view capability;  // allows them; "": none does
    std::initializer_list<std::string_view> calls;
};

const Refused table[] = {
    {"", {"_sysctl", "add_key", "keyctl", "request_key", "create_module", "get_kernel_syms", "io_uring_enter", "io_uring_register",
          "io_uring_setup", "kexec_file_load", "move_pages", "nfsservctl", "pivot_root", "query_module", "swapoff", "swapon", "sysfs",
          "uselib", "userfaultfd", "ustat", "vm86", "vm86old"}},
    {"CAP_DAC_READ_SEARCH", {"open_by_handle_at"}},
    {"CAP_SYS_ADMIN", {"bpf", "fanotify_init", "fsconfig", "fsmount", "fsopen", "fspick", "lookup_dcookie", "mount", "mount_setattr",
                       "move_mount", "open_tree", "perf_event_open", "quotactl", "quotactl_fd", "setdomainname", "sethostname", "setns",
                       "umount", "umount2", "unshare"}},
    {"CAP_SYS_BOOT", {"kexec_load", "reboot"}},
    {"CAP_SYS_CHROOT", {"chroot"}},
    {"CAP_SYS_MODULE", {"delete_module", "finit_module", "init_module"}},
    {"CAP_SYS_NICE", {"get_mempolicy", "mbind", "set_mempolicy", "set_mempolicy_home_node"}},
    {"CAP_SYS_PACCT", {"acct"}},
    {"CAP_SYS_PTRACE", {"kcmp", "pidfd_getfd", "process_madvise"}},
    {"CAP_SYS_RAWIO", {"ioperm", "iopl"}},
    {"CAP_SYS_TIME", {"clock_settime", "clock_settime64", "settimeofday", "stime"}},
    {"CAP_SYS_TTY_CONFIG", {"vhangup"}},
    {"CAP_SYSLOG", {"syslog"}},
};

// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET: one rule each, since a mask can only be asked for.
constexpr std::uint64_t namespace_flags[] = {0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000};

#if defined(__x86_64__)
constexpr std::string_view architectures[] = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
#else
constexpr std::string_view architectures[] = {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"};
#endif

json::object refuse(json::array names, int error) { return {{"names", std::move(names)}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", error}}; }

}  // namespace

json::object default_seccomp(const json::array& capabilities) {
    const auto has = [&](std::string_view name) {
        return std::ranges::any_of(capabilities, [&](const auto& one) { return one.is_string() && one.get_string() == name; });
    };
    json::array rules;
    for (const auto& row : table)
        if (row.capability.empty() || !has(row.capability)) rules.push_back(refuse(json::array(row.calls.begin(), row.calls.end()), EPERM));
    if (!has("CAP_SYS_ADMIN")) {
        for (const auto flag : namespace_flags) {
            auto rule = refuse({"clone"}, EPERM);
            rule["args"] = json::array{json::object{{"index", 0}, {"value", flag}, {"valueTwo", flag}, {"op", "SCMP_CMP_MASKED_EQ"}}};
            rules.push_back(std::move(rule));
        }
        // Its flags lie in memory, where no filter sees them: as if the kernel had only clone.
        rules.push_back(refuse({"clone3"}, ENOSYS));
    }
    return {{"defaultAction", "SCMP_ACT_ALLOW"},
            {"architectures", json::array(std::begin(architectures), std::end(architectures))},
            {"syscalls", std::move(rules)}};
}

}  // namespace services::kubelet::pods
