#include <catch2/catch_test_macros.hpp>

#include "fixture.hpp"
#include "services/kube/controllers/endpoint_mirror.hpp"
#include "services/kube/controllers/endpoint_slice.hpp"
#include "services/kube/controllers/endpoints.hpp"
#include "services/kube/controllers/load_balancer.hpp"

using namespace tests;

namespace {

const std::string services_path = "/api/v1/namespaces/x/services";
const std::string slices_path = "/apis/discovery.k8s.io/v1/namespaces/x/endpointslices";
const std::string endpoints_path = "/api/v1/namespaces/x/endpoints";
const std::string nodes_path = "/api/v1/nodes";

json::object service(std::string_view name, json::value target, std::string_view type = "ClusterIP") {
    json::array ports;
    ports.emplace_back(json::object{{"name", "http"}, {"port", 80}, {"protocol", "TCP"}, {"targetPort", std::move(target)}});
    return {{"metadata", {{"name", name}, {"labels", {{"app", "web"}}}}},
            {"spec", {{"type", type}, {"clusterIP", "10.43.0.7"}, {"ipFamilies", json::array{"IPv4"}}, {"selector", {{"app", "web"}}},
                      {"ports", std::move(ports)}}}};
}

json::object pod(std::string_view name, std::string_view ip, std::int64_t port, bool is_ready) {
    json::array ports, containers, conditions, ips;
    ports.emplace_back(json::object{{"name", "web"}, {"containerPort", port}, {"protocol", "TCP"}});
    containers.emplace_back(json::object{{"name", "c"}, {"ports", std::move(ports)}});
    conditions.emplace_back(condition("Ready", is_ready ? "True" : "False"));
    ips.emplace_back(json::object{{"ip", ip}});
    return {{"metadata", {{"name", name}, {"uid", name}, {"labels", {{"app", "web"}}}}},
            {"spec", {{"nodeName", "n"}, {"containers", std::move(containers)}}},
            {"status", {{"phase", "Running"}, {"podIP", ip}, {"podIPs", std::move(ips)}, {"conditions", std::move(conditions)}}}};
}

json::object node(std::string_view ip) {
    json::array addresses;
    addresses.emplace_back(json::object{{"type", "InternalIP"}, {"address", ip}});
    return {{"metadata", {{"name", "n"}}}, {"status", {{"addresses", std::move(addresses)}}}};
}

json::object endpoint(const Fixture& box, std::string_view name) {
    for (const auto& slice : box.api.list(slices_path))
        for (const auto& entry : array_at(slice, "endpoints"))
            if (text(as_object(entry), "targetRef.name") == name) return entry.as_object();
    return {};
}

}  // namespace

TEST_CASE("a Service without pods has one empty slice, which its first pod fills") {
    Fixture box;
    box.add<controllers::EndpointSliceController>();
    box.api.put(nodes_path, node("192.168.1.5"));
    box.api.put(services_path, service("web", 8080));
    box.start();
    REQUIRE(box.run_until([&] { return box.api.list(slices_path).size() == 1; }));
    const auto empty = box.api.list(slices_path)[0];
    CHECK(empty.at("endpoints").is_null());
    CHECK(label(empty, "endpointslice.kubernetes.io/managed-by") == "endpointslice-controller.k8s.io");
    CHECK(text(empty, "metadata.generateName") == "web-");
    box.api.put(pods_path, pod("p", "10.42.0.7", 8080, false));
    REQUIRE(box.run_until([&] { return !endpoint(box, "p").empty(); }));
    REQUIRE(box.api.list(slices_path).size() == 1);
    CHECK(name_of(box.api.list(slices_path)[0]) == name_of(empty));
    CHECK(endpoint(box, "p").at("conditions") == json::object{{"ready", false}, {"serving", false}, {"terminating", false}});
    CHECK(number(as_object(array_at(box.api.list(slices_path)[0], "ports")[0]), "port") == 8080);
}

TEST_CASE("a pod that ends while it serves is serving and terminating, but not ready") {
    Fixture box;
    box.add<controllers::EndpointSliceController>();
    box.api.put(nodes_path, node("192.168.1.5"));
    box.api.put(services_path, service("web", 8080));
    auto ending = pod("p", "10.42.0.7", 8080, true);
    make_object(ending, "metadata")["deletionTimestamp"] = "2026-11-24T09:00:00Z";
    box.api.put(pods_path, std::move(ending));
    box.start();
    REQUIRE(box.run_until([&] { return !endpoint(box, "p").empty(); }));
    CHECK(endpoint(box, "p").at("conditions") == json::object{{"ready", false}, {"serving", true}, {"terminating", true}});
}

TEST_CASE("pods that reach different numbers behind a named port are in slices of their own") {
    Fixture box;
    box.add<controllers::EndpointSliceController>();
    box.api.put(nodes_path, node("192.168.1.5"));
    box.api.put(services_path, service("web", "web"));
    box.api.put(pods_path, pod("old", "10.42.0.7", 8080, true));
    box.api.put(pods_path, pod("new", "10.42.0.8", 9090, true));
    box.start();
    REQUIRE(box.run_until([&] { return box.api.list(slices_path).size() == 2; }));
    box.api.erase(pods_path, "old");
    REQUIRE(box.run_until([&] { return box.api.list(slices_path).size() == 1; }));
    CHECK(endpoint(box, "old").empty());
}

TEST_CASE("a slice holds 100 endpoints; the 101st is in another") {
    Fixture box;
    box.add<controllers::EndpointSliceController>();
    box.api.put(nodes_path, node("192.168.1.5"));
    box.api.put(services_path, service("web", 8080));
    for (int i = 0; i < 100; ++i) box.api.put(pods_path, pod("p" + std::to_string(i), "10.42.1." + std::to_string(i), 8080, true));
    box.start();
    REQUIRE(box.run_until([&] {
        const auto slices = box.api.list(slices_path);
        return slices.size() == 1 && array_at(slices[0], "endpoints").size() == 100;
    }));
    box.api.put(pods_path, pod("last", "10.42.2.1", 8080, true));
    REQUIRE(box.run_until([&] { return box.api.list(slices_path).size() == 2; }));
    CHECK_FALSE(endpoint(box, "last").empty());
}

TEST_CASE("Endpoints hold ready and unready addresses apart and go with their Service") {
    Fixture box;
    box.add<controllers::EndpointsController>();
    box.api.put(services_path, service("web", 8080));
    box.api.put(pods_path, pod("a", "10.42.0.7", 8080, true));
    box.api.put(pods_path, pod("b", "10.42.0.8", 8080, false));
    box.start();
    REQUIRE(box.run_until([&] { return box.api.find(endpoints_path, "web") != nullptr; }));
    const auto& subsets = array_at(*box.api.find(endpoints_path, "web"), "subsets");
    REQUIRE(subsets.size() == 1);
    CHECK(text(as_object(array_at(as_object(subsets[0]), "addresses").at(0)), "ip") == "10.42.0.7");
    CHECK(text(as_object(array_at(as_object(subsets[0]), "notReadyAddresses").at(0)), "ip") == "10.42.0.8");
    box.api.erase(services_path, "web");
    CHECK(box.run_until([&] { return box.api.find(endpoints_path, "web") == nullptr; }));
}

TEST_CASE("a LoadBalancer gets the node's address; a port that is held leaves the later one pending until it is free") {
    Fixture box;
    box.add<controllers::LoadBalancerController>(std::vector<controllers::PortHolder>{{9000, "TCP", "the object store"}});
    box.api.put(nodes_path, node("192.168.1.5"));
    box.api.put(services_path, service("a", 8080, "LoadBalancer"));
    box.api.put(services_path, service("b", 8080, "LoadBalancer"));
    box.start();
    const auto address = [&](const char* name) {
        const auto& ingress = array_at(*box.api.find(services_path, name), "status.loadBalancer.ingress");
        return ingress.empty() ? std::string() : std::string(text(as_object(ingress[0]), "ip"));
    };
    REQUIRE(box.run_until([&] { return address("a") == "192.168.1.5" && !box.event_messages("PortConflict").empty(); }));
    CHECK(address("b").empty());
    CHECK(box.event_messages("PortConflict").at(0) == "port 80/TCP is held by Service x/a; the load balancer stays pending");
    box.api.erase(services_path, "a");
    REQUIRE(box.run_until([&] { return address("b") == "192.168.1.5"; }));
    box.api.change(nodes_path, "n", [](json::object& object) { object["status"] = node("192.168.1.6").at("status"); });
    CHECK(box.run_until([&] { return address("b") == "192.168.1.6"; }));
    // An address of a family that the Service has not is none of its.
    box.api.change(nodes_path, "n", [](json::object& object) {
        json::array addresses;
        for (const auto* ip : {"2001:db8::6", "192.168.1.7"}) addresses.emplace_back(json::object{{"type", "InternalIP"}, {"address", ip}});
        object["status"] = json::object{{"addresses", std::move(addresses)}};
    });
    CHECK(box.run_until([&] { return address("b") == "192.168.1.7"; }));
}

TEST_CASE("Endpoints written by hand are mirrored into slices while the Service has no selector") {
    Fixture box;
    box.add<controllers::EndpointMirrorController>();
    auto plain = service("ext", 8080);
    make_object(plain, "spec").erase("selector");
    box.api.put(services_path, std::move(plain));
    json::array addresses, ports, subsets;
    for (const auto ip : {"192.0.2.50", "2001:db8::50"}) addresses.emplace_back(json::object{{"ip", ip}});
    ports.emplace_back(json::object{{"port", 8080}});
    subsets.emplace_back(json::object{{"addresses", std::move(addresses)}, {"ports", std::move(ports)}});
    box.api.put(endpoints_path, {{"metadata", {{"name", "ext"}}}, {"subsets", std::move(subsets)}});
    box.start();
    REQUIRE(box.run_until([&] { return box.api.list(slices_path).size() == 2; }));
    const auto slice = box.api.list(slices_path)[0];
    CHECK(label(slice, "kubernetes.io/service-name") == "ext");
    CHECK(text(*controller_of(slice), "kind") == "Endpoints");
    CHECK(array_at(slice, "ports")[0] == json::object{{"name", ""}, {"port", 8080}, {"protocol", "TCP"}});
    box.settle();
    const auto writes = box.api.writes.size();
    box.api.change(services_path, "ext", [](json::object& object) { make_object(object, "spec")["selector"] = json::object{{"app", "web"}}; });
    REQUIRE(box.run_until([&] { return box.api.list(slices_path).empty(); }));
    CHECK(box.api.writes.size() == writes + 2);  // two deletions, and nothing before them
}
