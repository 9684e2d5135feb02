#include "services/kubelet/volumes/folders.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <format>

#include "hal/base/error.hpp"
#include "hal/process/namespaces.hpp"

namespace services::kubelet::volumes {

using hal::Code;
using hal::Error;
using hal::system_error;
using hal::process::Descriptor;

namespace {

std::optional<struct stat> look(const fs::path& path, bool follows) {
    struct stat facts{};
    if ((follows ? ::stat(path.c_str(), &facts) : ::lstat(path.c_str(), &facts)) == 0) return facts;
    return std::nullopt;
}

void give_one(const fs::path& path, const struct stat& facts, std::uint32_t group, bool is_read_only) {
    if (::lchown(path.c_str(), static_cast<uid_t>(-1), group) != 0) throw system_error("give " + path.string() + " to group " + std::to_string(group));
    if (S_ISLNK(facts.st_mode)) return;
    mode_t more = is_read_only ? 0440 : 0660;
    if (S_ISDIR(facts.st_mode)) more |= S_ISGID | 0110;
    if (::chmod(path.c_str(), (facts.st_mode & 07777) | more) != 0) throw system_error("set the mode of " + path.string());
}

std::string_view type_name(const struct stat& facts) {
    if (S_ISDIR(facts.st_mode)) return "Directory";
    if (S_ISREG(facts.st_mode)) return "File";
    if (S_ISSOCK(facts.st_mode)) return "Socket";
    if (S_ISCHR(facts.st_mode)) return "CharDevice";
    if (S_ISBLK(facts.st_mode)) return "BlockDevice";
    return "";
}

// Opens a place below `root`: links inside are followed, none leads out (openat2(2), RESOLVE_BENEATH).
Descriptor open_beneath(int root, const std::string& path) {
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    return Descriptor(static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how)));
}

// Removes what `folder` holds, and nothing of another file system.
void empty_folder(int folder, dev_t device, const std::string& name) {
    DIR* stream = ::fdopendir(::dup(folder));
    if (!stream) throw system_error("read " + name);
    const struct Close {
        DIR* stream;
        ~Close() { ::closedir(stream); }
    } close{stream};
    while (const auto* entry = ::readdir(stream)) {
        const std::string child = entry->d_name;
        if (child == "." || child == "..") continue;
        struct stat facts{};
        if (::fstatat(folder, child.c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0) continue;
        const auto path = name + "/" + child;
        if (facts.st_dev != device) throw Error(Code::io, path + " is on another file system: it is left alone");
        if (S_ISDIR(facts.st_mode)) {
            const Descriptor below(::openat(folder, child.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
            if (!below) throw system_error("open " + path);
            empty_folder(below.get(), device, path);
            if (::unlinkat(folder, child.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) throw system_error("remove " + path);
        } else if (::unlinkat(folder, child.c_str(), 0) != 0 && errno != ENOENT) {
            throw system_error("remove " + path);
        }
    }
}

// Makes each missing folder of `path` below `root`, with the mode of the volume.
void make_beneath(int root, const std::string& path, mode_t mode) {
    std::string made;
    for (const auto& part : fs::path(path)) {
        made = made.empty() ? part.string() : made + "/" + part.string();
        if (part == "." || part.empty()) continue;
        if (open_beneath(root, made)) continue;
        if (errno != ENOENT) throw system_error("open " + made);
        const auto above = fs::path(made).parent_path().string();
        const auto parent = open_beneath(root, above.empty() ? "." : above);
        if (!parent || ::mkdirat(parent.get(), part.c_str(), mode) != 0) throw system_error("make " + made);
        if (::fchmodat(parent.get(), part.c_str(), mode, 0) != 0) throw system_error("set the mode of " + made);
    }
}

}  // namespace

void give_to_group(const fs::path& top, std::uint32_t group, bool is_read_only, bool only_if_root_differs) {
    const auto root = look(top, false);
    if (!root) throw system_error("look at " + top.string());
    const mode_t wanted = (is_read_only ? 0440 : 0660) | 0110 | S_ISGID;
    if (only_if_root_differs && root->st_gid == group && (root->st_mode & wanted) == wanted) return;
    // Files before their folder: an interrupted run leaves the root to differ.
    if (S_ISDIR(root->st_mode))
        for (auto entry = fs::recursive_directory_iterator(top); entry != fs::recursive_directory_iterator(); ++entry)
            if (const auto facts = look(entry->path(), false)) give_one(entry->path(), *facts, group, is_read_only);
    give_one(top, *root, group, is_read_only);
}

void make_folder(const fs::path& folder, unsigned mode) {
    fs::create_directories(folder);
    if (::chmod(folder.c_str(), mode) != 0) throw system_error("set the mode of " + folder.string());
}

bool is_mount_point(const fs::path& folder) {
    const auto own = look(folder, false), above = look(folder.parent_path(), false);
    return own && above && own->st_dev != above->st_dev;
}

void make_memory_folder(const fs::path& folder, std::int64_t bytes_max, unsigned mode) {
    fs::create_directories(folder);
    if (!is_mount_point(folder)) hal::process::mount_tmpfs(folder, bytes_max);
    if (::chmod(folder.c_str(), mode) != 0) throw system_error("set the mode of " + folder.string());
}

void check_host_path(const fs::path& path, const std::string& type) {
    if (type.empty()) return;
    struct Wanted {
        std::string_view type, kind, name;
    };
    static constexpr Wanted table[] = {{"Directory", "Directory", "directory"}, {"DirectoryOrCreate", "Directory", "directory"},
                                       {"File", "File", "file"},                {"FileOrCreate", "File", "file"},
                                       {"Socket", "Socket", "socket file"},     {"CharDevice", "CharDevice", "character device"},
                                       {"BlockDevice", "BlockDevice", "block device"}};
    for (const auto& wanted : table) {
        if (type != wanted.type) continue;
        auto facts = look(path, true);
        if (!facts && type == "DirectoryOrCreate") {
            std::error_code failure;
            fs::create_directories(path, failure);
            if (failure) throw Error(Code::io, std::format("mkdir {}: {}", path.string(), failure.message()));
            return;
        }
        if (!facts && type == "FileOrCreate") {
            const Descriptor made(::open(path.c_str(), O_CREAT | O_RDONLY | O_CLOEXEC, 0644));
            if (!made) throw system_error("open " + path.string());
            return;
        }
        if (!facts)
            throw Error(Code::invalid, std::format("hostPath type check failed, {} is not a {}, unable to determine its type: path \"{}\" does not exist",
                                                   path.string(), wanted.name, path.string()));
        const auto kind = type_name(*facts);
        if (kind != wanted.kind)
            throw Error(Code::invalid, std::format("hostPath type check failed: {} is not a {}, it's a {}", path.string(), wanted.name, kind));
        return;
    }
    throw Error(Code::invalid, type + " is an invalid volume type");
}

void pin_sub_path(const fs::path& volume, const std::string& sub_path, const fs::path& target) {
    const Descriptor root(::open(volume.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    struct stat facts{};
    if (!root || ::fstat(root.get(), &facts) != 0) throw system_error("open " + volume.string());
    auto place = open_beneath(root.get(), sub_path);
    if (!place && errno == ENOENT) {
        make_beneath(root.get(), sub_path, facts.st_mode & 07777);
        place = open_beneath(root.get(), sub_path);
    }
    if (!place || ::fstat(place.get(), &facts) != 0) throw system_error("open " + sub_path + " below " + volume.string());

    fs::create_directories(target.parent_path());
    hal::process::unmount_below(target);
    std::error_code ignored;
    fs::remove(target, ignored);
    if (S_ISDIR(facts.st_mode)) {
        fs::create_directory(target);
    } else {
        const Descriptor made(::open(target.c_str(), O_CREAT | O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (!made) throw system_error("make " + target.string());
    }
    // What was opened is what is mounted, whatever a container does to the path meanwhile.
    const auto opened = "/proc/self/fd/" + std::to_string(place.get());
    if (::mount(opened.c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) throw system_error("mount " + target.string());
}

void remove_folder(const fs::path& top) {
    const auto facts = look(top, false);
    if (!facts) return;
    if (!hal::process::unmount_below(top)) throw Error(Code::io, "something below " + top.string() + " stays mounted");
    const Descriptor folder(::open(top.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat own{};
    if (!folder || ::fstat(folder.get(), &own) != 0) throw system_error("open " + top.string());
    empty_folder(folder.get(), own.st_dev, top.string());
    if (::rmdir(top.c_str()) != 0 && errno != ENOENT) throw system_error("remove " + top.string());
}

}  // namespace services::kubelet::volumes
