#include <catch2/catch_test_macros.hpp>

#include "tests/services/http/harness.hpp"
#include "hal/base/error.hpp"
#include "services/http/websocket.hpp"

using namespace harness;
using namespace services::http;

namespace {

Task<> echo_messages(std::unique_ptr<WebSocket> socket) {
    while (auto message = co_await socket->read()) co_await socket->write("echo " + message->bytes, message->is_text);
}

Task<> echo_raw(hal::net::StreamPtr stream, std::string early) {
    co_await send(*stream, "raw " + early);
    const auto rest = co_await receive(*stream, "!");
    co_await send(*stream, "raw " + rest);
    co_await stream->finish_writing();
}

Task<Response> upgrades(Request request) {
    Response response;
    if (request.path == "/ws") {
        response.websocket = echo_messages;
        response.websocket_protocol = request.headers.get("Sec-WebSocket-Protocol");
    } else if (request.path == "/raw") {
        response.status = 101;
        response.headers.set("Upgrade", "SPDY/3.1");
        response.upgrade = echo_raw;
    } else {
        response = text_response(403, "no");
    }
    co_return response;
}

Request get(std::string target) {
    Request request;
    request.method = "GET";
    request.target = std::move(target);
    return request;
}

// "/forever" never answers; others do when `go` is set.
Task<Response> wait_for_go(Request request, hal::async::Event& entered, hal::async::Event& go) {
    entered.set();
    if (request.path == "/forever") co_await hal::async::sleep_for(1h);
    co_await go.wait();
    co_return text_response(200, "done");
}

}  // namespace

TEST_CASE("WebSocket messages of every length class go both ways") {
    Loop loop;
    Server server(loop.context.get_executor(), upgrades);
    server.listen(loopback(loop));
    Client client(loop.context.get_executor(), {.origin = server.endpoints().front(), .tls = nullptr, .server_name = "", .limits = {}});
    loop.run([](Server& server, Client& client) -> Task<> {
        auto socket = co_await dial_websocket(client, get("/ws"), "v5.channel.k8s.io");
        CHECK(socket->protocol() == "v5.channel.k8s.io");
        for (const std::size_t size : {0UL, 1UL, 120UL, 125UL, 126UL, 65535UL, 65536UL, 500'000UL}) {
            co_await socket->write(std::string(size, 'z'), size % 2 == 0);
            co_await socket->ping();
            const auto answer = co_await socket->read();
            REQUIRE(answer);
            CHECK(answer->bytes == "echo " + std::string(size, 'z'));
            CHECK(answer->is_text == (size % 2 == 0));
        }
        auto second = co_await dial_websocket(client, get("/ws"), "");
        co_await second->close();
        CHECK_FALSE(co_await second->read());
        co_await server.drain(1s);
    }(server, client));
}

TEST_CASE("a WebSocket that is refused says with which status") {
    Loop loop;
    Server server(loop.context.get_executor(), upgrades);
    server.listen(loopback(loop));
    Client client(loop.context.get_executor(), {.origin = server.endpoints().front(), .tls = nullptr, .server_name = "", .limits = {}});
    loop.run([](Server& server, Client& client) -> Task<> {
        std::string message;
        try {
            co_await dial_websocket(client, get("/other"), "");
        } catch (const hal::Error& e) {
            message = e.what();
        }
        CHECK(message == "WebSocket /other: refused with status 403");
        co_await server.drain(1s);
    }(server, client));
}

TEST_CASE("after a 101 both sides have the raw connection, with what came early") {
    Loop loop;
    Server server(loop.context.get_executor(), upgrades);
    server.listen(loopback(loop));
    loop.run([](Loop& loop, Server& server) -> Task<> {
        auto stream = co_await hal::net::dial(server.endpoints().front());
        co_await send(*stream, "POST /raw HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\nearly");
        CHECK((co_await receive(*stream, "raw early")).starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
        co_await send(*stream, "late!");
        CHECK(co_await receive(*stream) == "raw late!");
        Client client(loop.context.get_executor(), {.origin = server.endpoints().front(), .tls = nullptr, .server_name = "", .limits = {}});
        auto request = get("/raw");
        request.headers.set("Upgrade", "SPDY/3.1");
        auto upgraded = co_await client.upgrade(std::move(request));
        REQUIRE(upgraded.stream);
        CHECK(upgraded.response.headers.get("Upgrade") == "SPDY/3.1");
        co_await send(*upgraded.stream, "x!");
        CHECK(upgraded.early + co_await receive(*upgraded.stream) == "raw raw x!");
        auto refused = co_await client.upgrade(get("/no"));
        CHECK(refused.stream == nullptr);
        CHECK(refused.response.status == 403);
        co_await server.drain(1s);
    }(loop, server));
}

TEST_CASE("a drain lets the running request finish and cuts what is left at its limit") {
    Loop loop;
    hal::async::Event entered(loop.context.get_executor());
    hal::async::Event go(loop.context.get_executor());
    const auto wait = [&](Request request) { return wait_for_go(std::move(request), entered, go); };
    Server server(loop.context.get_executor(), wait);
    server.listen(loopback(loop));
    loop.run([](Loop& loop, Server& server, hal::async::Event& entered, hal::async::Event& go) -> Task<> {
        auto idle = co_await hal::net::dial(server.endpoints().front());
        auto forever = co_await hal::net::dial(server.endpoints().front());
        co_await send(*forever, "GET /forever HTTP/1.1\r\nHost: a\r\n\r\n");
        co_await entered.wait();
        entered.clear();
        auto busy = co_await hal::net::dial(server.endpoints().front());
        co_await send(*busy, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        co_await entered.wait();
        hal::async::TaskGroup group(loop.context.get_executor(), "drain");
        group.spawn("drain", server.drain(200ms));
        CHECK((co_await receive(*idle)).empty());
        go.set();
        const auto answer = co_await receive(*busy);
        CHECK(answer.find("Connection: close") != std::string::npos);
        CHECK(answer.ends_with("done"));
        co_await group.join();
        CHECK((co_await receive(*forever)).empty());
    }(loop, server, entered, go));
}
