#include "hal/net/tls.hpp"
#include "services/http/server.hpp"
#include "tests/services/kube/api/cluster.hpp"

using namespace api_test;
using namespace std::chrono_literals;
using services::kubeclient::text;

namespace {

constexpr auto pods = "/api/v1/namespaces/shop/pods";

// A kubelet that says what it was asked, refuses what is named `waiting`, and echoes upgraded connections.
struct Kubelet {
    explicit Kubelet(Cluster& cluster) : server(cluster.loop.get_executor(), answer) {
        auto listener = hal::net::Listener::bind(cluster.loop.get_executor(), {"127.0.0.1", 0});
        port = listener->local().port;
        server.listen(std::move(listener), hal::net::TlsServerContext::make({.certificate_pem = cluster.authority.kubelet.certificate_pem,
                                                                              .key_pem = cluster.authority.kubelet.key_pem,
                                                                              .client_ca_pem = cluster.authority.ca.certificate_pem}));
    }
    static Task<> echo(hal::net::StreamPtr stream, std::string early) {
        co_await stream->write(std::as_bytes(std::span(early)));
        std::vector<std::byte> buffer(100);
        while (const auto count = co_await stream->read_some(buffer)) co_await stream->write(std::span(buffer).first(count));
        co_await stream->finish_writing();
    }
    static Task<http::Response> answer(http::Request request) {
        if (!request.peer.certificate_der) co_return http::text_response(401, "who are you");
        if (request.path.contains("waiting")) co_return http::text_response(400, "container \"c\" in pod \"waiting\" is waiting to start: ContainerCreating\n");
        if (request.headers.find("Upgrade") == nullptr) co_return http::text_response(200, request.method + " " + request.target);
        http::Response response;
        response.status = 101;
        response.headers.set("Upgrade", "websocket");
        response.headers.set("X-Asked", request.target);
        response.upgrade = echo;
        co_return response;
    }
    std::uint16_t port = 0;
    http::Server server;
};

void add_node(Cluster& cluster, std::uint16_t port) {
    REQUIRE(cluster.send("POST", "/api/v1/nodes", {{"metadata", json::object{{"name", "box"}}}}).status == 201);
    const json::object status{{"addresses", json::array{json::object{{"type", "InternalIP"}, {"address", "127.0.0.1"}}}},
                              {"daemonEndpoints", json::object{{"kubeletEndpoint", json::object{{"Port", port}}}}}};
    REQUIRE(cluster.send("PATCH", "/api/v1/nodes/box/status", {{"status", status}}, "application/merge-patch+json").status == 200);
}

struct Ready : Cluster {
    Ready() {
        add_node(*this, kubelet.port);
        for (const auto* name : {"p", "waiting"}) REQUIRE(send("POST", pods, pod(name, "box")).status == 201);
        REQUIRE(send("POST", pods, pod("unbound")).status == 201);
    }
    ~Ready() { run(kubelet.server.drain(0s)); }
    http::Request upgrade(const std::string& target, const std::string& protocol = "websocket") {
        auto asked = request("GET", target);
        asked.headers.set("Connection", "Upgrade");
        asked.headers.set("Upgrade", protocol);
        return asked;
    }
    Kubelet kubelet{*this};
};

// Both ends of a connection that is relayed, over a pair of listeners.
Task<std::string> relayed(hal::async::Executor executor, std::function<Task<>(hal::net::StreamPtr, std::string)> take, std::string said) {
    auto listener = hal::net::Listener::bind(executor, {"127.0.0.1", 0});
    auto client = co_await hal::net::dial(listener->local());
    hal::async::TaskGroup group(executor, "relayed", 1);
    group.spawn("take", take(co_await listener->accept(), "early "));
    co_await client->write(std::as_bytes(std::span(said)));
    co_await client->finish_writing();
    std::string heard;
    std::vector<std::byte> buffer(100);
    while (const auto count = co_await client->read_some(buffer)) heard.append(reinterpret_cast<const char*>(buffer.data()), count);
    co_await group.join();
    co_return heard;
}

}  // namespace

TEST_CASE("logs are asked of the node's kubelet with the options that it knows") {
    Ready cluster;
    const auto log = cluster.get(std::string(pods) + "/p/log?tailLines=3&follow=true&other=1");
    CHECK(log.status == 200);
    CHECK(log.headers.get("Content-Type") == "text/plain");
    CHECK(log.body == "GET /containerLogs/shop/p/c?tailLines=3&follow=true");
}

TEST_CASE("a kubelet's refusal becomes a Status with its text") {
    Ready cluster;
    const auto log = cluster.get(std::string(pods) + "/waiting/log");
    CHECK(log.status == 400);
    CHECK(parsed(log).at("message") == "container \"c\" in pod \"waiting\" is waiting to start: ContainerCreating");
}

TEST_CASE("logs that cannot be are told apart: no such container, options out of range, no node, no kubelet") {
    Ready cluster;
    CHECK(parsed(cluster.get(std::string(pods) + "/p/log?container=x")).at("message") == "container x is not valid for pod p");
    CHECK(cluster.get(std::string(pods) + "/p/log?tailLines=-1").status == 422);
    CHECK(cluster.get(std::string(pods) + "/p/log?tailLines=0").status == 200);
    CHECK(cluster.get(std::string(pods) + "/p/log?limitBytes=0").status == 422);
    CHECK(cluster.get(std::string(pods) + "/unbound/log").status == 204);
    CHECK(cluster.get(std::string(pods) + "/none/log").status == 404);
    cluster.run(cluster.kubelet.server.drain(0s));
    CHECK(cluster.get(std::string(pods) + "/p/log").status == 500);
}

TEST_CASE("exec is relayed byte for byte, both ways and to the end") {
    Ready cluster;
    auto answer = cluster.run(cluster.server.handle(cluster.upgrade(std::string(pods) + "/p/exec?command=ls&command=-l&stdin=true&stdout=true&container=c")));
    REQUIRE(answer.status == 101);
    CHECK(answer.headers.get("X-Asked") == "/exec/shop/p/c?command=ls&command=-l&stdin=true&input=1&stdout=true&output=1");
    CHECK(cluster.run(relayed(cluster.loop.get_executor(), answer.upgrade, "hello")) == "early hello");
}

TEST_CASE("exec needs a node and an upgrade, to WebSocket or SPDY") {
    Ready cluster;
    CHECK(parsed(cluster.send(cluster.upgrade(std::string(pods) + "/unbound/exec"))).at("message") == "pod unbound does not have a host assigned");
    CHECK(parsed(cluster.get(std::string(pods) + "/p/exec?command=ls")).at("message") == "Upgrade request required");
    auto spdy = cluster.run(cluster.server.handle(cluster.upgrade(std::string(pods) + "/p/exec?command=ls", "SPDY/3.1")));
    REQUIRE(spdy.status == 101);
    CHECK(cluster.run(relayed(cluster.loop.get_executor(), spdy.upgrade, "hello")) == "early hello");
}

TEST_CASE("a node's kubelet is reached with path and query as they came; pods by addresses of the network alone") {
    Ready cluster;
    CHECK(cluster.get("/api/v1/nodes/box/proxy/stats/a%2Fb?x=1&y=%20").body == "GET /stats/a%2Fb?x=1&y=%20");
    const auto bare = cluster.get("/api/v1/nodes/box/proxy?x=1");
    CHECK(bare.status == 301);
    CHECK(bare.headers.get("Location") == "/api/v1/nodes/box/proxy/?x=1");
    CHECK(cluster.get("/api/v1/nodes/none/proxy/").status == 404);
    CHECK(parsed(cluster.get(std::string(pods) + "/p/proxy/")).at("message") == "address not allowed");
    CHECK(parsed(cluster.get("/api/v1/namespaces/shop/services/none/proxy/")).at("message") == "no endpoints available for service \"none\"");
    CHECK(cluster.get("/api/v1/namespaces/shop/services/http:none:80/proxy/").status == 404);
}
