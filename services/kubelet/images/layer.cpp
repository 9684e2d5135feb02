#include "services/kubelet/images/layer.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>

#include "hal/base/error.hpp"

namespace services::kubelet::images {

using hal::Code;
using hal::Error;

namespace {

constexpr std::string_view whiteout_prefix = ".wh.";
constexpr std::string_view opaque_name = ".wh..wh..opq";
constexpr std::size_t copy_bytes = 64 * 1024;

class Descriptor {
public:
    explicit Descriptor(int value = -1) : value_(value) {}
    Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(value_, other.value_);
        return *this;
    }
    ~Descriptor() {
        if (value_ >= 0) ::close(value_);
    }
    int operator*() const { return value_; }

private:
    int value_;
};

// "a/./b/" -> {a, b}. Throws for "..", which no layer has a use for.
std::vector<std::string> components_of(std::string_view path) {
    std::vector<std::string> components;
    while (!path.empty()) {
        const auto slash = path.find('/');
        const auto part = path.substr(0, slash);
        path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
        if (part.empty() || part == ".") continue;
        if (part == "..") throw Error(Code::invalid, "an entry's path holds '..'");
        components.emplace_back(part);
    }
    return components;
}

class Unpacking {
public:
    Unpacking(TarReader& tar, const std::filesystem::path& folder, const LayerLimits& limits)
        : tar_(tar), root_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)), limits_(limits) {
        if (*root_ < 0) throw hal::system_error("open " + folder.string());
    }

    std::uint64_t run() {
        while (auto entry = tar_.next()) {
            if (++entries_ > limits_.entries_max)
                throw Error(Code::too_large, "it has more than " + std::to_string(limits_.entries_max) + " entries");
            if (entry->path.size() > limits_.path_bytes_max) throw Error(Code::too_large, "an entry's path is too long");
            try {
                place(*entry);
            } catch (const Error& e) {
                throw Error(e.code(), "entry '" + entry->path + "': " + e.what());
            }
        }
        // Last, since each entry put into a folder changes its time.
        for (auto it = folder_times_.rbegin(); it != folder_times_.rend(); ++it) set_time(it->second, it->first);
        return bytes_;
    }

private:
    // Opens the folder of the entry, making what is missing; a link on the way is refused, so no path leaves the root.
    Descriptor parent_of(const std::vector<std::string>& components, bool makes = true) {
        Descriptor at(::fcntl(*root_, F_DUPFD_CLOEXEC, 0));
        for (std::size_t i = 0; i + 1 < components.size(); ++i) {
            const char* name = components[i].c_str();
            if (makes && ::mkdirat(*at, name, 0755) != 0 && errno != EEXIST) throw hal::system_error("make folder " + components[i]);
            Descriptor next(::openat(*at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
            if (*next < 0) throw Error(Code::invalid, "its path leads over '" + components[i] + "', which is not a folder");
            at = std::move(next);
        }
        return at;
    }

    void place(const TarEntry& entry) {
        const auto components = components_of(entry.path);
        if (components.empty()) {
            set_owner_and_mode(*root_, entry);
            set_xattrs(*root_, entry);
            return;
        }
        const auto parent = parent_of(components);
        const auto& name = components.back();
        if (name == opaque_name) {
            if (::fsetxattr(*parent, "trusted.overlay.opaque", "y", 1, 0) != 0) throw hal::system_error("mark the folder opaque");
            return;
        }
        if (name.starts_with(whiteout_prefix)) return place_whiteout(*parent, name.substr(whiteout_prefix.size()));
        if (!entry.hard_link.empty()) return place_hard_link(*parent, name, entry);
        if (S_ISDIR(entry.mode)) return place_folder(*parent, name, entry);
        clear(*parent, name);
        if (S_ISREG(entry.mode)) return place_file(*parent, name, entry);
        if (S_ISLNK(entry.mode)) {
            if (::symlinkat(entry.symbolic_link.c_str(), *parent, name.c_str()) != 0) throw hal::system_error("make the link");
            if (::fchownat(*parent, name.c_str(), entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) != 0) throw hal::system_error("set the owner");
            set_time_at(*parent, name, entry);
            return;
        }
        if (!S_ISCHR(entry.mode) && !S_ISBLK(entry.mode) && !S_ISFIFO(entry.mode)) throw Error(Code::invalid, "its kind is unknown");
        if (::mknodat(*parent, name.c_str(), entry.mode, entry.device) != 0) throw hal::system_error("make the device");
        if (::fchownat(*parent, name.c_str(), entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) != 0 ||
            ::fchmodat(*parent, name.c_str(), entry.mode & 07777, 0) != 0)
            throw hal::system_error("set owner and mode");
        set_time_at(*parent, name, entry);
    }

    // A later entry of the same name replaces an earlier one; a folder with contents stays in the way.
    static void clear(int parent, const std::string& name) {
        if (::unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return;
        if (errno == EISDIR && ::unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0) return;
        throw hal::system_error("replace an earlier entry");
    }

    void place_whiteout(int parent, const std::string& name) {
        // Names that begin .wh..wh. are another file system's own and stand for nothing (layer.md, "Whiteouts").
        if (name.starts_with(whiteout_prefix)) return;
        if (name.empty() || name == "." || name == "..") throw Error(Code::invalid, "a whiteout names nothing");
        clear(parent, name);
        if (::mknodat(parent, name.c_str(), S_IFCHR | 0600, makedev(0, 0)) != 0) throw hal::system_error("make the whiteout");
    }

    void place_hard_link(int parent, const std::string& name, const TarEntry& entry) {
        const auto components = components_of(entry.hard_link);
        if (components.empty()) throw Error(Code::invalid, "a hard link to nothing");
        const auto target_parent = parent_of(components, false);
        struct stat target{};
        if (::fstatat(*target_parent, components.back().c_str(), &target, AT_SYMLINK_NOFOLLOW) != 0)
            throw Error(Code::invalid, "a hard link to '" + entry.hard_link + "', which is not there");
        struct stat present{};
        if (::fstatat(parent, name.c_str(), &present, AT_SYMLINK_NOFOLLOW) == 0) {
            if (present.st_ino == target.st_ino && present.st_dev == target.st_dev) return;
            clear(parent, name);
        }
        if (::linkat(*target_parent, components.back().c_str(), parent, name.c_str(), 0) != 0) throw hal::system_error("make the hard link");
    }

    void place_folder(int parent, const std::string& name, const TarEntry& entry) {
        if (::mkdirat(parent, name.c_str(), 0755) != 0) {
            struct stat present{};
            if (errno != EEXIST || ::fstatat(parent, name.c_str(), &present, AT_SYMLINK_NOFOLLOW) != 0)
                throw hal::system_error("make the folder");
            if (!S_ISDIR(present.st_mode)) {
                clear(parent, name);
                if (::mkdirat(parent, name.c_str(), 0755) != 0) throw hal::system_error("make the folder");
            }
        }
        Descriptor folder(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (*folder < 0) throw hal::system_error("open the folder");
        set_owner_and_mode(*folder, entry);
        set_xattrs(*folder, entry);
        folder_times_.emplace_back(time_of(entry), entry.path);
    }

    void place_file(int parent, const std::string& name, const TarEntry& entry) {
        const Descriptor file(::openat(parent, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (*file < 0) throw hal::system_error("create the file");
        std::array<char, copy_bytes> piece;
        while (const auto count = tar_.read(piece)) {
            bytes_ += count;
            if (bytes_ > limits_.bytes_max)
                throw Error(Code::too_large, "the layer unpacks to more than " + std::to_string(limits_.bytes_max) + " bytes");
            for (std::size_t done = 0; done < count;) {
                const auto written = ::write(*file, piece.data() + done, count - done);
                if (written < 0 && errno == EINTR) continue;
                if (written < 0) throw hal::system_error("write the file");
                done += static_cast<std::size_t>(written);
            }
        }
        set_owner_and_mode(*file, entry);
        set_xattrs(*file, entry);
        const auto times = time_of(entry);
        if (::futimens(*file, times.data()) != 0) throw hal::system_error("set the time");
    }

    // The owner first: a change of owner takes the set-user-id bit and file capabilities away.
    static void set_owner_and_mode(int file, const TarEntry& entry) {
        if (::fchown(file, entry.uid, entry.gid) != 0) throw hal::system_error("set the owner");
        if (::fchmod(file, entry.mode & 07777) != 0) throw hal::system_error("set the mode");
    }

    static void set_xattrs(int file, const TarEntry& entry) {
        for (const auto& [name, value] : entry.xattrs) {
            // overlayfs' own say where a folder's contents come from: not for an image to set.
            if (name.starts_with("trusted.") || name.starts_with("user.overlay.")) continue;
            if (::fsetxattr(file, name.c_str(), value.data(), value.size(), 0) != 0 && errno != ENOTSUP && errno != EPERM)
                throw hal::system_error("set xattr " + name);
        }
    }

    using Times = std::array<timespec, 2>;
    static Times time_of(const TarEntry& entry) {
        const timespec modified{.tv_sec = entry.modified_seconds, .tv_nsec = entry.modified_nanoseconds};
        return {modified, modified};
    }
    static void set_time_at(int parent, const std::string& name, const TarEntry& entry) {
        const auto times = time_of(entry);
        if (::utimensat(parent, name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0) throw hal::system_error("set the time");
    }
    void set_time(const std::string& path, const Times& times) {
        const auto components = components_of(path);
        try {
            const auto parent = parent_of(components, false);
            ::utimensat(*parent, components.back().c_str(), times.data(), AT_SYMLINK_NOFOLLOW);
        } catch (const Error&) {
            // A later entry took the folder's place.
        }
    }

    TarReader& tar_;
    Descriptor root_;
    LayerLimits limits_;
    std::uint64_t entries_ = 0;
    std::uint64_t bytes_ = 0;
    std::vector<std::pair<Times, std::string>> folder_times_;
};

}  // namespace

std::uint64_t unpack_layer(TarReader& tar, const std::filesystem::path& folder, const LayerLimits& limits) {
    return Unpacking(tar, folder, limits).run();
}

}  // namespace services::kubelet::images
