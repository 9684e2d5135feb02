#include "firmware/guard/rights.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "firmware/guard/keeper.hpp"
#include "tests/folder.hpp"
#include "hal/process/sandbox.hpp"

using namespace firmware::guard;
namespace fs = std::filesystem;

namespace {

constexpr std::uint16_t api_port = 6443;
constexpr int ended_by_signal = 1000;

// A box's data folders, each of its own user, as the guard makes them.
struct Box {
    Folder folder;
    Box() {
        fs::permissions(folder.path, fs::perms(0711));
        for (const auto& row : all_services()) {
            const auto data = data_folder(folder.path, row.name);
            fs::create_directories(data);
            std::ofstream(data / "file") << "data";
            const auto user = row.is_root ? 0 : user_of(row, folder.path);
            for (const auto& path : {data, data / "file"}) REQUIRE(::chown(path.c_str(), user, user) == 0);
            fs::permissions(data, fs::perms(0700));
        }
        fs::create_directories(folder.path / "var/lib/branchbox/credentials");
        std::ofstream(folder.path / "var/lib/branchbox/credentials/server-ca.key") << "secret";
    }
};

// What errno `attempt` leaves when the service's own process makes it; 0: it may. `ended_by_signal` + N when it does not live.
template <class Attempt>
int as_service(const Box& box, const ServiceRow& row, Attempt attempt) {
    const pid_t child = ::fork();
    if (child == 0) {
        int status = 255;
        try {
            hal::process::enter(sandbox_of(row, box.folder.path, user_of(row, box.folder.path), api_port));
            errno = 0;
            status = attempt() < 0 ? errno : 0;
        } catch (...) {
        }
        ::_exit(status);
    }
    int how = 0;
    REQUIRE(::waitpid(child, &how, 0) == child);
    return WIFSIGNALED(how) ? ended_by_signal + WTERMSIG(how) : WEXITSTATUS(how);
}

int open_for(const fs::path& path, int flags) { return ::open(path.c_str(), flags | O_CLOEXEC, 0600); }

int connect_to(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ::connect(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

template <class Check>
void each_sandboxed(Check check) {
    for (const auto& row : all_services()) {
        if (row.is_root) continue;
        INFO("service " << row.name);
        check(row);
    }
}

}  // namespace

TEST_CASE("every service has a row of what it may do and use") {
    unsigned disk_percent = 0;
    for (const auto& row : all_services()) {
        INFO("service " << row.name);
        const auto& rights = rights_of(row);
        CHECK(rights.service == row.name);
        CHECK(rights.cpu_shares >= 2);
        CHECK(rights.oom_score < 0);
        CHECK((rights.disk_percent == 0 || !rights.when_full.empty()));
        disk_percent += rights.disk_percent;
    }
    CHECK(disk_percent < 100);
}

TEST_CASE("a service reads and writes its own data, and nobody else's") {
    const Box box;
    each_sandboxed([&](const ServiceRow& row) {
        const auto own = data_folder(box.folder.path, row.name);
        CHECK(as_service(box, row, [&] { return open_for(own / "file", O_RDWR); }) == 0);
        CHECK(as_service(box, row, [&] { return open_for(own / "new", O_RDWR | O_CREAT); }) == 0);
        for (const auto& other : all_services()) {
            if (other.name == row.name) continue;
            CHECK(as_service(box, row, [&] { return open_for(data_folder(box.folder.path, other.name) / "file", O_RDONLY); }) == EACCES);
        }
        CHECK(as_service(box, row, [&] { return open_for(box.folder.path / "var/lib/branchbox/credentials/server-ca.key", O_RDONLY); }) == EACCES);
        CHECK(as_service(box, row, [] { return open_for("/etc/shadow", O_RDONLY); }) == EACCES);
        CHECK(as_service(box, row, [] { return open_for("/tmp", O_RDONLY | O_DIRECTORY); }) == EACCES);
        CHECK(as_service(box, row, [] { return open_for("/proc/1/environ", O_RDONLY); }) == EACCES);
    });
}

TEST_CASE("a service starts no program and no process, and one that tries to rule the machine ends") {
    const Box box;
    each_sandboxed([&](const ServiceRow& row) {
        CHECK(as_service(box, row, [] { return ::execl("/bin/true", "true", nullptr); }) == ended_by_signal + SIGSYS);
        CHECK(as_service(box, row, [] { return ::mount("none", "/tmp", "tmpfs", 0, nullptr); }) == ended_by_signal + SIGSYS);
        CHECK(as_service(box, row, [] { return ::ptrace(PTRACE_ATTACH, ::getppid(), nullptr, nullptr); }) == ended_by_signal + SIGSYS);
        CHECK(as_service(box, row, [] { return ::unshare(CLONE_NEWUSER); }) == ended_by_signal + SIGSYS);
        CHECK(as_service(box, row, [] { return ::fork(); }) == EPERM);
        CHECK(as_service(box, row, [] { return ::kill(::getppid(), 0); }) == EPERM);
        CHECK(as_service(box, row, [] { return ::setuid(0); }) == EPERM);
        CHECK(as_service(box, row, [] { return ::chmod("/dev/null", 0777); }) == EPERM);
    });
}

TEST_CASE("a service connects to the ports of its row alone, and binds none") {
    const Box box;
    each_sandboxed([&](const ServiceRow& row) {
        const auto& rights = rights_of(row);
        constexpr std::uint16_t nobodys = 9;
        CHECK(as_service(box, row, [] { return connect_to(nobodys); }) == (rights.connects_everywhere ? ECONNREFUSED : EACCES));
        CHECK(as_service(box, row, [] { return connect_to(api_port); }) == (rights.connects_everywhere || rights.calls_api_server ? ECONNREFUSED : EACCES));
        for (const auto port : rights.connects_to) CHECK(as_service(box, row, [&] { return connect_to(port); }) == ECONNREFUSED);
        // Of the kernel's own, the ones that carry no TCP are refused as sockets.
        CHECK(as_service(box, row, [] { return ::socket(AF_PACKET, SOCK_RAW, 0); }) == EPERM);
        CHECK(as_service(box, row, [] { return ::socket(AF_INET, SOCK_RAW, IPPROTO_ICMP); }) == EPERM);
        CHECK(as_service(box, row, [] { return ::socket(AF_INET, SOCK_DGRAM, 0); }) == (rights.has_datagrams ? 0 : EPERM));
        CHECK(as_service(box, row, [] {
                  sockaddr_in any{};
                  any.sin_family = AF_INET;
                  any.sin_port = htons(nobodys);
                  return ::bind(::socket(AF_INET, SOCK_STREAM, 0), reinterpret_cast<const sockaddr*>(&any), sizeof any);
              }) == (rights.has_netlink ? EACCES : EPERM));  // its netlink sockets are bound
    });
}
