#include "hal/disk/ballast.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace hal::disk {

bool Ballast::hold() {
    struct stat facts{};
    if (::stat(file_.c_str(), &facts) == 0 && facts.st_size == bytes_) return true;
    struct statvfs partition{};
    if (::statvfs(file_.parent_path().c_str(), &partition) != 0) return false;
    if (static_cast<std::int64_t>(partition.f_bavail) * static_cast<std::int64_t>(partition.f_frsize) < 2 * bytes_) return false;
    const int file = ::open(file_.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (file < 0) return false;
    const bool is_taken = ::fallocate(file, 0, 0, bytes_) == 0;
    ::close(file);
    if (!is_taken) ::unlink(file_.c_str());
    return is_taken;
}

bool Ballast::give_up() { return ::unlink(file_.c_str()) == 0; }

}  // namespace hal::disk
