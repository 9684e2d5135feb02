#include "services/kubelet/probes/handlers.hpp"

#include <boost/asio/cancel_after.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <format>

#include "hal/base/error.hpp"
#include "hal/net/tls.hpp"
#include "services/http/client.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kubelet::probes {

namespace asio = boost::asio;
namespace kc = kubeclient;
using hal::Code;
using hal::Error;
using Kind = Outcome::Kind;

namespace {

std::uint16_t port_of(const json::object& handler, const json::object& container) {
    const auto* port = handler.if_contains("port");
    if (!port) throw Error(Code::invalid, "the probe names no port");
    std::int64_t number = 0;
    if (!port->is_string()) {
        number = kc::number(handler, "port");
    } else {
        const auto name = kc::as_text(*port);
        const bool is_number = !name.empty() && std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
        if (is_number && name.size() < 6) number = std::stol(std::string(name));
        for (const auto& one : kc::array_at(container, "ports"))
            if (kc::text(kc::as_object(one), "name") == name) number = kc::number(kc::as_object(one), "containerPort");
        if (number == 0) throw Error(Code::invalid, std::format("couldn't find port: \"{}\" in container", name));
    }
    if (number < 1 || number > 65535) throw Error(Code::invalid, std::format("invalid port number: {}", number));
    return static_cast<std::uint16_t>(number);
}

std::string with_brackets(const std::string& host) { return host.find(':') == std::string::npos ? host : "[" + host + "]"; }

// What Go's net package says about the same failure.
std::string go_text(const Error& failure, const std::string& address) {
    std::string text = failure.what();
    const auto has = [&](std::string_view part) { return text.find(part) != std::string::npos; };
    const auto dialled = [&](std::string_view why) { return std::format("dial tcp {}: {}", address, why); };
    if (has("Connection refused")) return dialled("connect: connection refused");
    if (has("No route to host")) return dialled("connect: no route to host");
    if (has("Network is unreachable")) return dialled("connect: network is unreachable");
    if (failure.code() == Code::timed_out) return dialled("i/o timeout");
    if (has("Connection reset")) return "read: connection reset by peer";
    if (has("Host not found") || has("not found")) return std::format("dial tcp: lookup {}: no such host", address.substr(0, address.rfind(':')));
    return text;
}

struct Url {
    bool is_tls = false;
    std::string host;
    std::uint16_t port = 0;
    std::string target;
    [[nodiscard]] std::string address() const { return std::format("{}:{}", with_brackets(host), port); }
    [[nodiscard]] std::string text() const { return std::format("{}://{}{}", is_tls ? "https" : "http", address(), target); }
};

// Where a redirect leads; empty when that is another host, or nothing that is understood.
std::optional<Url> followed(const Url& from, const std::string& location) {
    Url to = from;
    auto rest = location;
    const bool has_scheme = rest.starts_with("http://") || rest.starts_with("https://");
    if (has_scheme) {
        to.is_tls = rest.starts_with("https://");
        rest.erase(0, to.is_tls ? 8 : 7);
        const auto end = std::min(rest.find_first_of("/?#"), rest.size());
        auto authority = rest.substr(0, end);
        rest.erase(0, end);
        const auto colon = authority.ends_with("]") ? std::string::npos : authority.rfind(':');
        to.port = to.is_tls ? 443 : 80;
        if (colon != std::string::npos) {
            const auto digits = authority.substr(colon + 1);
            if (digits.empty() || digits.size() > 5 || !std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
            to.port = static_cast<std::uint16_t>(std::stoul(digits));
            authority.resize(colon);
        }
        if (authority != with_brackets(from.host)) return std::nullopt;
    }
    rest.resize(std::min(rest.find('#'), rest.size()));
    if (rest.empty() || rest.front() == '?')
        to.target = (has_scheme ? "/" : from.target.substr(0, from.target.find('?'))) + rest;
    else if (rest.front() == '/')
        to.target = rest;
    else
        to.target = from.target.substr(0, from.target.substr(0, from.target.find('?')).rfind('/') + 1) + rest;
    return to;
}

Task<http::Response> get(hal::async::Executor executor, Url url, json::object probe) {
    http::ClientOptions options;
    options.origin = {url.host, url.port};
    options.connections_max = 1;
    options.idle_connections_max = 0;
    options.answer_time_max = {};
    // A probe asks whether something answers, not who (kubelet prober: InsecureSkipVerify).
    if (url.is_tls) options.tls = hal::net::TlsClientContext::make({.ca_pem = "", .verify = false, .certificate_pem = "", .key_pem = ""});
    http::Client client(executor, options);
    http::Request request;
    request.method = "GET";
    request.target = url.target;
    for (const auto& one : kc::array_at(probe, "httpHeaders")) {
        const auto& header = kc::as_object(one);
        request.headers.add(std::string(kc::text(header, "name")), std::string(kc::text(header, "value")));
    }
    if (!request.headers.find("User-Agent")) request.headers.set("User-Agent", "kube-probe/1.37");
    if (!request.headers.find("Accept")) request.headers.set("Accept", "*/*");
    if (!request.headers.find("Host")) request.headers.set("Host", url.address());
    request.headers.set("Connection", "close");
    auto response = co_await client.send(std::move(request));
    while (response.stream && response.body.size() < body_bytes_max) {
        const auto piece = co_await response.stream->read();
        if (piece.empty()) break;
        response.body.append(piece, 0, body_bytes_max - response.body.size());
    }
    response.stream.reset();
    co_return response;
}

Task<Outcome> probe_http(json::object probe, Url url) {
    const auto executor = co_await asio::this_coro::executor;
    const auto first = url;
    for (int redirects = 0;; ++redirects) {
        std::string failure;
        try {
            const auto response = co_await get(executor, url, probe);
            if (response.status >= 400 || response.status < 200)
                co_return Outcome{Kind::failure, std::format("HTTP probe failed with statuscode: {}", response.status)};
            if (response.status < 300) co_return Outcome{Kind::success, response.body};
            const auto* location = response.headers.find("Location");
            const auto next = location ? followed(url, *location) : std::nullopt;
            if (!next) co_return Outcome{Kind::warning, "Probe terminated redirects, Response body: " + response.body};
            if (redirects + 1 >= redirects_max)
                co_return Outcome{Kind::failure, std::format("Get \"{}\": stopped after {} redirects", next->text(), redirects_max)};
            url = *next;
            continue;
        } catch (const Error& error) {
            if (error.code() == Code::cancelled) throw;
            failure = go_text(error, url.address());
        }
        co_return Outcome{Kind::failure, std::format("Get \"{}\": {}", url.text(), failure)};
    }
}

Task<Outcome> probe_tcp(hal::net::Endpoint endpoint, std::chrono::steady_clock::duration limit) {
    try {
        const auto stream = co_await hal::net::dial(endpoint, limit);
        co_return Outcome{};
    } catch (const Error& error) {
        if (error.code() == Code::cancelled) throw;
        co_return Outcome{Kind::failure, go_text(error, endpoint.to_string())};
    }
}

Task<Outcome> probe_command(json::object probe, Subject subject, Execute execute, std::chrono::seconds limit) {
    std::vector<std::string> command;
    std::string shown;
    for (const auto& word : kc::array_at(probe, "command")) {
        command.emplace_back(kc::as_text(word));
        shown += (shown.empty() ? "" : " ") + command.back();
    }
    const std::string name(kc::text(subject.container, "name"));
    try {
        auto ended = co_await execute(subject.uid, name, std::move(command), limit);
        if (ended.has_timed_out)
            co_return Outcome{Kind::failure, std::format("command timed out: \"{}\" timed out after {}s", shown, limit.count())};
        ended.output.resize(std::min(ended.output.size(), body_bytes_max));
        co_return Outcome{ended.exit_code == 0 ? Kind::success : Kind::failure, std::move(ended.output)};
    } catch (const Error& error) {
        if (error.code() == Code::cancelled) throw;
        co_return Outcome{Kind::error, error.what()};
    }
}

Task<Outcome> carry_out(json::object probe, Subject subject, Execute execute, std::chrono::seconds limit) {
    if (probe.contains("exec")) co_return co_await probe_command(kc::object_at(probe, "exec"), std::move(subject), std::move(execute), limit);
    if (probe.contains("grpc"))
        co_return Outcome{Kind::error, "gRPC probes need HTTP/2, which this box does not speak yet: use an exec, httpGet or tcpSocket probe"};
    const bool is_http = probe.contains("httpGet");
    const auto handler = kc::object_at(probe, is_http ? "httpGet" : "tcpSocket");
    if (handler.empty()) co_return Outcome{Kind::error, "missing probe handler for " + std::string(kc::text(subject.container, "name"))};
    std::uint16_t port = 0;
    std::string problem;
    try {
        port = port_of(handler, subject.container);
    } catch (const Error& error) {
        problem = error.what();
    }
    if (!problem.empty()) co_return Outcome{Kind::error, problem};
    auto host = std::string(kc::text(handler, "host"));
    if (host.empty()) host = subject.address;
    if (!is_http) co_return co_await probe_tcp({host, port}, limit);
    auto target = std::string(kc::text(handler, "path", "/"));
    if (!target.starts_with('/')) target.insert(0, "/");
    co_return co_await probe_http(handler, {kc::text(handler, "scheme") == "HTTPS", host, port, target});
}

}  // namespace

Task<Outcome> probe_once(json::object probe, Subject subject, Execute execute) {
    const auto limit = std::chrono::seconds(std::max<std::int64_t>(kc::number(probe, "timeoutSeconds", 1), 1));
    const auto executor = co_await asio::this_coro::executor;
    const auto start = std::chrono::steady_clock::now();
    std::string late;
    if (const auto& get = kc::object_at(probe, "httpGet"); !get.empty()) {
        auto path = std::string(kc::text(get, "path", "/"));
        if (!path.starts_with('/')) path.insert(0, "/");
        std::string port;
        try {
            port = std::to_string(port_of(get, subject.container));
        } catch (const Error&) {
            port = "0";
        }
        late = std::format("Get \"{}://{}:{}{}\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
                           kc::text(get, "scheme") == "HTTPS" ? "https" : "http", with_brackets(std::string(kc::text(get, "host", subject.address))), port, path);
    } else {
        late = std::format("command timed out after {}s", limit.count());
    }
    // A command is ended by its runner, which has the same limit and must find out that it has ended.
    const auto patience = probe.contains("exec") ? limit + std::chrono::seconds(5) : limit;
    try {
        co_return co_await asio::co_spawn(executor, carry_out(std::move(probe), std::move(subject), std::move(execute), limit),
                                          asio::cancel_after(patience, asio::use_awaitable));
    } catch (const Error& error) {
        if (error.code() != Code::cancelled || std::chrono::steady_clock::now() < start + patience) throw;
    }
    co_return Outcome{Kind::failure, late};
}

}  // namespace services::kubelet::probes
