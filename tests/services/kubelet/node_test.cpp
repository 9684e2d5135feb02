#include <catch2/catch_test_macros.hpp>

#include "services/kubeclient/object.hpp"
#include "services/kubelet/node.hpp"

using namespace services::kubelet;
namespace kc = services::kubeclient;

namespace {

const hal::WallTime noon = hal::parse_rfc3339("2026-11-24T12:00:00Z");

NodeView box() {
    NodeView view;
    view.name = "berlin-03";
    view.facts.milli_cpu = 4000;
    view.facts.memory_bytes = std::int64_t{4} << 30;
    view.facts.storage_bytes = std::int64_t{64} << 30;
    view.facts.architecture = "arm64";
    view.facts.runtime_version = "crun://1.21";
    view.addresses = {"192.168.1.20", "fd00::20"};
    return view;
}

}  // namespace

TEST_CASE("the Node carries the labels and the provider that k3s gives it") {
    const auto node = node_object(box());
    CHECK(kc::label(node, "node.kubernetes.io/instance-type") == "k3s");
    CHECK(kc::label(node, "node-role.kubernetes.io/control-plane") == "true");
    CHECK(kc::label(node, "kubernetes.io/arch") == "arm64");
    CHECK(kc::text(node, "spec.providerID") == "k3s://berlin-03");
    CHECK(kc::annotation(node, "k3s.io/internal-ip") == "192.168.1.20");
}

TEST_CASE("the status says what the box has, what pods may take of it, and where it is reached") {
    const auto status = node_status(box(), {}, noon);
    CHECK(kc::text(status, "capacity.cpu") == "4");
    CHECK(kc::text(status, "capacity.memory") == "4194304Ki");
    CHECK(kc::text(status, "allocatable.memory") == "3670016Ki");  // less 512 MiB
    CHECK(kc::text(status, "nodeInfo.kubeletVersion") == "v1.37.2+k3s1");
    CHECK(kc::number(status, "daemonEndpoints.kubeletEndpoint.Port") == 10250);
    CHECK(kc::array_at(status, "addresses").size() == 3);
}

TEST_CASE("on a small box services keep no more than a quarter of the memory") {
    NodeFacts facts;
    facts.memory_bytes = std::int64_t{2} << 30;
    CHECK(reserved_memory(facts) == std::int64_t{512} << 20);
    facts.memory_bytes = std::int64_t{1} << 30;
    CHECK(reserved_memory(facts) == std::int64_t{256} << 20);
}

TEST_CASE("conditions keep the time of their last change, and those of others stay") {
    json::object before = node_status(box(), {}, noon);
    before["conditions"].as_array().push_back(json::object{{"type", "NetworkUnavailable"}, {"status", "False"}});
    auto view = box();
    view.problems = {"table ip filter, chain FORWARD drops forwarded packets"};
    const json::object node{{"status", node_status(view, before, noon + std::chrono::hours(1))}};
    const auto* ready = kc::condition_of(node, "Ready");
    REQUIRE(ready);
    CHECK(kc::text(*ready, "lastTransitionTime") == "2026-11-24T12:00:00Z");
    CHECK(kc::text(*ready, "lastHeartbeatTime") == "2026-11-24T13:00:00Z");
    CHECK(kc::text(*ready, "message").contains("chain FORWARD drops"));
    CHECK(kc::condition_status(node, "NetworkUnavailable") == "False");
}

TEST_CASE("no more than fifty images are listed, the largest ones") {
    auto view = box();
    for (std::uint64_t size = 1; size <= 51; ++size) {
        images::Image image;
        image.size_bytes = size;
        view.images.push_back(image);
    }
    const auto status = node_status(view, {}, noon);
    REQUIRE(kc::array_at(status, "images").size() == 50);
    CHECK(kc::number(kc::array_at(status, "images")[49].as_object(), "sizeBytes") == 2);
}
