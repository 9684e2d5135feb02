#include "firmware/guard/rights.hpp"

#include <sys/statvfs.h>

#include <algorithm>

#include "hal/base/error.hpp"

namespace firmware::guard {
namespace {

// What every service does: memory, threads, the loop, sockets, its own files. Both processors' names: arm64 has no poll,
// open, mkdir, rename ... of its own, and skips them.
constexpr std::string_view every_service[] = {
    // memory and threads
    "brk", "clone", "exit", "exit_group", "futex", "getpid", "getppid", "gettid", "madvise", "mmap", "mprotect", "mremap", "munmap", "prctl",
    "restart_syscall", "rseq", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sched_getaffinity", "sched_yield", "set_robust_list",
    "sigaltstack", "tgkill",
    // time and chance
    "clock_gettime", "clock_nanosleep", "getrandom", "gettimeofday", "timerfd_create", "timerfd_settime",
    // the loop
    "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_wait", "eventfd2", "pipe2", "poll", "ppoll",
    // sockets; a listener is bound by the guard
    "accept", "accept4", "connect", "getpeername", "getsockname", "getsockopt", "recvfrom", "recvmsg", "sendmsg", "sendto", "setsockopt",
    "shutdown", "socket",
    // descriptors
    "close", "dup", "fcntl", "fstat", "ioctl", "lseek", "pread64", "preadv", "pwrite64", "pwritev", "read", "readv", "write", "writev",
    // its own files
    "access", "faccessat", "faccessat2", "fdatasync", "fstatfs", "fsync", "ftruncate", "getcwd", "getdents64", "mkdir", "mkdirat",
    "newfstatat", "openat", "readlink", "readlinkat", "rename", "renameat", "renameat2", "rmdir", "stat", "lstat", "statfs", "statx",
    "unlink", "unlinkat",
    // seldom: what SQLite and the C library ask of themselves and of the machine
    "fallocate", "fchmod", "fchown", "flock", "geteuid", "getuid", "getgid", "getegid", "getrusage", "sysinfo", "umask", "uname", "utimensat",
};

// The clock's zone, chance, and how the kernel hands out memory.
constexpr std::string_view every_readable[] = {"/etc/localtime", "/usr/share/zoneinfo", "/dev/urandom", "/proc/sys/vm", "/proc/self",
                                               "/sys/devices/system/cpu"};
constexpr std::string_view every_writable[] = {"/dev/null"};

// Folders, because the file is replaced when the office's name servers change. It may lead into one of the others.
constexpr std::string_view resolver_files[] = {"/etc", "/run/systemd/resolve", "/run/NetworkManager", "/run/resolvconf"};
constexpr std::uint16_t dns_ports[] = {53};

// Libraries and the certificates that they trust.
constexpr std::string_view library_files[] = {"/etc", "/usr", "/lib", "/lib64", "/run/systemd/resolve", "/run/NetworkManager", "/run/resolvconf"};
constexpr std::string_view loader_calls[] = {"getpgrp", "prlimit64", "sendmmsg", "recvmmsg", "socketpair", "open", "bind"};

// Bodies that are linked instead of copied, sent from their file, and laid out ahead.
constexpr std::string_view object_calls[] = {"copy_file_range", "fadvise64", "link", "linkat", "preadv2", "pwritev2", "sendfile", "splice", "sync_file_range", "truncate"};

constexpr Rights table[] = {
    {.service = "kube",
     // The API server passes connections on to any port of a pod, a Service or a kubelet (the proxy subresource).
     .connects_everywhere = true,
     .cpu_shares = 2048,
     .disk_percent = 5,
     .when_full = "507 for what would grow; reads, deletes and heartbeats go on"},
    {.service = "discovery",
     .readable = resolver_files,
     .has_datagrams = true,
     .calls_api_server = true,
     .connects_to = dns_ports,
     .disk_percent = 1,
     .when_full = "answers go on from memory; the snapshot for the next start is not written"},
    {.service = "objects",  // its webhooks are pods, or wherever the configuration says
     .calls = object_calls,
     .readable = resolver_files,
     .has_datagrams = true,
     .connects_everywhere = true,
     .disk_percent = 50,
     .when_full = "XMinioStorageFull (507) for what would grow; reads and deletes go on"},
    {.service = "uplink",  // opens libcurl, and what the office's proxy needs of names and certificates
     .calls = loader_calls,
     .readable = library_files,
     .loads_code = true,
     .has_datagrams = true,
     .has_netlink = true,
     .connects_everywhere = true,
     .disk_percent = 1,
     .when_full = "what was counted since the last write is counted anew after a start"},
    {.service = "kubelet",  // root, for containers: of this table only processor, memory and disk hold
     .cpu_shares = 1024,
     .oom_score = -950,
     .disk_percent = 40,
     .when_full = "images are not imported; pods that run, run on"},
};
constexpr Rights none_of_its_own{};

template <class Range, class To>
void append(To& to, const Range& range) {
    for (const auto& one : range) to.emplace_back(one);
}

}  // namespace

const Rights& rights_of(const ServiceRow& row) {
    const auto it = std::ranges::find(table, row.name, &Rights::service);
    return it == std::end(table) ? none_of_its_own : *it;
}

hal::process::Sandbox sandbox_of(const ServiceRow& row, const std::filesystem::path& root, unsigned user, std::uint16_t api_port) {
    const auto& rights = rights_of(row);
    hal::process::Sandbox sandbox;
    sandbox.user = user;
    append(sandbox.calls, every_service);
    append(sandbox.calls, rights.calls);
    sandbox.writable = {data_folder(root, row.name)};
    append(sandbox.writable, every_writable);
    append(sandbox.readable, every_readable);
    append(sandbox.readable, rights.readable);
    sandbox.loads_code = rights.loads_code;
    sandbox.has_datagrams = rights.has_datagrams;
    sandbox.has_netlink = rights.has_netlink;
    auto& ports = sandbox.ports.emplace();
    ports.connects_everywhere = rights.connects_everywhere;
    append(ports.connects_to, rights.connects_to);
    if (rights.calls_api_server) ports.connects_to.push_back(api_port);
    return sandbox;
}

std::int64_t disk_share(const ServiceRow& row, const std::filesystem::path& root) {
    const auto percent = rights_of(row).disk_percent;
    if (percent == 0) return 0;
    struct statvfs facts{};
    const auto folder = data_folder(root, row.name);
    if (::statvfs(folder.c_str(), &facts) != 0) throw hal::system_error("statvfs " + folder.string());
    return static_cast<std::int64_t>(facts.f_blocks) * static_cast<std::int64_t>(facts.f_frsize) / 100 * percent;
}

}  // namespace firmware::guard
