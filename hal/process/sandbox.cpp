#include "hal/process/sandbox.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <fstream>
#include <memory>

#include "hal/base/error.hpp"
#include "hal/process/spawn.hpp"

namespace hal::process {
namespace {

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

void allow(int ruleset, const std::filesystem::path& path, std::uint64_t rights) {
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

// False when the kernel has no Landlock.
bool restrict_files(const Sandbox& sandbox) {
    const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1) return false;
    landlock_ruleset_attr attributes{};
    attributes.handled_access_fs = read_rights | write_rights_of(version) | never_rights;
    const Descriptor ruleset(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
    if (!ruleset) throw system_error("landlock ruleset");
    for (const auto& path : sandbox.readable) allow(ruleset.get(), path, read_rights);
    for (const auto& path : sandbox.writable) allow(ruleset.get(), path, read_rights | write_rights_of(version));
    if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0) throw system_error("landlock restrict");
    return true;
}

// What administers a machine or another process; a service that is taken over must not get further by these.
constexpr std::array denied_calls{
    SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(move_mount), SCMP_SYS(open_tree),
    SCMP_SYS(fsopen), SCMP_SYS(fsmount), SCMP_SYS(mount_setattr), SCMP_SYS(setns), SCMP_SYS(unshare), SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(pidfd_getfd), SCMP_SYS(bpf), SCMP_SYS(perf_event_open),
    SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module),
    SCMP_SYS(reboot), SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(sethostname), SCMP_SYS(setdomainname),
    SCMP_SYS(settimeofday), SCMP_SYS(clock_settime), SCMP_SYS(adjtimex), SCMP_SYS(clock_adjtime), SCMP_SYS(acct),
    SCMP_SYS(quotactl), SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(keyctl), SCMP_SYS(open_by_handle_at),
    SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup), SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(personality),
};

bool restrict_calls() {
    const std::unique_ptr<void, void (*)(void*)> filter(seccomp_init(SCMP_ACT_ALLOW), [](void* held) { seccomp_release(held); });
    if (!filter) throw Error(Code::exhausted, "seccomp filter: no memory");
    for (const int call : denied_calls)
        if (const int failure = seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), call, 0); failure != 0)
            throw system_error("seccomp rule", -failure);
    const int failure = seccomp_load(filter.get());
    if (failure == -EINVAL || failure == -ENOSYS) return false;
    if (failure != 0) throw system_error("seccomp filter", -failure);
    return true;
}

void become(unsigned user) {
    if (::setgroups(0, nullptr) != 0) throw system_error("give up groups");
    if (::setresgid(user, user, user) != 0) throw system_error("become group " + std::to_string(user));
    if (::setresuid(user, user, user) != 0) throw system_error("become user " + std::to_string(user));
}

}  // namespace

std::vector<std::string> enter(const Sandbox& sandbox) {
    std::vector<std::string> unknown;
    if (sandbox.user) become(*sandbox.user);
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) throw system_error("no_new_privs");
    if ((!sandbox.readable.empty() || !sandbox.writable.empty()) && !restrict_files(sandbox))
        unknown.emplace_back("this kernel has no Landlock: files are protected by their owners alone");
    if (sandbox.denies_administration && !restrict_calls())
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
