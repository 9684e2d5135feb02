// What the tests of signatures share: the examples' key and time, and the outcome of a request as one text.
#pragma once

#include <string>
#include <string_view>

#include "services/codec/s3/signature.hpp"

inline constexpr std::string_view example_secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
inline constexpr hal::WallTime example_time = std::chrono::sys_days(std::chrono::year(2013) / 5 / 24);

// "ok", or "Code: message".
inline std::string outcome(std::string_view method, std::string_view target, const services::codec::s3::Fields& headers,
                           hal::WallTime now = example_time, const services::codec::s3::VerifyOptions& options = {},
                           std::string_view secret = example_secret) {
    namespace s3 = services::codec::s3;
    const s3::SignedRequest request{method, target, &headers};
    s3::SigningKeys keys;
    const auto text = [](const s3::Refusal& refusal) { return std::string(refusal.code) + ": " + refusal.message; };
    const auto claim = s3::claim_of(request);
    if (!claim) return text(claim.error());
    if (claim->scheme == s3::Scheme::anonymous) return "anonymous";
    const auto verified = s3::verify(*claim, request, secret, now, options, keys);
    return verified ? "ok" : text(verified.error());
}
