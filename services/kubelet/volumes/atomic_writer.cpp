#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <format>
#include <set>

#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"
#include "hal/disk/file.hpp"
#include "hal/process/spawn.hpp"
#include "services/kubelet/volumes/folders.hpp"
#include "services/kubelet/volumes/volumes.hpp"

namespace services::kubelet::volumes {

using hal::Code;
using hal::Error;
using hal::system_error;

namespace {

constexpr std::size_t name_bytes_max = 255;
constexpr std::size_t path_bytes_max = 4096;

// The path without "." and doubled slashes. Throws for one that leaves the volume or meets the writer's own names.
std::string clean(const std::string& path) {
    if (path.empty()) throw Error(Code::invalid, "invalid path: must not be empty: \"\"");
    if (path.front() == '/') throw Error(Code::invalid, "invalid path: must be relative path: " + path);
    if (path.size() > path_bytes_max)
        throw Error(Code::invalid, std::format("invalid path: must be less than or equal to {} characters", path_bytes_max));
    std::string kept;
    for (std::size_t at = 0; at <= path.size();) {
        const auto end = std::min(path.find('/', at), path.size());
        const auto item = path.substr(at, end - at);
        if (item == "..") throw Error(Code::invalid, "invalid path: must not contain '..': " + path);
        if (item.size() > name_bytes_max)
            throw Error(Code::invalid, std::format("invalid path: filenames must be less than or equal to {} characters", name_bytes_max));
        if (at == 0 && item.starts_with("..")) throw Error(Code::invalid, "invalid path: must not start with '..': " + path);
        if (!item.empty() && item != ".") kept += kept.empty() ? item : "/" + item;
        at = end + 1;
    }
    if (kept.empty()) throw Error(Code::invalid, "invalid path: must not be empty: \"" + path + "\"");
    return kept;
}

bool holds(const fs::path& folder, const Content& content) {
    std::size_t found = 0;
    for (auto entry = fs::recursive_directory_iterator(folder); entry != fs::recursive_directory_iterator(); ++entry) {
        if (entry->is_directory()) continue;
        const auto wanted = content.find(entry->path().lexically_relative(folder).string());
        if (wanted == content.end()) return false;
        struct stat facts{};
        if (::lstat(entry->path().c_str(), &facts) != 0 || static_cast<std::uint64_t>(facts.st_size) != wanted->second.bytes.size()) return false;
        if (hal::disk::read_file(entry->path(), wanted->second.bytes.size()) != wanted->second.bytes) return false;
        ++found;
    }
    return found == content.size();
}

void write_file(const fs::path& path, const File& file) {
    fs::create_directories(path.parent_path());
    const hal::process::Descriptor opened(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!opened) throw system_error("create " + path.string());
    for (std::string_view left = file.bytes; !left.empty();) {
        const auto count = ::write(opened.get(), left.data(), left.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) throw system_error("write " + path.string());
        left.remove_prefix(static_cast<std::size_t>(count));
    }
    if (::fchmod(opened.get(), file.mode & 07777) != 0) throw system_error("set the mode of " + path.string());
}

std::string folder_name(hal::WallTime now) {
    const auto text = std::format("{:%Y_%m_%d_%H_%M_%S}", std::chrono::floor<std::chrono::seconds>(now));
    return ".." + text + "." + hal::hex(hal::random_bytes(5));
}

std::string first_of(const std::string& path) { return path.substr(0, path.find('/')); }

void link_visible(const fs::path& volume, const std::set<std::string>& firsts) {
    for (const auto& name : firsts)
        if (::symlink(("..data/" + name).c_str(), (volume / name).c_str()) != 0 && errno != EEXIST)
            throw system_error("link " + (volume / name).string());
    for (const auto& entry : fs::directory_iterator(volume)) {
        const auto name = entry.path().filename().string();
        if (!name.starts_with("..") && entry.is_symlink() && !firsts.contains(name)) fs::remove(entry.path());
    }
}

}  // namespace

bool write_content(const fs::path& volume, const Content& given, std::optional<std::uint32_t> group, hal::WallTime now) {
    Content content;
    std::set<std::string> firsts;
    std::size_t bytes = 0;
    for (const auto& [path, file] : given) {
        auto kept = clean(path);
        bytes += file.bytes.size();
        firsts.insert(first_of(kept));
        content[std::move(kept)] = file;
    }
    // Old and new stand beside each other for a moment.
    if (bytes > static_cast<std::size_t>(content_bytes_max) / 2)
        throw Error(Code::too_large, std::format("the volume's files are {} bytes, at most {} are kept", bytes, content_bytes_max / 2));

    const auto link = volume / "..data";
    std::error_code none;
    const auto old = fs::read_symlink(link, none);
    if (!none && fs::is_directory(volume / old, none) && holds(volume / old, content)) {
        link_visible(volume, firsts);
        return false;
    }
    const auto name = folder_name(now);
    const auto fresh = volume / name;
    fs::create_directory(fresh);
    try {
        if (::chmod(fresh.c_str(), 0755) != 0) throw system_error("set the mode of " + fresh.string());
        for (const auto& [path, file] : content) write_file(fresh / path, file);
        if (group) give_to_group(fresh, *group, true, false);
        const auto next = volume / "..data_tmp";
        fs::remove(next, none);
        if (::symlink(name.c_str(), next.c_str()) != 0) throw system_error("link " + next.string());
        if (::rename(next.c_str(), link.c_str()) != 0) throw system_error("rename " + next.string());
    } catch (...) {
        fs::remove_all(fresh, none);
        throw;
    }
    link_visible(volume, firsts);
    for (const auto& entry : fs::directory_iterator(volume)) {
        const auto other = entry.path().filename().string();
        if (other.starts_with("..2") && other != name) fs::remove_all(entry.path(), none);
    }
    return true;
}

}  // namespace services::kubelet::volumes
