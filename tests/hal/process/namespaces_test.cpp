#include <catch2/catch_test_macros.hpp>

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "hal/process/namespaces.hpp"

namespace fs = std::filesystem;
using namespace hal;

namespace {

// A folder and a mount namespace of its own, so that nothing mounted here is seen outside.
struct Place {
    fs::path folder = fs::temp_directory_path() / ("branchbox-namespaces-" + std::to_string(::getpid()));
    Place() {
        REQUIRE(::unshare(CLONE_NEWNS) == 0);
        REQUIRE(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
        fs::create_directories(folder);
    }
    ~Place() {
        process::unmount_below(folder);
        std::error_code ignored;
        fs::remove_all(folder, ignored);
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
};

}  // namespace

TEST_CASE("a network namespace is pinned once, is another than ours, and goes when unpinned") {
    if (::geteuid() != 0) SKIP("namespaces need root");
    const Place place;
    const auto pin = place.folder / "netns" / "pod";
    process::pin_network_namespace(pin);
    REQUIRE(process::is_pinned(pin));
    struct stat pinned{}, again{}, ours{};
    REQUIRE(::stat(pin.c_str(), &pinned) == 0);
    REQUIRE(::stat("/proc/self/ns/net", &ours) == 0);
    CHECK(pinned.st_ino != ours.st_ino);
    process::pin_network_namespace(pin);
    REQUIRE(::stat(pin.c_str(), &again) == 0);
    CHECK(again.st_ino == pinned.st_ino);
    CHECK(process::tcp_socket_in(pin));
    process::unpin_namespace(pin);
    CHECK_FALSE(fs::exists(pin));
}

TEST_CASE("an overlay shows the topmost layer's file and writes only into the upper folder") {
    if (::geteuid() != 0) SKIP("mounts need root");
    const Place place;
    for (const auto* name : {"top", "bottom", "upper", "work", "merged"}) fs::create_directory(place.folder / name);
    std::ofstream(place.folder / "top" / "who") << "top";
    std::ofstream(place.folder / "bottom" / "who") << "bottom";
    std::ofstream(place.folder / "bottom" / "below") << "below";
    process::mount_overlay({place.folder / "top", place.folder / "bottom"}, place.folder / "upper", place.folder / "work",
                           place.folder / "merged");
    std::string who;
    std::ifstream(place.folder / "merged" / "who") >> who;
    CHECK(who == "top");
    CHECK(fs::exists(place.folder / "merged" / "below"));
    std::ofstream(place.folder / "merged" / "new") << "new";
    CHECK(fs::exists(place.folder / "upper" / "new"));
    CHECK(process::unmount_below(place.folder));
    CHECK_FALSE(fs::exists(place.folder / "merged" / "who"));
}
