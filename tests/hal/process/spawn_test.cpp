#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <catch2/catch_test_macros.hpp>

#include <unistd.h>

#include "hal/base/error.hpp"
#include "hal/process/cgroup.hpp"
#include "hal/process/namespaces.hpp"
#include "hal/process/spawn.hpp"

using namespace hal;
using namespace std::chrono_literals;

namespace {

template <class T>
T complete(async::Task<T> task) {
    boost::asio::io_context loop(1);
    std::exception_ptr failure;
    std::optional<T> result;
    boost::asio::co_spawn(loop, std::move(task), [&](std::exception_ptr e, T value) {
        failure = e;
        if (!e) result = std::move(value);
    });
    loop.run();
    if (failure) std::rethrow_exception(failure);
    return std::move(*result);
}

}  // namespace

TEST_CASE("a program's output and exit code come back together") {
    const auto captured = complete(process::run({.program = "sh", .arguments = {"-c", "echo out; echo err >&2; exit 7"}}, 10s));
    CHECK(captured.output == "out\nerr\n");
    CHECK(captured.exit.code == 7);
    CHECK_FALSE(captured.timed_out);
}

TEST_CASE("a program that outlives its limit is killed and said to have timed out") {
    const auto captured = complete(process::run({.program = "sh", .arguments = {"-c", "echo begun; exec sleep 60"}}, 300ms));
    CHECK(captured.timed_out);
    CHECK(captured.exit.signal == 9);
    CHECK(captured.exit.code == 137);
    CHECK(captured.output == "begun\n");
}

TEST_CASE("output beyond the bound is read and dropped") {
    const auto captured = complete(process::run({.program = "head", .arguments = {"-c", "300000", "/dev/zero"}}, 10s));
    CHECK(captured.output.size() == process::capture_bytes_max);
    CHECK(captured.exit.code == 0);
}

TEST_CASE("a child gets the descriptors it is given and no others") {
    const auto captured = complete(process::run({.program = "sh", .arguments = {"-c", "ls /proc/self/fd | wc -l; pwd"}, .folder = "/usr"}, 10s));
    CHECK(captured.output == "4\n/usr\n");  // 0, 1, 2 and the one that ls reads the folder with
}

TEST_CASE("a program that is not there is not found") {
    try {
        process::spawn({.program = "no-such-program"});
        FAIL("started");
    } catch (const Error& e) {
        CHECK(e.code() == Code::not_found);
    }
}

TEST_CASE("a group counts, kills and goes") {
    if (::geteuid() != 0) SKIP("making a cgroup needs root");
    process::Cgroups groups;
    const std::string group = "/branchbox-test-" + std::to_string(::getpid()) + "/pod";
    groups.create(group);
    groups.limit(group, {.memory_bytes = 64 << 20, .cpu_shares = 512, .cpu_quota_us = 50'000, .pids = 32});
    auto child = process::spawn({.program = "sleep", .arguments = {"60"}});
    groups.add(group, child.pid());
    CHECK(groups.processes(group) == std::vector<pid_t>{child.pid()});
    CHECK_FALSE(groups.remove(group));
    groups.kill_all(group);
    CHECK(complete(child.wait()).signal == 9);
    CHECK(groups.remove(group.substr(0, group.rfind('/'))));
}
