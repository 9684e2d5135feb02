#include "firmware/guard/status.hpp"

#include <catch2/catch_test_macros.hpp>
#include <unistd.h>

#include "hal/base/error.hpp"
#include "tests/folder.hpp"

using namespace firmware::guard;

namespace {

const hal::WallTime noon = hal::parse_rfc3339("2026-11-24T12:00:00Z");

Status two_processes() {
    Status status;
    status.processes = {{"guard", 10, 900, 0, true, noon}, {"kube", 11, 9000, 3, true, noon}};
    return status;
}

}  // namespace

TEST_CASE("a status read back is the one that was told") {
    auto status = two_processes();
    status.problems = {"docker drops forwarded packets"};
    const auto read = status_of(to_json(status));
    REQUIRE(read.processes.size() == 2);
    CHECK(read.processes[1].service == "kube");
    CHECK(read.processes[1].pss_kib == 9000);
    CHECK(read.processes[1].restarts == 3);
    CHECK(read.processes[1].since == noon);
    CHECK(read.problems == status.problems);
}

TEST_CASE("a box is healthy when every process is ready and nothing is told to be wrong") {
    auto status = two_processes();
    CHECK(status.is_healthy());
    status.problems = {"docker drops forwarded packets"};
    CHECK_FALSE(status.is_healthy());
    status.problems.clear();
    status.processes[1].is_ready = false;
    CHECK_FALSE(status.is_healthy());
}

TEST_CASE("a person sees each process on a line and each problem below") {
    auto status = two_processes();
    status.problems = {"docker drops forwarded packets"};
    const auto text = to_text(status, noon + std::chrono::minutes(5));
    CHECK(text.contains("kube         ready           11   9000 KiB         3     5m\n"));
    CHECK(text.ends_with("problem: docker drops forwarded packets\n"));
}

TEST_CASE("what waits to go upstream is told with its forecast") {
    auto status = two_processes();
    status.backlogs = {{"objects", "backlog", 12, 3'400'000, noon - std::chrono::hours(3), noon + std::chrono::minutes(90)}, {"logs", "logs", 1, 10, noon, {}}};
    const auto read = status_of(to_json(status));
    REQUIRE(read.backlogs.size() == 2);
    CHECK(read.backlogs[0].upstream == "objects");
    CHECK(read.backlogs[0].bytes == 3'400'000);
    CHECK(read.backlogs[0].empty_at == noon + std::chrono::minutes(90));
    CHECK_FALSE(read.backlogs[1].empty_at);
    CHECK(status.is_healthy());
    const auto text = to_text(status, noon);
    CHECK(text.contains("objects      backlog         12     3.4 MB        3h       90m\n"));
    CHECK(text.contains("logs         logs             1       10 B        0s   unknown\n"));
    CHECK(backlogs_of(backlogs_json(status.backlogs)).size() == 2);
    CHECK(backlogs_of("[{}]").empty());
}

TEST_CASE("a status that is none is refused, and so is a box where nothing runs") {
    CHECK_THROWS_AS(status_of("{}"), hal::Error);
    CHECK_THROWS_AS(status_of("{\"processes\":[{}],\"problems\":[]}"), hal::Error);
    const Folder folder;
    try {
        ask_status(folder.path);
        FAIL("nobody runs there");
    } catch (const hal::Error& failure) {
        CHECK(failure.code() == hal::Code::unavailable);
    }
}

TEST_CASE("a process's share of memory is read, and is none for one that does not exist") {
    CHECK(pss_kib(::getpid()) > 100);
    CHECK(pss_kib(0) == 0);
}
