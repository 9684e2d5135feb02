#include "services/kubelet/probes/handlers.hpp"

#include <boost/json/parse.hpp>
#include <catch2/catch_test_macros.hpp>

#include "hal/base/error.hpp"
#include "tests/services/http/harness.hpp"

using namespace services::kubelet::probes;
using namespace harness;
namespace http = services::http;
using Kind = Outcome::Kind;

namespace {

json::object parsed(const std::string& text) { return json::parse(text).as_object(); }

Task<http::Response> answer(http::Request request) {
    if (request.path == "/slow") co_await hal::async::sleep_for(1h);
    if (request.path == "/health") co_return http::text_response(request.headers.get("X-Want") == "b" ? 200 : 500, std::string(100'000, 'x'));
    if (request.path == "/agent") co_return http::text_response(request.headers.get("User-Agent").starts_with("kube-probe/") ? 200 : 500, "");
    http::Response response;
    response.status = 302;
    if (request.path == "/near") response.headers.set("Location", "/agent");
    if (request.path == "/far") response.headers.set("Location", "http://192.0.2.1/");
    if (request.path == "/round") response.headers.set("Location", "/round");
    if (request.path == "/gone") response.status = 503;
    response.body = "moved";
    co_return response;
}

struct Box {
    Loop loop;
    hal::net::KeyAndCertificate ca = authority(), serving = leaf(ca, "x", {}, true);
    http::Server server{loop.context.get_executor(), answer};
    std::uint16_t port, tls_port;

    Box() {
        server.listen(loopback(loop));
        port = server.endpoints().front().port;
        server.listen(loopback(loop), hal::net::TlsServerContext::make({.certificate_pem = serving.certificate_pem, .key_pem = serving.key_pem, .client_ca_pem = ""}));
        tls_port = server.endpoints().back().port;
    }
    ~Box() { loop.run(server.drain(10ms)); }
    Outcome probe(const std::string& text, Execute execute = {}) {
        Outcome outcome;
        Subject subject{"u", parsed(R"({"name":"c","ports":[{"name":"http","containerPort":)" + std::to_string(port) + "}]}"), "127.0.0.1"};
        loop.run([](json::object what, Subject of, Execute by, Outcome& into) -> Task<> {
            into = co_await probe_once(std::move(what), std::move(of), std::move(by));
        }(parsed(text), std::move(subject), std::move(execute), outcome));
        return outcome;
    }
    Outcome get(const std::string& path, const std::string& more = "") { return probe(R"({"httpGet":{"port":"http","path":")" + path + "\"" + more + "}}"); }
};

Execute ends(int code, std::string output, bool is_late = false) {
    return [=](std::string, std::string, std::vector<std::string>, std::chrono::steady_clock::duration) -> Task<Execution> {
        return [](Execution execution) -> Task<Execution> { co_return execution; }({code, output, is_late});
    };
}

}  // namespace

TEST_CASE("an HTTP probe passes from 200 to 399 and says which status it got") {
    Box box;
    CHECK(box.get("/health", R"(,"httpHeaders":[{"name":"X-Want","value":"b"}])").kind == Kind::success);
    CHECK(box.get("/health", R"(,"httpHeaders":[{"name":"X-Want","value":"b"}])").text.size() <= body_bytes_max);
    CHECK(box.get("/agent").kind == Kind::success);
    const auto gone = box.get("/gone");
    CHECK(gone.kind == Kind::failure);
    CHECK(gone.text == "HTTP probe failed with statuscode: 503");
    CHECK(box.probe(R"({"httpGet":{"scheme":"HTTPS","path":"/agent","port":)" + std::to_string(box.tls_port) + "}}").kind == Kind::success);
}

TEST_CASE("redirects are followed to the same host alone, and not for ever") {
    Box box;
    CHECK(box.get("/near").kind == Kind::success);
    const auto far = box.get("/far");
    CHECK(far.kind == Kind::warning);
    CHECK(far.text == "Probe terminated redirects, Response body: moved");
    CHECK(box.get("/round").text.ends_with("/round\": stopped after 10 redirects"));
}

TEST_CASE("what does not answer is worded as Go words it") {
    Box box;
    auto free_port = loopback(box.loop)->local().port;
    const auto address = "127.0.0.1:" + std::to_string(free_port);
    CHECK(box.probe(R"({"httpGet":{"path":"/x","port":)" + std::to_string(free_port) + "}}").text ==
          "Get \"http://" + address + "/x\": dial tcp " + address + ": connect: connection refused");
    CHECK(box.probe(R"({"tcpSocket":{"port":)" + std::to_string(free_port) + "}}").text == "dial tcp " + address + ": connect: connection refused");
    CHECK(box.probe(R"({"tcpSocket":{"port":"http"}})").kind == Kind::success);
    CHECK(box.get("/slow").text == "Get \"http://127.0.0.1:" + std::to_string(box.port) +
                                       "/slow\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)");
    CHECK(box.probe(R"({"tcpSocket":{"port":"nope"}})").kind == Kind::error);
    CHECK(box.probe(R"({"grpc":{"port":1}})").kind == Kind::error);
}

TEST_CASE("a command passes with exit code 0 and its output is the text") {
    Box box;
    CHECK(box.probe(R"({"exec":{"command":["true"]}})", ends(0, "fine")).kind == Kind::success);
    const auto failed = box.probe(R"({"exec":{"command":["false"]}})", ends(1, std::string(20'000, 'y')));
    CHECK(failed.kind == Kind::failure);
    CHECK(failed.text.size() == body_bytes_max);
    CHECK(box.probe(R"({"exec":{"command":["sleep","9"]},"timeoutSeconds":2})", ends(137, "", true)).text == "command timed out: \"sleep 9\" timed out after 2s");
}
