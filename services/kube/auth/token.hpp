// ServiceAccount tokens: JWTs (RFC 7519) signed ES256 (RFC 7518 3.4) with the box's own key, in the form that
// kube-apiserver issues, so that client libraries and OIDC verifiers read them unchanged.
//
// Owns the signing key, no state beside it: whether the ServiceAccount, Pod and Node of a token still exist is asked
// elsewhere (authentication.hpp). Time comes in as an argument. A token over `token_bytes_max` is refused unread.
#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hal/base/clock.hpp"

namespace services::kube::auth {

inline constexpr std::size_t token_bytes_max = 16 * 1024;
inline constexpr std::string_view token_issuer = "https://kubernetes.default.svc.cluster.local";

// A named object that a token holds to: it is worth nothing once the object is gone or another one has its name.
struct BoundObject {
    std::string name;
    std::string uid;
};

struct Claims {
    std::string name_space;
    BoundObject service_account;
    std::optional<BoundObject> pod;
    std::optional<BoundObject> secret;
    std::optional<BoundObject> node;
    std::vector<std::string> audiences;
    hal::WallTime issued;
    hal::WallTime not_before;
    hal::WallTime expires;
    std::string id;  // jti

    [[nodiscard]] std::string user_name() const { return "system:serviceaccount:" + name_space + ":" + service_account.name; }
};

class Tokens {
public:
    // `key_pem`: EC P-256. Throws Error{invalid}.
    explicit Tokens(std::string key_pem);

    [[nodiscard]] std::string issue(const Claims& claims) const;
    // Signature, issuer, end (a minute of leeway, as the real verifier has) and that one of `audiences` is named. A beginning
    // in the future is none that this key's owner ever meant: the clock was set back since.
    // The error is a sentence for the log: a client is told no more than `Unauthorized`.
    [[nodiscard]] std::expected<Claims, std::string> verify(std::string_view token, const std::vector<std::string>& audiences,
                                                            hal::WallTime now) const;
    // The answer of /openid/v1/jwks (RFC 7517) and of /.well-known/openid-configuration; `address` is "host:port".
    [[nodiscard]] std::string key_set() const;
    [[nodiscard]] static std::string openid_configuration(std::string_view address);

private:
    std::string key_pem_;
    std::string public_pem_;
    std::string public_der_;
    std::string key_id_;
};

}  // namespace services::kube::auth
