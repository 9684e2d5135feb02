// nodes/proxy, pods/proxy and services/proxy: any HTTP request to a kubelet, a pod or one pod of a Service.
#include <boost/json/object.hpp>

#include <charconv>
#include <optional>

#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"
#include "services/kube/api/objects.hpp"
#include "services/kube/api/proxy_backend.hpp"
#include "services/kube/api/status.hpp"
#include "services/kube/api/subresources_table.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::api {
namespace {

using kubeclient::array_at;
using kubeclient::as_object;
using kubeclient::as_text;
using kubeclient::number;
using kubeclient::text;

constexpr std::size_t slices_max = 100;

Status unavailable(const std::string& message) { return {503, "ServiceUnavailable", message, {}, ""}; }

std::optional<std::uint16_t> port_number(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || port == 0) return std::nullopt;
    return port;
}

// Path behind `/proxy`, with the query as it came.
std::string target_of_proxy(const ResourceRequest& request) {
    const auto question = request.http.target.find('?');
    auto path = request.subpath.empty() ? "/" : request.subpath;
    return question == std::string::npos ? path : path + request.http.target.substr(question);
}

// Relative links of the page behind need the slash (UpgradeAwareHandler).
std::optional<http::Response> redirect_to_slash(const ResourceRequest& request) {
    if (!request.subpath.empty() || (request.http.method != "GET" && request.http.method != "HEAD")) return std::nullopt;
    const auto question = request.http.target.find('?');
    http::Response response;
    response.status = 301;
    response.headers.set("Location", request.http.target.substr(0, question) + "/" + (question == std::string::npos ? "" : request.http.target.substr(question)));
    return response;
}

Task<http::Response> proxy_to(Api& api, ResourceRequest& request, Backend backend) {
    std::optional<std::string> failure;
    try {
        co_return co_await forward(api, request, backend, target_of_proxy(request));
    } catch (const hal::Error& error) {
        if (error.code() == hal::Code::cancelled) throw;
        failure = error.what();
    }
    throw StatusError(unavailable("error trying to reach service: " + *failure));
}

NamedPort named_port(const ResourceRequest& request, std::string_view what) {
    NamedPort named;
    if (!split_named_port(request.name, named)) throw StatusError(bad_request("invalid " + std::string(what) + " request \"" + request.name + "\""));
    return named;
}

// Loopback and link-local addresses would lead into this machine, not into a pod.
bool is_pod_address(std::string_view address) {
    return !address.empty() && !address.starts_with("127.") && !address.starts_with("169.254.") && !address.starts_with("0.") && address != "::1" &&
           !address.starts_with("fe80:");
}

Backend plain_backend(const NamedPort& named, std::string address, std::uint16_t port) {
    return {{std::move(address), port}, named.scheme == "https", false, ""};
}

// A ready endpoint of one slice that is really a pod, at the port of that name.
struct Place {
    std::string address;
    std::uint16_t port = 0;
};
Task<bool> is_pods_address(Api& api, std::string name_space, std::string pod, std::string address) {
    const auto stored = co_await find_object(api, core_kind("pods"), name_space, pod);
    if (!stored) co_return false;
    for (const auto& one : array_at(stored->object, "status.podIPs"))
        if (text(as_object(one), "ip") == address) co_return true;
    co_return false;
}

std::uint16_t slice_port(const json::object& slice, std::string_view name) {
    for (const auto& port : array_at(slice, "ports"))
        if (text(as_object(port), "name") == name) return static_cast<std::uint16_t>(number(as_object(port), "port"));
    return 0;
}

Task<std::vector<json::object>> slices_of(Api& api, std::string name_space, std::string service) {
    const auto* kind = kinds::find("discovery.k8s.io", "v1", "endpointslices");
    HAL_REQUIRE(kind != nullptr);
    const auto page = co_await api.store.list({key_of(*kind, name_space, "").resource, name_space, ""}, slices_max, 0, "", "");
    std::vector<json::object> slices;
    for (const auto& record : page.records) {
        auto slice = read_value(*kind, *record.value);
        if (kubeclient::label(slice, "kubernetes.io/service-name") == service) slices.push_back(std::move(slice));
    }
    co_return slices;
}

Task<std::vector<Place>> places_of(Api& api, std::string name_space, std::string service, std::string port) {
    const auto slices = co_await slices_of(api, name_space, service);
    if (slices.empty()) throw StatusError(unavailable("no endpoints available for service \"" + service + "\""));
    std::vector<Place> places;
    for (const auto& slice : slices) {
        const auto slice_port_number = slice_port(slice, port);
        if (slice_port_number == 0) continue;
        for (const auto& one : array_at(slice, "endpoints")) {
            const auto& endpoint = as_object(one);
            const auto& addresses = array_at(endpoint, "addresses");
            if (addresses.empty() || !kubeclient::flag(endpoint, "conditions.ready", true)) continue;
            const std::string address(as_text(addresses[0])), pod(text(endpoint, "targetRef.name"));
            if (is_pod_address(address) && co_await is_pods_address(api, name_space, pod, address)) places.push_back({address, slice_port_number});
        }
    }
    co_return places;
}

}  // namespace

Task<http::Response> node_proxy(Api& api, ResourceRequest& request) {
    if (auto redirect = redirect_to_slash(request)) co_return *std::move(redirect);
    const auto named = named_port(request, "node");
    auto backend = co_await kubelet_of(api, named.name);
    if (!named.port.empty()) {
        const auto port = port_number(named.port);
        if (!port) throw StatusError(bad_request("invalid node request \"" + request.name + "\""));
        if (*port != backend.endpoint.port) backend = plain_backend(named, backend.endpoint.address, *port);
    }
    co_return co_await proxy_to(api, request, std::move(backend));
}

Task<http::Response> pod_proxy(Api& api, ResourceRequest& request) {
    if (auto redirect = redirect_to_slash(request)) co_return *std::move(redirect);
    const auto named = named_port(request, "pod");
    const auto pod = (co_await load_object(api, *request.kind, request.name_space, named.name)).object;
    auto port = port_number(named.port).value_or(0);
    if (named.port.empty())
        for (const auto& container : array_at(pod, "spec.containers"))
            for (const auto& one : array_at(as_object(container), "ports"))
                if (port == 0) port = static_cast<std::uint16_t>(number(as_object(one), "containerPort"));
    const std::string address(text(pod, "status.podIP"));
    if (!is_pod_address(address)) throw StatusError(bad_request("address not allowed"));
    if (port == 0) port = named.scheme == "https" ? 443 : 80;
    co_return co_await proxy_to(api, request, plain_backend(named, address, port));
}

Task<http::Response> service_proxy(Api& api, ResourceRequest& request) {
    if (auto redirect = redirect_to_slash(request)) co_return *std::move(redirect);
    const auto named = named_port(request, "service");
    auto port = named.port;
    if (const auto wanted = port_number(port)) {
        const auto service = (co_await load_object(api, *request.kind, request.name_space, named.name)).object;
        bool is_known = false;
        for (const auto& one : array_at(service, "spec.ports"))
            if (!is_known && number(as_object(one), "port") == *wanted) {
                port = text(as_object(one), "name");
                is_known = true;
            }
        if (!is_known) throw StatusError(unavailable("no service port " + std::to_string(*wanted) + " found for service \"" + named.name + "\""));
    }
    const auto places = co_await places_of(api, request.name_space, named.name, port);
    if (places.empty()) throw StatusError(unavailable("no endpoints available for service \"" + named.name + "\""));
    const auto random = hal::random_bytes(1);
    const auto& place = places[static_cast<unsigned char>(random[0]) % places.size()];
    co_return co_await proxy_to(api, request, plain_backend(named, place.address, place.port));
}

}  // namespace services::kube::api
