// Child processes by pidfd: started with exactly the descriptors, environment and folder they are given, awaited on the
// loop, killed without the race of a reused process number.
//
// Does not own sandboxing: limits are cgroup.hpp, namespaces are namespaces.hpp. Captured output is bounded
// (`capture_bytes_max`); what is beyond it is read and dropped, so that the child never blocks.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hal/async/task.hpp"

namespace hal::process {

using async::Task;

// An owned file descriptor.
class Descriptor {
public:
    Descriptor() = default;
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept;
    ~Descriptor() { reset(); }
    [[nodiscard]] int get() const { return fd_; }
    [[nodiscard]] int release() { return std::exchange(fd_, -1); }
    [[nodiscard]] explicit operator bool() const { return fd_ >= 0; }
    void reset();

private:
    int fd_ = -1;
};

// Both ends close on exec. Throws Error{io}.
struct Pipe {
    Descriptor read, write;
};
Pipe make_pipe();

struct Exit {
    int code = 0;    // exit code, or 128 + signal
    int signal = 0;  // 0 unless a signal ended it
};

struct Command {
    std::string program;                     // a path, or a name looked for on PATH
    std::vector<std::string> arguments = {};  // without argv[0]
    std::optional<std::map<std::string, std::string>> environment = {};  // empty: this process's own
    std::string folder = {};                    // "": this process's own
    std::map<int, int> descriptors = {};     // child's number -> ours; 0, 1, 2 default to /dev/null. All others are closed
    bool new_session = false;
};

class Child {
public:
    Child(pid_t pid, Descriptor pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
    [[nodiscard]] pid_t pid() const { return pid_; }
    // No effect once it has ended.
    void kill(int signal) const;
    // Waits for the end and reaps. Once.
    Task<Exit> wait();

private:
    pid_t pid_;
    Descriptor pidfd_;
};

// Throws Error{not_found|io} when the program cannot be started.
Child spawn(const Command& command);

struct Captured {
    Exit exit;
    std::string output;  // standard output and error together, in order of arrival
    bool timed_out = false;
};
inline constexpr std::size_t capture_bytes_max = 64 * 1024;
// Runs to the end; killed with SIGKILL after `limit`. `input` is not offered: standard input is /dev/null.
Task<Captured> run(Command command, std::chrono::steady_clock::duration limit);

// A process that need not be our child (conmon after our restart).
class Foreign {
public:
    // Empty when there is no such process now.
    static std::optional<Foreign> open(pid_t pid);
    // Returns when it has ended.
    Task<> wait_end();
    void kill(int signal) const;
    [[nodiscard]] pid_t pid() const { return pid_; }

private:
    Foreign(pid_t pid, Descriptor pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
    pid_t pid_;
    Descriptor pidfd_;
};

// Waits until `descriptor` can be read (or has ended).
Task<> wait_readable(int descriptor);
Task<> wait_writable(int descriptor);

}  // namespace hal::process
