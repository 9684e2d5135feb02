// A temporary root with a busybox root file system, and a loop to run a task on.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json/object.hpp>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "hal/async/pool.hpp"
#include "hal/base/bytes.hpp"
#include "hal/base/clock.hpp"
#include "services/kubelet/pods/runtime.hpp"

namespace lab {

namespace fs = std::filesystem;
namespace json = boost::json;
namespace pods = services::kubelet::pods;
using hal::async::Task;

inline std::string text_of(const fs::path& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
}

struct Lab {
    fs::path root = fs::temp_directory_path() / ("pods-test-" + hal::hex(hal::random_bytes(6)));
    std::string group = "/" + root.filename().string();
    boost::asio::io_context loop{1};
    hal::async::Pool pool{2};
    hal::SystemClock clock;
    pods::Runtime runtime{pool, clock, {.run_folder = root / "run", .cgroup_parent = group}};

    Lab() {
        fs::create_directories(root / "rootfs/bin");
        fs::copy_file("/usr/bin/busybox", root / "rootfs/bin/busybox");
        for (const auto* name : {"sh", "echo", "sleep", "cat", "kill", "ls", "env", "id", "stty", "dd"})
            fs::create_symlink("busybox", root / "rootfs/bin" / name);
        for (const auto* name : {"proc", "dev", "sys", "tmp"}) fs::create_directories(root / "rootfs" / name);
        fs::create_directories(root / "log");
        runtime.start();
    }
    ~Lab() {
        for (const auto& id : runtime.known()) run(runtime.remove(id));
        hal::process::Cgroups().remove(group);
        fs::remove_all(root);
    }

    template <class T>
    T run(Task<T> task) {
        auto result = boost::asio::co_spawn(loop, std::move(task), boost::asio::use_future);
        loop.restart();
        loop.run();
        return result.get();
    }

    pods::Creation creation(const std::string& id, const std::string& script, std::int64_t memory = 0) {
        json::object resources;
        if (memory > 0) resources["memory"] = json::object{{"limit", memory}};
        return {.id = id,
                .config = {{"ociVersion", "1.0.2"},
                           {"process", {{"user", {{"uid", 0}, {"gid", 0}}}, {"args", {"/bin/sh", "-c", script}}, {"env", {"PATH=/bin"}}, {"cwd", "/"}}},
                           {"root", {{"path", (root / "rootfs").string()}}},
                           {"mounts", {{{"destination", "/proc"}, {"type", "proc"}, {"source", "proc"}},
                                       {{"destination", "/dev"}, {"type", "tmpfs"}, {"source", "tmpfs"}},
                                       {{"destination", "/dev/pts"}, {"type", "devpts"}, {"source", "devpts"}}}},
                           {"linux", {{"namespaces", {{{"type", "pid"}}, {{"type", "mount"}}}}, {"cgroupsPath", group + "/pods/" + id}, {"resources", resources}}}},
                .log_file = root / "log" / (id + ".log")};
    }
};

}  // namespace lab
