#include "hal/disk/ballast.hpp"

#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace {

constexpr std::int64_t mebibyte = 1024 * 1024;

// A partition of 4 MiB of this test's own.
struct Partition {
    std::string path = "/tmp/ballast-XXXXXX";
    Partition() {
        REQUIRE(::mkdtemp(path.data()) != nullptr);
        REQUIRE(::mount("ballast", path.c_str(), "tmpfs", 0, "size=4m") == 0);
    }
    ~Partition() {
        ::umount2(path.c_str(), MNT_DETACH);
        ::rmdir(path.c_str());
    }
    [[nodiscard]] bool takes(const std::string& name, std::int64_t bytes) const {
        const int file = ::open((path + "/" + name).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        const bool is_taken = ::fallocate(file, 0, 0, bytes) == 0;
        ::close(file);
        return is_taken;
    }
};

}  // namespace

TEST_CASE("ballast that is given up makes room on a full partition, and is held again once there is twice as much") {
    const Partition partition;
    hal::disk::Ballast ballast(partition.path + "/ballast", mebibyte);
    CHECK_FALSE(ballast.give_up());
    REQUIRE(ballast.hold());
    CHECK(ballast.hold());
    REQUIRE(partition.takes("data", 3 * mebibyte));
    CHECK_FALSE(partition.takes("more", mebibyte / 2));
    CHECK(ballast.give_up());
    CHECK(partition.takes("more", mebibyte / 2));
    CHECK_FALSE(ballast.hold());
    REQUIRE(::unlink((partition.path + "/data").c_str()) == 0);
    CHECK(ballast.hold());
    CHECK(ballast.give_up());
}

TEST_CASE("ballast without a folder or room is not held, and leaves nothing behind") {
    const Partition partition;
    hal::disk::Ballast nowhere(partition.path + "/absent/ballast", mebibyte);
    CHECK_FALSE(nowhere.hold());
    hal::disk::Ballast large(partition.path + "/ballast", 3 * mebibyte);
    CHECK_FALSE(large.hold());
    CHECK(::access((partition.path + "/ballast").c_str(), F_OK) != 0);
}
