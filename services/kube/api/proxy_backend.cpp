#include "services/kube/api/proxy_backend.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>
#include <vector>

#include "hal/base/error.hpp"
#include "services/kube/api/objects.hpp"
#include "services/kube/api/status.hpp"
#include "services/kube/api/subresources_table.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::api {
namespace {

using hal::net::Stream;
using hal::net::StreamPtr;
using kubeclient::text;

constexpr std::uint16_t kubelet_port_default = 10250;
constexpr std::chrono::seconds half_closed_max{10};
constexpr std::size_t relay_bytes = 32 * 1024;

std::string lowered(std::string_view word) {
    std::string out(word);
    std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

// RFC 9110 7.6.1: what belongs to one connection is not passed on. The credentials of the client are ours alone.
bool is_passed_on(std::string_view name) {
    static constexpr std::string_view kept_back[] = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
                                                     "transfer-encoding", "upgrade", "content-length", "host", "authorization"};
    const auto lower = lowered(name);
    return !std::ranges::contains(kept_back, std::string_view(lower)) && !lower.starts_with("impersonate-");
}

struct Relay {
    Relay(hal::async::Executor executor, StreamPtr client_side, StreamPtr server_side)
        : client(std::move(client_side)), server(std::move(server_side)), one_ended(executor), both_ended(executor) {}
    void end() {
        if (one_ended.is_set()) both_ended.set();
        one_ended.set();
    }
    StreamPtr client, server;
    hal::async::Event one_ended, both_ended;
};

// A connection that breaks ends its direction like one that closes; the other side then learns of it.
Task<> copy(Relay& relay, Stream& from, Stream& to, std::string early) {
    std::vector<std::byte> buffer(relay_bytes);
    try {
        if (!early.empty()) co_await to.write(std::as_bytes(std::span(early)));
        while (const auto count = co_await from.read_some(buffer)) co_await to.write(std::span(buffer).first(count));
        co_await to.finish_writing();
    } catch (const hal::Error&) {
        to.close();
    }
    relay.end();
}

Task<> run_relay(hal::async::Executor executor, StreamPtr client, std::string client_early, StreamPtr server, std::string server_early) {
    Relay relay(executor, std::move(client), std::move(server));
    hal::async::TaskGroup group(executor, "relay", 2);
    group.spawn("to backend", copy(relay, *relay.client, *relay.server, std::move(client_early)));
    group.spawn("to client", copy(relay, *relay.server, *relay.client, std::move(server_early)));
    try {
        co_await relay.one_ended.wait();
        co_await relay.both_ended.wait_for(half_closed_max);
    } catch (const hal::Error&) {
        // Cancelled: the server is ending; both connections go with it.
    }
    relay.client->close();
    relay.server->close();
    co_await boost::asio::this_coro::reset_cancellation_state();
    co_await group.join();
}

http::Client client_to(Api& api, const Backend& backend) {
    http::ClientOptions options;
    options.origin = backend.endpoint;
    options.server_name = backend.server_name;
    options.connections_max = 1;
    options.idle_connections_max = 0;
    if (backend.is_tls) {
        hal::net::TlsClientOptions tls;
        if (backend.is_kubelet) {
            tls.ca_pem = api.credentials.at("ca.crt");
            tls.certificate_pem = api.credentials.at("kubelet-client.crt");
            tls.key_pem = api.credentials.at("kubelet-client.key");
        } else {
            tls.verify = false;  // a pod's own certificate is nobody's we know; the real proxy does not verify it either
        }
        options.tls = hal::net::TlsClientContext::make(tls);
    }
    return http::Client(api.executor, std::move(options));
}

void pass_on(const http::Headers& from, http::Headers& to) {
    for (const auto& [name, value] : from.all())
        if (is_passed_on(name)) to.add(name, value);
}

Task<http::Response> forward_upgrade(Api& api, ResourceRequest& request, http::Client client, http::Request onward) {
    onward.headers.set("Connection", "Upgrade");
    onward.headers.set("Upgrade", request.http.headers.get("Upgrade"));
    auto upgraded = co_await client.upgrade(std::move(onward));
    if (upgraded.response.status != 101) co_return std::move(upgraded.response);
    http::Response response;
    response.status = 101;
    response.headers = upgraded.response.headers;
    // Shared by the one call that the callback gets; std::function wants it copyable.
    auto server = std::make_shared<http::Upgraded>(std::move(upgraded));
    response.upgrade = [executor = api.executor, server](StreamPtr stream, std::string early) {
        return run_relay(executor, std::move(stream), std::move(early), std::move(server->stream), std::move(server->early));
    };
    co_return response;
}

}  // namespace

bool split_named_port(std::string_view text, NamedPort& into) {
    std::array<std::string_view, 3> parts;
    std::size_t count = 0;
    for (bool is_last = false; !is_last; ++count) {
        if (count == parts.size()) return false;
        const auto colon = text.find(':');
        is_last = colon == std::string_view::npos;
        parts[count] = text.substr(0, colon);
        if (!is_last) text.remove_prefix(colon + 1);
    }
    if (count == 3 && parts[0] != "http" && parts[0] != "https" && !parts[0].empty()) return false;
    const auto name_at = count == 3 ? 1U : 0U;
    into.scheme = count == 3 ? parts[0] : "";
    into.name = parts[name_at];
    into.port = count > 1 ? parts[name_at + 1] : "";
    return !into.name.empty();
}

Task<Backend> kubelet_of(Api& api, std::string node) {
    const auto stored = co_await load_object(api, core_kind("nodes"), "", node);
    std::string address;
    for (const auto* type : {"InternalIP", "ExternalIP"})
        for (const auto& one : kubeclient::array_at(stored.object, "status.addresses"))
            if (address.empty() && text(kubeclient::as_object(one), "type") == type) address = text(kubeclient::as_object(one), "address");
    if (address.empty()) throw StatusError(internal_error("no preferred addresses found; known addresses: []"));
    auto port = kubeclient::number(stored.object, "status.daemonEndpoints.kubeletEndpoint.Port");
    if (port <= 0 || port > 65535) port = kubelet_port_default;
    co_return Backend{{address, static_cast<std::uint16_t>(port)}, true, true, std::move(node)};
}

bool is_upgrade(const http::Request& request) {
    return lowered(request.headers.get("Connection")).contains("upgrade") && request.headers.find("Upgrade") != nullptr;
}

Task<http::Response> forward(Api& api, ResourceRequest& request, Backend backend, std::string target) {
    http::Request onward;
    onward.method = request.http.method;
    onward.target = std::move(target);
    pass_on(request.http.headers, onward.headers);
    auto client = client_to(api, backend);
    if (is_upgrade(request.http)) co_return co_await forward_upgrade(api, request, std::move(client), std::move(onward));
    if (request.http.stream) onward.body = co_await request.http.stream->read_all(http::Limits{}.body_bytes_max);
    else onward.body = std::move(request.http.body);
    auto answer = co_await client.send(std::move(onward));
    http::Response response;
    response.status = answer.status;
    pass_on(answer.headers, response.headers);
    response.body = std::move(answer.body);
    response.stream = std::move(answer.stream);
    co_return response;
}

}  // namespace services::kube::api
