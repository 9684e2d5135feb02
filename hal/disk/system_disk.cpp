// The Disk of the system's own files.
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "hal/base/error.hpp"
#include "hal/disk/disk.hpp"
#include "hal/disk/file.hpp"

namespace hal::disk {

namespace {

Error failure(const char* what, const std::filesystem::path& path) {
    const int number = errno;
    const auto error = system_error(std::string(what) + " " + path.string(), number);
    if (number == ENOENT) return {Code::not_found, error.what()};
    if (number == EEXIST) return {Code::exists, error.what()};
    return error;
}

class SystemFile : public File {
public:
    SystemFile(int descriptor, std::filesystem::path path) : descriptor_(descriptor), path_(std::move(path)) {}
    ~SystemFile() override { ::close(descriptor_); }

    std::size_t read_at(std::uint64_t offset, char* into, std::size_t size) override {
        std::size_t done = 0;
        while (done < size) {
            const auto count = ::pread(descriptor_, into + done, size - done, static_cast<off_t>(offset + done));
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) throw failure("read", path_);
            if (count == 0) break;
            done += static_cast<std::size_t>(count);
        }
        return done;
    }

    void write_at(std::uint64_t offset, std::span<const std::string_view> parts) override {
        std::size_t skip = 0;  // of parts.front(), already written
        while (!parts.empty()) {
            std::array<iovec, 64> pieces{};
            const std::size_t count = std::min(parts.size(), pieces.size());
            for (std::size_t i = 0; i < count; ++i) pieces[i] = {const_cast<char*>(parts[i].data()), parts[i].size()};
            pieces[0].iov_base = static_cast<char*>(pieces[0].iov_base) + skip;
            pieces[0].iov_len -= skip;
            const auto written = ::pwritev(descriptor_, pieces.data(), static_cast<int>(count), static_cast<off_t>(offset));
            if (written < 0 && errno == EINTR) continue;
            if (written < 0) throw failure("write", path_);
            offset += static_cast<std::uint64_t>(written);
            skip += static_cast<std::size_t>(written);
            while (!parts.empty() && skip >= parts.front().size()) {
                skip -= parts.front().size();
                parts = parts.subspan(1);
            }
        }
    }

    void sync_data() override {
        // Not repeated on EINTR: it may have reported, and so forgotten, a failure.
        if (::fdatasync(descriptor_) != 0) throw failure("sync", path_);
    }

    void allocate(std::uint64_t bytes) override {
        int result = 0;
        while ((result = ::posix_fallocate(descriptor_, 0, static_cast<off_t>(bytes))) == EINTR) {}
        if (result == 0) return;
        errno = result;
        throw failure("allocate", path_);
    }

    void truncate(std::uint64_t bytes) override {
        if (::ftruncate(descriptor_, static_cast<off_t>(bytes)) != 0) throw failure("truncate", path_);
    }

    std::uint64_t size() override {
        struct stat status {};
        if (::fstat(descriptor_, &status) != 0) throw failure("stat", path_);
        return static_cast<std::uint64_t>(status.st_size);
    }

    [[nodiscard]] int descriptor() const override { return descriptor_; }

private:
    int descriptor_;
    std::filesystem::path path_;
};

class SystemDisk : public Disk {
public:
    std::unique_ptr<File> open(const std::filesystem::path& path, Mode mode, mode_t permissions) override {
        const int flags = mode == Mode::read ? O_RDONLY : mode == Mode::write ? O_RDWR : O_RDWR | O_CREAT | O_EXCL;
        const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, permissions);
        if (descriptor < 0) throw failure(mode == Mode::create ? "create" : "open", path);
        return std::make_unique<SystemFile>(descriptor, path);
    }

    void rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
        if (::rename(from.c_str(), to.c_str()) != 0) throw failure("rename", from);
    }

    void link(const std::filesystem::path& from, const std::filesystem::path& to) override {
        if (::link(from.c_str(), to.c_str()) != 0) throw failure("link", to);
    }

    bool remove(const std::filesystem::path& path) override {
        if (::unlink(path.c_str()) == 0) return true;
        if (errno == EISDIR && ::rmdir(path.c_str()) == 0) return true;
        if (errno == ENOENT) return false;
        throw failure("remove", path);
    }

    void make_folder(const std::filesystem::path& folder, mode_t permissions) override {
        if (::mkdir(folder.c_str(), permissions) == 0 || errno == EEXIST) return;
        if (errno != ENOENT || !folder.has_parent_path() || folder.parent_path() == folder) throw failure("make", folder);
        make_folder(folder.parent_path(), permissions);
        if (::mkdir(folder.c_str(), permissions) != 0 && errno != EEXIST) throw failure("make", folder);
    }

    std::vector<Entry> list(const std::filesystem::path& folder, std::size_t entries_max) override {
        std::vector<Entry> entries;
        std::error_code code;
        std::filesystem::directory_iterator at(folder, code);
        for (; !code && at != std::filesystem::directory_iterator(); at.increment(code)) {
            struct stat status {};
            // What went away since is not there.
            if (::lstat(at->path().c_str(), &status) != 0) continue;
            if (entries.size() == entries_max)
                throw Error(Code::exhausted, folder.string() + " holds more than " + std::to_string(entries_max) + " files");
            entries.push_back({at->path().filename().string(), S_ISDIR(status.st_mode), static_cast<std::uint64_t>(status.st_size)});
        }
        if (code) {
            errno = code.value();
            throw failure("list", folder);
        }
        std::ranges::sort(entries, {}, &Entry::name);
        return entries;
    }

    void sync_folder(const std::filesystem::path& folder) override { disk::sync_folder(folder); }

    std::uint64_t free_bytes(const std::filesystem::path& path) override {
        struct statvfs status {};
        if (::statvfs(path.c_str(), &status) != 0) throw failure("stat the file system of", path);
        return std::uint64_t{status.f_bavail} * status.f_frsize;
    }
};

}  // namespace

Disk& system_disk() {
    static SystemDisk disk;
    return disk;
}

}  // namespace hal::disk
