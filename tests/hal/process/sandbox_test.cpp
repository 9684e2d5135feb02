#include "hal/process/sandbox.hpp"

#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>

namespace {

using hal::process::Sandbox;

// Runs `inside` in a child that has entered `sandbox`: a Sandbox is for good. The child's exit status, 100 if it threw.
int status_in(const Sandbox& sandbox, const std::function<bool()>& inside) {
    const pid_t child = ::fork();
    if (child == 0) {
        int status = 100;
        try {
            hal::process::enter(sandbox);
            status = inside() ? 0 : 1;
        } catch (...) {
        }
        ::_exit(status);
    }
    int how = 0;
    ::waitpid(child, &how, 0);
    return WIFEXITED(how) ? WEXITSTATUS(how) : -1;
}

struct Folder {
    std::string path = "/tmp/sandbox-XXXXXX";
    Folder() {
        REQUIRE(::mkdtemp(path.data()) != nullptr);
        ::chmod(path.c_str(), 0777);
        for (const auto* name : {"/mine", "/others"}) {
            REQUIRE(::mkdir((path + name).c_str(), 0777) == 0);
            ::chmod((path + name).c_str(), 0777);
        }
    }
    ~Folder() {
        for (const auto* name : {"/mine/file", "/mine/moved", "/others/file", "/mine", "/others", ""})
            if (::unlink((path + name).c_str()) != 0) ::rmdir((path + name).c_str());
    }
};

bool can_write(const std::string& path) {
    const int file = ::open(path.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0644);
    if (file >= 0) ::close(file);
    return file >= 0;
}

}  // namespace

TEST_CASE("a sandboxed process is the given user and can never become root again") {
    Sandbox sandbox;
    sandbox.user = 61999;
    CHECK(status_in(sandbox, [] {
              return ::getuid() == 61999 && ::getegid() == 61999 && ::getgroups(0, nullptr) == 0 && ::setuid(0) != 0;
          }) == 0);
}

TEST_CASE("files outside the given folders cannot be written, read or listed, nor moved out") {
    Folder folder;
    Sandbox sandbox;
    sandbox.writable = {folder.path + "/mine", folder.path + "/does-not-exist"};
    REQUIRE(can_write(folder.path + "/others/file"));
    CHECK(status_in(sandbox, [&] {
              const std::string mine = folder.path + "/mine", others = folder.path + "/others";
              return can_write(mine + "/file") && ::rename((mine + "/file").c_str(), (mine + "/moved").c_str()) == 0 &&
                     ::rename((mine + "/moved").c_str(), (others + "/moved").c_str()) != 0 && !can_write(others + "/file") &&
                     ::open((others + "/file").c_str(), O_RDONLY) < 0;
          }) == 0);
    sandbox.readable = {folder.path + "/others"};
    CHECK(status_in(sandbox, [&] {
              return ::open((folder.path + "/others/file").c_str(), O_RDONLY) >= 0 && !can_write(folder.path + "/others/file");
          }) == 0);
}

namespace {

// Enough for these tests to run at all.
Sandbox with_calls() {
    Sandbox sandbox;
    sandbox.calls = {"brk", "clone", "close", "exit", "exit_group", "fstat", "futex", "getpid", "madvise", "mmap", "mprotect", "munmap", "prctl",
                     "read", "rseq", "rt_sigprocmask", "set_robust_list", "socket", "write"};
    return sandbox;
}

// The signal that ended it; 0: none did.
int signal_in(const Sandbox& sandbox, const std::function<void()>& inside) {
    const pid_t child = ::fork();
    if (child == 0) {
        hal::process::enter(sandbox);
        inside();
        ::_exit(0);
    }
    int how = 0;
    ::waitpid(child, &how, 0);
    return WIFSIGNALED(how) ? WTERMSIG(how) : 0;
}

// What errno a refused call leaves; 0: it was not refused.
int refusal(long result) { return result < 0 ? errno : 0; }

}  // namespace

TEST_CASE("a call that is not listed is refused, one that administers the machine ends the process") {
    CHECK(status_in(with_calls(), [] { return ::getpid() > 0 && refusal(::chdir("/")) == EPERM; }) == 0);
    CHECK(signal_in(with_calls(), [] { ::execl("/bin/true", "true", nullptr); }) == SIGSYS);
    CHECK(signal_in(with_calls(), [] { ::mount("none", "/tmp", "tmpfs", 0, nullptr); }) == SIGSYS);
    CHECK(signal_in(with_calls(), [] { ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); }) == SIGSYS);
    CHECK(signal_in(with_calls(), [] { ::getpid(); }) == 0);
}

TEST_CASE("threads are started in a sandbox, processes are not") {
    CHECK(status_in(with_calls(), [] {
              bool has_run = false;
              std::thread([&has_run] { has_run = true; }).join();
              return has_run && refusal(::fork()) == EPERM;
          }) == 0);
}

TEST_CASE("no page of memory becomes code unless the sandbox loads libraries") {
    const auto map_code = [] { return ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED; };
    auto sandbox = with_calls();
    CHECK(status_in(sandbox, map_code) == 1);
    sandbox.loads_code = true;
    CHECK(status_in(sandbox, map_code) == 0);
}

TEST_CASE("sockets have the families that were given") {
    auto sandbox = with_calls();
    CHECK(status_in(sandbox, [] {
              return ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0 && ::socket(AF_UNIX, SOCK_STREAM, 0) >= 0 &&
                     refusal(::socket(AF_INET6, SOCK_DGRAM, 0)) == EPERM && refusal(::socket(AF_INET, SOCK_RAW, IPPROTO_TCP)) == EPERM &&
                     refusal(::socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)) == EPERM && refusal(::socket(AF_PACKET, SOCK_RAW, 0)) == EPERM;
          }) == 0);
    sandbox.has_datagrams = sandbox.has_netlink = true;
    CHECK(status_in(sandbox, [] {
              return ::socket(AF_INET6, SOCK_DGRAM, 0) >= 0 && ::socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) >= 0 &&
                     refusal(::socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER)) == EPERM;
          }) == 0);
}

TEST_CASE("a list that names no system call is a defect") {
    Sandbox sandbox;
    sandbox.calls = {"opne"};
    CHECK_THROWS(hal::process::enter(sandbox));
}

TEST_CASE("TCP connections go to the given ports alone, and none can be bound") {
    const auto connect_to = [](std::uint16_t port) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return refusal(::connect(::socket(AF_INET, SOCK_STREAM, 0), reinterpret_cast<const sockaddr*>(&address), sizeof address));
    };
    Sandbox sandbox;
    sandbox.ports.emplace().connects_to = {1};
    CHECK(status_in(sandbox, [&] { return connect_to(1) == ECONNREFUSED && connect_to(2) == EACCES; }) == 0);
    sandbox.ports->connects_everywhere = true;
    CHECK(status_in(sandbox, [&] {
              sockaddr_in any{};
              any.sin_family = AF_INET;
              return connect_to(2) == ECONNREFUSED &&
                     refusal(::bind(::socket(AF_INET, SOCK_STREAM, 0), reinterpret_cast<const sockaddr*>(&any), sizeof any)) == EACCES;
          }) == 0);
}

TEST_CASE("whoever becomes a user has no capability left, and none to gain") {
    Sandbox sandbox;
    sandbox.user = 61999;
    CHECK(status_in(sandbox, [] {
              for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability)
                  if (::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) != 0) return false;
              return ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
          }) == 0);
}
