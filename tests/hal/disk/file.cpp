#include "hal/disk/file.hpp"

#include <catch2/catch_test_macros.hpp>
#include <sys/stat.h>

#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"

using namespace hal::disk;
namespace fs = std::filesystem;

namespace {

struct Folder {
    fs::path path = fs::temp_directory_path() / ("file-" + hal::hex(hal::random_bytes(6)));
    Folder() { fs::create_directory(path); }
    ~Folder() { fs::remove_all(path); }
};

}  // namespace

TEST_CASE("a file is replaced whole, with its mode, and leaves nothing beside it") {
    const Folder folder;
    const auto path = folder.path / "a";
    CHECK_FALSE(read_file(path, 10));
    replace_file(path, "old", 0600);
    replace_file(path, std::string(100'000, 'n'), 0640);
    CHECK(read_file(path, 100'000) == std::string(100'000, 'n'));
    struct stat found{};
    REQUIRE(::stat(path.c_str(), &found) == 0);
    CHECK((found.st_mode & 07777) == 0640);
    CHECK(std::distance(fs::directory_iterator(folder.path), {}) == 1);
}

TEST_CASE("a file over the limit is refused, and a failed replacement leaves the old content") {
    const Folder folder;
    const auto path = folder.path / "a";
    replace_file(path, "12345");
    CHECK(read_file(path, 5) == "12345");
    CHECK_THROWS_AS(read_file(path, 4), hal::Error);
    fs::create_directory(folder.path / "folder");
    CHECK_THROWS_AS(replace_file(folder.path / "folder", "x"), hal::Error);
    CHECK_THROWS_AS(replace_file(folder.path / "missing" / "a", "x"), hal::Error);
    CHECK(std::distance(fs::directory_iterator(folder.path), {}) == 2);
}
