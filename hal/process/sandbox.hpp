// What a process gives up for good before it reads a foreign byte: its user, every capability, the files and ports it has
// no business with (Landlock), the system calls it never makes (seccomp), and what outlives its parent. All of it is
// inherited by what it starts, so a process that runs containers keeps out.
//
// Does not decide who may do what: a Sandbox says it. Addresses and UDP ports are nobody's here (Landlock knows TCP ports
// alone). Blocking, for a process with one thread: called before any other is made. Throws Error{forbidden|io} when the
// kernel refuses what it knows; what a kernel does not know is told in the result.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hal::process {

// Where TCP connections may go to. No port can be bound: listeners are handed in.
struct TcpPorts {
    bool connects_everywhere = false;
    std::vector<std::uint16_t> connects_to = {};
};

struct Sandbox {
    // Becomes this user, and the group of the same number, without others and without any capability; empty: stays.
    std::optional<unsigned> user;
    // Files below these alone can be read, or read and written. A path that does not exist is skipped. No file at all can be
    // executed. Both empty: no rule.
    std::vector<std::filesystem::path> readable, writable;

    // The system calls that can be made, by name; empty: no rule. A name that this processor does not have is skipped. Those
    // that administer a machine or another process (mounts, namespaces, modules, tracing, clocks, keys, starting programs)
    // end the process with SIGSYS, so that it is seen; every other call is EPERM. Whatever is listed:
    // - a new process cannot be made, a thread can (clone3 is ENOSYS: its flags cannot be seen, and glibc then uses clone);
    // - a socket has one of the families below; prctl only names threads and follows the parent's end.
    std::vector<std::string_view> calls;
    bool loads_code = false;    // else no page can be made executable: no library is loaded, no code written
    bool has_datagrams = false;  // UDP; a TCP or Unix socket can be made anyway
    bool has_netlink = false;    // hears of links and addresses

    std::optional<TcpPorts> ports;  // empty: no rule
};

// What the kernel does not know, as a sentence each; empty: all of it holds.
std::vector<std::string> enter(const Sandbox& sandbox);

// Ends this process with SIGKILL when its parent ends. After enter(): a change of user forgets it. `parent` is the process
// number the parent had; if it is gone already, this process ends at once.
void end_with_parent(int parent);

// -1000 (never) to 1000: how gladly the kernel ends this process for want of memory. False when this process may not
// (lowering it needs CAP_SYS_RESOURCE).
bool set_oom_score(int adjustment);

}  // namespace hal::process
