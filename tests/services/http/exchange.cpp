#include <catch2/catch_test_macros.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "hal/async/pool.hpp"
#include "hal/base/error.hpp"
#include "tests/services/http/harness.hpp"

using namespace harness;
using namespace services::http;

namespace {

// Yields its pieces one by one; waits for `gate` before the last when one is given.
class Pieces : public BodyReader {
public:
    explicit Pieces(std::vector<std::string> pieces, hal::async::Event* gate = nullptr) : pieces_(std::move(pieces)), gate_(gate) {}
    Task<std::string> read() override {
        if (next_ == pieces_.size()) co_return "";
        if (gate_ != nullptr && next_ + 1 == pieces_.size()) co_await gate_->wait();
        co_return pieces_[next_++];
    }

private:
    std::vector<std::string> pieces_;
    std::size_t next_ = 0;
    hal::async::Event* gate_;
};

// Three bytes from memory, then a part of a file.
class FileBetween : public BodyReader {
public:
    explicit FileBetween(hal::net::FileRange range) : range_(range) {}
    Task<std::optional<hal::net::FileRange>> read_file() override {
        if (step_ != 1) co_return std::nullopt;
        ++step_;
        co_return range_;
    }
    Task<std::string> read() override { co_return step_++ == 0 ? "<<<" : ""; }

private:
    hal::net::FileRange range_;
    int step_ = 0;
};

Task<Response> echo(Request request) {
    Response response = text_response(200, request.method + " " + request.path);
    if (request.stream) response.body += " " + co_await request.stream->read_all(1 << 20);
    if (const auto* q = request.query_value("q")) response.body += " q=" + *q;
    co_return response;
}

Request get(std::string target) {
    Request request;
    request.method = "GET";
    request.target = std::move(target);
    return request;
}

Client client_of(Loop& loop, const Server& server) {
    return Client(loop.context.get_executor(), {.origin = server.endpoints().front(), .tls = nullptr, .server_name = "", .limits = {}});
}

Task<std::string> first_line_of_answer(const Server& server, std::string bytes) {
    auto stream = co_await hal::net::dial(server.endpoints().front());
    co_await send(*stream, bytes);
    const auto all = co_await receive(*stream);
    co_return all.substr(0, all.find("\r\n"));
}

Task<Response> small_only(Request request) {
    co_await request.stream->read_all(1000);
    co_return text_response(200, "fine");
}

Task<Response> answered(Response response) { co_return response; }

Task<hal::Code> failure_of(Client& client) {
    try {
        co_await client.send(get("/"));
    } catch (const hal::Error& e) {
        co_return e.code();
    }
    co_return hal::Code::internal;
}

// Answers one request on `listener` with `bytes` and closes.
Task<> serve_once(hal::net::Listener& listener, std::string bytes) {
    auto stream = co_await listener.accept();
    co_await receive(*stream, "\r\n\r\n");
    co_await send(*stream, bytes);
}

struct CutOff {
    std::unique_ptr<hal::net::Listener> listener;
    Client client;
    hal::async::TaskGroup group;

    explicit CutOff(Loop& loop)
        : listener(loopback(loop)),
          client(loop.context.get_executor(), {.origin = listener->local(), .tls = nullptr, .server_name = "", .limits = {}}),
          group(loop.context.get_executor(), "test") {}

    Task<std::optional<hal::Code>> code_of(std::string bytes) {
        group.spawn("serve", serve_once(*listener, bytes));
        try {
            auto answer = co_await client.send(get("/"));
            co_await answer.stream->read_all(1000);
        } catch (const hal::Error& e) {
            co_return e.code();
        }
        co_return std::nullopt;
    }
};

}  // namespace

TEST_CASE("a request reaches the handler and its answer comes back on the same connection") {
    Loop loop;
    Server server(loop.context.get_executor(), echo);
    server.listen(loopback(loop));
    auto client = client_of(loop, server);
    loop.run([](Server& server, Client& client) -> Task<> {
        for (int i = 0; i < 3; ++i) {
            auto answer = co_await client.send(get("/a%20b?q=%C3%A4+c"));
            CHECK(answer.status == 200);
            CHECK(answer.headers.get("content-type") == "text/plain; charset=utf-8");
            CHECK(co_await answer.stream->read_all(1000) == "GET /a b q=\xC3\xA4 c");
        }
        auto post = get("/p");
        post.method = "POST";
        post.body = std::string(200'000, 'x');
        auto answer = co_await client.send(std::move(post));
        CHECK((co_await answer.stream->read_all(300'000)).size() == std::string("POST /p ").size() + 200'000);
        auto chunked = get("/c");
        chunked.method = "PUT";
        chunked.stream = std::make_unique<Pieces>(std::vector<std::string>{"one", "two"});
        answer = co_await client.send(std::move(chunked));
        CHECK(co_await answer.stream->read_all(1000) == "PUT /c onetwo");
        co_await server.drain(1s);
    }(server, client));
}

TEST_CASE("each piece of a streamed answer is sent at once") {
    Loop loop;
    hal::async::Event gate(loop.context.get_executor());
    Server server(loop.context.get_executor(), [&gate](Request) {
        Response response;
        response.stream = std::make_unique<Pieces>(std::vector<std::string>{"first\n", "second\n"}, &gate);
        return answered(std::move(response));
    });
    server.listen(loopback(loop));
    auto client = client_of(loop, server);
    loop.run([](Server& server, Client& client, hal::async::Event& gate) -> Task<> {
        auto answer = co_await client.send(get("/"));
        CHECK(answer.headers.get("Transfer-Encoding") == "chunked");
        CHECK(co_await answer.stream->read() == "first\n");
        gate.set();
        CHECK(co_await answer.stream->read() == "second\n");
        CHECK((co_await answer.stream->read()).empty());
        co_await server.drain(1s);
    }(server, client, gate));
}

TEST_CASE("a stream without end is cancelled when its client goes away") {
    Loop loop;
    hal::async::Event never(loop.context.get_executor());
    hal::async::Event gone(loop.context.get_executor());
    struct Endless : BodyReader {
        hal::async::Event& never;
        hal::async::Event& gone;
        bool began = false;
        Endless(hal::async::Event& n, hal::async::Event& g) : never(n), gone(g) {}
        ~Endless() override { gone.set(); }
        Task<std::string> read() override {
            if (std::exchange(began, true)) co_await never.wait();
            co_return "event\n";
        }
    };
    Server server(loop.context.get_executor(), [&](Request) {
        Response response;
        response.stream = std::make_unique<Endless>(never, gone);
        return answered(std::move(response));
    });
    server.listen(loopback(loop));
    auto client = client_of(loop, server);
    loop.run([](Server& server, Client& client, hal::async::Event& gone) -> Task<> {
        auto answer = co_await client.send(get("/watch"));
        CHECK(co_await answer.stream->read() == "event\n");
        CHECK_FALSE(gone.is_set());
        answer.stream.reset();
        CHECK(co_await gone.wait_for(5s));
        co_await server.drain(1s);
    }(server, client, gone));
}

TEST_CASE("TLS with a client certificate tells the handler who asks") {
    Loop loop;
    const auto ca = authority();
    const auto serving = leaf(ca, "kube", {}, true);
    const auto admin = leaf(ca, "admin", {"system:masters", "a, b"}, false);
    Server server(loop.context.get_executor(), [](Request request) {
        std::string who = request.peer.certificate_problem ? "not trusted" : "nobody";
        if (request.peer.certificate_der) {
            const auto facts = hal::net::read_certificate(*request.peer.certificate_der);
            who = facts.subject.common_name + "/" + facts.subject.organizations.at(0) + "/" + facts.subject.organizations.at(1);
        }
        return answered(text_response(200, who));
    });
    server.listen(loopback(loop), hal::net::TlsServerContext::make({.certificate_pem = serving.certificate_pem,
                                                                    .key_pem = serving.key_pem,
                                                                    .client_ca_pem = ca.certificate_pem}));
    const auto ask = [&](hal::net::TlsClientOptions options, std::string name) -> Client {
        return Client(loop.context.get_executor(), {.origin = server.endpoints().front(),
                                                    .tls = hal::net::TlsClientContext::make(options), .server_name = name, .limits = {}});
    };
    auto known = ask({.ca_pem = ca.certificate_pem, .certificate_pem = admin.certificate_pem, .key_pem = admin.key_pem}, "localhost");
    auto anonymous = ask({.ca_pem = ca.certificate_pem, .certificate_pem = "", .key_pem = ""}, "");
    auto wrong_name = ask({.ca_pem = ca.certificate_pem, .certificate_pem = "", .key_pem = ""}, "example.org");
    const auto other = authority();
    const auto stranger = leaf(other, "admin", {"system:masters"}, false);
    auto not_trusted = ask({.ca_pem = ca.certificate_pem, .certificate_pem = stranger.certificate_pem, .key_pem = stranger.key_pem}, "localhost");
    const auto server_as_client = leaf(ca, "kube", {}, true);
    auto wrong_usage = ask({.ca_pem = ca.certificate_pem, .certificate_pem = server_as_client.certificate_pem, .key_pem = server_as_client.key_pem}, "localhost");
    auto distrusting = ask({.ca_pem = other.certificate_pem, .certificate_pem = "", .key_pem = ""}, "localhost");
    loop.run([](Server& server, Client& known, Client& anonymous, Client& wrong_name, Client& distrusting, Client& not_trusted, Client& wrong_usage) -> Task<> {
        auto answer = co_await known.send(get("/"));
        CHECK(co_await answer.stream->read_all(100) == "admin/system:masters/a, b");
        answer = co_await anonymous.send(get("/"));
        CHECK(co_await answer.stream->read_all(100) == "nobody");
        answer = co_await not_trusted.send(get("/"));
        CHECK(co_await answer.stream->read_all(100) == "not trusted");
        answer = co_await wrong_usage.send(get("/"));
        CHECK(co_await answer.stream->read_all(100) == "not trusted");
        CHECK(co_await failure_of(wrong_name) == hal::Code::unauthenticated);
        CHECK(co_await failure_of(distrusting) == hal::Code::unauthenticated);
        co_await server.drain(1s);
    }(server, known, anonymous, wrong_name, distrusting, not_trusted, wrong_usage));
}

TEST_CASE("a body is asked for with 100 Continue when the handler reads it") {
    Loop loop;
    Server server(loop.context.get_executor(), echo);
    server.listen(loopback(loop));
    loop.run([](Server& server) -> Task<> {
        auto stream = co_await hal::net::dial(server.endpoints().front());
        co_await send(*stream, "PUT /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
        CHECK(co_await receive(*stream, "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
        co_await send(*stream, "hi");
        CHECK((co_await receive(*stream, "PUT /x hi")).starts_with("HTTP/1.1 200 OK\r\n"));
        co_await server.drain(1s);
    }(server));
}

TEST_CASE("what is over a limit or malformed gets its answer and the connection closes") {
    Loop loop;
    Limits limits;
    limits.target_bytes_max = 100;
    limits.header_bytes_max = 1000;
    limits.header_time_max = 1s;
    Server server(loop.context.get_executor(), echo, limits);
    server.listen(loopback(loop));
    loop.run([](Server& server) -> Task<> {
        CHECK(co_await first_line_of_answer(server, "GET /" + std::string(101, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n") == "HTTP/1.1 414 Request URI Too Long");
        CHECK(co_await first_line_of_answer(server, "GET /" + std::string(3000, 'a')) == "HTTP/1.1 414 Request URI Too Long");
        CHECK(co_await first_line_of_answer(server, "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(3000, 'a')) ==
              "HTTP/1.1 431 Request Header Fields Too Large");
        CHECK(co_await first_line_of_answer(server, "nonsense\r\n\r\n") == "HTTP/1.1 400 Bad Request");
        CHECK(co_await first_line_of_answer(server, "GET / HTTP/1.1\r\n\r\n") == "HTTP/1.1 400 Bad Request");
        CHECK(co_await first_line_of_answer(server, "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n") == "HTTP/1.1 400 Bad Request");
        CHECK(co_await first_line_of_answer(server, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n") ==
              "HTTP/1.1 400 Bad Request");
        CHECK(co_await first_line_of_answer(server, "GET / HTTP/1.1\r\nHost:") == "HTTP/1.1 408 Request Timeout");
        CHECK((co_await first_line_of_answer(server, "")).empty());
        co_await server.drain(1s);
    }(server));
}

TEST_CASE("HEAD has the header of GET and no body, and pipelined requests are answered in order") {
    Loop loop;
    Server server(loop.context.get_executor(), echo);
    server.listen(loopback(loop));
    loop.run([](Loop& loop, Server& server) -> Task<> {
        auto stream = co_await hal::net::dial(server.endpoints().front());
        co_await send(*stream, "HEAD /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\nGET /c HTTP/1.0\r\n\r\n");
        const auto all = co_await receive(*stream);
        CHECK(all.find("Content-Length: 7\r\n\r\nHTTP/1.1 200 OK") != std::string::npos);
        CHECK(all.find("GET /b") < all.find("GET /c"));
        CHECK(all.ends_with("GET /c"));
        auto client = client_of(loop, server);
        auto head = get("/x");
        head.method = "HEAD";
        auto answer = co_await client.send(std::move(head));
        CHECK(answer.headers.get("Content-Length") == "7");
        CHECK(answer.stream == nullptr);
        co_await server.drain(1s);
    }(loop, server));
}

TEST_CASE("a request on a pooled connection that the server closed is sent once more") {
    Loop loop;
    auto executor = loop.context.get_executor();
    auto server = std::make_unique<Server>(executor, echo);
    server->listen(loopback(loop));
    const auto endpoint = server->endpoints().front();
    auto client = client_of(loop, *server);
    loop.run([](hal::async::Executor executor, std::unique_ptr<Server>& server, hal::net::Endpoint endpoint, Client& client) -> Task<> {
        auto answer = co_await client.send(get("/1"));
        CHECK(co_await answer.stream->read_all(100) == "GET /1");
        co_await server->drain(1s);
        server = std::make_unique<Server>(executor, echo);
        server->listen(hal::net::Listener::bind(executor, endpoint));
        answer = co_await client.send(get("/2"));
        CHECK(co_await answer.stream->read_all(100) == "GET /2");
        co_await server->drain(1s);
    }(executor, server, endpoint, client));
}

TEST_CASE("an answer that is cut off is an error and not a short body") {
    Loop loop;
    CutOff cut_off(loop);
    loop.run([](CutOff& cut_off) -> Task<> {
        CHECK(co_await cut_off.code_of("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc") == hal::Code::unavailable);
        CHECK(co_await cut_off.code_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n") == hal::Code::unavailable);
        CHECK(co_await cut_off.code_of("HTTP/1.1 200 OK\r\n\r\nabc") == std::nullopt);
        CHECK(co_await cut_off.code_of("") == hal::Code::unavailable);
        CHECK(co_await cut_off.code_of("SSH-2.0-x\r\n\r\n") == hal::Code::corrupt);
        co_await cut_off.group.join();
    }(cut_off));
}

TEST_CASE("a body over the limit is answered 413 even while the client still sends") {
    Loop loop;
    Server server(loop.context.get_executor(), [](Request request) { return small_only(std::move(request)); });
    server.listen(loopback(loop));
    auto client = client_of(loop, server);
    loop.run([](Server& server, Client& client) -> Task<> {
        for (const std::size_t size : {1000UL, 1001UL, 3'000'000UL}) {
            auto request = get("/");
            request.method = "POST";
            request.body = std::string(size, 'x');
            const auto answer = co_await client.send(std::move(request));
            CHECK(answer.status == (size == 1000 ? 200 : 413));
        }
        co_await server.drain(1s);
    }(server, client));
}

TEST_CASE("a file's parts and bytes in memory are one answer, over plain connections and TLS") {
    Loop loop;
    hal::async::Pool pool(1);
    const auto ca = authority();
    const auto serving = leaf(ca, "files", {}, true);
    const auto path = std::filesystem::temp_directory_path() / ("branchbox-file-" + std::to_string(::getpid()));
    std::string content;
    for (int i = 0; content.size() < 700'000; ++i) content += std::to_string(i) + ' ';
    std::ofstream(path) << content;
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    std::filesystem::remove(path);
    Server server(loop.context.get_executor(), [&](Request request) {
        Response response;
        response.stream = std::make_unique<FileBetween>(hal::net::FileRange{descriptor, 3, content.size() - 3, &pool});
        if (request.path != "/chunked") response.headers.set("Content-Length", std::to_string(content.size() + (request.path == "/short" ? 1 : 0)));
        return answered(std::move(response));
    });
    server.listen(loopback(loop));
    server.listen(loopback(loop), hal::net::TlsServerContext::make({.certificate_pem = serving.certificate_pem, .key_pem = serving.key_pem, .client_ca_pem = ""}));
    Client plain(loop.context.get_executor(), {.origin = server.endpoints().at(0), .tls = nullptr, .server_name = "", .limits = {}});
    Client tls(loop.context.get_executor(), {.origin = server.endpoints().at(1),
                                             .tls = hal::net::TlsClientContext::make({.ca_pem = ca.certificate_pem, .certificate_pem = "", .key_pem = ""}),
                                             .server_name = "localhost", .limits = {}});
    const auto expected = "<<<" + content.substr(3) ;
    loop.run([](Server& server, Client& plain, Client& tls, std::string expected) -> Task<> {
        for (auto* client : {&plain, &tls})
            for (const auto* target : {"/", "/chunked"}) {
                auto answer = co_await client->send(get(target));
                CHECK(co_await answer.stream->read_all(1 << 20) == expected);
            }
        // Fewer bytes than were promised: the client must notice.
        auto answer = co_await plain.send(get("/short"));
        bool has_failed = false;
        try {
            co_await answer.stream->read_all(1 << 20);
        } catch (const hal::Error&) {
            has_failed = true;
        }
        CHECK(has_failed);
        co_await server.drain(1s);
    }(server, plain, tls, expected));
    ::close(descriptor);
}

TEST_CASE("the target is kept as it was sent, beside what it means") {
    Request request = get("/a%20b/c+d?x=1%202&y&X=%2F");
    REQUIRE(request.split_target());
    CHECK(request.path == "/a b/c+d");
    CHECK(request.raw_path() == "/a%20b/c+d");
    CHECK(request.raw_query() == "x=1%202&y&X=%2F");
    request = get("http://host:80/p%41?q=");
    REQUIRE(request.split_target());
    CHECK(request.raw_path() == "/p%41");
    CHECK(request.raw_query() == "q=");
    CHECK(get("/").raw_query().empty());
}
