// A token is three base64url parts joined by dots (RFC 7515 7.1):
//
//   {"alg":"ES256","kid":"..."} . {"aud":["https://kubernetes.default.svc.cluster.local"],"exp":1795513200,
//   "iat":1795509600,"iss":"https://kubernetes.default.svc.cluster.local","jti":"<uuid>","kubernetes.io":{"namespace":"ns",
//   "serviceaccount":{"name":"default","uid":"<uuid>"}},"nbf":1795509600,"sub":"system:serviceaccount:ns:default"} . r||s
#include "services/kube/auth/token.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <chrono>

#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"
#include "hal/net/certificates.hpp"

namespace services::kube::auth {
namespace {

namespace json = boost::json;

constexpr std::chrono::minutes leeway{1};
constexpr std::string_view private_claims = "kubernetes.io";

std::int64_t seconds_of(hal::WallTime time) {
    return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

// NumericDate (RFC 7519 2); a fraction is legal and dropped.
std::optional<hal::WallTime> time_of(const json::object& claims, std::string_view name) {
    const auto* value = claims.if_contains(name);
    if (value == nullptr || !value->is_number()) return std::nullopt;
    boost::system::error_code ignored;
    const auto seconds = value->to_number<double>(ignored);
    constexpr double seconds_max = 2.5e11;  // year 9900: nothing that fits WallTime overflows
    if (!(seconds >= 0 && seconds <= seconds_max)) return std::nullopt;
    return hal::WallTime{std::chrono::seconds{static_cast<std::int64_t>(seconds)}};
}

std::string text_of(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string{};
}

json::object as_json(const BoundObject& object) { return {{"name", object.name}, {"uid", object.uid}}; }

std::optional<BoundObject> bound_object(const json::object& claims, std::string_view name) {
    const auto* value = claims.if_contains(name);
    if (value == nullptr || !value->is_object()) return std::nullopt;
    return BoundObject{text_of(value->get_object(), "name"), text_of(value->get_object(), "uid")};
}

// "aud" is one string or a list of them (RFC 7519 4.1.3).
std::vector<std::string> audiences_of(const json::object& claims) {
    std::vector<std::string> audiences;
    const auto* value = claims.if_contains("aud");
    if (value == nullptr) return audiences;
    if (value->is_string()) audiences.emplace_back(value->get_string());
    if (value->is_array())
        for (const auto& one : value->get_array())
            if (one.is_string()) audiences.emplace_back(one.get_string());
    return audiences;
}

std::optional<json::object> part_of(std::string_view encoded) {
    const auto text = hal::base64url_decoded(encoded);
    if (!text) return std::nullopt;
    boost::system::error_code error;
    auto value = json::parse(*text, error);
    if (error || !value.is_object()) return std::nullopt;
    return std::move(value.get_object());
}

std::string der_of(const std::string& pem) {
    const auto begin = pem.find("-----\n");
    const auto end = pem.find("\n-----END", begin);
    HAL_REQUIRE(begin != std::string::npos && end != std::string::npos);
    auto der = hal::base64_decoded(std::string_view(pem).substr(begin + 6, end - begin - 6));
    HAL_REQUIRE(der.has_value());
    return *der;
}

}  // namespace

Tokens::Tokens(std::string key_pem)
    : key_pem_(std::move(key_pem)),
      public_pem_(hal::net::public_key_pem(key_pem_)),
      public_der_(der_of(public_pem_)),
      key_id_(hal::base64url(hal::net::sha256(public_der_))) {}

std::string Tokens::issue(const Claims& claims) const {
    json::object bound{{"namespace", claims.name_space}};
    if (claims.node) bound["node"] = as_json(*claims.node);
    if (claims.pod) bound["pod"] = as_json(*claims.pod);
    if (claims.secret) bound["secret"] = as_json(*claims.secret);
    bound["serviceaccount"] = as_json(claims.service_account);
    json::array audiences;
    for (const auto& audience : claims.audiences) audiences.emplace_back(audience);
    const json::object body{{"aud", std::move(audiences)},
                            {"exp", seconds_of(claims.expires)},
                            {"iat", seconds_of(claims.issued)},
                            {"iss", token_issuer},
                            {"jti", claims.id},
                            {private_claims, std::move(bound)},
                            {"nbf", seconds_of(claims.not_before)},
                            {"sub", claims.user_name()}};
    const json::object header{{"alg", "ES256"}, {"kid", key_id_}};
    auto token = hal::base64url(json::serialize(header)) + "." + hal::base64url(json::serialize(body));
    const auto signature = hal::net::sign_es256(key_pem_, token);
    return token + "." + hal::base64url(signature);
}

std::expected<Claims, std::string> Tokens::verify(std::string_view token, const std::vector<std::string>& audiences,
                                                  hal::WallTime now) const {
    if (token.size() > token_bytes_max) return std::unexpected("token is longer than " + std::to_string(token_bytes_max) + " bytes");
    const auto header_end = token.find('.');
    const auto body_end = token.rfind('.');
    if (header_end == std::string_view::npos || body_end == header_end) return std::unexpected("not a token of three parts");

    // The algorithm is not the token's choice: anything but ES256 is refused (RFC 8725 3.1).
    const auto header = part_of(token.substr(0, header_end));
    if (!header || text_of(*header, "alg") != "ES256") return std::unexpected("token is not signed by ES256");
    const auto signature = hal::base64url_decoded(token.substr(body_end + 1));
    if (!signature || !hal::net::verify_es256(public_pem_, token.substr(0, body_end), *signature))
        return std::unexpected("invalid signature");

    const auto body = part_of(token.substr(header_end + 1, body_end - header_end - 1));
    if (!body) return std::unexpected("claims are not a JSON object");
    if (text_of(*body, "iss") != token_issuer) return std::unexpected("token is from another issuer");
    const auto expires = time_of(*body, "exp");
    const auto not_before = time_of(*body, "nbf");
    if (!expires || now > *expires + leeway) return std::unexpected("service account token has expired");

    Claims claims;
    claims.audiences = audiences_of(*body);
    if (std::ranges::none_of(claims.audiences, [&](const auto& one) { return std::ranges::contains(audiences, one); }))
        return std::unexpected("token audiences do not contain ours");
    const auto* bound = body->if_contains(private_claims);
    if (bound == nullptr || !bound->is_object()) return std::unexpected("token has no kubernetes.io claims");
    claims.name_space = text_of(bound->get_object(), "namespace");
    claims.service_account = bound_object(bound->get_object(), "serviceaccount").value_or(BoundObject{});
    claims.pod = bound_object(bound->get_object(), "pod");
    claims.secret = bound_object(bound->get_object(), "secret");
    claims.node = bound_object(bound->get_object(), "node");
    claims.issued = time_of(*body, "iat").value_or(hal::WallTime{});
    claims.not_before = not_before.value_or(claims.issued);
    claims.expires = *expires;
    claims.id = text_of(*body, "jti");
    if (text_of(*body, "sub") != claims.user_name()) return std::unexpected("token's subject and claims differ");
    return claims;
}

std::string Tokens::key_set() const {
    // SubjectPublicKeyInfo of P-256 ends in the uncompressed point: x and y of 32 bytes each (RFC 5480 2.2).
    const auto x = std::string_view(public_der_).substr(public_der_.size() - 64, 32);
    const auto y = std::string_view(public_der_).substr(public_der_.size() - 32);
    const json::object key{{"use", "sig"}, {"kty", "EC"}, {"kid", key_id_}, {"crv", "P-256"}, {"alg", "ES256"},
                           {"x", hal::base64url(x)}, {"y", hal::base64url(y)}};
    return json::serialize(json::object{{"keys", json::array{key}}});
}

std::string Tokens::openid_configuration(std::string_view address) {
    return json::serialize(json::object{{"issuer", token_issuer},
                                        {"jwks_uri", "https://" + std::string(address) + "/openid/v1/jwks"},
                                        {"response_types_supported", json::array{"id_token"}},
                                        {"subject_types_supported", json::array{"public"}},
                                        {"id_token_signing_alg_values_supported", json::array{"ES256"}}});
}

}  // namespace services::kube::auth
