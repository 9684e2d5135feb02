#include "hal/process/cgroup.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

#include "hal/base/error.hpp"

namespace hal::process {

namespace fs = std::filesystem;

namespace {

void put(const fs::path& file, const std::string& value) {
    std::ofstream out(file);
    out << value << std::flush;
    if (!out) throw system_error("write " + value + " to " + file.string());
}

std::string read(const fs::path& file) {
    std::ifstream in(file);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

std::uint64_t number(const std::string& text) {
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

// "key value" lines, as in memory.stat and memory.events.
std::uint64_t keyed(const fs::path& file, const std::string& key) {
    std::ifstream in(file);
    std::string name;
    std::uint64_t value = 0;
    while (in >> name >> value)
        if (name == key) return value;
    return 0;
}

}  // namespace

Cgroups::Cgroups(fs::path mount) : mount_(std::move(mount)), is_unified_(fs::exists(mount_ / "cgroup.controllers")) {
    if (is_unified_) {
        controllers_ = {""};
        return;
    }
    for (const auto* name : {"memory", "cpu", "cpuacct", "pids", "cpuset", "devices", "freezer", "blkio", "systemd", "unified"})
        if (fs::is_directory(mount_ / name)) controllers_.emplace_back(name);
}

fs::path Cgroups::at(const std::string& controller, const std::string& group) const {
    return mount_ / (is_unified_ ? "" : controller) / fs::path(group).relative_path();
}

void Cgroups::create(const std::string& group) const {
    if (is_unified_) {
        fs::path folder = mount_;
        for (const auto& part : fs::path(group).relative_path()) {
            // A controller is there for a child only when its parent passes it on.
            std::ofstream(folder / "cgroup.subtree_control") << "+cpu +memory +pids" << std::flush;
            folder /= part;
            std::error_code failure;
            fs::create_directory(folder, failure);
            if (failure) throw system_error("make cgroup " + folder.string(), failure.value());
        }
        return;
    }
    for (const auto& controller : controllers_) {
        if (controller != "memory" && controller != "cpu" && controller != "cpuacct" && controller != "pids") continue;
        std::error_code failure;
        fs::create_directories(at(controller, group), failure);
        if (failure) throw system_error("make cgroup " + at(controller, group).string(), failure.value());
    }
}

void Cgroups::limit(const std::string& group, const CgroupLimits& limits) const {
    if (is_unified_) {
        const auto folder = at("", group);
        if (limits.memory_bytes) put(folder / "memory.max", std::to_string(*limits.memory_bytes));
        if (limits.cpu_shares)
            put(folder / "cpu.weight", std::to_string(1 + (std::clamp<std::int64_t>(*limits.cpu_shares, 2, 262144) - 2) * 9999 / 262142));
        if (limits.cpu_quota_us) put(folder / "cpu.max", std::to_string(*limits.cpu_quota_us) + " 100000");
        if (limits.pids) put(folder / "pids.max", std::to_string(*limits.pids));
        return;
    }
    if (limits.memory_bytes) put(at("memory", group) / "memory.limit_in_bytes", std::to_string(*limits.memory_bytes));
    if (limits.cpu_shares)
        put(at("cpu", group) / "cpu.shares", std::to_string(std::clamp<std::int64_t>(*limits.cpu_shares, 2, 262144)));
    if (limits.cpu_quota_us) {
        put(at("cpu", group) / "cpu.cfs_period_us", "100000");
        put(at("cpu", group) / "cpu.cfs_quota_us", std::to_string(*limits.cpu_quota_us));
    }
    if (limits.pids && fs::is_directory(mount_ / "pids")) put(at("pids", group) / "pids.max", std::to_string(*limits.pids));
}

void Cgroups::add(const std::string& group, pid_t process) const {
    for (const auto& controller : controllers_)
        if (const auto file = at(controller, group) / "cgroup.procs"; fs::exists(file)) put(file, std::to_string(process));
}

CgroupUsage Cgroups::usage(const std::string& group) const {
    CgroupUsage usage;
    if (is_unified_) {
        const auto folder = at("", group);
        usage.memory_bytes = number(read(folder / "memory.current"));
        usage.memory_cache_bytes = keyed(folder / "memory.stat", "inactive_file");
        usage.cpu_ns = keyed(folder / "cpu.stat", "usage_usec") * 1000;
        return usage;
    }
    usage.memory_bytes = number(read(at("memory", group) / "memory.usage_in_bytes"));
    usage.memory_cache_bytes = keyed(at("memory", group) / "memory.stat", "total_inactive_file");
    usage.cpu_ns = number(read(at("cpuacct", group) / "cpuacct.usage"));
    return usage;
}

std::uint64_t Cgroups::oom_kills(const std::string& group) const {
    return is_unified_ ? keyed(at("", group) / "memory.events", "oom_kill")
                       : keyed(at("memory", group) / "memory.oom_control", "oom_kill");
}

std::vector<pid_t> Cgroups::processes(const std::string& group) const {
    std::vector<pid_t> found;
    std::error_code failure;
    auto visit = [&](const fs::path& folder) {
        std::ifstream in(folder / "cgroup.procs");
        for (pid_t pid = 0; in >> pid;) found.push_back(pid);
    };
    const auto top = at("memory", group);
    visit(top);
    for (fs::recursive_directory_iterator it(top, failure), end; !failure && it != end; it.increment(failure))
        if (it->is_directory(failure)) visit(it->path());
    return found;
}

void Cgroups::kill_all(const std::string& group) const {
    if (const auto file = at("", group) / "cgroup.kill"; is_unified_ && fs::exists(file)) {
        put(file, "1");
        return;
    }
    for (const auto pid : processes(group)) ::kill(pid, SIGKILL);
}

bool Cgroups::remove(const std::string& group) const {
    bool gone = true;
    for (const auto& controller : controllers_) {
        const auto top = at(controller, group);
        std::vector<fs::path> folders{top};
        std::error_code failure;
        for (fs::recursive_directory_iterator it(top, failure), end; !failure && it != end; it.increment(failure))
            if (it->is_directory(failure)) folders.push_back(it->path());
        std::ranges::sort(folders, std::greater{});  // children after their parents' names, so removed first
        for (const auto& folder : folders)
            if (::rmdir(folder.c_str()) != 0 && errno != ENOENT) gone = false;
    }
    return gone;
}

}  // namespace hal::process
