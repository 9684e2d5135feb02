#include <catch2/catch_test_macros.hpp>

#include "hal/async/task.hpp"
#include "hal/net/certificates.hpp"
#include "services/kube/auth/authentication.hpp"
#include "tests/services/kube/auth/fixture.hpp"

using namespace services::kube::auth;
using namespace std::chrono_literals;
namespace http = services::http;

namespace {

struct Asking : Box {
    std::expected<User, std::string> ask(const http::Peer& peer, const http::Headers& headers = {}) {
        return run(authenticator.authenticate(peer, headers));
    }
    std::expected<User, std::string> ask_with(const std::string& token) {
        http::Headers headers;
        headers.set("Authorization", "Bearer " + token);
        return ask({}, headers);
    }
};

}  // namespace

TEST_CASE("a request without credentials is anonymous") {
    Asking box;
    const auto user = box.ask({});
    REQUIRE(user);
    CHECK(user->name == "system:anonymous");
    CHECK(user->groups == std::vector<std::string>{"system:unauthenticated"});
}

TEST_CASE("a certificate's common name is the user, its organizations the groups") {
    Asking box;
    const auto made = hal::net::issue({.subject = {"system:node:till", {"system:nodes"}}, .dns_names = {}, .ip_addresses = {}, .for_client = true,
                                       .not_before = noon - 1h, .not_after = noon + 1h}, nullptr);
    http::Peer peer;
    peer.certificate_der = hal::net::pem_to_der(made.certificate_pem);
    const auto user = box.ask(peer);
    REQUIRE(user);
    CHECK(user->name == "system:node:till");
    CHECK(user->groups == std::vector<std::string>{"system:nodes", "system:authenticated"});
    CHECK(user->extra.at("authentication.kubernetes.io/credential-id").front().starts_with("X509SHA256="));
}

TEST_CASE("a certificate that does not verify is refused though a token would hold") {
    Asking box;
    http::Peer peer;
    peer.certificate_problem = "signed by an unknown authority";
    http::Headers headers;
    headers.set("Authorization", "Bearer " + box.tokens.issue(box.claims()));
    CHECK_FALSE(box.ask(peer, headers));
}

TEST_CASE("a ServiceAccount's token names its account, groups, pod and node") {
    Asking box;
    const auto user = box.ask_with(box.tokens.issue(box.claims()));
    REQUIRE(user);
    CHECK(user->name == "system:serviceaccount:shop:till");
    CHECK(user->uid == "uid-sa");
    CHECK(user->groups == std::vector<std::string>{"system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"});
    CHECK(user->extra.at("authentication.kubernetes.io/pod-name") == std::vector<std::string>{"till-0"});
    CHECK(user->extra.at("authentication.kubernetes.io/node-name") == std::vector<std::string>{"box"});
}

TEST_CASE("a token is worth nothing once its ServiceAccount or Pod is gone or another") {
    Asking box;
    const auto token = box.tokens.issue(box.claims());
    SECTION("account gone") { box.uids.erase("serviceaccounts/shop/till"); }
    SECTION("pod gone") { box.uids.erase("pods/shop/till-0"); }
    SECTION("another pod of that name") { box.uids["pods/shop/till-0"] = "uid-later"; }
    CHECK_FALSE(box.ask_with(token));
}

TEST_CASE("a token expires by the clock, with a minute of leeway, and holds when the clock is set back before it was issued") {
    Asking box;
    const auto token = box.tokens.issue(box.claims());
    box.clock.set_wall(noon + 1h + 60s);
    CHECK(box.ask_with(token));
    box.clock.set_wall(noon + 1h + 61s);
    CHECK_FALSE(box.ask_with(token));
    box.clock.set_wall(noon - 24h);
    CHECK(box.ask_with(token));
}

TEST_CASE("garbage, a changed claim, another key and another audience are no token") {
    Asking box;
    CHECK_FALSE(box.ask_with("wrong"));
    CHECK_FALSE(box.ask_with("a.b.c"));
    auto token = box.tokens.issue(box.claims());
    auto changed = token;
    const auto middle = changed.find('.') + 20;
    changed[middle] = changed[middle] == 'A' ? 'B' : 'A';
    CHECK_FALSE(box.ask_with(changed));
    const Tokens other(new_key());
    CHECK_FALSE(box.ask_with(other.issue(box.claims())));
    auto claims = box.claims();
    claims.audiences = {"vault"};
    const auto for_vault = box.tokens.issue(claims);
    CHECK_FALSE(box.ask_with(for_vault));
    const auto reviewed = box.run(box.authenticator.review(for_vault, {"vault", "bank"}));
    REQUIRE(reviewed);
    CHECK(reviewed->audiences == std::vector<std::string>{"vault"});
}

TEST_CASE("impersonation headers name a user, groups and extras; groups alone are an error") {
    http::Headers headers;
    CHECK_FALSE(impersonated(headers)->has_value());
    headers.add("Impersonate-Group", "ops");
    CHECK_FALSE(impersonated(headers));
    headers.add("impersonate-user", "ann");
    headers.add("Impersonate-Extra-Why", "x");
    auto user = **impersonated(headers);
    complete_impersonated(user);
    CHECK(user.name == "ann");
    CHECK(user.groups == std::vector<std::string>{"ops", "system:authenticated"});
    CHECK(user.extra.at("why") == std::vector<std::string>{"x"});
    User account{"system:serviceaccount:shop:till", "", {}, {}};
    complete_impersonated(account);
    CHECK(account.is_in("system:serviceaccounts:shop"));
}
