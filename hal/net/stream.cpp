#include "hal/net/stream.hpp"

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/cancel_after.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "hal/base/error.hpp"
#include "hal/net/datagram.hpp"
#include "hal/net/send_file.hpp"
#include "hal/net/socket.hpp"

namespace hal::net {

namespace {

namespace asio = async::asio;
using boost::system::error_code;
using Protocol = asio::generic::stream_protocol;
using Socket = Protocol::socket;
using Acceptor = asio::basic_socket_acceptor<Protocol>;

constexpr int backlog_max = 1024;

Error failure_of(const std::string& what, const error_code& failure) {
    const auto message = what + ": " + failure.message();
    if (failure == asio::error::operation_aborted || failure == asio::error::bad_descriptor)
        return {Code::cancelled, message};
    if (failure == asio::error::timed_out) return {Code::timed_out, message};
    if (failure == asio::error::no_descriptors || failure == asio::error::no_memory ||
        failure == error_code(ENFILE, asio::error::get_system_category()))
        return {Code::exhausted, message};
    if (failure == asio::error::connection_reset || failure == asio::error::connection_refused ||
        failure == asio::error::broken_pipe || failure == asio::error::connection_aborted ||
        failure == asio::error::host_unreachable || failure == asio::error::network_unreachable ||
        failure == asio::error::not_connected || failure == asio::error::host_not_found ||
        failure == asio::error::host_not_found_try_again || failure == error_code(ENOENT, asio::error::get_system_category()))
        return {Code::unavailable, message};
    return {Code::io, message};
}

// A v4 address that came in on a dual-stack socket is shown as the v4 address it is.
Endpoint endpoint_of(const Protocol::endpoint& from) {
    if (from.size() == 0) return {};
    if (from.protocol().family() == AF_UNIX) {
        const auto* address = reinterpret_cast<const sockaddr_un*>(from.data());
        const auto offset = offsetof(sockaddr_un, sun_path);
        const auto bytes = from.size() > offset ? from.size() - offset : 0;
        return {.address = std::string(address->sun_path, strnlen(address->sun_path, bytes)), .port = 0, .is_unix = true};
    }
    asio::ip::tcp::endpoint tcp;
    std::memcpy(tcp.data(), from.data(), std::min(from.size(), tcp.capacity()));
    auto address = tcp.address();
    if (address.is_v6() && address.to_v6().is_v4_mapped())
        address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
    return {.address = address.to_string(), .port = tcp.port()};
}

class SocketStream : public Stream {
public:
    explicit SocketStream(Socket socket) : socket_(std::move(socket)) {
        error_code ignored;
        local_ = endpoint_of(socket_.local_endpoint(ignored));
        remote_ = endpoint_of(socket_.remote_endpoint(ignored));
        if (!local_.is_unix) {
            // Answers are written whole: waiting for more to send only delays them.
            socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
            socket_.set_option(asio::socket_base::keep_alive(true), ignored);
        }
    }

    Task<std::size_t> read_some(std::span<std::byte> into) override {
        error_code failure;
        const auto count = co_await socket_.async_read_some(asio::buffer(into.data(), into.size()),
                                                            asio::redirect_error(asio::use_awaitable, failure));
        if (failure == asio::error::eof) co_return 0;
        if (failure) throw failure_of("read from " + remote_.to_string(), failure);
        co_return count;
    }

    Task<> write(std::span<const std::byte> from) override {
        error_code failure;
        co_await asio::async_write(socket_, asio::buffer(from.data(), from.size()),
                                   asio::redirect_error(asio::use_awaitable, failure));
        if (failure) throw failure_of("write to " + remote_.to_string(), failure);
    }

    Task<> send_file(FileRange range) override {
        error_code failure;
        socket_.native_non_blocking(true, failure);
        while (!failure && range.bytes > 0) {
            auto piece = range;
            piece.bytes = std::min(range.bytes, file_piece_bytes_max);
            co_await bring_into_memory(piece);
            auto offset = static_cast<off_t>(range.offset);
            const auto count = ::sendfile(socket_.native_handle(), range.descriptor, &offset, piece.bytes);
            if (count > 0) {
                range.offset += static_cast<std::uint64_t>(count);
                range.bytes -= static_cast<std::uint64_t>(count);
                // A peer that keeps up never makes this wait.
                co_await asio::post(asio::use_awaitable);
                continue;
            }
            if (count == 0) throw file_is_short(range);
            if (errno == EAGAIN)
                co_await socket_.async_wait(asio::socket_base::wait_write, asio::redirect_error(asio::use_awaitable, failure));
            else if (errno == EINVAL || errno == ENOSYS)  // a file that cannot be mapped
                co_return co_await Stream::send_file(range);
            else if (errno != EINTR)
                failure = error_code(errno, asio::error::get_system_category());
        }
        if (failure) throw failure_of("send a file to " + remote_.to_string(), failure);
    }

    Task<> finish_writing() override {
        error_code failure;
        socket_.shutdown(asio::socket_base::shutdown_send, failure);
        if (failure && failure != asio::error::not_connected)
            throw failure_of("shut down the connection to " + remote_.to_string(), failure);
        co_return;
    }

    void close() noexcept override {
        error_code ignored;
        socket_.close(ignored);
    }

    [[nodiscard]] Endpoint local() const override { return local_; }
    [[nodiscard]] Endpoint remote() const override { return remote_; }

    [[nodiscard]] std::optional<unsigned> peer_uid() const override {
        if (!local_.is_unix && !remote_.is_unix) return std::nullopt;
        ucred peer{};
        socklen_t size = sizeof peer;
        // Asio's native_handle() is not const.
        if (::getsockopt(const_cast<Socket&>(socket_).native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
            return std::nullopt;
        return peer.uid;
    }

private:
    Socket socket_;
    Endpoint local_;
    Endpoint remote_;
};

class SocketListener : public Listener {
public:
    explicit SocketListener(Acceptor acceptor) : acceptor_(std::move(acceptor)) {
        error_code ignored;
        local_ = endpoint_of(acceptor_.local_endpoint(ignored));
    }

    Task<StreamPtr> accept() override {
        for (;;) {
            Socket socket(acceptor_.get_executor());
            error_code failure;
            co_await acceptor_.async_accept(socket, asio::redirect_error(asio::use_awaitable, failure));
            if (failure == asio::error::connection_aborted) continue;  // gone while it waited in the backlog
            if (failure) throw failure_of("accept on " + local_.to_string(), failure);
            co_return std::make_unique<SocketStream>(std::move(socket));
        }
    }

    [[nodiscard]] Endpoint local() const override { return local_; }
    [[nodiscard]] int descriptor() override { return acceptor_.native_handle(); }
    void close() noexcept override {
        error_code ignored;
        acceptor_.close(ignored);
    }

private:
    Acceptor acceptor_;
    Endpoint local_;
};

// True if a process still accepts on the socket at `path`.
bool is_served(const asio::local::stream_protocol::endpoint& path) {
    const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0) throw system_error("socket");
    const bool refused = ::connect(probe, path.data(), static_cast<socklen_t>(path.size())) != 0 && errno == ECONNREFUSED;
    ::close(probe);
    return !refused;
}

Acceptor bind_to(const async::Executor& executor, const Protocol::endpoint& where, const std::string& name, bool before_address_exists) {
    Acceptor acceptor(executor);
    const auto check = [&name](const error_code& failure) {
        if (failure == asio::error::address_in_use) throw Error(Code::exists, "listen on " + name + ": " + failure.message());
        if (failure == asio::error::access_denied) throw Error(Code::forbidden, "listen on " + name + ": " + failure.message());
        if (failure) throw failure_of("listen on " + name, failure);
    };
    error_code failure;
    acceptor.open(where.protocol(), failure);
    check(failure);
    if (where.protocol().family() != AF_UNIX) acceptor.set_option(asio::socket_base::reuse_address(true), failure);
    check(failure);
    if (where.protocol().family() == AF_INET6) acceptor.set_option(asio::ip::v6_only(false), failure);
    check(failure);
    if (before_address_exists) set_free_bind(acceptor.native_handle(), where.protocol().family() == AF_INET6);
    acceptor.bind(where, failure);
    check(failure);
    acceptor.listen(backlog_max, failure);
    check(failure);
    return acceptor;
}

asio::local::stream_protocol::endpoint unix_endpoint(const std::string& path) {
    if (path.size() >= sizeof(sockaddr_un::sun_path))
        throw Error(Code::invalid, "socket path " + path + " has " + std::to_string(path.size()) + " bytes, the system takes " +
                                       std::to_string(sizeof(sockaddr_un::sun_path) - 1));
    return {path};
}

asio::ip::address address_of(const Endpoint& endpoint) {
    error_code failure;
    const auto address = asio::ip::make_address(endpoint.address, failure);
    if (failure) throw Error(Code::invalid, "'" + endpoint.address + "' is not an IP address");
    return address;
}

}  // namespace

std::unique_ptr<Listener> Listener::bind(async::Executor executor, const Endpoint& endpoint, bool before_address_exists) {
    const auto name = endpoint.to_string();
    if (endpoint.is_unix) {
        const auto path = unix_endpoint(endpoint.address);
        if (::access(endpoint.address.c_str(), F_OK) == 0) {
            if (is_served(path)) throw Error(Code::exists, "listen on " + name + ": another process serves it");
            ::unlink(endpoint.address.c_str());
        }
        return std::make_unique<SocketListener>(bind_to(executor, path, name, false));
    }
    const auto address = endpoint.address.empty() ? asio::ip::address(asio::ip::address_v6::any()) : address_of(endpoint);
    const asio::ip::tcp::endpoint where(address, endpoint.port);
    try {
        return std::make_unique<SocketListener>(bind_to(executor, where, name, before_address_exists));
    } catch (const Error& e) {
        // A kernel without IPv6 still has every address of the other family.
        if (!address.is_v6() || !address.is_unspecified() || e.code() == Code::exists || e.code() == Code::forbidden) throw;
    }
    return std::make_unique<SocketListener>(
        bind_to(executor, asio::ip::tcp::endpoint(asio::ip::address_v4::any(), endpoint.port), name, false));
}

std::unique_ptr<Listener> Listener::adopt(async::Executor executor, int descriptor) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0)
        throw system_error("descriptor " + std::to_string(descriptor) + " is not a listening socket");
    Acceptor acceptor(executor);
    error_code failure;
    acceptor.assign(Protocol(address.ss_family, 0), descriptor, failure);
    if (failure) throw failure_of("take over descriptor " + std::to_string(descriptor), failure);
    return std::make_unique<SocketListener>(std::move(acceptor));
}

namespace {

void set_option(int socket, int level, int option, int value) {
    if (::setsockopt(socket, level, option, &value, sizeof value) != 0) throw system_error("set an option of a socket");
}

void set_pace(int socket, const Pace& pace) {
    // A third of the time without a sign of life, then probes.
    const auto third = static_cast<int>(std::max<std::int64_t>(1, pace.dead_after.count() / 3000));
    set_option(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, static_cast<int>(pace.unsent_bytes_max));
    set_option(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(pace.dead_after.count()));
    set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, third);
    set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, third);
    set_option(socket, IPPROTO_TCP, TCP_KEEPCNT, 2);
}

Task<StreamPtr> dial_with(Endpoint endpoint, std::chrono::steady_clock::duration limit, std::optional<Pace> pace) {
    const auto executor = co_await asio::this_coro::executor;
    const auto deadline = std::chrono::steady_clock::now() + limit;
    const auto name = endpoint.to_string();
    error_code failure;
    std::vector<Protocol::endpoint> targets;
    if (endpoint.is_unix) {
        targets.emplace_back(unix_endpoint(endpoint.address));
    } else if (const auto address = asio::ip::make_address(endpoint.address, failure); !failure) {
        targets.emplace_back(asio::ip::tcp::endpoint(address, endpoint.port));
    } else {
        asio::ip::tcp::resolver resolver(executor);
        error_code unresolved;
        const auto found = co_await resolver.async_resolve(
            endpoint.address, std::to_string(endpoint.port), asio::ip::tcp::resolver::numeric_service,
            asio::cancel_after(limit, asio::redirect_error(asio::use_awaitable, unresolved)));
        if (unresolved == asio::error::operation_aborted && std::chrono::steady_clock::now() >= deadline)
            throw Error(Code::timed_out, "dial " + name + ": the name was not resolved in time");
        if (unresolved) throw failure_of("dial " + name, unresolved);
        for (const auto& entry : found) targets.emplace_back(entry.endpoint());
    }
    failure = asio::error::host_not_found;
    for (const auto& target : targets) {
        const auto left = deadline - std::chrono::steady_clock::now();
        if (left <= std::chrono::steady_clock::duration::zero()) {
            failure = asio::error::timed_out;
            break;
        }
        Socket socket(executor);
        if (pace && target.protocol().family() != AF_UNIX) {
            socket.open(target.protocol(), failure);
            if (failure) throw failure_of("dial " + name, failure);
            set_pace(socket.native_handle(), *pace);
        }
        co_await socket.async_connect(target, asio::cancel_after(left, asio::redirect_error(asio::use_awaitable, failure)));
        if (!failure) co_return std::make_unique<SocketStream>(std::move(socket));
        // The timer ends the attempt as a cancellation from outside would; only the clock tells them apart.
        if (failure == asio::error::operation_aborted && std::chrono::steady_clock::now() >= deadline)
            failure = asio::error::timed_out;
    }
    throw failure_of("dial " + name, failure);
}

}  // namespace

Task<StreamPtr> dial(Endpoint endpoint, std::chrono::steady_clock::duration limit) { return dial_with(std::move(endpoint), limit, std::nullopt); }

Task<StreamPtr> dial_paced(Endpoint endpoint, std::chrono::steady_clock::duration limit, Pace pace) {
    return dial_with(std::move(endpoint), limit, pace);
}

StreamPair socket_pair(async::Executor executor, std::size_t buffer_bytes) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) throw system_error("socket pair");
    Socket ours(executor);
    error_code failure;
    ours.assign(Protocol(AF_UNIX, 0), ends[0], failure);
    if (failure) {
        ::close(ends[0]);
        ::close(ends[1]);
        throw failure_of("socket pair", failure);
    }
    const int bytes = static_cast<int>(buffer_bytes);
    if (::setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes) != 0) {
        ::close(ends[1]);
        throw system_error("size of a socket pair's buffer");
    }
    return {std::make_unique<SocketStream>(std::move(ours)), ends[1]};
}

}  // namespace hal::net
