#include "hal/process/namespaces.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>

#include "hal/base/error.hpp"

namespace hal::process {

namespace fs = std::filesystem;

namespace {

// Runs on a thread of its own, which dies with the namespaces it has entered.
template <class Function>
void on_own_thread(Function function) {
    std::exception_ptr failure;
    std::thread([&] {
        try {
            function();
        } catch (...) {
            failure = std::current_exception();
        }
    }).join();
    if (failure) std::rethrow_exception(failure);
}

void set_option(int context, const char* key, const std::string& value) {
    if (::fsconfig(context, FSCONFIG_SET_STRING, key, value.c_str(), 0) != 0)
        throw system_error("overlay: " + std::string(key) + " " + value);
}

}  // namespace

bool is_pinned(const fs::path& path) {
    struct statfs facts{};
    return ::statfs(path.c_str(), &facts) == 0 && facts.f_type == NSFS_MAGIC;
}

void pin_network_namespace(const fs::path& path) {
    if (is_pinned(path)) return;
    fs::create_directories(path.parent_path());
    Descriptor file(::open(path.c_str(), O_CREAT | O_RDONLY | O_CLOEXEC, 0600));
    if (!file) throw system_error("make " + path.string());
    on_own_thread([&] {
        if (::unshare(CLONE_NEWNET) != 0) throw system_error("make a network namespace");
        Descriptor any(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        ifreq request{};
        std::strcpy(request.ifr_name, "lo");
        request.ifr_flags = IFF_UP;
        if (!any || ::ioctl(any.get(), SIOCSIFFLAGS, &request) != 0) throw system_error("bring up lo");
        if (::mount("/proc/thread-self/ns/net", path.c_str(), nullptr, MS_BIND, nullptr) != 0)
            throw system_error("pin " + path.string());
    });
}

void unpin_namespace(const fs::path& path) {
    while (is_pinned(path))
        if (::umount2(path.c_str(), MNT_DETACH) != 0) throw system_error("unpin " + path.string());
    std::error_code ignored;
    fs::remove(path, ignored);
}

Descriptor tcp_socket_in(const fs::path& netns) {
    Descriptor made;
    on_own_thread([&] {
        Descriptor space(::open(netns.c_str(), O_RDONLY | O_CLOEXEC));
        if (!space || ::setns(space.get(), CLONE_NEWNET) != 0) throw system_error("enter " + netns.string());
        made = Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        if (!made) throw system_error("socket");
    });
    return made;
}

void mount_overlay(const std::vector<fs::path>& layers, const fs::path& upper, const fs::path& work, const fs::path& target) {
    Descriptor context(::fsopen("overlay", FSOPEN_CLOEXEC));
    if (!context) throw system_error("fsopen overlay");
    for (const auto& layer : layers) set_option(context.get(), "lowerdir+", layer.string());
    set_option(context.get(), "upperdir", upper.string());
    set_option(context.get(), "workdir", work.string());
    if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) throw system_error("overlay at " + target.string());
    Descriptor made(::fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
    if (!made || ::move_mount(made.get(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
        throw system_error("mount " + target.string());
}

void mount_tmpfs(const fs::path& target, std::int64_t bytes_max) {
    const auto options = bytes_max > 0 ? "mode=0777,size=" + std::to_string(bytes_max) : std::string("mode=0777");
    if (::mount("tmpfs", target.c_str(), "tmpfs", 0, options.c_str()) != 0) throw system_error("tmpfs at " + target.string());
}

bool unmount_below(const fs::path& top) {
    std::ifstream mounts("/proc/self/mountinfo");
    std::vector<std::string> found;
    const auto prefix = top.string();
    for (std::string line; std::getline(mounts, line);) {
        std::istringstream words(line);
        std::string id, parent, device, source, point;
        words >> id >> parent >> device >> source >> point;
        if (point == prefix || point.starts_with(prefix + "/")) found.push_back(point);
    }
    bool gone = true;
    std::ranges::reverse(found);  // the last mounted goes first
    for (const auto& point : found) gone = ::umount2(point.c_str(), MNT_DETACH) == 0 && gone;
    return gone;
}

}  // namespace hal::process
