#include "hal/net/nftables.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "hal/base/error.hpp"
#include "hal/net/netlink_message.hpp"

namespace hal::net {

using netlink::Descriptor;

namespace {

struct Outcome {
    int status = 0;
    std::string out;
    std::string err;
};

struct Pipe {
    Descriptor read, write;
    Pipe() {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) throw system_error("pipe");
        read = Descriptor(ends[0]);
        write = Descriptor(ends[1]);
    }
};

// A whole input as a file in memory, so that the child can read it while we read what it prints.
Descriptor input_file(const std::string& text) {
    Descriptor fd(::memfd_create("ruleset", MFD_CLOEXEC));
    if (fd.get() < 0) throw system_error("memfd_create");
    for (std::size_t done = 0; done < text.size();) {
        const ssize_t wrote = ::write(fd.get(), text.data() + done, text.size() - done);
        if (wrote < 0) throw system_error("write the ruleset");
        done += static_cast<std::size_t>(wrote);
    }
    ::lseek(fd.get(), 0, SEEK_SET);
    return fd;
}

// Reads both pipes until they end; false when the time or a bound is over.
bool collect(const Descriptor& out, const Descriptor& err, Outcome& outcome) {
    const auto until = std::chrono::steady_clock::now() + nft_time_max;
    std::array<pollfd, 2> polled{{{out.get(), POLLIN, 0}, {err.get(), POLLIN, 0}}};
    std::array<char, 16384> buffer;
    while (polled[0].fd >= 0 || polled[1].fd >= 0) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        if (left.count() <= 0) return false;
        if (::poll(polled.data(), polled.size(), static_cast<int>(left.count())) < 0 && errno != EINTR) return false;
        for (auto& one : polled) {
            if (one.fd < 0 || one.revents == 0) continue;
            const ssize_t got = ::read(one.fd, buffer.data(), buffer.size());
            auto& into = one.fd == out.get() ? outcome.out : outcome.err;
            if (got <= 0)
                one.fd = -1;
            else
                into.append(buffer.data(), static_cast<std::size_t>(got));
            if (into.size() > nft_output_bytes_max) return false;
        }
    }
    return true;
}

Outcome run(const std::filesystem::path& program, std::vector<std::string> words, const std::string& input) {
    const auto in = input_file(input);
    Pipe out, err;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in.get(), 0);
    posix_spawn_file_actions_adddup2(&actions, out.write.get(), 1);
    posix_spawn_file_actions_adddup2(&actions, err.write.get(), 2);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    words.insert(words.begin(), program.string());
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    char locale[] = "LC_ALL=C";
    char* environment[] = {locale, nullptr};
    pid_t pid = -1;
    const int failure = ::posix_spawn(&pid, program.c_str(), &actions, &attributes, arguments.data(), environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (failure != 0) throw system_error("start " + program.string(), failure);
    out.write = Descriptor();  // the child holds the only writing ends now
    err.write = Descriptor();
    Outcome outcome;
    const bool ended = collect(out.read, err.read, outcome);
    if (!ended) ::kill(pid, SIGKILL);
    while (::waitpid(pid, &outcome.status, 0) < 0 && errno == EINTR) {
    }
    if (!ended) throw Error(Code::timed_out, program.string() + " did not end within its limits and was stopped");
    return outcome;
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

void Nftables::apply(const std::string& ruleset) const {
    const auto outcome = run(program_, {"-f", "-"}, ruleset);
    if (outcome.status != 0) throw Error(Code::invalid, "nft refused the rules: " + first_line(outcome.err));
}

std::string Nftables::json(const std::vector<std::string>& words) const {
    std::vector<std::string> all{"-j"};
    all.insert(all.end(), words.begin(), words.end());
    auto outcome = run(program_, std::move(all), "");
    if (outcome.status != 0) {
        const bool absent = outcome.err.find("No such file or directory") != std::string::npos;
        throw Error(absent ? Code::not_found : Code::io, "nft: " + first_line(outcome.err));
    }
    return std::move(outcome.out);
}

}  // namespace hal::net
