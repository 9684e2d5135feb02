#include "hal/process/spawn.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

// glibc 2.41's header does not say for itself that these are C functions.
extern "C" {
#include <sys/pidfd.h>
}

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

#include "hal/base/error.hpp"

extern char** environ;

namespace hal::process {

namespace asio = boost::asio;

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
    if (this != &other) {
        reset();
        fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
}

void Descriptor::reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
}

Pipe make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw system_error("pipe");
    return {Descriptor(ends[0]), Descriptor(ends[1])};
}

namespace {

// posix_spawn's two objects, freed whatever happens.
struct Plan {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    Plan() {
        posix_spawn_file_actions_init(&actions);
        posix_spawnattr_init(&attributes);
    }
    ~Plan() {
        posix_spawn_file_actions_destroy(&actions);
        posix_spawnattr_destroy(&attributes);
    }
    Plan(const Plan&) = delete;
    Plan& operator=(const Plan&) = delete;
};

Task<> wait_for(int descriptor, asio::posix::stream_descriptor::wait_type what) {
    // A duplicate: Asio's object takes its descriptor for its own.
    asio::posix::stream_descriptor waiter(co_await asio::this_coro::executor);
    const int copy = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
    if (copy < 0) throw system_error("dup");
    waiter.assign(copy);
    boost::system::error_code failure;
    co_await waiter.async_wait(what, asio::redirect_error(asio::use_awaitable, failure));
    if (failure == asio::error::operation_aborted) throw Error(Code::cancelled, "cancelled while waiting");
}

}  // namespace

Task<> wait_readable(int descriptor) { return wait_for(descriptor, asio::posix::stream_descriptor::wait_read); }
Task<> wait_writable(int descriptor) { return wait_for(descriptor, asio::posix::stream_descriptor::wait_write); }

Child spawn(const Command& command) {
    Plan plan;
    int highest = 2;
    for (const auto& [child, ours] : command.descriptors) highest = std::max({highest, child, ours});
    // First out of each other's way: one that is to become another's number must not be overwritten before.
    int spare = highest + 1;
    std::map<int, int> copies;
    for (const auto& [child, ours] : command.descriptors) {
        posix_spawn_file_actions_adddup2(&plan.actions, ours, spare);
        copies[child] = spare++;
    }
    for (const auto& [child, copy] : copies) posix_spawn_file_actions_adddup2(&plan.actions, copy, child);
    for (int standard = 0; standard <= 2; ++standard)
        if (!command.descriptors.contains(standard))
            posix_spawn_file_actions_addopen(&plan.actions, standard, "/dev/null", standard == 0 ? O_RDONLY : O_WRONLY, 0);
    int keep = 2;
    for (const auto& [child, ours] : command.descriptors) keep = std::max(keep, child);
    posix_spawn_file_actions_addclosefrom_np(&plan.actions, keep + 1);
    if (!command.folder.empty()) posix_spawn_file_actions_addchdir_np(&plan.actions, command.folder.c_str());

    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&plan.attributes, &none);
    posix_spawnattr_setsigdefault(&plan.attributes, &all);
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    if (command.new_session) flags = static_cast<short>(flags | POSIX_SPAWN_SETSID);
    posix_spawnattr_setflags(&plan.attributes, flags);

    std::vector<std::string> words{command.program};
    words.insert(words.end(), command.arguments.begin(), command.arguments.end());
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    std::vector<std::string> settings;
    std::vector<char*> envp;
    if (command.environment) {
        for (const auto& [name, value] : *command.environment) settings.push_back(name + "=" + value);
        for (auto& setting : settings) envp.push_back(setting.data());
        envp.push_back(nullptr);
    }
    int pidfd = -1;
    const int failure = ::pidfd_spawnp(&pidfd, command.program.c_str(), &plan.actions, &plan.attributes, argv.data(),
                                       command.environment ? envp.data() : environ);
    if (failure == ENOENT) throw Error(Code::not_found, command.program + ": there is no such program");
    if (failure != 0) throw system_error("start " + command.program, failure);
    Descriptor owned(pidfd);
    return {::pidfd_getpid(pidfd), std::move(owned)};
}

void Child::kill(int signal) const { ::pidfd_send_signal(pidfd_.get(), signal, nullptr, 0); }

Task<Exit> Child::wait() {
    co_await wait_readable(pidfd_.get());
    siginfo_t how{};
    if (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &how, WEXITED) != 0) throw system_error("wait for a child");
    Exit exit;
    if (how.si_code == CLD_EXITED) {
        exit.code = how.si_status;
    } else {
        exit.signal = how.si_status;
        exit.code = 128 + how.si_status;
    }
    co_return exit;
}

namespace {

Task<> drain(Child& child, asio::posix::stream_descriptor& from, Captured& captured) {
    char buffer[4096];
    for (;;) {
        boost::system::error_code failure;
        const auto count =
            co_await from.async_read_some(asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, failure));
        if (failure == asio::error::operation_aborted) throw Error(Code::cancelled, "cancelled while reading");
        if (failure || count == 0) break;
        captured.output.append(buffer, std::min(count, capture_bytes_max - captured.output.size()));
    }
    captured.exit = co_await child.wait();
}

}  // namespace

Task<Captured> run(Command command, std::chrono::steady_clock::duration limit) {
    auto pipe = make_pipe();
    command.descriptors[1] = pipe.write.get();
    command.descriptors[2] = pipe.write.get();
    auto child = spawn(command);
    pipe.write.reset();
    const auto executor = co_await asio::this_coro::executor;
    asio::posix::stream_descriptor from(executor, pipe.read.release());
    Captured captured;
    asio::steady_timer deadline(executor, limit);
    // The deadline kills; the pipe then ends and so does the read. A grandchild that holds the pipe open loses its reader.
    deadline.async_wait([&](boost::system::error_code cancelled) {
        if (cancelled) return;
        captured.timed_out = true;
        child.kill(SIGKILL);
        boost::system::error_code ignored;
        from.cancel(ignored);
    });
    bool stopped = false;
    try {
        co_await drain(child, from, captured);
    } catch (const Error& e) {
        if (e.code() != Code::cancelled) throw;
        stopped = true;
    }
    deadline.cancel();
    if (stopped) {
        const bool by_caller = !captured.timed_out;
        child.kill(SIGKILL);
        co_await asio::this_coro::reset_cancellation_state();
        captured.exit = co_await child.wait();
        if (by_caller) throw Error(Code::cancelled, "cancelled while " + command.program + " ran");
    }
    co_return captured;
}

std::optional<Foreign> Foreign::open(pid_t pid) {
    const int fd = ::pidfd_open(pid, 0);
    if (fd < 0) return std::nullopt;
    return Foreign(pid, Descriptor(fd));
}

Task<> Foreign::wait_end() { return wait_readable(pidfd_.get()); }
void Foreign::kill(int signal) const { ::pidfd_send_signal(pidfd_.get(), signal, nullptr, 0); }

}  // namespace hal::process
