// Who asks: a caller of this process, a verified client certificate, a ServiceAccount's token, or nobody
// (system:anonymous). And whom they wish to be taken for (Impersonate-* headers).
//
// Owns no connection and no store: whether a token's objects still exist is asked through `find_uid`.
#pragma once

#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "hal/async/task.hpp"
#include "hal/base/clock.hpp"
#include "services/http/message.hpp"
#include "services/kube/auth/token.hpp"
#include "services/kube/auth/user.hpp"

namespace services::kube::auth {

class Authenticator {
public:
    // The uid of the living object ("serviceaccounts", "pods", "nodes", "secrets"; namespace "" for nodes), or nothing.
    using FindUid = std::function<hal::async::Task<std::optional<std::string>>(std::string resource, std::string name_space,
                                                                               std::string name)>;
    // `tokens` and `clock` must outlive it.
    Authenticator(const Tokens& tokens, const hal::Clock& clock, FindUid find_uid);

    // The error says why, for the log; the client's answer is 401 `Unauthorized`.
    hal::async::Task<std::expected<User, std::string>> authenticate(http::Peer peer, http::Headers headers) const;
    // A bearer token alone, for TokenReview. Empty `audiences`: the API's own.
    struct Reviewed {
        User user;
        std::vector<std::string> audiences;  // those that were asked for and that the token names
    };
    hal::async::Task<std::expected<Reviewed, std::string>> review(std::string token, std::vector<std::string> audiences) const;

private:
    hal::async::Task<std::expected<User, std::string>> user_of(Claims claims) const;

    const Tokens& tokens_;
    const hal::Clock& clock_;
    FindUid find_uid_;
};

// The one the headers ask to act as, before anybody has allowed it; nothing without Impersonate-User. Group and extra
// headers without a user are an error, as the real server says it.
std::expected<std::optional<User>, std::string> impersonated(const http::Headers& headers);

// Fills in what the name alone decides: the groups of a ServiceAccount, system:authenticated or -unauthenticated.
void complete_impersonated(User& user);

}  // namespace services::kube::auth
