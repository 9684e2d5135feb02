// Real containers: crun and conmon on a busybox root.
#include <catch2/catch_test_macros.hpp>
#include <signal.h>
#include <unistd.h>

#include "hal/base/error.hpp"
#include "tests/services/kubelet/pods/lab.hpp"

using namespace lab;

namespace {

Task<pods::Ended> run_to_end(pods::Runtime& runtime, pods::Creation creation) {
    const auto id = creation.id;
    co_await runtime.create(std::move(creation));
    co_await runtime.run(id);
    co_return co_await runtime.wait_end(id);
}

Task<> begin(pods::Runtime& runtime, pods::Creation creation) {
    const auto id = creation.id;
    co_await runtime.create(std::move(creation));
    co_await runtime.run(id);
}

Task<std::string> read_all(int from) {
    std::string text;
    for (;;) {
        co_await hal::process::wait_readable(from);
        char buffer[4096];
        const auto count = ::read(from, buffer, sizeof buffer);
        if (count > 0) text.append(buffer, static_cast<std::size_t>(count));
        if (count == 0 || (count < 0 && errno != EAGAIN)) co_return text;  // a terminal that closes reads EIO
    }
}

struct Said {
    std::string output, error;
    int code = 0;
};

Task<Said> said_by(pods::Runtime& runtime, std::string id, pods::ExecRequest request, std::string input = "") {
    auto exec = co_await runtime.exec(id, std::move(request));
    if (exec->input && !input.empty()) {
        CHECK(::write(exec->input.get(), input.data(), input.size()) == static_cast<ssize_t>(input.size()));
        exec->input.reset();
    }
    Said said;
    said.output = co_await read_all(exec->output.get());
    if (exec->error) said.error = co_await read_all(exec->error.get());
    said.code = (co_await exec->wait()).code;
    co_return said;
}

}  // namespace

TEST_CASE("a container's output is its log in CRI format, and its exit code is known") {
    Lab lab;
    const auto ended = lab.run(run_to_end(lab.runtime, lab.creation("one", "echo hi; echo oh >&2; exit 7")));
    CHECK(ended.exit_code == 7);
    CHECK(ended.is_known);
    CHECK_FALSE(ended.was_oom_killed);
    const auto log = text_of(lab.root / "log/one.log");
    CHECK(log.contains(" stdout F hi\n"));
    CHECK(log.contains(" stderr F oh\n"));
    lab.run(lab.runtime.remove("one"));
    CHECK(lab.runtime.known().empty());
    CHECK_FALSE(fs::exists(lab.root / "run/exits/one"));
}

TEST_CASE("a container that cannot be made says why, and nothing is left of it") {
    Lab lab;
    auto creation = lab.creation("none", "");
    creation.config["process"].as_object()["args"] = json::array{"/bin/nonesuch"};
    try {
        lab.run(lab.runtime.create(std::move(creation)));
        FAIL("it was made");
    } catch (const hal::Error& failure) {
        CHECK(std::string(failure.what()) == "executable file `/bin/nonesuch` not found: No such file or directory");
    }
    CHECK(lab.runtime.known().empty());
}

TEST_CASE("a signal ends a container, and one that ended takes none") {
    Lab lab;
    lab.run(begin(lab.runtime, lab.creation("sleeper", "exec sleep 1000")));
    CHECK(lab.runtime.process_of("sleeper") > 0);
    CHECK(lab.runtime.signal("sleeper", SIGKILL));
    CHECK(lab.run(lab.runtime.wait_end("sleeper")).exit_code == 137);
    CHECK(lab.runtime.process_of("sleeper") == 0);
    CHECK_FALSE(lab.runtime.signal("sleeper", SIGTERM));
}

TEST_CASE("a container that takes more memory than its limit is known to be killed for it") {
    Lab lab;
    const auto ended = lab.run(run_to_end(lab.runtime, lab.creation("big", "exec dd if=/dev/zero of=/dev/null bs=64M count=1", 16 << 20)));
    CHECK(ended.exit_code == 137);
    CHECK(ended.was_oom_killed);
}

TEST_CASE("a new process finds the containers of the one before it") {
    Lab lab;
    lab.run(begin(lab.runtime, lab.creation("kept", "sleep 0.3; exit 3")));
    pods::Runtime next(lab.pool, lab.clock, {.run_folder = lab.root / "run", .cgroup_parent = lab.group});
    CHECK(next.known() == std::vector<std::string>{"kept"});
    CHECK(lab.run(next.wait_end("kept")).exit_code == 3);
}

TEST_CASE("a command runs inside a container with streams of its own") {
    Lab lab;
    lab.run(begin(lab.runtime, lab.creation("host", "exec sleep 1000")));
    const auto plain = lab.run(said_by(lab.runtime, "host", {{"/bin/sh", "-c", "echo out; echo err >&2; exit 5"}}));
    CHECK(plain.output == "out\n");
    CHECK(plain.error == "err\n");
    CHECK(plain.code == 5);
    const auto fed = lab.run(said_by(lab.runtime, "host", {{"/bin/cat"}, false, true}, "through\n"));
    CHECK(fed.output == "through\n");
    const auto missing = lab.run(said_by(lab.runtime, "host", {{"/bin/nonesuch"}}));
    CHECK(missing.code != 0);
    CHECK(missing.error.contains("nonesuch"));
    const auto terminal = lab.run(said_by(lab.runtime, "host", {{"/bin/sh", "-c", "test -t 1 && echo tty; exit 4"}, true}));
    CHECK(terminal.output == "tty\r\n");
    CHECK(terminal.code == 4);
}

TEST_CASE("who attaches to a container reads what it says and writes to its input") {
    Lab lab;
    auto creation = lab.creation("talker", "read line; echo got $line; sleep 1000");
    creation.has_stdin = true;
    lab.run(begin(lab.runtime, std::move(creation)));
    const auto attachment = lab.run(lab.runtime.attach("talker"));
    CHECK(::write(attachment.socket.get(), "word\n", 5) == 5);
    lab.run(hal::process::wait_readable(attachment.socket.get()));
    char packet[pods::Attachment::packet_bytes_max];
    const auto count = ::read(attachment.socket.get(), packet, sizeof packet);
    REQUIRE(count > 1);
    CHECK(packet[0] == pods::Attachment::output);
    CHECK(std::string(packet + 1, static_cast<std::size_t>(count - 1)) == "got word\n");
}

TEST_CASE("a log that was renamed is opened anew") {
    Lab lab;
    auto creation = lab.creation("writer", "while read line; do echo $line; done");
    creation.has_stdin = true;
    lab.run(begin(lab.runtime, std::move(creation)));
    fs::rename(lab.root / "log/writer.log", lab.root / "log/writer.log.1");
    lab.runtime.reopen_log("writer");
    const auto attachment = lab.run(lab.runtime.attach("writer"));
    for (int tries = 0; tries < 1000 && !fs::exists(lab.root / "log/writer.log"); ++tries) ::usleep(1000);
    CHECK(::write(attachment.socket.get(), "later\n", 6) == 6);
    lab.run(hal::process::wait_readable(attachment.socket.get()));
    CHECK(text_of(lab.root / "log/writer.log").contains("stdout F later\n"));
}
