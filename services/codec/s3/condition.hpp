// The Condition block of a policy: operators over the keys of a request, with variables (IAM "Condition operators",
// those MinIO knows). Pure; for policy.cpp.
#pragma once

#include <boost/json/value.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "services/codec/s3/policy.hpp"

namespace services::codec::s3 {

enum class Compare : std::uint8_t {
    string_equals,
    string_equals_ignore_case,
    string_like,
    binary_equals,
    numeric_equals,
    numeric_less,
    numeric_less_equal,
    numeric_greater,
    numeric_greater_equal,
    date_equals,
    date_less,
    date_less_equal,
    date_greater,
    date_greater_equal,
    boolean,
    ip_address,
    null,
};
enum class Quantifier : std::uint8_t { one, all_values, any_value };

// One operator over one key: every Condition of a statement must hold.
struct Condition {
    Compare compare{};
    bool is_negated = false;    // ...NotEquals and the like
    bool if_exists = false;     // ...IfExists: holds when the key is not there
    Quantifier quantifier = Quantifier::one;
    std::string key;            // "aws:SourceIp", lower case
    std::vector<std::string> values;
    [[nodiscard]] bool holds(const Ask& ask) const;
};

// Reads a Condition object; the message of what is wrong otherwise.
std::expected<std::vector<Condition>, std::string> read_conditions(const boost::json::value& value);

// Matches `pattern` with ${variables} of `ask` put in; what they stand for is never read as a wildcard.
bool pattern_matches(std::string_view pattern, std::string_view text, const Ask& ask);

}  // namespace services::codec::s3
