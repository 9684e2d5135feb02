#include "hal/process/sandbox.hpp"

#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <functional>
#include <string>

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

TEST_CASE("a process that may not administer the machine starts no program and mounts nothing") {
    Sandbox sandbox;
    sandbox.denies_administration = true;
    CHECK(status_in(sandbox, [] {
              if (::mount("none", "/tmp", "tmpfs", 0, nullptr) == 0 || errno != EPERM) return false;
              ::execl("/bin/true", "true", nullptr);
              return errno == EPERM;
          }) == 0);
}
