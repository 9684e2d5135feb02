// What a process gives up for good before it reads a foreign byte: its user, the files it has no business with (Landlock),
// the system calls that administer the machine (seccomp), and what outlives its parent. All of it is inherited by what it
// starts, so a process that runs containers keeps out.
//
// Blocking, for a process with one thread: called before any other is made. Throws Error{forbidden|io} when the kernel
// refuses what it knows; a kernel without Landlock or seccomp is told in the result.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace hal::process {

struct Sandbox {
    std::optional<unsigned> user;  // becomes this user, and the group of the same number, without others; empty: stays
    // Files below these alone can be read, or read and written. A path that does not exist is skipped. No file at all can be
    // executed. Both empty: no rule.
    std::vector<std::filesystem::path> readable, writable;
    bool denies_administration = false;  // mounts, namespaces, modules, tracing, clocks, keys, starting programs: EPERM
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
