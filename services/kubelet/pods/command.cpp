#include "services/kubelet/pods/command.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include <unistd.h>

#include <algorithm>
#include <array>

namespace services::kubelet::pods {

namespace {

Task<> read_into(std::string& text, int from) {
    for (;;) {
        co_await hal::process::wait_readable(from);
        std::array<char, 4096> buffer;
        const auto count = ::read(from, buffer.data(), buffer.size());
        if (count > 0) text.append(buffer.data(), std::min(static_cast<std::size_t>(count), probes::body_bytes_max - text.size()));
        if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) co_return;
    }
}

}  // namespace

Task<probes::Execution> run_command(Runtime& runtime, std::string id, std::vector<std::string> command, std::chrono::steady_clock::duration limit) {
    auto exec = co_await runtime.exec(std::move(id), {.command = std::move(command)});
    probes::Execution done;
    boost::asio::steady_timer deadline(co_await boost::asio::this_coro::executor, limit);
    deadline.async_wait([&](boost::system::error_code cancelled) {
        if (cancelled) return;
        done.has_timed_out = true;
        exec->kill();
    });
    // One after the other: a command that fills one pipe while we read the other waits until the limit; their output is
    // short, and pipes hold 64 KiB.
    co_await read_into(done.output, exec->output.get());
    co_await read_into(done.output, exec->error.get());
    done.exit_code = (co_await exec->wait()).code;
    co_return done;
}

}  // namespace services::kubelet::pods
