#include <catch2/catch_test_macros.hpp>

#include <boost/json/parse.hpp>

#include "services/kube/api/addresses.hpp"
#include "services/kube/api/status.hpp"
#include "services/kubeclient/object.hpp"

using namespace services::kube::api;
using services::kubeclient::array_at;
using services::kubeclient::as_object;
using services::kubeclient::number;
using services::kubeclient::text;

namespace {

std::size_t lowest(std::size_t) { return 0; }

json::object service(std::string_view spec, std::string_view name = "web", std::string_view name_space = "shop") {
    return {{"metadata", json::object{{"name", name}, {"namespace", name_space}}}, {"spec", json::parse(spec)}};
}

std::string refusal(Addresses& addresses, json::object object, bool is_dry_run = false) {
    try {
        addresses.allocate_create(object, is_dry_run).commit();
        return "";
    } catch (const StatusError& error) {
        return error.status.message;
    }
}

std::int64_t node_port(const json::object& object, std::size_t index) { return number(as_object(array_at(object, "spec.ports").at(index)), "nodePort"); }

}  // namespace

TEST_CASE("a Service gets an address of the upper band and its family") {
    Addresses addresses(lowest);
    auto web = service(R"({"type":"ClusterIP"})");
    addresses.allocate_create(web, false).commit();
    CHECK(text(web, "spec.clusterIP") == "10.43.1.0");
    CHECK(array_at(web, "spec.clusterIPs") == json::array{"10.43.1.0"});
    CHECK(array_at(web, "spec.ipFamilies") == json::array{"IPv4"});
    CHECK(text(web, "spec.ipFamilyPolicy") == "SingleStack");
}

TEST_CASE("an address that is held, reserved or of another network is refused in the real words") {
    Addresses addresses(lowest);
    const auto asked = [](std::string_view address) {
        return service(R"({"type":"ClusterIP","clusterIP":")" + std::string(address) + R"(","clusterIPs":[")" + std::string(address) + R"("]})");
    };
    CHECK(refusal(addresses, asked("10.43.200.71")).empty());
    CHECK(refusal(addresses, asked("10.43.200.71")) ==
          "Service \"web\" is invalid: spec.clusterIPs: Invalid value: [\"10.43.200.71\"]: failed to allocate IP 10.43.200.71: provided IP is already allocated");
    CHECK(refusal(addresses, asked("10.43.0.1")).ends_with("provided IP is already allocated"));
    CHECK(refusal(addresses, asked("10.43.0.10")).ends_with("provided IP is already allocated"));
    CHECK(refusal(addresses, asked("10.99.0.1")).ends_with("the provided network does not match the current range"));
    CHECK(refusal(addresses, asked("10.99.0.1"), true).ends_with("The range of valid IPs is 10.43.0.0/16"));
    CHECK(refusal(addresses, asked("10.43.255.255")).ends_with("The range of valid IPs is 10.43.0.0/16"));
    CHECK(refusal(addresses, asked("10.43.255.254")).empty());
    auto kubernetes = asked("10.43.0.1");
    kubernetes["metadata"] = json::object{{"name", "kubernetes"}, {"namespace", "default"}};
    CHECK(refusal(addresses, kubernetes).empty());
}

TEST_CASE("what a failed or dry write took is free again, what a deleted Service held too") {
    Addresses addresses(lowest);
    auto web = service(R"({"type":"NodePort","ports":[{"port":80,"nodePort":30080}]})");
    { const auto undone = addresses.allocate_create(web, false); }
    auto again = service(R"({"type":"NodePort","ports":[{"port":80,"nodePort":30080}]})");
    auto dry = again;
    addresses.allocate_create(dry, true).commit();
    addresses.allocate_create(again, false).commit();
    CHECK(refusal(addresses, service(R"({"type":"NodePort","ports":[{"port":80,"nodePort":30080}]})", "other")) ==
          "Service \"other\" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated");
    addresses.release(again);
    CHECK(refusal(addresses, service(R"({"type":"NodePort","ports":[{"port":80,"nodePort":30080}]})", "other")).empty());
}

TEST_CASE("node ports are 30000 to 32767, and one port over two protocols shares one") {
    Addresses addresses(lowest);
    CHECK(refusal(addresses, service(R"({"type":"NodePort","ports":[{"port":80,"nodePort":29999}]})")).ends_with("The range of valid ports is 30000-32767"));
    CHECK(refusal(addresses, service(R"({"type":"NodePort","ports":[{"port":80,"nodePort":32768}]})")).ends_with("The range of valid ports is 30000-32767"));
    CHECK(refusal(addresses, service(R"({"type":"NodePort","ports":[{"port":80,"nodePort":32767}]})")).empty());
    auto dns = service(R"({"type":"NodePort","ports":[{"port":53,"protocol":"UDP"},{"port":53,"protocol":"TCP"},{"port":80}]})");
    addresses.allocate_create(dns, false).commit();
    CHECK(node_port(dns, 0) == 30086);
    CHECK(node_port(dns, 1) == 30086);
    CHECK(node_port(dns, 2) == 30087);
}

TEST_CASE("a dry run stands in values that no write gets, and does not mind what is held beside node ports") {
    Addresses addresses(lowest);
    auto web = service(R"({"type":"NodePort","ports":[{"port":80},{"port":81}]})");
    addresses.allocate_create(web, true).commit();
    CHECK(text(web, "spec.clusterIP") == "10.43.0.0");
    CHECK(node_port(web, 0) == 32769);
    CHECK(node_port(web, 1) == 32770);
    CHECK(refusal(addresses, service(R"({"type":"NodePort","ports":[{"port":80,"nodePort":80}]})"), true).empty());
    auto held = service(R"({"type":"NodePort","clusterIPs":["10.43.9.9"],"ports":[{"port":80,"nodePort":30080}]})");
    addresses.allocate_create(held, false).commit();
    CHECK(refusal(addresses, service(R"({"type":"ClusterIP","clusterIPs":["10.43.9.9"]})"), true).empty());
    CHECK(refusal(addresses, service(R"({"type":"NodePort","ports":[{"port":80,"nodePort":30080}]})"), true).ends_with("provided port is already allocated"));
}

TEST_CASE("a Service that changes its type lets go of what it no longer needs") {
    Addresses addresses(lowest);
    auto web = service(R"({"type":"NodePort","ports":[{"port":80,"nodePort":30080}]})");
    addresses.allocate_create(web, false).commit();
    auto inner = web;
    inner["spec"].as_object()["type"] = "ClusterIP";
    inner["spec"].as_object()["ports"] = json::parse(R"([{"port":80}])");
    addresses.allocate_update(inner, web, false).commit();
    CHECK(refusal(addresses, service(R"({"type":"NodePort","ports":[{"port":80,"nodePort":30080}]})", "other")).empty());
    auto external = service(R"({"type":"ExternalName","externalName":"example.org"})");
    addresses.allocate_update(external, inner, false).commit();
    auto asked = service(R"({"type":"ClusterIP","clusterIPs":["10.43.1.0"]})", "third");
    CHECK(refusal(addresses, asked).empty());
}

TEST_CASE("headless Services without a selector are of both families, and RequireDualStack is refused otherwise") {
    Addresses addresses(lowest);
    auto headless = service(R"({"type":"ClusterIP","clusterIP":"None","clusterIPs":["None"]})");
    addresses.allocate_create(headless, false).commit();
    CHECK(array_at(headless, "spec.ipFamilies") == json::array{"IPv4", "IPv6"});
    CHECK(text(headless, "spec.ipFamilyPolicy") == "RequireDualStack");
    CHECK(refusal(addresses, service(R"({"type":"ClusterIP","ipFamilyPolicy":"RequireDualStack"})")) ==
          "Service \"web\" is invalid: spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not configured for dual-stack services");
}
