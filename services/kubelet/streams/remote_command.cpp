#include "services/kubelet/streams/remote_command.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <format>
#include <functional>

#include "hal/base/error.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kubelet::streams {

namespace asio = boost::asio;
namespace kc = kubeclient;
using hal::async::Event;
using hal::async::TaskGroup;

namespace {

constexpr char channel_input = 0, channel_output = 1, channel_error = 2, channel_end = 3, channel_resize = 4;
constexpr unsigned char close_mark = 255;

// write(2) to a pipe whose reader may be gone: EPIPE, and no signal to this process.
ssize_t write_quietly(int descriptor, std::string_view bytes) {
    sigset_t pipe, before, pending;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    const auto count = ::write(descriptor, bytes.data(), bytes.size());
    const auto failure = errno;
    if (count < 0 && failure == EPIPE && sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE)) {
        const timespec now{};
        ::sigtimedwait(&pipe, nullptr, &now);
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    errno = failure;
    return count;
}

// What the tasks of one session share; they end before it does.
struct Session {
    std::shared_ptr<http::WebSocket> socket;
    Channels channels;
    TaskGroup group;
    Event drained;         // all output has been sent
    unsigned open = 0;     // streams that are still read
    bool has_exited = false;
    std::function<void()> peer_gone;
    std::function<void(unsigned, unsigned)> resize;
    Descriptor input;
    std::vector<asio::posix::stream_descriptor*> waiting;

    Session(hal::async::Executor executor, std::shared_ptr<http::WebSocket> with, Channels which)
        : socket(std::move(with)), channels(which), group(executor, "remote command", 8), drained(executor) {}
};

std::string message_of(char channel, std::string_view bytes) {
    std::string message(1, channel);
    return message.append(bytes);
}

Task<> put_input(Session& session, std::string bytes) {
    for (std::string_view left = bytes; !left.empty() && session.input;) {
        const auto count = write_quietly(session.input.get(), left);
        if (count > 0)
            left.remove_prefix(static_cast<std::size_t>(count));
        else if (errno == EAGAIN)
            co_await hal::process::wait_writable(session.input.get());
        else if (errno != EINTR)
            session.input.reset();  // the process reads no more
    }
}

void take_size(Session& session, std::string_view text) {
    boost::system::error_code failure;
    const auto size = json::parse(text, failure);
    if (failure || !size.is_object()) return;
    const auto columns = kc::number(size.get_object(), "Width"), rows = kc::number(size.get_object(), "Height");
    if (columns > 0 && rows > 0 && columns < 65536 && rows < 65536) session.resize(static_cast<unsigned>(columns), static_cast<unsigned>(rows));
}

// Reads the client's messages until it goes away.
Task<> read_client(Session& session) {
    try {
        for (;;) {
            auto message = co_await session.socket->read();
            if (!message) break;
            if (message->bytes.empty()) continue;
            const auto channel = static_cast<unsigned char>(message->bytes.front());
            message->bytes.erase(0, 1);
            if (channel == channel_input)
                co_await put_input(session, std::move(message->bytes));
            else if (channel == channel_resize)
                take_size(session, message->bytes);
            else if (channel == close_mark && session.channels.is_v5 && message->bytes == std::string(1, channel_input))
                session.input.reset();
        }
    } catch (const hal::Error& failure) {
        if (failure.code() == hal::Code::cancelled) throw;
    }
    session.peer_gone();
}

// Sends what `from` yields on `channel`, to its end, or until the process has ended and nothing is left of it.
Task<> pump(Session& session, int from, char channel) {
    const auto executor = co_await asio::this_coro::executor;
    asio::posix::stream_descriptor descriptor(executor, ::dup(from));
    session.waiting.push_back(&descriptor);
    std::array<char, piece_bytes_max> bytes;
    std::exception_ptr failure;
    try {
        for (;;) {
            const auto count = ::read(descriptor.native_handle(), bytes.data(), bytes.size());
            if (count > 0) {
                // Read also when nobody asked for it: the process must not wait for a reader.
                if (channel == channel_error ? session.channels.has_error : session.channels.has_output)
                    co_await session.socket->write(message_of(channel, {bytes.data(), static_cast<std::size_t>(count)}));
                continue;
            }
            if (count < 0 && errno == EINTR) continue;
            // EIO: a terminal whose other side is closed.
            if (count == 0 || errno != EAGAIN || session.has_exited) break;
            boost::system::error_code woken;
            co_await descriptor.async_wait(asio::posix::stream_descriptor::wait_read, asio::redirect_error(asio::use_awaitable, woken));
            if (woken && !session.has_exited) throw hal::Error(hal::Code::cancelled, "a stream was given up");
        }
    } catch (...) {
        failure = std::current_exception();
    }
    std::erase(session.waiting, &descriptor);
    if (--session.open == 0) session.drained.set();
    if (failure) std::rethrow_exception(failure);
}

void start_pump(Session& session, const Descriptor& from, char channel) {
    if (!from) return;
    ++session.open;
    session.group.spawn("stream " + std::to_string(channel), pump(session, from.get(), channel));
}

Task<> say_ready(Session& session) {
    // The API server and kubectl take the first message, empty on the lowest channel, as the start.
    const char lowest = session.channels.has_output ? channel_output : session.channels.has_error ? channel_error : channel_end;
    co_await session.socket->write(message_of(lowest, ""));
}

Task<> end(Session& session, std::string status) {
    co_await session.socket->write(message_of(channel_end, status));
    co_await session.socket->close();
}

Task<int> drive(Session& session, Process& process) {
    co_await say_ready(session);
    start_pump(session, process.output, channel_output);
    start_pump(session, process.error, channel_error);
    if (session.open == 0) session.drained.set();
    session.group.spawn("client", read_client(session));
    const auto exit = co_await process.wait();
    session.has_exited = true;
    for (auto* waiting : session.waiting) waiting->cancel();
    co_await session.drained.wait();
    co_return exit.code;
}

Task<> forward_packets(Session& session, int packets) {
    std::array<char, piece_bytes_max + 1> bytes;
    for (;;) {
        const auto count = ::read(packets, bytes.data(), bytes.size());
        if (count > 1) {
            const char channel = bytes[0] == 3 ? channel_error : channel_output;
            if (channel == channel_error ? session.channels.has_error : session.channels.has_output)
                co_await session.socket->write(message_of(channel, {bytes.data() + 1, static_cast<std::size_t>(count) - 1}));
        } else if (count == 0) {
            co_return;
        } else if (count < 0 && errno == EAGAIN) {
            co_await hal::process::wait_readable(packets);
        } else if (count < 0 && errno != EINTR) {
            co_return;
        }
    }
}

// Joins what runs of the session, also when it is cancelled, and goes on with how it ended.
Task<> wind_up(Session& session, std::exception_ptr failure) {
    co_await asio::this_coro::reset_cancellation_state();
    session.group.cancel();
    co_await session.group.join();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace

std::string exit_status(int code, const std::string& command) {
    if (code == 0) return json::serialize(json::object{{"metadata", json::object()}, {"status", "Success"}});
    return json::serialize(json::object{
        {"metadata", json::object()},
        {"status", "Failure"},
        {"message", std::format("command terminated with non-zero exit code: error executing command [{}], exit code {}", command, code)},
        {"reason", "NonZeroExitCode"},
        {"details", {{"causes", json::array{json::object{{"reason", "ExitCode"}, {"message", std::to_string(code)}}}}}}});
}

Task<> serve_process(std::shared_ptr<http::WebSocket> socket, std::shared_ptr<Process> process, std::string command, Channels channels) {
    Session session(co_await asio::this_coro::executor, std::move(socket), channels);
    session.input = std::move(process->input);
    session.resize = [&process](unsigned columns, unsigned rows) { process->resize(columns, rows); };
    session.peer_gone = [&process] { process->kill(); };
    std::exception_ptr failure;
    try {
        const auto code = co_await drive(session, *process);
        session.peer_gone = [] {};
        co_await end(session, exit_status(code, command));
    } catch (...) {
        failure = std::current_exception();
        process->kill();
    }
    co_await wind_up(session, failure);
}

Task<> serve_attachment(std::shared_ptr<http::WebSocket> socket, Descriptor packets, Channels channels,
                        std::function<void(unsigned, unsigned)> resize) {
    Session session(co_await asio::this_coro::executor, std::move(socket), channels);
    session.input = Descriptor(channels.has_input ? ::fcntl(packets.get(), F_DUPFD_CLOEXEC, 3) : -1);
    session.resize = std::move(resize);
    // Wakes the reader below: nothing more comes.
    session.peer_gone = [&packets] { ::shutdown(packets.get(), SHUT_RD); };
    std::exception_ptr failure;
    try {
        co_await say_ready(session);
        session.group.spawn("client", read_client(session));
        co_await forward_packets(session, packets.get());
        session.peer_gone = [] {};
        co_await end(session, exit_status(0, ""));
    } catch (...) {
        failure = std::current_exception();
    }
    co_await wind_up(session, failure);
}

}  // namespace services::kubelet::streams
