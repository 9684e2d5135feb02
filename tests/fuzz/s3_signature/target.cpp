// A request as bytes: the first line is "METHOD TARGET", each further one "Name: value". It is claimed, verified, and what
// we sign ourselves for the same target must verify.
#include <cstdint>
#include <cstdlib>

#include "services/codec/s3/signature.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace services::codec::s3;
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    const auto line = [&] {
        const auto end = rest.find('\n');
        const auto text = rest.substr(0, end);
        rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
        return text;
    };
    const auto first = line();
    const auto blank = first.find(' ');
    const auto method = first.substr(0, blank);
    const auto target = blank == std::string_view::npos ? std::string_view("/") : first.substr(blank + 1);
    Fields headers;
    while (!rest.empty()) {
        const auto field = line();
        const auto colon = field.find(": ");
        if (colon != std::string_view::npos) headers.emplace_back(field.substr(0, colon), field.substr(colon + 2));
    }
    const hal::WallTime now = std::chrono::sys_days(std::chrono::year(2013) / 5 / 24);
    SigningKeys keys(4);
    const SignedRequest request{method, target, &headers};
    if (const auto claim = claim_of(request)) (void)verify(*claim, request, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", now, {}, keys);
    if (const auto claim = claim_of_form(headers)) (void)verify_form(*claim, headers, "secret", now, {}, keys);

    std::erase_if(headers, [](const auto& field) { return field.first.size() > 60; });
    headers.resize(std::min<std::size_t>(headers.size(), 20));
    headers.insert(headers.begin(), {"Host", "h"});
    sign(headers, method, target, "UNSIGNED-PAYLOAD", {"key", "secret"}, now, keys);
    if (const auto claim = claim_of(request); claim && claim->session_token.empty() && !verify(*claim, request, "secret", now, {}, keys)) {
        // A name that cannot stand in a list of names cannot be signed; all else must verify.
        for (const auto& field : headers)
            if (field.first.find_first_of("; ,=\t") != std::string::npos || field.first.empty()) return 0;
        std::abort();
    }
    return 0;
}
