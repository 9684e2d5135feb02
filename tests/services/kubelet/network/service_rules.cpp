#include "services/kubelet/network/service_rules.hpp"

#include <catch2/catch_test_macros.hpp>

#include <boost/json/parse.hpp>

#include <algorithm>

#include "services/kubelet/network/addresses.hpp"
#include "services/kubelet/network/links.hpp"

using namespace services::kubelet::network;
using services::kubeclient::ObjectPtr;

namespace {

ObjectPtr object(const std::string& text) {
    return std::make_shared<const boost::json::object>(boost::json::parse(text).as_object());
}

ObjectPtr web(const std::string& more_spec = "", const std::string& status = "{}") {
    return object(R"({"metadata":{"name":"web","namespace":"default"},"spec":{"clusterIP":"10.43.7.1","clusterIPs":["10.43.7.1"],
        "ports":[{"name":"http","protocol":"TCP","port":80,"targetPort":8080,"nodePort":30080}])" + more_spec + R"(},"status":)" +
                  status + "}");
}

ObjectPtr slice(const std::string& endpoints) {
    return object(R"({"metadata":{"name":"web-x","namespace":"default"},"addressType":"IPv4",
        "ports":[{"name":"http","protocol":"TCP","port":8080}],"endpoints":[)" + endpoints + "]}");
}

const std::string ready_5 = R"({"addresses":["10.42.0.5"],"conditions":{"ready":true},"nodeName":"box"})";
const std::string ready_6 = R"({"addresses":["10.42.0.6"],"conditions":{"ready":true},"nodeName":"other"})";
const std::string ending_7 =
    R"({"addresses":["10.42.0.7"],"conditions":{"ready":false,"serving":true,"terminating":true},"nodeName":"box"})";
const std::string dead_8 =
    R"({"addresses":["10.42.0.8"],"conditions":{"ready":false,"serving":false,"terminating":true},"nodeName":"box"})";

Ruleset rules_of(const ObjectPtr& service, const std::string& endpoints) {
    RuleInput input;
    input.table = "branchbox";
    input.services = service_ports(*service, {slice(endpoints)}, "box");
    return ruleset(input);
}

std::string joined(const Ruleset& rules, const std::string& chain) {
    std::string text;
    for (const auto& rule : rules.chains.at(chain).rules) text += rule + "\n";
    return text;
}

}  // namespace

TEST_CASE("a Service's cluster IP and node port lead to its ready endpoints by chance") {
    const auto rules = rules_of(web(), ready_5 + "," + ready_6 + "," + ending_7);
    CHECK(rules.elements.at("services").at("10.43.7.1 . tcp . 80") == "goto service-default/web/tcp/80");
    CHECK(rules.elements.at("node_ports").at("tcp . 30080") == "goto service-default/web/tcp/80");
    CHECK(joined(rules, "service-default/web/tcp/80") ==
          "numgen random mod 2 vmap { 0 : goto endpoint-default/web/tcp/80__10.42.0.5/8080, "
          "1 : goto endpoint-default/web/tcp/80__10.42.0.6/8080 }\n");
    CHECK(joined(rules, "endpoint-default/web/tcp/80__10.42.0.5/8080") ==
          "ip saddr 10.42.0.5 meta mark set meta mark or 0x4000\nmeta l4proto tcp dnat ip to 10.42.0.5:8080\n");
}

TEST_CASE("endpoints that end but still serve are used when no other is ready") {
    const auto ports = service_ports(*web(), {slice(ending_7 + "," + dead_8)}, "box");
    const auto chosen = usable(ports.at(0).endpoints, false);
    REQUIRE(chosen.size() == 1);
    CHECK(chosen[0].ip == "10.42.0.7");
    CHECK(usable(service_ports(*web(), {slice(ending_7 + "," + ready_5)}, "box").at(0).endpoints, false).at(0).ip == "10.42.0.5");
}

TEST_CASE("a Service without endpoints is refused, not left hanging") {
    const auto rules = rules_of(web(), dead_8);
    CHECK(!rules.elements.at("services").contains("10.43.7.1 . tcp . 80"));
    CHECK(rules.elements.at("refused_ports").at("tcp . 30080") == "goto refuse");
    CHECK(joined(rules, "refusals").find("ip daddr 10.43.0.0/16 reject") != std::string::npos);
}

TEST_CASE("ClientIP affinity remembers each client per endpoint for its time") {
    const auto rules = rules_of(
        web(R"(,"sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":60}})"), ready_5);
    const std::string set = "affinity-60s-default/web/tcp/80__10.42.0.5/8080";
    CHECK(rules.sets.at(set).definition.find("timeout 60s") != std::string::npos);
    CHECK(joined(rules, "service-default/web/tcp/80").starts_with("ip saddr @" + set + " goto endpoint-"));
    CHECK(joined(rules, "endpoint-default/web/tcp/80__10.42.0.5/8080").find("update @" + set + " { ip saddr }") !=
          std::string::npos);
}

TEST_CASE("a LoadBalancer is on the box's own addresses once it has an ingress") {
    const auto pending = rules_of(web(R"(,"type":"LoadBalancer")"), ready_5);
    CHECK(pending.elements.at("balancer_ports").empty());
    const auto given = rules_of(web(R"(,"type":"LoadBalancer")", R"({"loadBalancer":{"ingress":[{"ip":"192.0.2.1"}]}})"), ready_5);
    CHECK(given.elements.at("balancer_ports").at("tcp . 80") == "goto service-default/web/tcp/80");
}

TEST_CASE("policy Local takes outside clients to this node's endpoints alone") {
    const auto rules = rules_of(web(R"(,"type":"NodePort","externalTrafficPolicy":"Local")"), ready_5 + "," + ready_6);
    CHECK(rules.elements.at("node_ports").at("tcp . 30080") == "goto external-default/web/tcp/80");
    const auto external = joined(rules, "external-default/web/tcp/80");
    CHECK(external.find("ip saddr 10.42.0.0/16 goto service-default/web/tcp/80") != std::string::npos);
    CHECK(external.find("10.42.0.6") == std::string::npos);
    CHECK(joined(rules_of(web(R"(,"type":"NodePort","externalTrafficPolicy":"Local")"), ready_6), "external-default/web/tcp/80")
              .ends_with("drop\n"));
}

TEST_CASE("headless and ExternalName Services have no rules") {
    CHECK(service_ports(*object(R"({"metadata":{"name":"a","namespace":"b"},"spec":{"clusterIP":"None","clusterIPs":["None"],
        "ports":[{"port":80}]}})"), {}, "box").empty());
    CHECK(service_ports(*object(R"({"metadata":{"name":"a","namespace":"b"},"spec":{"type":"ExternalName","externalName":"x.y"}})"),
                        {}, "box").empty());
}

TEST_CASE("a change is written as its difference alone") {
    const auto before = rules_of(web(), ready_5);
    CHECK(transaction(before, before).empty());
    const auto text = transaction(before, rules_of(web(), ready_6));
    CHECK(text.find("flush chain inet branchbox service-default/web/tcp/80\n") != std::string::npos);
    CHECK(text.find("delete chain inet branchbox endpoint-default/web/tcp/80__10.42.0.5/8080\n") != std::string::npos);
    CHECK(text.find("delete table") == std::string::npos);
    CHECK(text.find("dispatch") == std::string::npos);
}

TEST_CASE("cluster DNS and the API server have their addresses while no Service says so") {
    RuleInput input;
    input.table = "branchbox";
    input.fixed = {{"10.43.0.10", "UDP", 53, "10.42.0.1", 53}};
    const auto rules = ruleset(input);
    CHECK(rules.elements.at("services").at("10.43.0.10 . udp . 53") == "goto fixed-10.43.0.10/udp/53");
}

TEST_CASE("an address stays with its pod, is kept over a restart and given again last") {
    AddressBook book("10.42.0.0/29");  // .2 to .6
    CHECK(book.gateway() == "10.42.0.1");
    CHECK(book.ip(book.give("a", {}).number) == "10.42.0.2");
    CHECK(book.ip(book.give("b", {{"TCP", 8080, 80, ""}}).number) == "10.42.0.3");
    CHECK(book.ip(book.give("a", {}).number) == "10.42.0.2");
    book.release("a");
    AddressBook later("10.42.0.0/29");
    later.load(book.text());
    CHECK(later.find("b")->ports.at(0).host_port == 8080);
    for (const auto* expected : {"10.42.0.4", "10.42.0.5", "10.42.0.6", "10.42.0.2"})
        CHECK(later.ip(later.give(expected, {}).number) == expected);
    CHECK_THROWS(later.give("one too many", {}));
}

TEST_CASE("a forward chain that drops by policy is told, one's own is not") {
    const std::string chains = R"({"nftables":[{"chain":{"family":"ip","table":"filter","name":"FORWARD","hook":"forward","policy":"drop"}},
        {"chain":{"family":"ip","table":"other","name":"FORWARD","hook":"forward","policy":"accept"}}]})";
    REQUIRE(forwarding_refused(chains, "branchbox").size() == 1);
    CHECK(forwarding_refused(chains, "branchbox")[0].starts_with("table ip filter, chain FORWARD drops"));
    CHECK(forwarding_refused(chains, "filter").empty());
}
