#include "services/kube/auth/authentication.hpp"

#include <algorithm>
#include <cctype>

#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"
#include "hal/net/certificates.hpp"

namespace services::kube::auth {
namespace {

using hal::async::Task;

constexpr std::string_view credential_id = "authentication.kubernetes.io/credential-id";
constexpr std::string_view service_account_prefix = "system:serviceaccount:";

User anonymous() { return {std::string(user_anonymous), "", {std::string(group_unauthenticated)}, {}}; }

// Kubernetes takes CN as the user and each O as a group (x509.CommonNameUserConversion).
std::expected<User, std::string> user_of_certificate(const std::string& der) {
    try {
        auto facts = hal::net::read_certificate(der);
        if (facts.subject.common_name.empty()) return std::unexpected("client certificate without a common name");
        User user{std::move(facts.subject.common_name), "", std::move(facts.subject.organizations), {}};
        user.groups.emplace_back(group_authenticated);
        user.extra[std::string(credential_id)] = {"X509SHA256=" + hal::hex(hal::net::sha256(der))};
        return user;
    } catch (const hal::Error& error) {
        return std::unexpected(error.what());
    }
}

bool starts_without_case(std::string_view text, std::string_view prefix) {
    return text.size() >= prefix.size() &&
           std::ranges::equal(text.substr(0, prefix.size()), prefix,
                              [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
}

// The token of `Authorization: Bearer TOKEN` (RFC 6750 2.1); nothing for another scheme, which leaves the caller anonymous.
std::optional<std::string> bearer_token(const http::Headers& headers) {
    const auto* field = headers.find("Authorization");
    constexpr std::string_view scheme = "Bearer ";
    if (field == nullptr || !starts_without_case(*field, scheme)) return std::nullopt;
    const auto begin = field->find_first_not_of(' ', scheme.size());
    if (begin == std::string::npos) return std::nullopt;
    return field->substr(begin, field->find_last_not_of(' ') - begin + 1);
}

void add_service_account_groups(User& user, const std::string& name_space) {
    user.groups.emplace_back("system:serviceaccounts");
    user.groups.emplace_back("system:serviceaccounts:" + name_space);
}

// "system:serviceaccount:NS:NAME" -> NS
std::optional<std::string> namespace_of(std::string_view user_name) {
    if (!user_name.starts_with(service_account_prefix)) return std::nullopt;
    user_name.remove_prefix(service_account_prefix.size());
    const auto colon = user_name.find(':');
    if (colon == 0 || colon == std::string_view::npos || colon + 1 == user_name.size()) return std::nullopt;
    return std::string(user_name.substr(0, colon));
}

}  // namespace

bool User::is_in(std::string_view group) const { return std::ranges::contains(groups, group); }

Authenticator::Authenticator(const Tokens& tokens, const hal::Clock& clock, FindUid find_uid)
    : tokens_(tokens), clock_(clock), find_uid_(std::move(find_uid)) {}

Task<std::expected<User, std::string>> Authenticator::authenticate(http::Peer peer, http::Headers headers) const {
    if (peer.in_process_user) {
        User user{*peer.in_process_user, "", std::move(peer.in_process_groups), {}};
        user.groups.emplace_back(group_authenticated);
        co_return user;
    }
    if (peer.certificate_problem) co_return std::unexpected(*peer.certificate_problem);
    if (peer.certificate_der) co_return user_of_certificate(*peer.certificate_der);
    const auto token = bearer_token(headers);
    if (!token) co_return anonymous();
    auto reviewed = co_await review(*token, {});
    if (!reviewed) co_return std::unexpected(reviewed.error());
    co_return std::move(reviewed->user);
}

Task<std::expected<Authenticator::Reviewed, std::string>> Authenticator::review(std::string token, std::vector<std::string> audiences) const {
    if (audiences.empty()) audiences.emplace_back(token_issuer);
    auto claims = tokens_.verify(token, audiences, clock_.wall());
    if (!claims) co_return std::unexpected(claims.error());
    std::erase_if(audiences, [&](const auto& one) { return !std::ranges::contains(claims->audiences, one); });
    auto user = co_await user_of(std::move(*claims));
    if (!user) co_return std::unexpected(user.error());
    co_return Reviewed{std::move(*user), std::move(audiences)};
}

// A token lives no longer than what it is bound to. A Node beside a Pod only says where the pod ran and takes no token.
Task<std::expected<User, std::string>> Authenticator::user_of(Claims claims) const {
    struct Bound {
        std::string resource;
        const BoundObject& object;
    };
    std::vector<Bound> all{{"serviceaccounts", claims.service_account}};
    if (claims.pod) all.push_back({"pods", *claims.pod});
    if (claims.secret) all.push_back({"secrets", *claims.secret});
    if (claims.node && !claims.pod) all.push_back({"nodes", *claims.node});
    for (const auto& [resource, object] : all) {
        const auto uid = co_await find_uid_(resource, resource == "nodes" ? "" : claims.name_space, object.name);
        if (!uid) co_return std::unexpected(resource + " " + claims.name_space + "/" + object.name + " of the token is gone");
        if (*uid != object.uid) co_return std::unexpected(resource + " " + claims.name_space + "/" + object.name + " was made anew since");
    }
    User user{claims.user_name(), claims.service_account.uid, {}, {}};
    add_service_account_groups(user, claims.name_space);
    user.groups.emplace_back(group_authenticated);
    if (!claims.id.empty()) user.extra[std::string(credential_id)] = {"JTI=" + claims.id};
    if (claims.pod) {
        user.extra["authentication.kubernetes.io/pod-name"] = {claims.pod->name};
        user.extra["authentication.kubernetes.io/pod-uid"] = {claims.pod->uid};
    }
    if (claims.node) {
        user.extra["authentication.kubernetes.io/node-name"] = {claims.node->name};
        user.extra["authentication.kubernetes.io/node-uid"] = {claims.node->uid};
    }
    co_return user;
}

std::expected<std::optional<User>, std::string> impersonated(const http::Headers& headers) {
    constexpr std::string_view extra_prefix = "Impersonate-Extra-";
    constexpr std::string_view group_field = "Impersonate-Group";
    User user;
    for (const auto& [name, value] : headers.all()) {
        if (starts_without_case(name, extra_prefix)) {
            std::string key = name.substr(extra_prefix.size());
            std::ranges::transform(key, key.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
            // RFC 3986 escapes carry what a field name cannot: "example.org%2Fscope".
            user.extra[http::percent_decode(key, false).value_or(key)].push_back(value);
        } else if (name.size() == group_field.size() && starts_without_case(name, group_field)) {
            user.groups.push_back(value);
        }
    }
    user.name = headers.get("Impersonate-User");
    user.uid = headers.get("Impersonate-Uid");
    if (user.name.empty()) {
        if (user.groups.empty() && user.uid.empty() && user.extra.empty()) return std::optional<User>{};
        std::string groups;
        for (const auto& group : user.groups) groups += (groups.empty() ? "" : ", ") + ("\"" + group + "\"");
        return std::unexpected("requested &user.DefaultInfo{Name:\"\", UID:\"" + user.uid + "\", Groups:[]string{" + groups +
                               "}, Extra:map[string][]string(nil)} without impersonating a user name");
    }
    return std::optional<User>{std::move(user)};
}

void complete_impersonated(User& user) {
    if (const auto name_space = namespace_of(user.name); name_space && user.groups.empty()) add_service_account_groups(user, *name_space);
    const auto own = user.name == user_anonymous ? group_unauthenticated : group_authenticated;
    if (!user.is_in(group_authenticated) && !user.is_in(group_unauthenticated)) user.groups.emplace_back(own);
}

}  // namespace services::kube::auth
