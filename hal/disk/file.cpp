#include "hal/disk/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"

namespace hal::disk {

namespace {

class Descriptor {
public:
    Descriptor(const std::filesystem::path& path, int flags, mode_t mode = 0) : value_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}
    ~Descriptor() {
        if (value_ >= 0) ::close(value_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int operator*() const { return value_; }

private:
    int value_;
};

}  // namespace

std::optional<std::string> read_file(const std::filesystem::path& path, std::size_t bytes_max) {
    const Descriptor file(path, O_RDONLY);
    if (*file < 0) {
        if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
        throw system_error("open " + path.string());
    }
    std::string bytes;
    char piece[16 * 1024];
    for (;;) {
        const auto count = ::read(*file, piece, sizeof piece);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) throw system_error("read " + path.string());
        if (count == 0) return bytes;
        bytes.append(piece, static_cast<std::size_t>(count));
        if (bytes.size() > bytes_max)
            throw Error(Code::too_large, path.string() + " is longer than " + std::to_string(bytes_max) + " bytes");
    }
}

void replace_file(const std::filesystem::path& path, std::string_view bytes, mode_t mode) {
    const auto temporary = std::filesystem::path(path) += ".tmp-" + hex(random_bytes(6));
    try {
        const Descriptor file(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
        if (*file < 0) throw system_error("create " + temporary.string());
        if (::fchmod(*file, mode) != 0) throw system_error("set the mode of " + temporary.string());
        while (!bytes.empty()) {
            const auto count = ::write(*file, bytes.data(), bytes.size());
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) throw system_error("write " + temporary.string());
            bytes.remove_prefix(static_cast<std::size_t>(count));
        }
        if (::fsync(*file) != 0) throw system_error("sync " + temporary.string());
        if (::rename(temporary.c_str(), path.c_str()) != 0) throw system_error("replace " + path.string());
    } catch (...) {
        ::unlink(temporary.c_str());
        throw;
    }
    sync_folder(path.has_parent_path() ? path.parent_path() : ".");
}

void sync_folder(const std::filesystem::path& folder) {
    const Descriptor opened(folder, O_RDONLY | O_DIRECTORY);
    if (*opened < 0) throw system_error("open " + folder.string());
    if (::fsync(*opened) != 0) throw system_error("sync " + folder.string());
}

void sync_file_system(const std::filesystem::path& path) {
    const Descriptor opened(path, O_RDONLY);
    if (*opened < 0) throw system_error("open " + path.string());
    if (::syncfs(*opened) != 0) throw system_error("sync the file system of " + path.string());
}

}  // namespace hal::disk
