// IAM and bucket policies: strict readers with S3's messages, and their evaluation.
//
// Pure; what is known of a request comes in as an Ask. Bounded: the document by `policy_bytes_max` (bucket policies 20
// KiB), 1,000 statements, patterns matched without backtracking beyond the last '*'. An explicit Deny wins; no
// statement that matches is no decision, which the caller reads as "denied" after it has asked every policy.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/codec/s3/refusal.hpp"

namespace services::codec::s3 {

inline constexpr std::size_t policy_bytes_max = 20 * 1024;
inline constexpr std::size_t policy_statements_max = 1000;

// '*' any run of characters, '?' one.
bool wildcard_matches(std::string_view pattern, std::string_view text);

// What a request asks for. Views are the caller's.
struct Ask {
    std::string_view action;     // "s3:GetObject", "admin:ServerInfo"
    std::string_view bucket;     // "" for ListBuckets and admin calls
    std::string_view key;        // "" for a bucket's own
    std::string_view principal;  // access key of the user; "" anonymous
    // Condition keys by name ("aws:SourceIp", "s3:prefix", ...), each with its values. Names compare without case.
    std::span<const std::pair<std::string, std::vector<std::string>>> values;
};

enum class Verdict : std::uint8_t { none, allow, deny };

struct Statement;

class Policy {
public:
    // An identity's policy: no Principal. MalformedPolicy otherwise.
    static Expected<Policy> identity(std::string_view json);
    // A bucket's: Principal in each statement, resources within `bucket`.
    static Expected<Policy> of_bucket(std::string_view json, std::string_view bucket);
    Policy(Policy&&) noexcept;
    Policy& operator=(Policy&&) noexcept;
    ~Policy();

    [[nodiscard]] Verdict evaluate(const Ask& ask) const;
    [[nodiscard]] bool is_empty() const;
    // The JSON it was read from.
    [[nodiscard]] const std::string& text() const { return text_; }

private:
    Policy();
    std::string text_;
    std::vector<Statement> statements_;
};

struct CannedPolicy {
    std::string_view name;
    std::string_view json;
};
// MinIO's: readwrite, readonly, writeonly, diagnostics, consoleAdmin.
std::span<const CannedPolicy> canned_policies();

}  // namespace services::codec::s3
