#include "hal/process/sandbox.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <memory>

#include "hal/base/error.hpp"
#include "hal/process/spawn.hpp"

namespace hal::process {
namespace {

// Versions of Landlock's interface.
constexpr long port_version = 4, device_version = 5, scope_version = 6;
constexpr unsigned new_namespaces = CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
constexpr std::uint64_t read_rights = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t write_rights = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                                       LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
                                       LANDLOCK_ACCESS_FS_MAKE_FIFO;
constexpr std::uint64_t never_rights = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
                                       LANDLOCK_ACCESS_FS_MAKE_SYM;
// Rights that a file (not a folder) can be granted.
constexpr std::uint64_t file_rights = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE;

// Moves between folders (REFER) came with the second version of the interface, truncation with the third.
std::uint64_t write_rights_of(long version) {
    return write_rights | (version >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0) | (version >= 3 ? LANDLOCK_ACCESS_FS_TRUNCATE : 0);
}

void allow_path(int ruleset, const std::filesystem::path& path, std::uint64_t rights) {
    const Descriptor place(::open(path.c_str(), O_PATH | O_CLOEXEC));
    if (!place) {
        if (errno == ENOENT) return;
        throw system_error("open " + path.string());
    }
    struct stat facts{};
    if (::fstat(place.get(), &facts) != 0) throw system_error("stat " + path.string());
    landlock_path_beneath_attr rule{};
    rule.allowed_access = S_ISDIR(facts.st_mode) ? rights : rights & file_rights;
    rule.parent_fd = place.get();
    if (::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
        throw system_error("landlock rule for " + path.string());
}

// What the kernel knows of this, as its version of the interface: 0 has none.
long landlock_version() {
    const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return std::max(version, 0L);
}

void allow_port(int ruleset, std::uint16_t port) {
    landlock_net_port_attr rule{};
    rule.allowed_access = LANDLOCK_ACCESS_NET_CONNECT_TCP;
    rule.port = port;
    if (::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_NET_PORT, &rule, 0) != 0)
        throw system_error("landlock rule for port " + std::to_string(port));
}

void restrict_files_and_ports(const Sandbox& sandbox, std::vector<std::string>& unknown) {
    const bool limits_files = !sandbox.readable.empty() || !sandbox.writable.empty();
    if (!limits_files && !sandbox.ports) return;
    const long version = landlock_version();
    if (version < 1) {
        unknown.emplace_back("this kernel has no Landlock: files are protected by their owners alone, and ports are not limited");
        return;
    }
    landlock_ruleset_attr attributes{};
    if (limits_files) attributes.handled_access_fs = read_rights | write_rights_of(version) | never_rights;
    if (limits_files && version >= device_version) attributes.handled_access_fs |= LANDLOCK_ACCESS_FS_IOCTL_DEV;
    if (sandbox.ports && version >= port_version) {
        attributes.handled_access_net = LANDLOCK_ACCESS_NET_BIND_TCP;
        if (!sandbox.ports->connects_everywhere) attributes.handled_access_net |= LANDLOCK_ACCESS_NET_CONNECT_TCP;
    } else if (sandbox.ports) {
        unknown.emplace_back("this kernel's Landlock (version " + std::to_string(version) + ") does not limit ports; version 4 does");
        if (!limits_files) return;
    }
    // Neither signals nor sockets without a path, to anyone who is not in here too.
    if (version >= scope_version) attributes.scoped = LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | LANDLOCK_SCOPE_SIGNAL;
    const Descriptor ruleset(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
    if (!ruleset) throw system_error("landlock ruleset");
    for (const auto& path : sandbox.readable) allow_path(ruleset.get(), path, read_rights);
    for (const auto& path : sandbox.writable) allow_path(ruleset.get(), path, read_rights | write_rights_of(version));
    if ((attributes.handled_access_net & LANDLOCK_ACCESS_NET_CONNECT_TCP) != 0)
        for (const auto port : sandbox.ports->connects_to) allow_port(ruleset.get(), port);
    if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0) throw system_error("landlock restrict");
}

// What administers a machine or another process. No honest defect of a service ends up in one of these: a service that asks
// for one has been taken over, and ends.
constexpr std::array administration{
    SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(move_mount), SCMP_SYS(open_tree),
    SCMP_SYS(fsopen), SCMP_SYS(fsmount), SCMP_SYS(mount_setattr), SCMP_SYS(setns), SCMP_SYS(unshare), SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(pidfd_getfd), SCMP_SYS(bpf), SCMP_SYS(perf_event_open),
    SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module),
    SCMP_SYS(reboot), SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(sethostname), SCMP_SYS(setdomainname),
    SCMP_SYS(settimeofday), SCMP_SYS(clock_settime), SCMP_SYS(adjtimex), SCMP_SYS(clock_adjtime), SCMP_SYS(acct),
    SCMP_SYS(quotactl), SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(keyctl), SCMP_SYS(open_by_handle_at),
    SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup), SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(personality),
};

// An argument that must have `value` in the bits of `mask`. Arguments here are ints: what the register holds above is chance.
scmp_arg_cmp has_bits(unsigned argument, std::uint64_t mask, std::uint64_t value) { return {argument, SCMP_CMP_MASKED_EQ, mask, value}; }
scmp_arg_cmp equals(unsigned argument, std::uint64_t value) { return has_bits(argument, 0xffffffffU, value); }

// Makes the rules of one filter and loads it.
class Filter {
public:
    explicit Filter(const Sandbox& sandbox)
        : sandbox_(sandbox), held_(seccomp_init(SCMP_ACT_ERRNO(EPERM)), [](void* held) { seccomp_release(held); }) {
        if (!held_) throw Error(Code::exhausted, "seccomp filter: no memory");
        for (const int call : administration) add(SCMP_ACT_KILL_PROCESS, call, {});
        add(SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), {});
        for (const auto name : sandbox.calls) allow_call(name);
    }

    // False when the kernel has no filters.
    bool load() {
        const int failure = seccomp_load(held_.get());
        if (failure == -EINVAL || failure == -ENOSYS) return false;
        if (failure != 0) throw system_error("seccomp filter", -failure);
        return true;
    }

private:
    void allow_call(std::string_view name) {
        const int call = seccomp_syscall_resolve_name(std::string(name).c_str());
        if (call == __NR_SCMP_ERROR) throw Error(Code::invalid, "seccomp filter: no system call is named " + std::string(name));
        if (call == SCMP_SYS(mmap) || call == SCMP_SYS(mprotect)) {
            if (sandbox_.loads_code) return allow(call);
            return allow(call, has_bits(2, PROT_EXEC, 0));
        }
        if (call == SCMP_SYS(clone)) return allow(call, has_bits(0, CLONE_THREAD | new_namespaces, CLONE_THREAD));
        if (call == SCMP_SYS(socket)) return allow_sockets();
        if (call == SCMP_SYS(prctl)) {
            allow(call, equals(0, PR_SET_NAME));
            return allow(call, equals(0, PR_SET_PDEATHSIG));
        }
        if (call == SCMP_SYS(ioctl)) {
            // Of all that can be asked of a device: whether bytes wait, whether it is a terminal, and not to block.
            for (const unsigned request : {FIONBIO, FIONREAD, TCGETS}) allow(call, equals(1, request));
            return;
        }
        allow(call);
    }

    void allow_sockets() {
        constexpr unsigned kind = 0xf;  // without SOCK_CLOEXEC, SOCK_NONBLOCK
        for (const unsigned family : {AF_INET, AF_INET6}) {
            allow(SCMP_SYS(socket), equals(0, family), has_bits(1, kind, SOCK_STREAM));
            if (sandbox_.has_datagrams) allow(SCMP_SYS(socket), equals(0, family), has_bits(1, kind, SOCK_DGRAM));
        }
        allow(SCMP_SYS(socket), equals(0, AF_UNIX));
        if (sandbox_.has_netlink) allow(SCMP_SYS(socket), equals(0, AF_NETLINK), equals(2, NETLINK_ROUTE));
    }

    template <class... Conditions>
    void allow(int call, Conditions... conditions) {
        add(SCMP_ACT_ALLOW, call, {conditions...});
    }

    void add(std::uint32_t action, int call, std::initializer_list<scmp_arg_cmp> conditions) {
        const std::vector<scmp_arg_cmp> all(conditions);
        const int failure = seccomp_rule_add_array(held_.get(), action, call, static_cast<unsigned>(all.size()), all.data());
        if (failure != 0 && call >= 0) throw system_error("seccomp rule", -failure);  // below 0: another processor's call
    }

    const Sandbox& sandbox_;
    std::unique_ptr<void, void (*)(void*)> held_;
};

// Nothing that this process runs can have one again, whatever its owner is.
void drop_capabilities() {
    for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability)
        if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) throw system_error("drop capability " + std::to_string(capability));
}

void become(unsigned user) {
    drop_capabilities();
    if (::setgroups(0, nullptr) != 0) throw system_error("give up groups");
    if (::setresgid(user, user, user) != 0) throw system_error("become group " + std::to_string(user));
    if (::setresuid(user, user, user) != 0) throw system_error("become user " + std::to_string(user));
}

}  // namespace

std::vector<std::string> enter(const Sandbox& sandbox) {
    std::vector<std::string> unknown;
    if (sandbox.user) become(*sandbox.user);
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) throw system_error("no_new_privs");
    restrict_files_and_ports(sandbox, unknown);
    if (!sandbox.calls.empty() && !Filter(sandbox).load())
        unknown.emplace_back("this kernel has no seccomp filters: system calls are not restricted");
    return unknown;
}

void end_with_parent(int parent) {
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) throw system_error("follow the parent's end");
    if (::getppid() != parent) ::raise(SIGKILL);
}

bool set_oom_score(int adjustment) {
    std::ofstream file("/proc/self/oom_score_adj");
    file << adjustment << std::flush;
    return static_cast<bool>(file);
}

}  // namespace hal::process
