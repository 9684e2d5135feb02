#include "services/kube/controllers/box_services.hpp"

#include <catch2/catch_test_macros.hpp>

#include "fixture.hpp"

using namespace tests;

namespace {

const std::string namespaces_path = "/api/v1/namespaces";

std::string services_in(const std::string& space) { return namespaces_path + "/" + space + "/services"; }
std::string slices_in(const std::string& space) { return "/apis/discovery.k8s.io/v1/namespaces/" + space + "/endpointslices"; }

controllers::BoxServices boxes(std::vector<std::string> namespaces) {
    controllers::BoxServices services;
    services.ports["minio"] = {{"api", "TCP", 9000, 19000}, {"console", "TCP", 9001, 9001}};
    services.namespaces = std::move(namespaces);
    return services;
}

json::object active(std::string_view name) { return {{"metadata", {{"name", name}}}, {"status", {{"phase", "Active"}}}}; }

// The Service minio in `space`; empty: none.
json::object minio(const Fixture& box, const std::string& space) {
    for (const auto& service : box.api.list(services_in(space)))
        if (name_of(service) == "minio") return service;
    return {};
}

}  // namespace

TEST_CASE("the box's own services have a Service and an endpoint in branchbox and in the listed namespaces, and nowhere else") {
    Fixture box;
    box.add<controllers::BoxServicesController>(boxes({"shop", "absent"}));
    for (const auto* name : {"branchbox", "shop", "other"}) box.api.put(namespaces_path, active(name));
    box.start();
    REQUIRE(box.run_until([&] { return box.api.list(slices_in("branchbox")).size() == 1 && box.api.list(slices_in("shop")).size() == 1; }));
    CHECK(minio(box, "other").empty());
    const auto service = minio(box, "shop");
    CHECK(object_at(service, "spec.selector").empty());
    CHECK(number(as_object(array_at(service, "spec.ports")[0]), "port") == 9000);
    CHECK(number(as_object(array_at(service, "spec.ports")[0]), "targetPort") == 19000);
    const auto slice = box.api.list(slices_in("shop"))[0];
    CHECK(label(slice, "kubernetes.io/service-name") == "minio");
    CHECK(array_at(as_object(array_at(slice, "endpoints")[0]), "addresses") == json::array{"10.42.0.1"});
    CHECK(number(as_object(array_at(slice, "ports")[0]), "port") == 19000);
    CHECK(number(as_object(array_at(slice, "ports")[1]), "port") == 9001);
}

TEST_CASE("a listed namespace that comes later gets them, and one that is listed no more loses them") {
    Fixture box;
    box.add<controllers::BoxServicesController>(boxes({"shop"}));
    box.api.put(namespaces_path, active("branchbox"));
    json::array ports;
    ports.emplace_back(json::object{{"name", "api"}, {"port", 9000}, {"protocol", "TCP"}});
    box.api.put(namespaces_path, active("left"));
    box.api.put(services_in("left"), {{"metadata", {{"name", "minio"}, {"labels", {{"app.kubernetes.io/managed-by", "branchbox"}}}}},
                                      {"spec", {{"type", "ClusterIP"}, {"ports", ports}}}});
    box.start();
    REQUIRE(box.run_until([&] { return minio(box, "left").empty(); }));
    CHECK(minio(box, "shop").empty());
    box.api.put(namespaces_path, active("shop"));
    REQUIRE(box.run_until([&] { return !minio(box, "shop").empty(); }));
}

TEST_CASE("a user's own Service of that name is left alone and told, until it is gone") {
    Fixture box;
    std::vector<std::string> told;
    auto services = boxes({"shop"});
    services.report = [&told](const std::vector<std::string>& problems) { told = problems; };
    box.add<controllers::BoxServicesController>(std::move(services));
    box.api.put(namespaces_path, active("branchbox"));
    box.api.put(namespaces_path, active("shop"));
    box.api.put(services_in("shop"), {{"metadata", {{"name", "minio"}}}, {"spec", {{"type", "ExternalName"}, {"externalName", "s3.example"}}}});
    box.start();
    REQUIRE(box.run_until([&] { return told.size() == 1; }));
    CHECK(told[0].starts_with("Service shop/minio is not the box's"));
    CHECK(text(minio(box, "shop"), "spec.externalName") == "s3.example");
    CHECK(box.api.list(slices_in("shop")).empty());
    box.api.erase(services_in("shop"), "minio");
    REQUIRE(box.run_until([&] { return told.empty() && box.api.list(slices_in("shop")).size() == 1; }));
    CHECK(text(minio(box, "shop"), "spec.type") == "ClusterIP");
}

TEST_CASE("a Service of the box that somebody changes or deletes is put back") {
    Fixture box;
    box.add<controllers::BoxServicesController>(boxes({}));
    box.api.put(namespaces_path, active("branchbox"));
    box.start();
    REQUIRE(box.run_until([&] { return box.api.list(slices_in("branchbox")).size() == 1; }));
    box.api.change(services_in("branchbox"), "minio", [](json::object& service) { make_object(service, "spec")["selector"] = {{"app", "web"}}; });
    REQUIRE(box.run_until([&] { return object_at(minio(box, "branchbox"), "spec.selector").empty(); }));
    box.api.erase(services_in("branchbox"), "minio");
    REQUIRE(box.run_until([&] { return !minio(box, "branchbox").empty(); }));
    box.api.erase(slices_in("branchbox"), "minio-branchbox");
    REQUIRE(box.run_until([&] { return box.api.list(slices_in("branchbox")).size() == 1; }));
}
