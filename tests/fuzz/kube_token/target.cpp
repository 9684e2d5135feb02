// Bytes that nobody signed are never a token; as signed claims they are refused or read, and what is read names its user.
#include <cstdint>
#include <cstdlib>

#include "hal/base/bytes.hpp"
#include "hal/net/certificates.hpp"
#include "services/kube/auth/token.hpp"

namespace auth = services::kube::auth;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    static const auto key = hal::net::issue({.subject = {"key", {}}, .dns_names = {}, .ip_addresses = {}, .not_before = {}, .not_after = hal::WallTime{std::chrono::hours(1)}}, nullptr).key_pem;
    static const auth::Tokens tokens(key);
    const std::vector<std::string> audiences{std::string(auth::token_issuer)};
    const hal::WallTime now{std::chrono::sys_days{std::chrono::year{2026} / 11 / 24}};
    const std::string_view input(reinterpret_cast<const char*>(bytes), size);
    if (tokens.verify(input, audiences, now)) std::abort();

    const auto text = hal::base64url(R"({"alg":"ES256"})") + "." + hal::base64url(input);
    if (text.size() > auth::token_bytes_max) return 0;
    const auto claims = tokens.verify(text + "." + hal::base64url(hal::net::sign_es256(key, text)), audiences, now);
    if (claims && !claims->user_name().starts_with("system:serviceaccount:")) std::abort();
    return 0;
}
