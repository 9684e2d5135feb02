#include "services/kube/controllers/namespace.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>

#include "fixture.hpp"
#include "services/kube/controllers/root_certificates.hpp"
#include "services/kube/controllers/service_account.hpp"

using namespace tests;

namespace {

const std::string namespaces_path = "/api/v1/namespaces";

json::object space(std::string_view name) {
    return {{"metadata", {{"name", name}}}, {"spec", {{"finalizers", json::array{"kubernetes"}}}}, {"status", {{"phase", "Active"}}}};
}

std::vector<controllers::Served> served() {
    return {{resources::config_maps, "ConfigMap"}, {resources::pods, "Pod"}, {resources::secrets, "Secret"}};
}

}  // namespace

TEST_CASE("each namespace gets a ServiceAccount and the root certificates, and gets them again") {
    Fixture box;
    box.add<controllers::ServiceAccountController>();
    box.add<controllers::RootCertificatesController>(std::string("PEM"));
    box.api.put(namespaces_path, space("x"));
    box.start();
    const std::string accounts = "/api/v1/namespaces/x/serviceaccounts", maps = "/api/v1/namespaces/x/configmaps";
    REQUIRE(box.run_until([&] { return box.api.find(accounts, "default") && box.api.find(maps, "kube-root-ca.crt"); }));
    CHECK(text(object_at(*box.api.find(maps, "kube-root-ca.crt"), "data"), "ca.crt").empty());  // a key with a dot
    CHECK(object_at(*box.api.find(maps, "kube-root-ca.crt"), "data").at("ca.crt") == "PEM");
    box.api.erase(accounts, "default");
    box.api.change(maps, "kube-root-ca.crt", [](json::object& map) { map["data"] = json::object{{"ca.crt", "other"}}; });
    CHECK(box.run_until([&] {
        return box.api.find(accounts, "default") &&
               object_at(*box.api.find(maps, "kube-root-ca.crt"), "data").at("ca.crt") == "PEM";
    }));
}

TEST_CASE("a namespace that ends loses its pods, then the rest, then itself") {
    Fixture box;
    box.add<controllers::NamespaceController>(served());
    auto ending = space("x");
    make_object(ending, "metadata")["deletionTimestamp"] = "2026-11-24T09:00:00Z";
    box.api.put(namespaces_path, std::move(ending));
    box.api.put(pods_path, {{"metadata", {{"name", "p"}, {"finalizers", json::array{"kubelet"}}}}});
    box.api.put("/api/v1/namespaces/x/configmaps", {{"metadata", {{"name", "c"}}}});
    box.start();
    REQUIRE(box.run_until([&] { return is_deleting(*box.api.find(pods_path, "p")); }));
    box.settle();
    CHECK(box.api.find("/api/v1/namespaces/x/configmaps", "c") != nullptr);
    box.api.erase(pods_path, "p");
    REQUIRE(box.run_until([&] { return box.api.find(namespaces_path, "x") == nullptr; }));
    CHECK(box.api.list("/api/v1/namespaces/x/configmaps").empty());
    CHECK(std::ranges::count(box.api.writes, "PUT /api/v1/namespaces/x/finalize") == 1);
}

TEST_CASE("what holds a namespace up stands in its conditions") {
    Fixture box;
    box.add<controllers::NamespaceController>(served());
    auto ending = space("x");
    make_object(ending, "metadata")["deletionTimestamp"] = "2026-11-24T09:00:00Z";
    box.api.put(namespaces_path, std::move(ending));
    box.api.put("/api/v1/namespaces/x/secrets", {{"metadata", {{"name", "s"}, {"finalizers", json::array{"example.com/hold"}}}}});
    box.start();
    REQUIRE(box.run_until([&] { return condition_of(*box.api.find(namespaces_path, "x"), "NamespaceContentRemaining") != nullptr; }));
    const auto& found = *box.api.find(namespaces_path, "x");
    CHECK(text(*condition_of(found, "NamespaceContentRemaining"), "message") ==
          "Some resources are remaining: secrets. has 1 resource instances");
    CHECK(text(*condition_of(found, "NamespaceFinalizersRemaining"), "message") ==
          "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances");
    CHECK(condition_status(found, "NamespaceDeletionContentFailure") == "False");
}
