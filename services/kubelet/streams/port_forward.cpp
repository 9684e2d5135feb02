#include "services/kubelet/streams/port_forward.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <charconv>
#include <deque>
#include <format>
#include <map>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "hal/process/namespaces.hpp"
#include "services/kubelet/streams/spdy.hpp"

namespace services::kubelet::streams {

namespace asio = boost::asio;
using hal::async::Event;
using hal::async::TaskGroup;
using Tcp = asio::ip::tcp;

namespace {

constexpr std::uint32_t status_protocol_error = 1, status_refused = 3;

// One forwarded connection.
struct Pair {
    std::uint32_t error = 0, data = 0;  // streams; 0: not opened yet
    std::uint16_t port = 0;
    std::deque<std::string> inbox;      // from the client
    std::size_t inbox_bytes = 0;
    bool has_ended = false;             // the client sends no more
    bool is_given_up = false;           // reset by the client
    Event arrived, taken;
    explicit Pair(hal::async::Executor executor) : arrived(executor), taken(executor) {}
};

struct Session {
    hal::async::Executor executor;
    std::shared_ptr<http::WebSocket> socket;
    PodFacts pod;
    SpdyReader reader;
    SpdyWriter writer;
    std::map<std::string, std::shared_ptr<Pair>> pairs;  // by requestID; shared with the connection's task
    std::map<std::uint32_t, std::shared_ptr<Pair>> streams;
    TaskGroup group;

    Session(hal::async::Executor on, std::shared_ptr<http::WebSocket> with, PodFacts which)
        : executor(on), socket(std::move(with)), pod(std::move(which)), group(on, "port-forward", connections_max) {}
};

Task<> send(Session& session, std::string frame) { co_await session.socket->write(std::move(frame)); }

// What the client sent, into the pod; then waits for the client to give the connection up, for as long as the pod answers.
Task<> upward(Pair& pair, Tcp::socket& socket) {
    for (bool is_shut = false;;) {
        while (pair.inbox.empty() && (is_shut || !pair.has_ended) && !pair.is_given_up) {
            pair.arrived.clear();
            co_await pair.arrived.wait();
        }
        boost::system::error_code failure;
        if (pair.is_given_up) {
            socket.close(failure);
            co_return;
        }
        if (pair.inbox.empty()) {
            socket.shutdown(Tcp::socket::shutdown_send, failure);
            is_shut = true;
            continue;
        }
        const auto bytes = std::move(pair.inbox.front());
        pair.inbox.pop_front();
        co_await asio::async_write(socket, asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, failure));
        pair.inbox_bytes -= bytes.size();
        pair.taken.set();
        if (failure == asio::error::operation_aborted) throw hal::Error(hal::Code::cancelled, "port-forward ends");
        if (failure) {
            // The pod reads no more: what comes is dropped.
            pair.is_given_up = true;
            co_return;
        }
    }
}

Task<> downward(Session& session, Pair& pair, Tcp::socket& socket) {
    std::array<char, 32 * 1024> bytes;
    for (;;) {
        boost::system::error_code failure;
        const auto count = co_await socket.async_read_some(asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, failure));
        if (failure == asio::error::operation_aborted && !pair.is_given_up) throw hal::Error(hal::Code::cancelled, "port-forward ends");
        if (failure || count == 0) co_return;
        co_await send(session, SpdyWriter::data(pair.data, {bytes.data(), count}, false));
    }
}

// Empty, or why the pod's port cannot be reached.
Task<std::string> connect(const Session& session, std::uint16_t port, Tcp::socket& socket) {
    std::string reason;
    try {
        if (session.pod.network_namespace.empty())
            socket.open(Tcp::v4());
        else
            socket.assign(Tcp::v4(), hal::process::tcp_socket_in(session.pod.network_namespace).release());
    } catch (const std::exception& failure) {
        reason = failure.what();
    }
    if (!reason.empty()) co_return reason;
    boost::system::error_code failure;
    co_await socket.async_connect({asio::ip::address_v4::loopback(), port}, asio::redirect_error(asio::use_awaitable, failure));
    if (!failure) co_return "";
    auto text = failure.message();
    text.front() = static_cast<char>(text.front() | 0x20);
    co_return std::format("failed to connect to localhost:{} inside namespace \"{}\", IPv4: dial tcp4 127.0.0.1:{}: connect: {}", port,
                          session.pod.network_namespace.filename().string(), port, text);
}

Task<> forward(Session& session, std::shared_ptr<Pair> pair, std::string request) {
    Tcp::socket socket(session.executor);
    const auto problem = co_await connect(session, pair->port, socket);
    if (problem.empty()) {
        TaskGroup up(session.executor, "port-forward upward", 1);
        up.spawn("upward", upward(*pair, socket));
        std::exception_ptr failure;
        try {
            co_await downward(session, *pair, socket);
        } catch (...) {
            failure = std::current_exception();
        }
        co_await asio::this_coro::reset_cancellation_state();
        up.cancel();
        co_await up.join();
        if (failure) std::rethrow_exception(failure);
    } else {
        const auto text = std::format("error forwarding port {} to pod {}, uid : {}", pair->port, session.pod.uid, problem);
        hal::log::info("streams", "{}", text);
        co_await send(session, SpdyWriter::data(pair->error, text, false));
    }
    pair->is_given_up = true;
    pair->taken.set();
    co_await send(session, SpdyWriter::data(pair->data, "", true));
    co_await send(session, SpdyWriter::data(pair->error, "", true));
    session.streams.erase(pair->data);
    session.streams.erase(pair->error);
    session.pairs.erase(request);
}

Task<> open_stream(Session& session, SpdyFrame frame) {
    const auto header = [&](const char* name) {
        const auto at = frame.headers.find(name);
        return at == frame.headers.end() ? std::string() : at->second;
    };
    const auto type = header("streamtype"), request = header("requestid"), port = header("port");
    std::uint16_t number = 0;
    const bool is_port = std::from_chars(port.data(), port.data() + port.size(), number).ec == std::errc() && number > 0;
    if ((type != "data" && type != "error") || !is_port || session.streams.contains(frame.stream) || frame.stream == 0)
        co_return co_await send(session, SpdyWriter::rst_stream(frame.stream, status_protocol_error));
    if (!session.pairs.contains(request) && session.pairs.size() >= connections_max)
        co_return co_await send(session, SpdyWriter::rst_stream(frame.stream, status_refused));
    auto& pair = session.pairs[request];
    if (!pair) pair = std::make_shared<Pair>(session.executor);
    const auto kept = pair;
    auto& place = type == "data" ? kept->data : kept->error;
    if (place != 0) co_return co_await send(session, SpdyWriter::rst_stream(frame.stream, status_protocol_error));
    place = frame.stream;
    kept->port = number;
    session.streams[frame.stream] = kept;
    if (type == "data" && frame.is_last) kept->has_ended = true;
    co_await send(session, session.writer.syn_reply(frame.stream));
    if (kept->data != 0 && kept->error != 0) session.group.spawn("connection " + request, forward(session, kept, request));
}

Task<> take_data(Session& session, SpdyFrame frame) {
    const auto at = session.streams.find(frame.stream);
    // Nothing is read from the error stream; a stream that has ended may get what was on its way.
    if (at == session.streams.end() || frame.stream != at->second->data) co_return;
    const auto pair = at->second;
    while (pair->inbox_bytes + frame.bytes.size() > inbox_bytes_max && pair->inbox_bytes > 0 && !pair->is_given_up) {
        pair->taken.clear();
        co_await pair->taken.wait();
    }
    if (pair->is_given_up) co_return;
    if (!frame.bytes.empty()) {
        pair->inbox_bytes += frame.bytes.size();
        pair->inbox.push_back(std::move(frame.bytes));
    }
    if (frame.is_last) pair->has_ended = true;
    pair->arrived.set();
}

Task<bool> take_frame(Session& session, SpdyFrame frame) {
    switch (frame.type) {
        case SpdyFrame::Type::syn_stream: co_await open_stream(session, std::move(frame)); break;
        case SpdyFrame::Type::data: co_await take_data(session, std::move(frame)); break;
        case SpdyFrame::Type::ping: co_await send(session, SpdyWriter::ping(frame.stream)); break;
        case SpdyFrame::Type::rst_stream:
            if (const auto at = session.streams.find(frame.stream); at != session.streams.end()) {
                at->second->is_given_up = true;
                at->second->arrived.set();
            }
            break;
        case SpdyFrame::Type::goaway: co_return false;
        default: break;
    }
    co_return true;
}

Task<> read_frames(Session& session) {
    for (;;) {
        const auto message = co_await session.socket->read();
        if (!message) co_return;
        session.reader.feed(message->bytes);
        for (;;) {
            auto frame = session.reader.next();
            if (!frame) throw hal::Error(hal::Code::corrupt, "port-forward: " + frame.error());
            if (!*frame) break;
            if (!co_await take_frame(session, std::move(**frame))) co_return;
        }
    }
}

}  // namespace

Task<> serve_port_forward(std::shared_ptr<http::WebSocket> socket, PodFacts pod) {
    Session session(co_await asio::this_coro::executor, std::move(socket), std::move(pod));
    std::exception_ptr failure;
    try {
        co_await read_frames(session);
    } catch (...) {
        failure = std::current_exception();
    }
    co_await asio::this_coro::reset_cancellation_state();
    session.group.cancel();
    co_await session.group.join();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace services::kubelet::streams
