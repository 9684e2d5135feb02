#include "services/kubelet/volumes/folders.hpp"

#include <catch2/catch_test_macros.hpp>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "hal/base/error.hpp"
#include "hal/process/namespaces.hpp"

using namespace services::kubelet::volumes;

namespace {

struct Folder {
    fs::path path;
    Folder() {
        std::string name = (fs::temp_directory_path() / "volumes-XXXXXX").string();
        path = ::mkdtemp(name.data());
    }
    ~Folder() {
        hal::process::unmount_below(path);
        fs::remove_all(path);
    }
};

std::string read(const fs::path& file) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    return text.str();
}

struct stat facts_of(const fs::path& path) {
    struct stat facts{};
    ::stat(path.c_str(), &facts);
    return facts;
}

std::string failure(const std::function<void()>& what) {
    try {
        what();
    } catch (const hal::Error& error) {
        return error.what();
    }
    return "none";
}

const hal::WallTime noon = hal::parse_rfc3339("2026-11-24T12:00:00Z");

std::size_t stamped(const fs::path& volume) {
    std::size_t count = 0;
    for (const auto& one : fs::directory_iterator(volume)) count += one.path().filename().string().starts_with("..2026_") ? 1U : 0U;
    return count;
}

}  // namespace

TEST_CASE("files are written in the atomic writer's layout and swapped as a whole") {
    const Folder folder;
    CHECK(write_content(folder.path, {{"a", {"1", 0644}}, {"d/b", {"2", 0400}}}, {}, noon));
    CHECK(read(folder.path / "a") == "1");
    CHECK(read(folder.path / "d/b") == "2");
    CHECK(fs::read_symlink(folder.path / "a") == "..data/a");
    CHECK(fs::read_symlink(folder.path / "..data").string().starts_with("..2026_11_24_12_00_00."));
    CHECK((facts_of(folder.path / "d/b").st_mode & 0777) == 0400);

    CHECK_FALSE(write_content(folder.path, {{"a", {"1", 0644}}, {"d/b", {"2", 0400}}}, {}, noon));
    CHECK(write_content(folder.path, {{"a", {"3", 0644}}}, {}, noon));
    CHECK(read(folder.path / "a") == "3");
    CHECK_FALSE(fs::exists(fs::symlink_status(folder.path / "d")));
    CHECK(stamped(folder.path) == 1);
    CHECK(write_content(folder.path, {}, {}, noon));
    CHECK_FALSE(fs::exists(fs::symlink_status(folder.path / "a")));
}

TEST_CASE("a path that would leave the volume is refused and nothing is written") {
    const Folder folder;
    for (const auto* path : {"../x", "a/../../x", "/x", "", "..data", "..x/y", "."}) CHECK(failure([&] { write_content(folder.path, {{path, {"", 0644}}}, {}, noon); }) != "none");
    CHECK(fs::is_empty(folder.path));
    CHECK(failure([&] { write_content(folder.path, {{"../x", {"", 0644}}}, {}, noon); }) == "invalid path: must not contain '..': ../x");
    CHECK(write_content(folder.path, {{"a..b", {"", 0644}}, {"c/..d", {"", 0644}}}, {}, noon));
}

TEST_CASE("fsGroup owns the files, readable for it, folders with its bit") {
    const Folder folder;
    write_content(folder.path, {{"t", {"x", 0600}}}, 2000, noon);
    give_to_group(folder.path, 2000, true, false);
    CHECK(facts_of(folder.path / "t").st_gid == 2000);
    CHECK((facts_of(folder.path / "t").st_mode & 07777) == 0640);
    CHECK(facts_of(folder.path / "..data/.").st_mode & S_ISGID);
    make_folder(folder.path / "e", 0755);
    give_to_group(folder.path / "e", 2001, false, false);
    CHECK((facts_of(folder.path / "e").st_mode & 07777) == 02775);
    std::ofstream(folder.path / "e/f") << "x";
    give_to_group(folder.path / "e", 2001, false, true);  // the root fits: left alone
    CHECK((facts_of(folder.path / "e/f").st_mode & 0777) == 0644);
}

TEST_CASE("hostPath types are checked with the kubelet's texts") {
    const Folder folder;
    const auto path = folder.path.string();
    std::ofstream(folder.path / "f") << "x";
    CHECK(failure([&] { check_host_path(path + "/none", ""); }) == "none");
    CHECK(failure([&] { check_host_path(path, "Directory"); }) == "none");
    CHECK(failure([&] { check_host_path(path + "/f", "File"); }) == "none");
    CHECK(failure([&] { check_host_path(path + "/f", "Directory"); }) == "hostPath type check failed: " + path + "/f is not a directory, it's a File");
    CHECK(failure([&] { check_host_path(path, "Socket"); }) == "hostPath type check failed: " + path + " is not a socket file, it's a Directory");
    CHECK(failure([&] { check_host_path(path + "/none", "File"); }) ==
          "hostPath type check failed, " + path + "/none is not a file, unable to determine its type: path \"" + path + "/none\" does not exist");
    CHECK(failure([&] { check_host_path("/dev/null", "CharDevice"); }) == "none");
    CHECK(failure([&] { check_host_path(path, "Folder"); }) == "Folder is an invalid volume type");
    check_host_path(path + "/made/below", "DirectoryOrCreate");
    CHECK((facts_of(path + "/made/below").st_mode & 0777) == 0755);
    check_host_path(path + "/made/file", "FileOrCreate");
    CHECK(fs::is_regular_file(path + "/made/file"));
    CHECK(failure([&] { check_host_path(path + "/f", "DirectoryOrCreate"); }).find("is not a directory") != std::string::npos);
}

TEST_CASE("a subPath follows links inside the volume and none out of it") {
    const Folder folder;
    const auto volume = folder.path / "v", pin = folder.path / "pins/0";
    make_folder(volume, 0777);
    write_content(volume, {{"conf", {"inside", 0644}}}, {}, noon);
    pin_sub_path(volume, "conf", pin);
    CHECK(read(pin) == "inside");
    // The mount stays with the old file, as the kubelet's does.
    write_content(volume, {{"conf", {"newer", 0644}}}, {}, noon);
    CHECK(read(pin) == "inside");
    pin_sub_path(volume, "conf", pin);
    CHECK(read(pin) == "newer");

    std::ofstream(folder.path / "secret") << "outside";
    fs::create_symlink("../secret", volume / "out");
    fs::create_symlink((folder.path / "secret").string(), volume / "absolute");
    fs::create_symlink("..", volume / "up");
    for (const auto* path : {"out", "absolute", "up/secret", "up/made"}) CHECK(failure([&] { pin_sub_path(volume, path, folder.path / "pins/1"); }) != "none");
    CHECK_FALSE(fs::exists(folder.path / "made"));

    pin_sub_path(volume, "new/deep", folder.path / "pins/2");
    CHECK(fs::is_directory(volume / "new/deep"));
    CHECK((facts_of(volume / "new/deep").st_mode & 0777) == 0777);
}

TEST_CASE("removal unmounts first and deletes nothing through a mount") {
    const Folder folder;
    const auto host = folder.path / "host", top = folder.path / "pod";
    fs::create_directories(host);
    fs::create_directories(top / "volumes/x/deep");
    std::ofstream(host / "precious") << "x";
    std::ofstream(top / "volumes/x/deep/file") << "x";
    fs::create_symlink(host, top / "volumes/link");
    pin_sub_path(host, ".", top / "pin");
    make_memory_folder(top / "memory", 1 << 20, 0777);
    CHECK(is_mount_point(top / "memory"));
    make_memory_folder(top / "memory", 1 << 20, 0700);  // there already
    remove_folder(top);
    CHECK_FALSE(fs::exists(top));
    CHECK(read(host / "precious") == "x");
    remove_folder(top);  // nothing is there
}
