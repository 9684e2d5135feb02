#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "hal/base/error.hpp"
#include "services/kubelet/streams/log_stream.hpp"
#include "tests/folder.hpp"
#include "tests/services/http/harness.hpp"

using namespace services::kubelet::streams;
using namespace harness;
namespace fs = std::filesystem;

namespace {

std::string entry(int second, std::string text, std::string stream = "stdout", std::string tag = "F") {
    return std::format("2026-11-24T09:00:{:02}.123456789Z {} {} {}\n", second, stream, tag, text);
}

void append(const fs::path& file, const std::string& text) { std::ofstream(file, std::ios::app) << text; }

std::string rendered(const std::string& log, LogOptions options) {
    LogRenderer renderer(options);
    std::string out;
    // Cut anywhere: one byte at a time.
    for (const char c : log) renderer.add({&c, 1}, out);
    return out;
}

std::int64_t tail(const std::string& text, std::int64_t lines) {
    const Folder folder;
    append(folder.path / "log", text);
    const int file = ::open((folder.path / "log").c_str(), O_RDONLY);
    const auto start = tail_start(file, static_cast<std::int64_t>(text.size()), lines);
    ::close(file);
    return start;
}

}  // namespace

TEST_CASE("a CRI log line is read, and what is none is not") {
    const auto read = parse_log_line("2026-11-24T09:00:00.123456789Z stderr P some text ");
    REQUIRE(read);
    CHECK(read->is_error);
    CHECK(read->is_partial);
    CHECK(read->text == "some text ");
    CHECK(parse_log_line("2026-11-24T09:00:00.123456789Z stdout F")->text.empty());
    CHECK(parse_log_line("2026-11-24T09:00:00.123456789Z stdout F ")->text.empty());
    CHECK_FALSE(parse_log_line(""));
    CHECK_FALSE(parse_log_line("2026-11-24T09:00:00.123456789Z stdlog F x"));
    CHECK_FALSE(parse_log_line("2026-11-24T09:00:00.123456789Z stdout X x"));
    CHECK_FALSE(parse_log_line("noon stdout F x"));
}

TEST_CASE("partial lines are joined, with one time before them") {
    const auto log = entry(1, "one ", "stdout", "P") + entry(1, "line") + "garbage\n" + entry(2, "two");
    CHECK(rendered(log, {}) == "one line\ntwo\n");
    CHECK(rendered(log, {.timestamps = true}) == "2026-11-24T09:00:01.123456789Z one line\n2026-11-24T09:00:02.123456789Z two\n");
}

TEST_CASE("times are shown as Kubernetes shows them, whoever wrote them") {
    CHECK(shown_time("2026-11-24T09:00:00.123456789+00:00") == "2026-11-24T09:00:00.123456789Z");
    CHECK(shown_time("2026-11-24T09:00:00.5Z") == "2026-11-24T09:00:00.500000000Z");
    CHECK(shown_time("2026-11-24T09:00:00Z") == "2026-11-24T09:00:00.000000000Z");
    CHECK(shown_time("2026-11-24T09:00:00.123456789+01:00") == "2026-11-24T09:00:00.123456789+01:00");
}

TEST_CASE("lines are chosen by time and stream, and cut at limitBytes") {
    const auto log = entry(1, "a") + entry(2, "b", "stderr") + entry(3, "c");
    CHECK(rendered(log, {.since = hal::parse_rfc3339("2026-11-24T09:00:02.123456Z")}) == "b\nc\n");
    CHECK(rendered(log, {.since = hal::parse_rfc3339("2026-11-24T09:00:02.123457Z")}) == "c\n");
    CHECK(rendered(log, {.which = LogOptions::Which::error}) == "b\n");
    CHECK(rendered(log, {.bytes_max = 3}) == "a\nb");
    CHECK(rendered(log, {.bytes_max = 4}) == "a\nb\n");
}

TEST_CASE("the tail begins N lines before the end, whatever the block's bounds") {
    CHECK(tail("a\nb\nc\n", 0) == 6);
    CHECK(tail("a\nb\nc\n", 1) == 4);
    CHECK(tail("a\nb\nc\n", 2) == 2);
    CHECK(tail("a\nb\nc\n", 3) == 0);
    CHECK(tail("a\nb\nc\n", 9) == 0);
    CHECK(tail("a\nb\nc", 1) == 4);
    CHECK(tail("", 1) == 0);
    const std::string line(16 * 1024 - 1, 'x');
    CHECK(tail(line + "\n" + line + "\n", 1) == 16 * 1024);
    CHECK(tail("\n" + line + "\n" + line + "\n", 2) == 1);
}

TEST_CASE("a followed log goes on while it grows, over a rotation, and ends with its container") {
    const Folder folder;
    const auto file = folder.path / "0.log";
    append(file, entry(1, "one") + entry(2, "two"));
    Loop loop;
    loop.run([](Loop& on, fs::path path) -> Task<> {
        hal::async::Event ended(on.context.get_executor());
        auto log = read_log(on.context.get_executor(), path, {.follow = true, .tail_lines = 1}, [&ended] { return ended.wait(); });
        CHECK(co_await log->read() == "two\n");
        append(path, entry(3, "three"));
        CHECK(co_await log->read() == "three\n");
        append(path, entry(4, "four"));
        fs::rename(path, path.string() + ".20261124");
        append(path, entry(5, "five"));
        std::string more;
        while (more.size() < 10) more += co_await log->read();
        CHECK(more == "four\nfive\n");
        append(path, entry(6, "last"));
        ended.set();
        CHECK(co_await log->read() == "last\n");
        CHECK((co_await log->read()).empty());
    }(loop, file));
}

TEST_CASE("a log that is not followed ends, and one that does not exist is said") {
    const Folder folder;
    append(folder.path / "0.log", entry(1, "one"));
    Loop loop;
    loop.run([](Loop& on, fs::path path) -> Task<> {
        auto log = read_log(on.context.get_executor(), path / "0.log", {}, {});
        CHECK(co_await log->read() == "one\n");
        CHECK((co_await log->read()).empty());
        CHECK_THROWS_AS(read_log(on.context.get_executor(), path / "1.log", {}, {}), hal::Error);
    }(loop, folder.path));
}
