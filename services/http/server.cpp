#include "services/http/server.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>

#include <chrono>
#include <list>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "services/http/connection.hpp"

namespace services::http {

using hal::Code;
using hal::Error;

namespace {

// After "too many open files" the next accept would fail at once, too.
constexpr std::chrono::milliseconds accept_pause{200};

}  // namespace

struct Server::State {
    // What connections need; shared with them, since a cut connection may end after the server is gone.
    struct Core {
        hal::async::Executor executor;
        Handler handler;
        Limits limits;
        std::list<std::shared_ptr<Connection>> connections;
        hal::async::Event fewer;  // set when a connection has ended
        bool is_draining = false;
        std::shared_ptr<Http2Load> load = std::make_shared<Http2Load>();  // shared by the connections

        Core(hal::async::Executor e, Handler h, Limits l) : executor(e), handler(std::move(h)), limits(l), fewer(e) {}
    };
    struct Served {
        std::unique_ptr<hal::net::Listener> listener;
        std::shared_ptr<const hal::net::TlsServerContext> tls;
    };

    std::shared_ptr<Core> core;
    std::list<std::shared_ptr<Served>> listeners;  // shared with the accept loop, which may end after the server
    hal::async::TaskGroup accepting;

    State(hal::async::Executor executor, Handler handler, Limits limits)
        : core(std::make_shared<Core>(executor, std::move(handler), limits)), accepting(executor, "http") {}

    static Task<> accept_all(std::shared_ptr<Core> core, std::shared_ptr<Served> served);
    static void start(const std::shared_ptr<Core>& core, hal::net::StreamPtr stream,
                      const std::shared_ptr<const hal::net::TlsServerContext>& tls);
    static void cut_all(const std::shared_ptr<Core>& core);
};

void Server::State::start(const std::shared_ptr<Core>& core, hal::net::StreamPtr stream,
                          const std::shared_ptr<const hal::net::TlsServerContext>& tls) {
    auto connection = std::make_shared<Connection>(core->executor, core->handler, core->limits, core->load);
    const auto place = core->connections.insert(core->connections.end(), connection);
    const auto remote = stream->remote().to_string();
    boost::asio::co_spawn(
        core->executor, connection->serve(std::move(stream), tls),
        boost::asio::bind_cancellation_slot(
            connection->stop.slot(), [core, connection, place, remote](const std::exception_ptr& failure) {
                // Clients come and go: how a connection broke is of interest only to who looks for it.
                try {
                    if (failure) std::rethrow_exception(failure);
                } catch (const std::exception& e) {
                    hal::log::debug("http", "connection from {}: {}", remote, e.what());
                }
                core->connections.erase(place);
                core->fewer.set();
            }));
}

Task<> Server::State::accept_all(std::shared_ptr<Core> core, std::shared_ptr<Served> served) {
    for (;;) {
        while (core->connections.size() >= core->limits.connections_max) {
            core->fewer.clear();
            co_await core->fewer.wait();
        }
        hal::net::StreamPtr stream;
        std::string problem;
        try {
            stream = co_await served->listener->accept();
        } catch (const Error& e) {
            if (e.code() == Code::cancelled) co_return;
            problem = e.what();
        }
        if (stream) {
            start(core, std::move(stream), served->tls);
            continue;
        }
        hal::log::warn("http", "{}", problem);
        co_await hal::async::sleep_for(accept_pause);
    }
}

void Server::State::cut_all(const std::shared_ptr<Core>& core) {
    // emit() may end a connection at once and so change the list.
    const auto connections = core->connections;
    for (const auto& connection : connections) connection->stop.emit(boost::asio::cancellation_type::terminal);
}

Server::Server(hal::async::Executor executor, Handler handler, Limits limits)
    : state_(std::make_unique<State>(std::move(executor), std::move(handler), limits)) {}

Server::~Server() {
    for (const auto& served : state_->listeners) served->listener->close();
    state_->accepting.cancel();
    State::cut_all(state_->core);
}

void Server::listen(std::unique_ptr<hal::net::Listener> listener, std::shared_ptr<const hal::net::TlsServerContext> tls) {
    const auto name = "accept on " + listener->local().to_string();
    auto served = std::make_shared<State::Served>(std::move(listener), std::move(tls));
    state_->listeners.push_back(served);
    state_->accepting.spawn(name, State::accept_all(state_->core, served));
}

void Server::replace_tls(std::shared_ptr<const hal::net::TlsServerContext> tls) {
    for (const auto& served : state_->listeners)
        if (served->tls) served->tls = tls;
}

Task<> Server::drain(std::chrono::steady_clock::duration limit) {
    const auto core = state_->core;
    const auto deadline = std::chrono::steady_clock::now() + limit;
    for (const auto& served : state_->listeners) served->listener->close();
    state_->accepting.cancel();
    co_await state_->accepting.join();
    core->is_draining = true;
    const auto connections = core->connections;
    for (const auto& connection : connections) connection->finish_soon();
    while (!core->connections.empty()) {
        core->fewer.clear();
        const auto left = deadline - std::chrono::steady_clock::now();
        if (left <= std::chrono::steady_clock::duration::zero() || !co_await core->fewer.wait_for(left)) break;
    }
    State::cut_all(core);
    while (!core->connections.empty()) {
        core->fewer.clear();
        co_await core->fewer.wait();
    }
}

std::vector<hal::net::Endpoint> Server::endpoints() const {
    std::vector<hal::net::Endpoint> endpoints;
    for (const auto& served : state_->listeners) endpoints.push_back(served->listener->local());
    return endpoints;
}

}  // namespace services::http
