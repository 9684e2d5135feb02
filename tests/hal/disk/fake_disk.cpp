#include "hal/disk/fake_disk.hpp"

#include <catch2/catch_test_macros.hpp>

#include <set>
#include <string>

#include "hal/base/error.hpp"

using hal::Code;
using hal::Error;
using namespace hal::disk;

namespace {

void write(File& file, std::uint64_t offset, std::string_view bytes) { file.write_at(offset, {&bytes, 1}); }

std::string all(File& file) {
    std::string bytes(file.size(), '\0');
    bytes.resize(file.read_at(0, bytes.data(), bytes.size()));
    return bytes;
}

Code code_of(auto&& call) {
    try {
        call();
    } catch (const Error& e) {
        return e.code();
    }
    FAIL("nothing was thrown");
    return Code::internal;
}

}  // namespace

TEST_CASE("a pulled plug keeps what was synced, and of one write since any number of its first bytes") {
    std::set<std::size_t> kept;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        FakeDisk disk(seed);
        disk.put("/file", "synced");
        const auto file = disk.open("/file", Disk::Mode::write);
        write(*file, 6, "0123456789");
        disk.crash(FakeDisk::Loss::torn);
        const auto content = disk.content("/file");
        REQUIRE(std::string("synced0123456789").starts_with(content));
        REQUIRE(content.size() >= 6);
        kept.insert(content.size() - 6);
        CHECK(code_of([&] { (void)all(*file); }) == Code::io);
    }
    CHECK(kept.size() == 11);
}

TEST_CASE("sectors of unsynced writes reach the disk without those before them, each as a whole") {
    bool only_last = false;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        FakeDisk disk(seed);
        disk.put("/file", std::string(1024, 's'));
        const auto file = disk.open("/file", Disk::Mode::write);
        write(*file, 0, std::string(1024, 'u'));
        disk.crash(FakeDisk::Loss::scattered);
        const auto content = disk.content("/file");
        for (const std::size_t at : {std::size_t{0}, std::size_t{512}}) REQUIRE(content.substr(at, 512) == std::string(512, content[at]));
        only_last = only_last || (content[0] == 's' && content[512] == 'u');
    }
    CHECK(only_last);
}

TEST_CASE("what a failed sync should have written stays readable and is gone after a crash, though the next sync succeeds") {
    bool lost = false;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        FakeDisk disk(seed);
        disk.put("/file", "old");
        const auto file = disk.open("/file", Disk::Mode::write);
        write(*file, 0, "new");
        disk.fail_syncs(1);
        REQUIRE(code_of([&] { file->sync_data(); }) == Code::io);
        REQUIRE(all(*file) == "new");
        file->sync_data();
        disk.crash(FakeDisk::Loss::everything);
        lost = lost || disk.content("/file") == "old";
    }
    CHECK(lost);
}

TEST_CASE("a name is durable once its folder is synced") {
    FakeDisk disk(1);
    disk.make_folder("/folder");
    disk.open("/folder/synced", Disk::Mode::create);
    disk.sync_folder("/folder");
    disk.open("/folder/lost", Disk::Mode::create);
    disk.rename("/folder/synced", "/folder/renamed");
    CHECK(disk.list("/folder").size() == 2);
    disk.crash(FakeDisk::Loss::everything);
    const auto entries = disk.list("/folder");
    REQUIRE(entries.size() == 1);
    CHECK(entries[0].name == "synced");
}

TEST_CASE("a disk that is full takes no byte more, and goes on once there is room") {
    FakeDisk disk(1, 10);
    const auto file = disk.open("/file", Disk::Mode::create);
    file->allocate(10);
    write(*file, 5, "12345");
    CHECK(code_of([&] { write(*file, 6, "12345"); }) == Code::exhausted);
    CHECK(code_of([&] { file->allocate(11); }) == Code::exhausted);
    CHECK(disk.free_bytes("/") == 0);
    disk.set_capacity(11);
    write(*file, 6, "12345");
    CHECK(all(*file).size() == 11);
}

TEST_CASE("when the power goes within a change, that one and all later ones fail until the plug is back") {
    FakeDisk disk(1);
    const auto file = disk.open("/file", Disk::Mode::create);
    disk.sync_folder("/");
    disk.cut_power_after(2);
    write(*file, 0, "first");
    CHECK(code_of([&] { write(*file, 5, "second"); }) == Code::io);
    CHECK(!disk.has_power());
    CHECK(code_of([&] { (void)disk.open("/file", Disk::Mode::read); }) == Code::io);
    disk.crash(FakeDisk::Loss::nothing);
    CHECK(std::string("firstsecond").starts_with(disk.content("/file")));
    CHECK(disk.content("/file").starts_with("first"));
}
