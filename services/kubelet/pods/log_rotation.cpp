#include "services/kubelet/pods/log_rotation.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <format>
#include <vector>

namespace services::kubelet::pods {

namespace fs = std::filesystem;

namespace {

std::vector<fs::path> set_aside(const fs::path& file) {
    std::vector<fs::path> found;
    std::error_code failure;
    for (const auto& entry : fs::directory_iterator(file.parent_path(), failure))
        if (entry.path().filename().string().starts_with(file.filename().string() + ".")) found.push_back(entry.path());
    std::ranges::sort(found);  // by time: it is their name
    return found;
}

}  // namespace

void remove_log(const fs::path& file) {
    std::error_code ignored;
    for (const auto& one : set_aside(file)) fs::remove(one, ignored);
    fs::remove(file, ignored);
}

bool rotate_log(const fs::path& file, std::uintmax_t bytes_max, std::size_t files_max, hal::WallTime now) {
    std::error_code failure;
    const auto size = fs::file_size(file, failure);
    if (failure || size <= bytes_max) return false;
    auto rotated = set_aside(file);
    fs::path target = std::format("{}.{:%Y%m%d-%H%M%S}", file.string(), now);
    // A clock that was set back makes no file older than the one before it.
    if (!rotated.empty() && target <= rotated.back()) target = rotated.back().string() + "-1";
    fs::rename(file, target, failure);
    if (failure) return false;
    rotated.push_back(target);
    for (std::size_t oldest = 0; rotated.size() - oldest >= files_max; ++oldest) fs::remove(rotated[oldest], failure);
    return true;
}

Task<> keep_log_bounded(Runtime& runtime, const hal::Clock& clock, std::string id, fs::path file) {
    const Descriptor notes(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    for (;;) {
        // One note, then the watch is gone: further lines wake nobody.
        if (!notes || ::inotify_add_watch(notes.get(), file.c_str(), IN_MODIFY | IN_ONESHOT) < 0) co_return;
        co_await hal::process::wait_readable(notes.get());
        char ignored[4096];
        while (::read(notes.get(), ignored, sizeof ignored) > 0) {}
        if (rotate_log(file, log_bytes_max, log_files_max, clock.wall()))
            runtime.reopen_log(id);
        co_await hal::async::sleep_for(look_interval);
    }
}

}  // namespace services::kubelet::pods
