#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "hal/base/error.hpp"
#include "services/http/websocket.hpp"
#include "services/kubelet/streams/spdy.hpp"
#include "services/kubelet/streams/streams.hpp"
#include "tests/services/http/harness.hpp"

using namespace services::kubelet::streams;
using namespace harness;
namespace http = services::http;
namespace fs = std::filesystem;
using hal::process::Descriptor;

namespace {

// A process of this machine in the container's place.
class Real : public Process {
public:
    explicit Real(std::vector<std::string> command, bool has_stdin) : child_(start(std::move(command), has_stdin)) {}
    Task<hal::process::Exit> wait() override { return child_.wait(); }
    void resize(unsigned columns, unsigned rows) override { size = {columns, rows}; }
    void kill() override { child_.kill(SIGKILL); }
    static inline std::pair<unsigned, unsigned> size;

private:
    hal::process::Child start(std::vector<std::string> command, bool has_stdin) {
        auto in = hal::process::make_pipe(), out = hal::process::make_pipe(), err = hal::process::make_pipe();
        hal::process::Command what;
        what.program = command.front();
        what.arguments.assign(command.begin() + 1, command.end());
        what.descriptors = {{0, in.read.get()}, {1, out.write.get()}, {2, err.write.get()}};
        auto child = hal::process::spawn(what);
        for (const auto& ours : {in.write.get(), out.read.get(), err.read.get()}) ::fcntl(ours, F_SETFL, O_NONBLOCK);
        if (has_stdin) input = std::move(in.write);
        output = std::move(out.read);
        error = std::move(err.read);
        return child;
    }
    hal::process::Child child_;
};

class Pods : public PodsView {
public:
    boost::json::array list() const override { return {boost::json::object{{"metadata", {{"name", "p"}}}}}; }
    std::optional<PodFacts> find(std::string_view ns, std::string_view name) const override {
        if (ns != "n" || name != "p") return std::nullopt;
        PodFacts facts;
        facts.name_space = "n";
        facts.name = "p";
        facts.uid = "u";
        facts.is_running = true;
        facts.containers = {"c", "waits"};
        return facts;
    }
    std::optional<ContainerFacts> container(const std::string&, std::string_view name) const override {
        ContainerFacts facts;
        if (name == "waits") {
            facts.waiting_reason = "ContainerCreating";
            return facts;
        }
        facts.phase = ContainerFacts::Phase::running;
        facts.id = "1";
        facts.log_file = log;
        facts.has_stdin = true;
        return facts;
    }
    Task<> wait_end(std::string, std::string, std::string) override { co_return; }
    Task<std::unique_ptr<Process>> exec(std::string, std::string, ExecCommand command) override {
        co_return std::make_unique<Real>(command.command, command.has_stdin);
    }
    Task<Descriptor> attach(std::string, std::string) override {
        int ends[2];
        ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends);
        container_end = Descriptor(ends[1]);
        co_return Descriptor(ends[0]);
    }
    void resize(const std::string&, const std::string&, unsigned, unsigned) override {}
    fs::path log;
    Descriptor container_end;
};

// The kubelet's API with TLS, and clients of it.
struct Kubelet {
    Loop loop;
    Pods pods;
    hal::SystemClock clock;
    hal::net::KeyAndCertificate ca = authority(), serving = leaf(ca, "kubelet", {}, true);
    Streams streams{loop.context.get_executor(), pods, clock};
    http::Server server{loop.context.get_executor(), streams.handler()};

    Kubelet() {
        server.listen(loopback(loop), hal::net::TlsServerContext::make({.certificate_pem = serving.certificate_pem, .key_pem = serving.key_pem,
                                                                        .client_ca_pem = ca.certificate_pem}));
    }
    // Sessions end before what they stand on.
    ~Kubelet() { loop.run(server.drain(100ms)); }
    http::Client client(std::string user, std::vector<std::string> groups = {}) {
        http::ClientOptions options;
        options.origin = server.endpoints().front();
        hal::net::TlsClientOptions tls{.ca_pem = ca.certificate_pem, .certificate_pem = "", .key_pem = ""};
        if (!user.empty()) {
            const auto shown = leaf(ca, user, groups, false);
            tls.certificate_pem = shown.certificate_pem;
            tls.key_pem = shown.key_pem;
        }
        options.tls = hal::net::TlsClientContext::make(tls);
        options.server_name = "127.0.0.1";
        return {loop.context.get_executor(), options};
    }
    struct Answer {
        unsigned status;
        std::string body;
    };
    Answer get(http::Client& from, std::string target) {
        Answer answer{};
        loop.run([](http::Client& of, std::string where, Answer& into) -> Task<> {
            http::Request request;
            request.method = "GET";
            request.target = where;
            auto response = co_await of.send(std::move(request));
            into.status = response.status;
            into.body = response.stream ? co_await response.stream->read_all(1 << 20) : response.body;
        }(from, std::move(target), answer));
        return answer;
    }
};

Task<std::unique_ptr<http::WebSocket>> dial(http::Client& client, std::string target, std::string protocol) {
    http::Request request;
    request.method = "GET";
    request.target = std::move(target);
    co_return co_await http::dial_websocket(client, std::move(request), std::move(protocol));
}

// What came on each channel until the end.
Task<std::map<int, std::string>> all(http::WebSocket& socket) {
    std::map<int, std::string> found;
    while (auto message = co_await socket.read()) {
        if (message->bytes.empty()) continue;
        found[message->bytes.front()] += message->bytes.substr(1);
    }
    co_return found;
}

std::string message(char channel, std::string_view bytes) { return std::string(1, channel).append(bytes); }

}  // namespace

TEST_CASE("the API server and system:masters come in, others do not") {
    Kubelet kubelet;
    auto api = kubelet.client("system:kube-apiserver"), admin = kubelet.client("system:admin", {"system:masters"}), node = kubelet.client("system:node:a"),
         nobody = kubelet.client("");
    CHECK(kubelet.get(api, "/pods").status == 200);
    CHECK(kubelet.get(api, "/pods").body.find(R"("name":"p")") != std::string::npos);
    CHECK(kubelet.get(admin, "/pods").status == 200);
    CHECK(kubelet.get(node, "/pods").status == 403);
    CHECK(kubelet.get(nobody, "/pods").status == 401);
    CHECK(kubelet.get(nobody, "/healthz").body == "ok");
}

TEST_CASE("logs are answered with the kubelet's own texts") {
    Kubelet kubelet;
    std::string name = (fs::temp_directory_path() / "api-XXXXXX").string();
    kubelet.pods.log = fs::path(::mkdtemp(name.data())) / "0.log";
    std::ofstream(kubelet.pods.log) << "2026-11-24T09:00:00.1Z stdout F one\n2026-11-24T09:00:01.1Z stdout F two\n";
    auto api = kubelet.client("system:kube-apiserver");
    CHECK(kubelet.get(api, "/containerLogs/n/p/c").body == "one\ntwo\n");
    CHECK(kubelet.get(api, "/containerLogs/n/p/c?tailLines=1&timestamps=true").body == "2026-11-24T09:00:01.100000000Z two\n");
    CHECK(kubelet.get(api, "/containerLogs/n/p/c?follow=true&limitBytes=5").body == "one\nt");
    const auto waiting = kubelet.get(api, "/containerLogs/n/p/waits");
    CHECK(waiting.status == 400);
    CHECK(waiting.body == R"(container "waits" in pod "p" is waiting to start: ContainerCreating)");
    CHECK(kubelet.get(api, "/containerLogs/n/p/c?previous=true").body == R"(previous terminated container "c" in pod "p" not found)");
    CHECK(kubelet.get(api, "/containerLogs/n/q/c").body == R"(pod "q" does not exist)");
    CHECK(kubelet.get(api, "/containerLogs/n/p/x").status == 404);
    CHECK(kubelet.get(api, "/containerLogs/n/p/c?tailLines=-1").status == 422);
    CHECK(kubelet.get(api, "/containerLogs/n/p/c?tailLines=x").status == 400);
    fs::remove_all(kubelet.pods.log.parent_path());
}

TEST_CASE("exec sends output, error and the exit code") {
    Kubelet kubelet;
    auto api = kubelet.client("system:kube-apiserver");
    for (const std::string protocol : {"v5.channel.k8s.io", "v4.channel.k8s.io"})
        kubelet.loop.run([](http::Client& client, std::string spoken) -> Task<> {
            auto socket = co_await dial(client, "/exec/n/p/c?output=1&error=1&command=/bin/sh&command=-c&command=echo+out;echo+err+%3E%262;exit+3", spoken);
            CHECK(socket->protocol() == spoken);
            auto found = co_await all(*socket);
            CHECK(found[1] == "out\n");
            CHECK(found[2] == "err\n");
            CHECK(found[3].find(R"("reason":"NonZeroExitCode")") != std::string::npos);
            CHECK(found[3].find(R"({"reason":"ExitCode","message":"3"})") != std::string::npos);
        }(api, protocol));
}

TEST_CASE("exec takes input until the client closes its channel") {
    Kubelet kubelet;
    auto api = kubelet.client("system:kube-apiserver");
    kubelet.loop.run([](http::Client& client) -> Task<> {
        auto socket = co_await dial(client, "/exec/n/p/c?input=1&output=1&command=/bin/cat", "v5.channel.k8s.io");
        const std::string big(200'000, 'x');
        co_await socket->write(message(0, big));
        co_await socket->write(message(4, R"({"Width":80,"Height":24})"));
        co_await socket->write(message(static_cast<char>(255), std::string(1, '\0')));
        auto found = co_await all(*socket);
        CHECK(found[1] == big);
        CHECK(found[3] == R"({"metadata":{},"status":"Success"})");
        CHECK(Real::size == std::pair{80U, 24U});
    }(api));
}

TEST_CASE("exec speaks SPDY to those who know no WebSocket") {
    Kubelet kubelet;
    auto api = kubelet.client("system:kube-apiserver");
    kubelet.loop.run([](http::Client& client) -> Task<> {
        http::Request request;
        request.method = "POST";
        request.target = "/exec/n/p/c?input=1&output=1&error=1&command=/bin/sh&command=-c&command=cat;echo+err+%3E%262;exit+3";
        request.headers.set("Upgrade", "SPDY/3.1");
        request.headers.add("X-Stream-Protocol-Version", "v5.channel.k8s.io");
        request.headers.add("X-Stream-Protocol-Version", "v4.channel.k8s.io, v3.channel.k8s.io");
        auto upgraded = co_await client.upgrade(std::move(request));
        REQUIRE(upgraded.stream);
        CHECK(upgraded.response.headers.get("X-Stream-Protocol-Version") == "v4.channel.k8s.io");
        SpdyWriter writer;
        SpdyReader reader;
        const std::map<std::string, std::uint32_t> streams{{"error", 1}, {"stdin", 3}, {"stdout", 5}, {"stderr", 7}};
        for (const auto& [name, stream] : streams) co_await send(*upgraded.stream, writer.syn_stream(stream, {{"streamtype", name}}));
        co_await send(*upgraded.stream, SpdyWriter::data(3, "typed", true));
        std::map<std::uint32_t, std::string> found;
        reader.feed(upgraded.early + co_await receive(*upgraded.stream));
        std::size_t ended = 0;
        for (auto frame = reader.next(); frame && *frame; frame = reader.next()) {
            if ((*frame)->type != SpdyFrame::Type::data) continue;
            found[(*frame)->stream] += (*frame)->bytes;
            ended += (*frame)->is_last ? 1U : 0U;
        }
        CHECK(found[5] == "typed");
        CHECK(found[7] == "err\n");
        CHECK(found[1].find(R"("message":"3")") != std::string::npos);
        CHECK(ended == 4);
    }(api));
}

TEST_CASE("output before the end is sent whole, though a child keeps the pipe open") {
    Kubelet kubelet;
    auto api = kubelet.client("system:kube-apiserver");
    kubelet.loop.run([](http::Client& client) -> Task<> {
        auto socket = co_await dial(client, "/exec/n/p/c?output=1&command=/bin/sh&command=-c&command=sleep+3+%26+head+-c+300000+/dev/zero", "v5.channel.k8s.io");
        const auto start = std::chrono::steady_clock::now();
        auto found = co_await all(*socket);
        CHECK(found[1].size() == 300'000);
        CHECK(std::chrono::steady_clock::now() - start < 2s);
    }(api));
}

TEST_CASE("exec is refused before it begins when it cannot be") {
    Kubelet kubelet;
    auto api = kubelet.client("system:kube-apiserver");
    CHECK(kubelet.get(api, "/exec/n/p/c?output=1&command=true").body == "Upgrade request required");
    kubelet.loop.run([](http::Client& client) -> Task<> {
        CHECK_THROWS_AS(co_await dial(client, "/exec/n/p/c?output=1&command=true", "v1.channel.k8s.io"), hal::Error);
        CHECK_THROWS_AS(co_await dial(client, "/exec/n/p/waits?output=1&command=true", "v5.channel.k8s.io"), hal::Error);
    }(api));
}

TEST_CASE("attach carries packets both ways until the container ends") {
    Kubelet kubelet;
    auto api = kubelet.client("system:kube-apiserver");
    kubelet.loop.run([](http::Client& client, Pods& pods) -> Task<> {
        auto socket = co_await dial(client, "/attach/n/p/c?input=1&output=1&error=1", "v5.channel.k8s.io");
        co_await socket->write(message(0, "hello"));
        co_await hal::process::wait_readable(pods.container_end.get());
        char got[16];
        CHECK(std::string(got, static_cast<std::size_t>(::read(pods.container_end.get(), got, sizeof got))) == "hello");
        ::send(pods.container_end.get(), "\2out", 4, 0);
        ::send(pods.container_end.get(), "\3err", 4, 0);
        pods.container_end.reset();
        auto found = co_await all(*socket);
        CHECK(found[1] == "out");
        CHECK(found[2] == "err");
        CHECK(found[3].find("Success") != std::string::npos);
    }(api, kubelet.pods));
}

TEST_CASE("a forwarded connection that the client resets is closed in the pod, though the pod would go on") {
    Kubelet kubelet;
    auto api = kubelet.client("system:kube-apiserver");
    kubelet.loop.run([](Loop& loop, http::Client& client) -> Task<> {
        auto listener = loopback(loop);
        auto socket = co_await dial(client, "/portForward/n/p", "SPDY/3.1+portforward.k8s.io");
        SpdyWriter writer;
        const auto port = std::to_string(listener->local().port);
        co_await socket->write(writer.syn_stream(1, {{"streamtype", "error"}, {"port", port}, {"requestid", "0"}}, true));
        co_await socket->write(writer.syn_stream(3, {{"streamtype", "data"}, {"port", port}, {"requestid", "0"}}));
        auto pod = co_await listener->accept();
        co_await socket->write(SpdyWriter::data(3, "ask", true));
        CHECK(co_await receive(*pod) == "ask");
        co_await socket->write(SpdyWriter::rst_stream(3, 5));
        // Writing goes on until the other side is found closed.
        bool is_closed = false;
        while (!is_closed) {
            try {
                co_await send(*pod, "more");
            } catch (const hal::Error&) {
                is_closed = true;
            }
            co_await hal::async::sleep_for(1ms);
        }
        CHECK(is_closed);
        co_await socket->close();
    }(kubelet.loop, api));
}

TEST_CASE("port-forward reaches a port, and says when nothing listens") {
    Kubelet kubelet;
    auto api = kubelet.client("system:kube-apiserver");
    kubelet.loop.run([](Loop& loop, http::Client& client) -> Task<> {
        auto listener = loopback(loop);
        auto socket = co_await dial(client, "/portForward/n/p", "SPDY/3.1+portforward.k8s.io");
        SpdyWriter writer;
        SpdyReader reader;
        const auto open = [&writer](std::uint32_t stream, std::string type, std::uint16_t port, std::string request) {
            return writer.syn_stream(stream, {{"streamtype", type}, {"port", std::to_string(port)}, {"requestid", request}}, type == "error");
        };
        co_await socket->write(open(1, "error", listener->local().port, "0"));
        co_await socket->write(open(3, "data", listener->local().port, "0"));
        auto pod = co_await listener->accept();
        co_await socket->write(SpdyWriter::data(3, "ask", true));
        CHECK(co_await receive(*pod) == "ask");
        co_await send(*pod, "answer");
        pod.reset();
        const auto free_port = listener->local().port;
        listener.reset();
        // The second one finds nobody.
        co_await socket->write(open(5, "error", free_port, "1"));
        co_await socket->write(open(7, "data", free_port, "1"));
        std::map<std::uint32_t, std::string> found;
        std::set<std::uint32_t> ended;
        while (ended.size() < 4) {
            const auto message = co_await socket->read();
            REQUIRE(message);
            reader.feed(message->bytes);
            for (auto frame = reader.next(); frame && *frame; frame = reader.next()) {
                if ((*frame)->type != SpdyFrame::Type::data) continue;
                found[(*frame)->stream] += (*frame)->bytes;
                if ((*frame)->is_last) ended.insert((*frame)->stream);
            }
        }
        CHECK(found[3] == "answer");
        CHECK(found[1].empty());
        CHECK(found[5].starts_with("error forwarding port "));
        CHECK(found[5].ends_with("connect: connection refused"));
        co_await socket->close();
    }(kubelet.loop, api));
}
