// The API server over a store of its own, without listener, controllers or scheduler: one namespace `shop` with its
// ServiceAccount `default`, asked through its handler as system:admin. The clock stands until a test turns it.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch_test_macros.hpp>

#include <cstdlib>
#include <filesystem>
#include <map>

#include "hal/net/certificates.hpp"
#include "services/kube/api/addresses.hpp"
#include "services/kube/api/server.hpp"
#include "services/kube/auth/authentication.hpp"
#include "services/kube/auth/authorization.hpp"
#include "services/kube/auth/token.hpp"
#include "services/kubeclient/object.hpp"
#include "tests/folder.hpp"

namespace api_test {

namespace api = services::kube::api;
namespace auth = services::kube::auth;
namespace http = services::http;
namespace json = boost::json;
namespace store = services::kube::store;
using hal::async::Task;

// Certificates are checked by the system's time, so the authority's are valid around it.
struct Authority {
    Authority() {
        const auto now = std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
        ca = hal::net::issue({.subject = {"ca", {}}, .dns_names = {}, .ip_addresses = {}, .is_ca = true, .not_before = now - std::chrono::hours(1), .not_after = now + std::chrono::hours(1)}, nullptr);
        client = hal::net::issue({.subject = {"system:kube-apiserver", {}}, .dns_names = {}, .ip_addresses = {}, .for_client = true, .not_before = now - std::chrono::hours(1), .not_after = now + std::chrono::hours(1)}, &ca);
        kubelet = hal::net::issue({.subject = {"system:node:box", {"system:nodes"}}, .dns_names = {"box"}, .ip_addresses = {}, .for_server = true, .not_before = now - std::chrono::hours(1), .not_after = now + std::chrono::hours(1)}, &ca);
    }
    hal::net::KeyAndCertificate ca, client, kubelet;
};

struct Cluster {
    Cluster() {
        REQUIRE(send("POST", "/api/v1/namespaces", {{"metadata", json::object{{"name", "shop"}}}}).status == 201);
        REQUIRE(send("POST", "/api/v1/namespaces/shop/serviceaccounts", {{"metadata", json::object{{"name", "default"}}}}).status == 201);
    }
    ~Cluster() { run(storage->close()); }
    Cluster(const Cluster&) = delete;
    Cluster& operator=(const Cluster&) = delete;

    // Runs one coroutine to its end; what else is on the loop goes on meanwhile.
    template <class T>
    T run(Task<T> task) {
        auto result = boost::asio::co_spawn(loop, std::move(task), boost::asio::use_future);
        while (result.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
            loop.restart();
            loop.run_one_for(std::chrono::milliseconds(20));
        }
        return result.get();
    }

    static http::Request request(const std::string& method, const std::string& target) {
        http::Request request;
        request.method = method;
        request.target = target;
        REQUIRE(request.split_target());
        request.peer.in_process_user = "system:admin";
        request.peer.in_process_groups = {"system:masters"};
        return request;
    }
    http::Response send(http::Request request) {
        auto response = run(server.handle(std::move(request)));
        if (response.stream) response.body = run(response.stream->read_all(1 << 20));
        return response;
    }
    http::Response send(const std::string& method, const std::string& target, const json::object& body, const std::string& type = "application/json") {
        auto asked = request(method, target);
        asked.headers.set("Content-Type", type);
        asked.body = json::serialize(body);
        return send(std::move(asked));
    }
    http::Response get(const std::string& target) { return send(request("GET", target)); }
    json::object object(const std::string& target) {
        const auto answer = get(target);
        REQUIRE(answer.status == 200);
        return json::parse(answer.body).as_object();
    }

    static Task<std::optional<std::string>> find_uid(store::Store& from, store::Key key) {
        const auto record = co_await from.get(std::move(key));
        if (!record) co_return std::nullopt;
        co_return std::string(services::kubeclient::uid_of(json::parse(*record->value).as_object()));
    }
    static std::unique_ptr<store::Store> open(const Folder& folder, hal::async::Executor executor, const hal::Clock& clock) {
        store::Options options;
        options.file = folder.path / "state.db";
        return store::Store::open(std::move(executor), std::move(options), clock);
    }

    Folder folder;
    boost::asio::io_context loop{1};
    hal::ManualClock clock{hal::parse_rfc3339("2026-11-24T12:00:00Z")};
    hal::async::Pool pool{1};
    Authority authority;
    std::unique_ptr<store::Store> storage = open(folder, loop.get_executor(), clock);
    auth::Tokens tokens{hal::net::issue({.subject = {"key", {}}, .dns_names = {}, .ip_addresses = {}, .not_before = {}, .not_after = hal::WallTime{std::chrono::hours(1)}}, nullptr).key_pem};
    auth::Authenticator authenticator{tokens, clock, [this](std::string resource, std::string name_space, std::string name) {
                                          return find_uid(*storage, {std::move(resource), std::move(name_space), std::move(name)});
                                      }};
    auth::BuiltInAuthorizer authorizer;
    api::Addresses addresses{[](std::size_t) { return std::size_t{0}; }};
    std::map<std::string, std::string> credentials{{"ca.crt", authority.ca.certificate_pem},
                                                   {"kubelet-client.crt", authority.client.certificate_pem},
                                                   {"kubelet-client.key", authority.client.key_pem}};
    api::Api context{loop.get_executor(), *storage, clock, pool, authenticator, authorizer, tokens, addresses, credentials, "box"};
    api::Server server{context};
};

inline json::object parsed(const http::Response& response) { return json::parse(response.body).as_object(); }

inline json::object pod(std::string_view name, std::string_view node = "") {
    json::object spec{{"containers", json::array{json::object{{"name", "c"}, {"image", "till:1"}}}}};
    if (!node.empty()) spec["nodeName"] = node;
    return {{"metadata", json::object{{"name", name}}}, {"spec", std::move(spec)}};
}

}  // namespace api_test
