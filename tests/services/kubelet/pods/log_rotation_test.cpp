#include <catch2/catch_test_macros.hpp>

#include "services/kubelet/pods/log_rotation.hpp"
#include "tests/services/kubelet/pods/lab.hpp"

using namespace lab;

namespace {

struct Folder {
    fs::path path = fs::temp_directory_path() / ("log-test-" + hal::hex(hal::random_bytes(6)));
    Folder() { fs::create_directories(path); }
    ~Folder() { fs::remove_all(path); }
    void write(std::size_t bytes) const { std::ofstream(path / "0.log") << std::string(bytes, 'x'); }
    std::size_t files() const { return static_cast<std::size_t>(std::distance(fs::directory_iterator(path), {})); }
};

const hal::WallTime noon = hal::parse_rfc3339("2026-11-24T12:00:00Z");

}  // namespace

TEST_CASE("a log is set aside once it is over its bound, not at it") {
    const Folder folder;
    folder.write(100);
    CHECK_FALSE(pods::rotate_log(folder.path / "0.log", 100, 5, noon));
    folder.write(101);
    CHECK(pods::rotate_log(folder.path / "0.log", 100, 5, noon));
    CHECK_FALSE(fs::exists(folder.path / "0.log"));
    CHECK(folder.files() == 1);
}

TEST_CASE("the oldest logs go, and with the one being written there are no more than the bound") {
    const Folder folder;
    for (int turn = 0; turn < 8; ++turn) {
        folder.write(101);
        CHECK(pods::rotate_log(folder.path / "0.log", 100, 5, noon + std::chrono::seconds(turn)));
    }
    folder.write(1);
    CHECK(folder.files() == 5);
}

TEST_CASE("logs of another attempt are not counted") {
    const Folder folder;
    std::ofstream(folder.path / "10.log.1") << "x";
    folder.write(101);
    CHECK(pods::rotate_log(folder.path / "0.log", 100, 1, noon));
    CHECK(fs::exists(folder.path / "10.log.1"));
}

TEST_CASE("a log goes with all that was set aside of it") {
    const Folder folder;
    folder.write(101);
    CHECK(pods::rotate_log(folder.path / "0.log", 100, 5, noon));
    folder.write(1);
    std::ofstream(folder.path / "10.log") << "x";
    pods::remove_log(folder.path / "0.log");
    CHECK(folder.files() == 1);
}

TEST_CASE("logs keep their order when the clock is set back, or stands") {
    const Folder folder;
    for (int turn = 0; turn < 4; ++turn) {
        std::ofstream(folder.path / "0.log") << std::string(101 + static_cast<std::size_t>(turn), 'x');
        CHECK(pods::rotate_log(folder.path / "0.log", 100, 3, noon - std::chrono::hours(turn / 2)));
    }
    // The last two set aside are there.
    std::vector<std::uintmax_t> sizes;
    for (const auto& entry : fs::directory_iterator(folder.path)) sizes.push_back(entry.file_size());
    std::ranges::sort(sizes);
    CHECK(sizes == std::vector<std::uintmax_t>{103, 104});
}
