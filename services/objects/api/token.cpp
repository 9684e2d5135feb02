#include "services/objects/api/token.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "hal/base/bytes.hpp"
#include "services/codec/s3/hmac.hpp"

namespace services::objects::api {
namespace {

namespace json = boost::json;

constexpr std::size_t token_bytes_max = 4096;

std::string hmac_sha512(std::string_view key, std::string_view text) { return codec::s3::hmac(codec::s3::Checksum::sha512, key, text); }

std::int64_t seconds_of(hal::WallTime time) { return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count(); }

}  // namespace

bool is_metrics_token(std::string_view token, const access::Access& access, hal::WallTime now) {
    const auto first = token.find('.'), last = token.rfind('.');
    if (token.size() > token_bytes_max || first == std::string_view::npos || first == last) return false;
    const auto head = hal::base64url_decoded(token.substr(0, first));
    const auto claims = hal::base64url_decoded(token.substr(first + 1, last - first - 1));
    const auto signature = hal::base64url_decoded(token.substr(last + 1));
    if (!head || !claims || !signature) return false;
    boost::system::error_code broken;
    const auto head_value = json::parse(*head, broken);
    if (broken || !head_value.is_object()) return false;
    const auto claims_value = json::parse(*claims, broken);
    if (broken || !claims_value.is_object()) return false;
    const auto text = [](const json::object& object, std::string_view name) {
        const auto* value = object.if_contains(name);
        return value && value->is_string() ? std::string(value->get_string()) : std::string();
    };
    const auto& object = claims_value.get_object();
    auto subject = text(object, "sub");
    if (subject.empty()) subject = text(object, "accessKey");
    const auto* expires = object.if_contains("exp");
    const auto secret = access.secret_of(subject);
    if (text(head_value.get_object(), "alg") != "HS512" || !secret) return false;
    if (!expires || !expires->is_number() || expires->to_number<double>() < static_cast<double>(seconds_of(now))) return false;
    return hal::equal_secrets(hmac_sha512(*secret, token.substr(0, last)), *signature);
}

std::string metrics_token(std::string_view access_key, std::string_view secret, hal::WallTime expires) {
    const auto text = hal::base64url(R"({"alg":"HS512","typ":"JWT"})") + "." +
                      hal::base64url(json::serialize(json::object{{"exp", seconds_of(expires)}, {"sub", access_key}, {"iss", "prometheus"}}));
    return text + "." + hal::base64url(hmac_sha512(secret, text));
}

}  // namespace services::objects::api
