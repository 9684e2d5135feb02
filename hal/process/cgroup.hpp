// Control groups, version 1 (one tree per controller under /sys/fs/cgroup) and 2 (one unified tree), behind one face:
// the only place that knows which of the two this machine has.
//
// A group is named by its path below the mount ("/branchbox/pods/burstable/pod1"). Owns no process: groups outlive us.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace hal::process {

struct CgroupLimits {
    std::optional<std::int64_t> memory_bytes;
    std::optional<std::int64_t> cpu_shares;    // v1 scale, 2 to 262144; v2's weight is derived from it
    std::optional<std::int64_t> cpu_quota_us;  // per period of 100 ms
    std::optional<std::int64_t> pids;
};

struct CgroupUsage {
    std::uint64_t memory_bytes = 0;
    std::uint64_t memory_cache_bytes = 0;  // inactive file pages: working set = memory - this
    std::uint64_t cpu_ns = 0;
};

class Cgroups {
public:
    // `mount`: /sys/fs/cgroup, or what a test puts there.
    explicit Cgroups(std::filesystem::path mount = "/sys/fs/cgroup");
    [[nodiscard]] bool is_unified() const { return is_unified_; }
    // Makes the group and its parents in every controller used here. Throws Error{io|exhausted}.
    void create(const std::string& group) const;
    void limit(const std::string& group, const CgroupLimits& limits) const;
    void add(const std::string& group, pid_t process) const;
    [[nodiscard]] CgroupUsage usage(const std::string& group) const;
    // How often the kernel killed in the group (not in its children) for want of memory.
    [[nodiscard]] std::uint64_t oom_kills(const std::string& group) const;
    [[nodiscard]] std::vector<pid_t> processes(const std::string& group) const;
    // SIGKILL to all of the group and below.
    void kill_all(const std::string& group) const;
    // Removes the group and all below it; false while something still runs in there.
    bool remove(const std::string& group) const;

private:
    [[nodiscard]] std::filesystem::path at(const std::string& controller, const std::string& group) const;
    std::filesystem::path mount_;
    bool is_unified_;
    std::vector<std::string> controllers_;  // v1: the folders below mount_; v2: one, ""
};

}  // namespace hal::process
