#include "services/kube/store/reopen.hpp"

#include <algorithm>
#include <format>
#include <vector>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "hal/disk/file.hpp"

namespace services::kube::store {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view parts[] = {"", "-wal", "-shm"};

fs::path with(const fs::path& file, std::string_view part) { return file.string() + std::string(part); }

// Of the database alone, oldest first: their names end in the time.
std::vector<fs::path> damaged(const fs::path& file) {
    std::vector<fs::path> found;
    std::error_code failure;
    for (const auto& entry : fs::directory_iterator(file.parent_path(), failure)) {
        const auto name = entry.path().filename().string();
        if (name.starts_with(file.filename().string() + ".corrupt-") && name.ends_with('Z')) found.push_back(entry.path());
    }
    std::ranges::sort(found);
    return found;
}

void set_aside(const fs::path& file, hal::WallTime now) {
    const fs::path target = std::format("{}.corrupt-{:%Y%m%dT%H%M%SZ}", file.string(), std::chrono::floor<std::chrono::seconds>(now));
    for (const auto part : parts) {
        std::error_code failure;
        fs::rename(with(file, part), with(target, part), failure);
        if (failure && failure != std::errc::no_such_file_or_directory)
            throw hal::Error(hal::Code::io, with(file, part).string() + " is damaged and cannot be set aside: " + failure.message());
    }
    for (auto all = damaged(file); all.size() > damaged_kept_max; all.erase(all.begin()))
        for (const auto part : parts) {
            std::error_code ignored;
            fs::remove(with(all.front(), part), ignored);
        }
    hal::disk::sync_folder(file.parent_path());
}

}  // namespace

std::unique_ptr<Store> open_or_begin_anew(hal::async::Executor executor, Options options, const hal::Clock& clock,
                                          const std::function<void(std::string)>& tell) {
    const auto file = options.file;
    std::unique_ptr<Store> store;
    try {
        store = Store::open(executor, options, clock);
    } catch (const hal::Error& failure) {
        if (failure.code() != hal::Code::corrupt) throw;
        hal::log::error("kube", "{}: {}; it is set aside and the store begins anew", file.string(), failure.what());
        set_aside(file, clock.wall());
    }
    if (!store) store = Store::open(std::move(executor), std::move(options), clock);
    if (const auto all = damaged(file); !all.empty())
        tell(std::format("the cluster's database was damaged and began anew: what it held is in {}; remove the file once it is not needed", all.back().string()));
    return store;
}

}  // namespace services::kube::store
