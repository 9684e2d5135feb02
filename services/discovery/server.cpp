#include "services/discovery/server.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/cancel_after.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <list>
#include <string>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"

namespace services::discovery {

namespace asio = boost::asio;
namespace dns = codec::dns;
using asio::ip::udp;
using hal::async::Task;

namespace {
constexpr auto area = "dns";
constexpr std::uint16_t edns_bytes = 4096;
}  // namespace

struct Server::State {
    hal::async::Executor executor;
    const Zone& zone;
    Forwarder& forwarder;
    ServerCounts counts{};
    std::uint32_t turn = 0;
    std::list<udp::socket> sockets;
    std::list<std::unique_ptr<hal::net::Listener>> listeners;
    std::size_t connections = 0;
    hal::async::TaskGroup group, queries;

    State(hal::async::Executor e, const Zone& z, Forwarder& f)
        : executor(e), zone(z), forwarder(f), group(e, area, connections_max + 64), queries(e, area, queries_max) {}

    // The reply as far as it is known without asking anyone; false: it is to be forwarded.
    bool begin(const dns::Message& query, dns::Message& reply);
    static void take(dns::Message& reply, dns::Message answer);
    Task<> serve_udp(udp::socket& socket);
    Task<> forward_udp(udp::socket& socket, udp::endpoint client, dns::Message query, dns::Message reply);
    Task<> serve_tcp(hal::net::Listener& listener);
    Task<> serve_connection(hal::net::StreamPtr stream);
    Task<> converse(hal::net::Stream& stream);
};

bool Server::State::begin(const dns::Message& query, dns::Message& reply) {
    ++counts.queries;
    reply.id = query.id;
    reply.is_response = true;
    reply.opcode = query.opcode;
    reply.recursion_desired = query.recursion_desired;
    reply.recursion_available = true;
    reply.questions = query.questions;
    reply.has_edns = query.has_edns;
    reply.edns_udp_bytes = edns_bytes;
    if (query.opcode != 0) {
        reply.rcode = dns::Rcode::not_implemented;
        return true;
    }
    if (query.questions.size() != 1) {
        reply.rcode = dns::Rcode::format_error;
        return true;
    }
    if (query.questions[0].klass != 1) {
        reply.rcode = dns::Rcode::refused;
        return true;
    }
    if (!zone.answer(query.questions[0], reply, turn++)) return false;
    if (reply.rcode == dns::Rcode::name_error && !zone.is_whole()) {
        reply.rcode = dns::Rcode::server_failure;
        reply.authorities.clear();
    }
    ++counts.cluster_answers;
    return true;
}

void Server::State::take(dns::Message& reply, dns::Message answer) {
    reply.rcode = answer.rcode;
    reply.answers = std::move(answer.answers);
    reply.authorities = std::move(answer.authorities);
    reply.additionals = std::move(answer.additionals);
}

namespace {

std::size_t udp_bytes(const dns::Message& query) {
    return query.has_edns ? std::clamp<std::size_t>(query.edns_udp_bytes, dns::udp_bytes_classic, edns_bytes)
                          : dns::udp_bytes_classic;
}

}  // namespace

Task<> Server::State::serve_udp(udp::socket& socket) {
    std::array<char, 4096> buffer;
    udp::endpoint client;
    for (;;) {
        boost::system::error_code failed;
        const auto got = co_await socket.async_receive_from(asio::buffer(buffer), client,
                                                            asio::redirect_error(asio::use_awaitable, failed));
        if (failed == asio::error::operation_aborted || failed == asio::error::bad_descriptor) co_return;
        if (failed) continue;  // an earlier answer met a closed port
        auto query = dns::decode({buffer.data(), got});
        if (!query || query->is_response) {
            ++counts.malformed;
            continue;
        }
        dns::Message reply;
        const bool is_known = begin(*query, reply);
        if (!is_known && queries.size() < queries_max) {
            queries.spawn("query", forward_udp(socket, client, std::move(*query), std::move(reply)));
            continue;
        }
        if (!is_known) reply.rcode = dns::Rcode::server_failure;
        const auto bytes = dns::encode(reply, udp_bytes(*query));
        co_await socket.async_send_to(asio::buffer(bytes), client, asio::redirect_error(asio::use_awaitable, failed));
    }
}

Task<> Server::State::forward_udp(udp::socket& socket, udp::endpoint client, dns::Message query, dns::Message reply) {
    ++counts.forwarded;
    take(reply, co_await forwarder.ask(query.questions[0]));
    if (reply.rcode == dns::Rcode::server_failure) ++counts.failures;
    const auto bytes = dns::encode(reply, udp_bytes(query));
    boost::system::error_code failed;
    co_await socket.async_send_to(asio::buffer(bytes), client, asio::redirect_error(asio::use_awaitable, failed));
}

Task<> Server::State::serve_tcp(hal::net::Listener& listener) {
    for (;;) {
        auto stream = co_await listener.accept();
        if (connections >= connections_max) continue;  // closed at once: the asker tries again
        group.spawn("connection", serve_connection(std::move(stream)));
    }
}

Task<> Server::State::serve_connection(hal::net::StreamPtr stream) {
    struct Counted {
        std::size_t& count;
        ~Counted() { --count; }
    } const counted{++connections};
    try {
        // In all: a client that wants more asks again (RFC 7766 6.2.3).
        co_await asio::co_spawn(executor, converse(*stream), asio::cancel_after(connection_time_max, asio::use_awaitable));
    } catch (const hal::Error&) {
        // Reset, or its time is over: nothing to tell.
    }
}

Task<> Server::State::converse(hal::net::Stream& stream) {
    std::string got;
    std::array<std::byte, 4096> buffer;
    for (;;) {
        while (got.size() >= 2) {
            const std::size_t length = static_cast<std::size_t>(static_cast<unsigned char>(got[0])) << 8 | static_cast<unsigned char>(got[1]);
            if (got.size() < 2 + length) break;
            const auto query = dns::decode(std::string_view(got).substr(2, length));
            got.erase(0, 2 + length);
            if (!query || query->is_response) {
                ++counts.malformed;
                co_return;
            }
            dns::Message reply;
            if (!begin(*query, reply)) {
                ++counts.forwarded;
                take(reply, co_await forwarder.ask(query->questions[0]));
            }
            const auto bytes = dns::encode(reply);
            std::string framed{static_cast<char>(bytes.size() >> 8), static_cast<char>(bytes.size() & 0xFF)};
            framed += bytes;
            co_await stream.write(std::as_bytes(std::span(framed)));
        }
        const auto count = co_await stream.read_some(buffer);
        if (count == 0) co_return;
        got.append(reinterpret_cast<const char*>(buffer.data()), count);
    }
}

Server::Server(hal::async::Executor executor, const Zone& zone, Forwarder& forwarder)
    : state_(std::make_unique<State>(std::move(executor), zone, forwarder)) {}
Server::~Server() = default;

void Server::listen_udp(int descriptor) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &length) != 0)
        throw hal::system_error("the DNS socket");
    auto& socket = state_->sockets.emplace_back(state_->executor);
    socket.assign(address.ss_family == AF_INET6 ? udp::v6() : udp::v4(), descriptor);
    state_->group.spawn("udp", state_->serve_udp(socket));
}

void Server::listen_tcp(std::unique_ptr<hal::net::Listener> listener) {
    auto& kept = *state_->listeners.emplace_back(std::move(listener));
    state_->group.spawn("tcp", state_->serve_tcp(kept));
}

Task<> Server::stop() {
    state_->group.cancel();
    state_->queries.cancel();
    co_await state_->group.join();
    co_await state_->queries.join();
}

const ServerCounts& Server::counts() const { return state_->counts; }

}  // namespace services::discovery
