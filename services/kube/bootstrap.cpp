#include "services/kube/bootstrap.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "hal/base/error.hpp"

namespace services::kube {
namespace {

namespace json = boost::json;

// The address that every pod has as its gateway and that no DHCP changes.
constexpr std::string_view endpoint_address = "10.42.0.1";
constexpr std::string_view service_address = "10.43.0.1";
constexpr int service_port = 443;
constexpr int endpoint_port = 6443;

json::object named(std::string_view name, json::object labels = {}) {
    json::object metadata{{"name", name}};
    if (!labels.empty()) metadata["labels"] = std::move(labels);
    return metadata;
}

json::object port(int number) { return {{"name", "https"}, {"port", number}, {"protocol", "TCP"}}; }

json::object kubernetes_service() {
    auto https = port(service_port);
    https["targetPort"] = endpoint_port;
    return {{"metadata", named("kubernetes", {{"component", "apiserver"}, {"provider", "kubernetes"}})},
            {"spec", json::object{{"clusterIP", service_address}, {"type", "ClusterIP"}, {"sessionAffinity", "None"}, {"ports", json::array{https}}}}};
}

json::object kubernetes_endpoints() {
    return {{"metadata", named("kubernetes", {{"endpointslice.kubernetes.io/skip-mirror", "true"}})},
            {"subsets", json::array{json::object{{"addresses", json::array{json::object{{"ip", endpoint_address}}}}, {"ports", json::array{port(endpoint_port)}}}}}};
}

json::object kubernetes_slice() {
    return {{"metadata", named("kubernetes", {{"kubernetes.io/service-name", "kubernetes"}})},
            {"addressType", "IPv4"},
            {"endpoints", json::array{json::object{{"addresses", json::array{endpoint_address}}, {"conditions", json::object{{"ready", true}}}}}},
            {"ports", json::array{port(endpoint_port)}}};
}

hal::async::Task<> make(http::Handler api, std::string path, json::object object) {
    http::Request request;
    request.method = "POST";
    request.target = path;
    request.split_target();
    request.headers.set("Content-Type", "application/json");
    request.headers.set("Accept", "application/json");
    request.body = json::serialize(object);
    const auto response = co_await api(std::move(request));
    if (response.status != 201 && response.status != 409) throw hal::Error(hal::Code::internal, "POST " + path + ": " + response.body);
}

}  // namespace

http::Handler as_user(http::Handler api, std::string user, std::vector<std::string> groups, std::string agent) {
    return [api = std::move(api), user = std::move(user), groups = std::move(groups), agent = std::move(agent)](http::Request request) {
        request.peer.in_process_user = user;
        request.peer.in_process_groups = groups;
        request.headers.set("User-Agent", agent);
        return api(std::move(request));
    };
}

hal::async::Task<> make_cluster_objects(http::Handler api) {
    for (const auto* name : {"kube-system", "kube-public", "kube-node-lease", "default"})
        co_await make(api, "/api/v1/namespaces", {{"metadata", named(name)}});
    co_await make(api, "/api/v1/namespaces/default/services", kubernetes_service());
    co_await make(api, "/api/v1/namespaces/default/endpoints", kubernetes_endpoints());
    co_await make(api, "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", kubernetes_slice());
}

}  // namespace services::kube
