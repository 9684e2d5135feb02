#include "hal/disk/log.hpp"

#include <catch2/catch_test_macros.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"
#include "hal/disk/fake_disk.hpp"
#include "hal/disk/log_format.hpp"
#include "on_loop.hpp"

using hal::Code;
using hal::Error;
using namespace hal::disk;
namespace format = hal::disk::format;

namespace {

constexpr std::uint64_t identity = 0x0102030405060708;
constexpr std::uint32_t segment_bytes = 64 * 1024;
const std::filesystem::path first_path = "/log/0000000001.segment";
const std::filesystem::path second_path = "/log/0000000002.segment";

LogOptions options() { return {.segment_bytes = segment_bytes, .record_bytes_max = 20'000, .identity = identity}; }

// A log on a disk, and the loop it runs on.
struct Running {
    explicit Running(Disk& disk, LogOptions with = options(), const std::filesystem::path& folder = "/log") {
        log = on_loop(Log::open(disk, readers, folder, with));
    }
    Position commit(std::string body) { return on_loop(log->write(1, 1, std::move(body))); }
    std::vector<std::string> bodies(Position from = {}) {
        std::vector<std::string> found;
        for (;;) {
            const auto batch = on_loop(log->scan(from));
            if (batch.records.empty()) return found;
            for (const auto& record : batch.records) found.emplace_back(record.body);
            from = batch.next;
        }
    }
    template <class Result>
    Code code_of(hal::async::Task<Result> task) {
        try {
            on_loop(std::move(task));
        } catch (const Error& e) {
            return e.code();
        }
        FAIL("nothing was thrown");
        return Code::internal;
    }

    OnLoop on_loop;
    hal::async::Pool readers{1};
    std::unique_ptr<Log> log;
};

// The file of a first segment that holds `bodies`, committed one by one or as one group.
std::string segment_of(const std::vector<std::string>& bodies, bool as_one_group = false) {
    FakeDisk disk(1);
    Running running(disk);
    for (const auto& body : bodies) {
        const auto position = running.log->append(1, 1, {body});
        if (!as_one_group) running.on_loop(running.log->committed(position));
    }
    running.on_loop(running.log->sync());
    return disk.content(first_path);
}

// A disk with that file alone.
std::unique_ptr<FakeDisk> disk_with(std::string content) {
    auto disk = std::make_unique<FakeDisk>(1);
    disk->make_folder("/log");
    disk->sync_folder("/");
    disk->put(first_path, std::move(content));
    return disk;
}

}  // namespace

TEST_CASE("a segment with one record has the bytes of the worked example") {
    FakeDisk disk(1);
    Running running(disk);
    running.on_loop(running.log->committed(running.log->append(7, 1, {"hello"})));
    const auto content = disk.content(first_path);
    CHECK(content.size() == segment_bytes);
    CHECK(hal::hex(content.substr(0, 32)) == "42585345474d4e540100000001000000080706050403020100000000423dd71c");
    CHECK(content.substr(0, 64) == content.substr(0x800, 64));
    CHECK(hal::hex(content.substr(0x1000, 32)) == "425852310500000000100000070100004cbb719abd6c1ccd68656c6c6f000000");
}

TEST_CASE("a record comes back by position and by scan, whether its body was given in parts, moved in, or is empty") {
    FakeDisk disk(1);
    Running running(disk);
    const std::string large(20'000, 'l');
    const auto parts = running.log->append(3, 2, {"one ", "", "two"}, " three");
    const auto moved = running.log->append(4, 1, {large.substr(0, 10)}, large.substr(10));
    const auto empty = running.log->append(5, 1, {});
    running.on_loop(running.log->sync());
    const auto record = running.on_loop(running.log->read(parts));
    CHECK(record.body == "one two three");
    CHECK(record.type == 3);
    CHECK(record.version == 2);
    CHECK(running.on_loop(running.log->read(moved)).body == large);
    CHECK(running.on_loop(running.log->read(empty)).body.empty());
    CHECK(running.bodies() == std::vector<std::string>{"one two three", large, ""});
    CHECK(running.bodies(moved) == std::vector<std::string>{large, ""});
}

TEST_CASE("a record of the largest size is taken, one byte more is too large, and nothing of it is written") {
    FakeDisk disk(1);
    Running running(disk);
    CHECK(running.on_loop(running.log->read(running.commit(std::string(20'000, 'x')))).body.size() == 20'000);
    const auto end = running.log->end();
    CHECK(running.code_of(running.log->write(1, 1, std::string(20'001, 'x'))) == Code::too_large);
    CHECK(running.log->end() == end);
}

TEST_CASE("a tail torn at each byte is cut at that record, and nothing is called damaged") {
    const auto whole = segment_of({"first", "second", std::string(700, 't') + "end"});
    const std::size_t third = 4096 + 32 + 32;
    for (std::size_t torn = third; torn < third + 24 + 703; ++torn) {
        auto content = whole;
        std::fill(content.begin() + static_cast<std::ptrdiff_t>(torn), content.end(), '\0');
        const auto disk = disk_with(content);
        Running running(*disk);
        INFO("torn at " << torn);
        REQUIRE(running.bodies() == std::vector<std::string>{"first", "second"});
        REQUIRE(running.log->statistics().damaged_records == 0);
        // What is written next is found behind what was there.
        running.commit("next");
        REQUIRE(running.bodies() == std::vector<std::string>{"first", "second", "next"});
    }
}

TEST_CASE("a changed bit damages its own record alone, which is counted once and named with file and offset") {
    const auto whole = segment_of({"first", "the second one, which is changed", "third"}, true);
    const std::size_t second = 4096 + 32;
    for (std::size_t at = second; at < second + 24 + 32; ++at) {
        auto content = whole;
        content[at] = static_cast<char>(content[at] ^ 0x10);
        const auto disk = disk_with(content);
        Running running(*disk);
        INFO("changed at " << at);
        REQUIRE(running.bodies() == std::vector<std::string>{"first", "third"});
        const auto statistics = running.log->statistics();
        REQUIRE(statistics.damaged_records == 1);
        REQUIRE(statistics.damage.at(0).offset == second);
        REQUIRE(statistics.damage.at(0).path == first_path);
        REQUIRE(running.code_of(running.log->read({1, static_cast<std::uint32_t>(second)})) == Code::corrupt);
    }
}

TEST_CASE("a sector that never reached the disk cuts the last group there, and is damage in an earlier one") {
    const std::vector<std::string> bodies{std::string(600, 'a'), std::string(1'200, 'b'), std::string(600, 'c')};
    const auto lose_sector = [](std::string content) {
        content.replace(4096 + 1024, 512, 512, '\0');  // within the second record
        return content;
    };
    const auto torn = disk_with(lose_sector(segment_of(bodies, true)));
    Running cut(*torn);
    CHECK(cut.bodies() == std::vector<std::string>{bodies[0]});
    CHECK(cut.log->statistics().damaged_records == 0);
    CHECK(cut.log->statistics().torn_bytes > 0);

    const auto damaged = disk_with(lose_sector(segment_of(bodies, false)));
    Running skipped(*damaged);
    CHECK(skipped.bodies() == std::vector<std::string>{bodies[0], bodies[2]});
    CHECK(skipped.log->statistics().damaged_records == 1);
}

TEST_CASE("a record whose own body is zeros is not taken for a lost sector when a bit of it changes") {
    auto content = segment_of({"first", std::string(2'000, '\0'), "third"}, true);
    content[4096 + 32 + 24 + 1'000] = 1;
    const auto disk = disk_with(content);
    Running running(*disk);
    CHECK(running.bodies() == std::vector<std::string>{"first", "third"});
    CHECK(running.log->statistics().damaged_records == 1);
}

TEST_CASE("a segment inside a record's body is never taken for records") {
    auto content = segment_of({segment_of({"inner", "inner too"}).substr(4096 - 24, 512), "outer"}, true);
    content[4096 + 5] = 'X';  // the length of the first record is no longer known
    const auto disk = disk_with(content);
    Running running(*disk);
    CHECK(running.bodies() == std::vector<std::string>{"outer"});
}

TEST_CASE("one copy of a segment's head is enough") {
    for (const std::size_t at : {std::size_t{17}, std::size_t{2048 + 17}}) {
        auto content = segment_of({"kept"});
        content[at] = static_cast<char>(content[at] ^ 1);
        const auto disk = disk_with(content);
        Running running(*disk);
        CHECK(running.bodies() == std::vector<std::string>{"kept"});
        CHECK(running.log->statistics().damaged_records == 0);
    }
}

TEST_CASE("a segment without a true head is reported and left alone, and the log goes on behind it") {
    auto content = segment_of({"out of reach"});
    content[17] = content[2048 + 17] = 'X';
    const auto disk = disk_with(content);
    Running running(*disk);
    CHECK(running.log->statistics().damaged_records == 1);
    CHECK(running.commit("next").segment == 2);
    CHECK(disk->content(first_path) == content);
}

TEST_CASE("a newer format is refused, and nothing is changed") {
    const auto head = format::encode_head({.version = format::version + 1, .segment = 1, .identity = identity, .marks = {}});
    const auto disk = disk_with(head + std::string(4096, 'n'));
    OnLoop on_loop;
    hal::async::Pool readers(1);
    try {
        on_loop(Log::open(*disk, readers, "/log", options()));
        FAIL("it was opened");
    } catch (const Error& e) {
        CHECK(e.code() == Code::unsupported);
    }
    CHECK(disk->content(first_path) == head + std::string(4096, 'n'));
}

TEST_CASE("all who wait together share one sync, and one who waits alone has one at once") {
    FakeDisk disk(1);
    Running running(disk);
    running.commit("makes the segment");
    const auto before = disk.syncs();
    unsigned waiting = 64;
    for (int i = 0; i < 64; ++i)
        boost::asio::co_spawn(running.on_loop.loop, running.log->committed(running.log->append(1, 1, {"shared"})), [&](std::exception_ptr failure) {
            REQUIRE(!failure);
            --waiting;
        });
    running.on_loop.loop.restart();
    while (waiting > 0) running.on_loop.loop.run_one();
    CHECK(disk.syncs() == before + 1);
    running.commit("alone");
    CHECK(disk.syncs() == before + 2);
}

TEST_CASE("records nobody waits for survive a kill without a sync, and are synced once sync_bytes of them are written") {
    FakeDisk disk(1);
    auto with = options();
    with.sync_bytes = 1'000;
    {
        Running running(disk, with);
        running.commit("makes the segment");
        const auto syncs = disk.syncs();
        const auto relaxed = running.log->append(1, 1, {"relaxed"});
        CHECK(running.on_loop(running.log->read(relaxed)).body == "relaxed");
        CHECK(disk.syncs() == syncs);
        CHECK(running.log->durable_end() == relaxed);
        CHECK(running.bodies().size() == 1);
        const auto second = running.log->append(1, 1, {std::string(1'000, 'r')});
        running.on_loop(running.log->read(second));
        CHECK(disk.syncs() == syncs + 1);
        CHECK(running.log->durable_end() > second);
        running.on_loop(running.log->read(running.log->append(1, 1, {"last"})));
        disk.kill();
    }
    Running again(disk, with);
    CHECK(again.bodies().size() == 4);
}

TEST_CASE("a failed sync refuses its group, and reopening shows none of it once a later record is there") {
    FakeDisk disk(1);
    {
        Running running(disk);
        running.commit("kept");
        disk.fail_syncs(1);
        const auto refused = running.log->append(1, 1, {"refused"});
        CHECK(running.code_of(running.log->committed(refused)) == Code::io);
        CHECK(running.code_of(running.log->committed(refused)) == Code::io);
        CHECK(running.code_of(running.log->read(refused)) == Code::gone);
        const auto later = running.commit("later");
        CHECK(later.segment == 2);
        CHECK(running.bodies() == std::vector<std::string>{"kept", "later"});
        CHECK(running.log->segments().at(0).is_abandoned);
        disk.kill();
    }
    Running again(disk);
    CHECK(again.bodies() == std::vector<std::string>{"kept", "later"});
    CHECK(again.log->statistics().damaged_records == 0);
}

TEST_CASE("a full disk refuses with exhausted, reads go on, and so do writes once there is room") {
    FakeDisk disk(1, segment_bytes + 1'000);
    Running running(disk);
    const auto first = running.commit("first");
    Position last;
    while (running.log->reserved_bytes() >= 20'000) last = running.commit(std::string(20'000, 'x'));
    CHECK(running.code_of(running.log->write(1, 1, std::string(20'000, 'y'))) == Code::exhausted);
    CHECK(running.on_loop(running.log->read(first)).body == "first");
    CHECK(running.on_loop(running.log->read(last)).body.size() == 20'000);
    disk.set_capacity(3 * segment_bytes);
    CHECK(running.on_loop(running.log->read(running.commit("room again"))).body == "room again");
}

TEST_CASE("segments are removed whole, never the newest, and no position is given again after a restart") {
    FakeDisk disk(1);
    Position newest;
    {
        Running running(disk);
        const auto first = running.commit("first");
        running.log->seal();
        newest = running.commit("second");
        CHECK(newest.segment == 2);
        CHECK(running.log->segments().at(0).records == 1);
        CHECK(disk.content(first_path).size() == 4096 + 32 + format::seal_bytes);
        CHECK(running.code_of(running.log->remove({2})) == Code::conflict);
        running.on_loop(running.log->remove({1, 77}));
        CHECK(running.code_of(running.log->read(first)) == Code::gone);
        CHECK(running.bodies(first) == std::vector<std::string>{"second"});
        disk.crash();
    }
    Running again(disk);
    CHECK(again.bodies() == std::vector<std::string>{"second"});
    CHECK(again.commit("third") > newest);
}

TEST_CASE("a sealed segment is known by its seal after a restart") {
    FakeDisk disk(1);
    {
        Running running(disk);
        for (int i = 0; i < 9; ++i) running.commit(std::string(10'000, 's'));
        running.on_loop(running.log->close());
    }
    Running again(disk);
    const auto segments = again.log->segments();
    REQUIRE(segments.size() == 2);
    CHECK(segments[0].records == 6);
    CHECK(segments[1].records == 3);
    CHECK(segments[1].is_active);
    CHECK(again.bodies().size() == 9);
}

TEST_CASE("what waits to be written is bounded, and room() returns once it was written") {
    FakeDisk disk(1);
    auto with = options();
    with.pending_bytes_max = 10'000;
    Running running(disk, with);
    running.log->append(1, 1, {std::string(9'000, 'x')});
    try {
        running.log->append(1, 1, {std::string(2'000, 'x')});
        FAIL("it was taken");
    } catch (const Error& e) {
        CHECK(e.code() == Code::exhausted);
    }
    running.on_loop(running.log->room(2'000));
    running.commit(std::string(2'000, 'x'));
    CHECK(running.bodies().size() == 2);
}

TEST_CASE("who stops waiting is told so, and the record becomes durable all the same") {
    FakeDisk disk(1);
    Running running(disk);
    const auto position = running.log->append(1, 1, {"patience"});
    boost::asio::cancellation_signal stop;
    std::optional<Code> code;
    boost::asio::co_spawn(running.on_loop.loop, running.log->committed(position), boost::asio::bind_cancellation_slot(stop.slot(), [&](std::exception_ptr failure) {
                              try {
                                  if (failure) std::rethrow_exception(failure);
                              } catch (const Error& e) {
                                  code = e.code();
                              }
                          }));
    running.on_loop.loop.restart();
    running.on_loop.loop.poll_one();  // the group begins
    running.on_loop.loop.poll_one();  // it waits
    stop.emit(boost::asio::cancellation_type::terminal);
    while (!code) running.on_loop.loop.run_one();
    CHECK(*code == Code::cancelled);
    running.on_loop(running.log->sync());
    CHECK(running.bodies() == std::vector<std::string>{"patience"});
}

TEST_CASE("a cursor that has read everything is woken by the next durable record") {
    FakeDisk disk(1);
    Running running(disk);
    running.commit("first");
    const auto cursor = running.on_loop(running.log->scan({})).next;
    bool is_woken = false;
    boost::asio::co_spawn(running.on_loop.loop, running.log->more(cursor), [&](std::exception_ptr) { is_woken = true; });
    running.on_loop.loop.restart();
    running.on_loop.loop.poll();
    CHECK(!is_woken);
    running.commit("second");
    while (!is_woken) running.on_loop.loop.run_one();
    CHECK(running.bodies(cursor) == std::vector<std::string>{"second"});
}

TEST_CASE("options that leave no room for a record of the largest size are refused") {
    FakeDisk disk(1);
    OnLoop on_loop;
    hal::async::Pool readers(1);
    const auto opens = [&](std::uint32_t record_bytes_max) {
        try {
            on_loop(Log::open(disk, readers, "/log", {.segment_bytes = segment_bytes, .record_bytes_max = record_bytes_max}));
            return true;
        } catch (const Error& e) {
            CHECK(e.code() == Code::invalid);
            return false;
        }
    };
    const auto most = segment_bytes - format::head_bytes - format::frame_bytes - format::seal_bytes;
    CHECK(opens(most));
    CHECK(!opens(most + 1));
}

TEST_CASE("on the system's disk a log is found again, with its records, positions and segments") {
    std::string folder = "/tmp/branchbox-log-XXXXXX";
    REQUIRE(::mkdtemp(folder.data()) != nullptr);
    Position first;
    {
        Running running(system_disk(), options(), folder + "/deep/log");
        first = running.commit("first");
        for (int i = 0; i < 9; ++i) running.commit(std::string(10'000, 's'));
        running.on_loop(running.log->close());
    }
    {
        Running again(system_disk(), options(), folder + "/deep/log");
        CHECK(again.on_loop(again.log->read(first)).body == "first");
        CHECK(again.bodies().size() == 10);
        again.on_loop(again.log->remove({1}));
        CHECK(again.log->segments().size() == 1);
    }
    std::filesystem::remove_all(folder);
}
