#include "firmware/guard/notify.hpp"

#include <catch2/catch_test_macros.hpp>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstdlib>
#include <string>

#include "tests/folder.hpp"
#include "hal/process/spawn.hpp"

TEST_CASE("systemd's socket gets what the guard tells, and without one nothing happens") {
    const Folder folder;
    const auto path = (folder.path / "notify").string();
    const hal::process::Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    std::array<char, 64> got{};
    ::unsetenv("NOTIFY_SOCKET");
    firmware::guard::notify_systemd("READY=1");
    CHECK(::recv(socket.get(), got.data(), got.size(), 0) < 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
    firmware::guard::notify_systemd("READY=1");
    const auto count = ::recv(socket.get(), got.data(), got.size(), 0);
    ::setenv("NOTIFY_SOCKET", "/nobody/listens", 1);
    firmware::guard::notify_systemd("READY=1");
    ::unsetenv("NOTIFY_SOCKET");
    REQUIRE(count > 0);
    CHECK(std::string(got.data(), static_cast<std::size_t>(count)) == "READY=1");
}
