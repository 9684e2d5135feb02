#include <catch2/catch_test_macros.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json/parse.hpp>

#include "services/kube/discovery/routes.hpp"

namespace http = services::http;
namespace json = boost::json;

namespace {

http::Response get(const std::string& target, const http::Headers& headers = {}) {
    http::Router router;
    services::kube::discovery::add_routes(router);
    http::Request request;
    request.method = "GET";
    request.target = target;
    request.headers = headers;
    REQUIRE(request.split_target());
    boost::asio::io_context loop;
    auto answer = boost::asio::co_spawn(loop, router.handle(std::move(request)), boost::asio::use_future);
    loop.run();
    return answer.get();
}

http::Response get_as(const std::string& target, const std::string& accept) {
    http::Headers headers;
    headers.set("Accept", accept);
    return get(target, headers);
}

const json::object* named(const json::array& list, std::string_view key, std::string_view name) {
    for (const auto& one : list)
        if (one.at(key).as_string() == name) return &one.as_object();
    return nullptr;
}

constexpr auto aggregated_v2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

}  // namespace

TEST_CASE("aggregated discovery repeats group, version and list type in its Content-Type") {
    for (const std::string path : {"/api", "/apis"}) {
        const auto answer = get_as(path, aggregated_v2);
        CHECK(answer.status == 200);
        CHECK(answer.headers.get("Content-Type") == aggregated_v2);
        CHECK(answer.headers.get("Vary") == "Accept");
        const auto older = get_as(path, "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList");
        CHECK(json::parse(older.body).at("apiVersion") == "apidiscovery.k8s.io/v2beta1");
    }
}

TEST_CASE("every subresource has a responseKind, or clients drop its whole group version") {
    for (const std::string path : {"/api", "/apis"}) {
        const auto document = json::parse(get_as(path, aggregated_v2).body);
        for (const auto& group : document.at("items").as_array())
            for (const auto& version : group.at("versions").as_array())
                for (const auto& resource : version.at("resources").as_array()) {
                    CHECK_FALSE(resource.at("responseKind").at("kind").as_string().empty());
                    if (const auto* subresources = resource.as_object().if_contains("subresources"))
                        for (const auto& one : subresources->as_array()) CHECK_FALSE(one.at("responseKind").at("kind").as_string().empty());
                }
    }
}

TEST_CASE("clauses of Accept go in order and one with an unknown version is passed over") {
    CHECK(get_as("/api", "application/json;g=apidiscovery.k8s.io;v=v9;as=APIGroupDiscoveryList,application/json").headers.get("Content-Type") == "application/json");
    CHECK(get_as("/api", "application/json;g=apidiscovery.k8s.io;v=v9;as=APIGroupDiscoveryList").status == 406);
    CHECK(get_as("/apis", "text/plain").status == 406);
    CHECK(get("/apis").status == 200);
}

TEST_CASE("an aggregated document that the client has is not sent again") {
    const auto first = get_as("/apis", aggregated_v2);
    http::Headers headers;
    headers.set("Accept", aggregated_v2);
    headers.set("If-None-Match", first.headers.get("ETag"));
    const auto second = get("/apis", headers);
    CHECK(second.status == 304);
    CHECK(second.body.empty());
    headers.set("If-None-Match", "\"other\"");
    CHECK(get("/apis", headers).status == 200);
}

TEST_CASE("a group version lists kinds and subresources by name") {
    const auto document = json::parse(get("/apis/apps/v1").body);
    const auto& resources = document.at("resources").as_array();
    const auto* deployments = named(resources, "name", "deployments");
    REQUIRE(deployments != nullptr);
    CHECK(deployments->at("storageVersionHash") == "8aSe+NMegvE=");
    const auto* scale = named(resources, "name", "deployments/scale");
    REQUIRE(scale != nullptr);
    CHECK(scale->at("group") == "autoscaling");
    CHECK(scale->at("kind") == "Scale");
    CHECK(named(json::parse(get("/apis/authorization.k8s.io/v1").body).at("resources").as_array(), "name", "selfsubjectaccessreviews") != nullptr);
    CHECK(named(json::parse(get("/api/v1").body).at("resources").as_array(), "name", "bindings") != nullptr);
}

TEST_CASE("what is not served is told apart: an unknown group is no path, an unknown version no resource") {
    CHECK(get("/apis/nope").body == "404 page not found\n");
    CHECK(get("/apis/nope/v1").body == "404 page not found\n");
    CHECK(json::parse(get("/apis/apps/v9").body).at("reason") == "NotFound");
    CHECK(json::parse(get("/api/v2").body).at("message") == "the server could not find the requested resource");
}

TEST_CASE("the version's numbers are bare integers") {
    const auto version = json::parse(get("/version").body);
    CHECK(version.at("major") == "1");
    CHECK(version.at("minor") == "37");
    CHECK(version.at("gitVersion") == "v1.37.2+k3s1");
}

TEST_CASE("an OpenAPI document is the same packed and unpacked, and a stale hash leads to the present one") {
    const auto index = json::parse(get("/openapi/v3").body);
    const std::string url(index.at("paths").at("api/v1").at("serverRelativeURL").as_string());
    const auto plain = get(url);
    CHECK(plain.status == 200);
    CHECK(json::parse(plain.body).at("openapi").as_string().starts_with("3."));
    http::Headers headers;
    headers.set("Accept-Encoding", "gzip");
    const auto packed = get(url, headers);
    CHECK(packed.headers.get("Content-Encoding") == "gzip");
    CHECK(packed.body.size() * 4 < plain.body.size());
    const auto moved = get("/openapi/v3/api/v1?hash=0");
    CHECK(moved.status == 301);
    CHECK(moved.headers.get("Location") == url);
    CHECK(get("/openapi/v3/apis/nope/v1").status == 404);
}

TEST_CASE("OpenAPI v2 is protobuf in gzip for those who ask for it, never JSON") {
    http::Headers headers;
    headers.set("Accept", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf");
    CHECK(get("/openapi/v2", headers).status == 406);
    headers.set("Accept-Encoding", "gzip");
    const auto answer = get("/openapi/v2", headers);
    CHECK(answer.status == 200);
    CHECK(answer.headers.get("Content-Type") == "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
    CHECK(answer.body.starts_with("\x1f\x8b"));
    headers.set("If-None-Match", answer.headers.get("ETag"));
    CHECK(get("/openapi/v2", headers).status == 304);
    headers.set("Accept", "application/json");
    CHECK(get("/openapi/v2", headers).status == 406);
}
