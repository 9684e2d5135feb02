// The process and its client over a socket, towards servers of this machine: loopback needs no line.
#include <catch2/catch_test_macros.hpp>

#include <boost/json/object.hpp>

#include <stdlib.h>

#include "services/uplink/client/client.hpp"
#include "services/uplink/service.hpp"
#include "tests/folder.hpp"
#include "tests/services/http/harness.hpp"

using namespace std::chrono_literals;
using hal::async::Task;
using harness::Loop;
using services::uplink::client::Class;
namespace http = services::http;
namespace client = services::uplink::client;
namespace json = boost::json;

namespace {

Task<http::Response> answer(http::Request request) {
    if (request.path == "/gone") co_return http::text_response(410, "long gone\n");
    auto body = request.stream ? co_await request.stream->read_all(1 << 20) : "";
    auto response = http::text_response(200, request.method + " " + request.target + " " + request.headers.get("Host") + " " + std::to_string(body.size()));
    response.headers.set("X-Seen", request.headers.get("Authorization"));
    co_return response;
}

// An upstream, an uplink before it, and a client of that.
struct Box {
    Loop& loop;
    Folder folder;
    hal::SystemClock clock;
    hal::async::Pool pool{1};
    hal::async::Event stopping{loop.context.get_executor()};
    http::Server upstream{loop.context.get_executor(), answer};
    services::config::Service service;
    hal::async::TaskGroup group{loop.context.get_executor(), "test"};
    std::optional<client::Uplink> uplink;
    std::string address;
    std::vector<services::config::Backlog> backlogs;

    explicit Box(Loop& l) : loop(l) {
        upstream.listen(harness::loopback(loop));
        address = upstream.endpoints().front().to_string();
        const auto run = folder.path / "run/branchbox";
        std::filesystem::create_directories(run);
        service.name = "uplink";
        service.root = folder.path;
        service.executor = loop.context.get_executor();
        service.clock = &clock;
        service.pool = &pool;
        service.stopping = &stopping;
        service.settings = {{"objects", {{"endpoint", "http://" + address}, {"user", "box"}, {"password_file", "/p"}}},
                            {"logs", {{"loki", "http://127.0.0.1:1"}}},
                            {"queue", {{"uri", "amqp://" + address}}},
                            {"budget", {{"rate", "8Mbit"}}}};
        service.credentials["upstream.objects.password_file"] = "secret\n";
        service.report_backlogs = [this](const std::vector<services::config::Backlog>& told) { backlogs = told; };
        service.listeners["proxy"].push_back(hal::net::Listener::bind(service.executor, {run / client::socket_name, 0, true}));
        uplink.emplace(service.executor, run);
        group.spawn("uplink", services::uplink::run(service));
        group.spawn("client", uplink->run());
    }
    Task<> end() {
        stopping.set();
        group.cancel();
        co_await group.join();
        co_await upstream.drain(1s);
    }
    http::Request request(std::string method, std::string path, std::string body = "") const {
        http::Request made;
        made.method = std::move(method);
        made.target = "http://" + address + path;
        made.body = std::move(body);
        return made;
    }
};

Task<std::string> text_of(http::Response response) { co_return response.stream ? co_await response.stream->read_all(1 << 20) : response.body; }

Task<std::optional<hal::Code>> code_of(client::Uplink& uplink, Class which, http::Request request) {
    try {
        co_await uplink.send(which, std::move(request));
    } catch (const hal::Error& failure) {
        co_return failure.code();
    }
    co_return std::nullopt;
}

}  // namespace

TEST_CASE("a request goes to its destination with credentials, and its answer comes back whatever the status") {
    Loop loop;
    Box box(loop);
    loop.run([](Box& b) -> Task<> {
        co_await b.uplink->wait_ready("objects");
        auto response = co_await b.uplink->send(Class::backlog, b.request("PUT", "/bucket/a%20b?x", std::string(200'000, 'z')));
        CHECK(response.status == 200);
        CHECK(response.headers.get("X-Seen") == "Basic Ym94OnNlY3JldA==");
        CHECK(co_await text_of(std::move(response)) == "PUT /bucket/a%20b?x " + b.address + " 200000");
        auto gone = co_await b.uplink->send(Class::queue, b.request("GET", "/gone"));
        CHECK(gone.status == 410);
        CHECK(co_await text_of(std::move(gone)) == "long gone\n");
        co_await b.end();
    }(box));
}

TEST_CASE("what is no destination is forbidden, for requests and for tunnels") {
    Loop loop;
    Box box(loop);
    loop.run([](Box& b) -> Task<> {
        co_await b.uplink->wait_ready("objects");
        auto request = b.request("GET", "/");
        request.target = "http://127.0.0.2:9/";
        CHECK(co_await code_of(*b.uplink, Class::logs, std::move(request)) == hal::Code::forbidden);
        std::optional<hal::Code> code;
        try {
            co_await b.uplink->tunnel(Class::queue, "127.0.0.2:9");
        } catch (const hal::Error& failure) {
            code = failure.code();
        }
        CHECK(code == hal::Code::forbidden);
        co_await b.end();
    }(box));
}

TEST_CASE("a tunnel is a connection to the destination") {
    Loop loop;
    Box box(loop);
    loop.run([](Box& b) -> Task<> {
        co_await b.uplink->wait_ready("queue");
        auto tunnel = co_await b.uplink->tunnel(Class::queue, b.address);
        co_await harness::send(*tunnel.stream, "GET /by-tunnel HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        CHECK((co_await harness::receive(*tunnel.stream)).contains("GET /by-tunnel h 0"));
        co_await b.end();
    }(box));
}

TEST_CASE("a destination that does not answer is left alone, and who waits for it goes on when that has passed") {
    Loop loop;
    Box box(loop);
    loop.run([](Box& b) -> Task<> {
        co_await b.uplink->wait_ready("logs");
        for (int i = 0; i < 3; ++i) {
            auto request = b.request("GET", "/");
            request.target = "http://127.0.0.1:1/";
            CHECK(co_await code_of(*b.uplink, Class::alerts, std::move(request)) == hal::Code::unavailable);
        }
        co_await b.uplink->wait_ready("logs");
        CHECK_FALSE(b.uplink->state("logs")->reason.empty());
        CHECK(b.uplink->state("objects")->reason.empty());
        co_await b.end();
    }(box));
}

TEST_CASE("a backlog that is reported is forecast, and told to the guard") {
    Loop loop;
    Box box(loop);
    loop.run([](Box& b) -> Task<> {
        co_await b.uplink->wait_ready("objects");
        CHECK(co_await b.uplink->report({"objects", Class::backlog, 5, 10'000'000, b.clock.wall() - 1h}) == 10s);
        std::optional<hal::Code> code;
        try {
            co_await b.uplink->report({"elsewhere", Class::backlog, 5, 1, b.clock.wall()});
        } catch (const hal::Error& failure) {
            code = failure.code();
        }
        CHECK(code == hal::Code::not_found);
        REQUIRE(b.backlogs.size() == 1);
        CHECK(b.backlogs[0].bytes == 10'000'000);
        CHECK(b.backlogs[0].empty_at > b.clock.wall() + 5s);
        co_await b.end();
    }(box));
}
