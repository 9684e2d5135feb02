// A policy, read as an identity's and as a bucket's, and asked; the tail after a zero byte is the key that is asked for.
#include <cstdint>

#include "services/codec/s3/policy.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace services::codec::s3;
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto text = input.substr(0, input.find('\0'));
    const auto key = text.size() == input.size() ? std::string_view("a/b") : input.substr(text.size() + 1).substr(0, 1024);
    const std::vector<std::pair<std::string, std::vector<std::string>>> values = {
        {"aws:SourceIp", {"10.1.2.3"}}, {"s3:prefix", {std::string(key)}}, {"s3:max-keys", {"10"}},
        {"aws:SecureTransport", {"true"}}, {"aws:CurrentTime", {"2026-01-01T00:00:00Z"}}};
    for (const bool is_identity : {true, false}) {
        const auto policy = is_identity ? Policy::identity(text) : Policy::of_bucket(text, "b");
        if (!policy) continue;
        for (const std::string_view action : {"s3:GetObject", "s3:ListBucket", "admin:ServerInfo"})
            for (const std::string_view user : {"", "alice"}) (void)policy->evaluate({action, "b", action == "s3:GetObject" ? key : std::string_view(), user, values});
    }
    return 0;
}
