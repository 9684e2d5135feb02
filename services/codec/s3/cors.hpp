// Cross-origin rules of a bucket: reading CORSConfiguration and finding the rule for a request or its preflight (Fetch
// standard, S3 PutBucketCors).
//
// Pure. Bounded: 100 rules, each field 100 entries.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "services/codec/s3/refusal.hpp"

namespace services::codec::s3 {

struct CorsRule {
    std::string id;
    std::vector<std::string> origins;  // one '*' at most in each
    std::vector<std::string> methods;
    std::vector<std::string> headers;  // one '*' at most in each
    std::vector<std::string> exposed;
    long max_age_seconds = -1;         // -1: not set
};
Expected<std::vector<CorsRule>> cors_rules(std::string body);
std::string cors_xml(const std::vector<CorsRule>& rules);

// The first rule that lets `origin` use `method` with all of `request_headers` ("a, b" as sent). Null: none.
const CorsRule* cors_rule_for(const std::vector<CorsRule>& rules, std::string_view origin, std::string_view method,
                              std::string_view request_headers);
// The access-control-* answer of `rule`, for an actual request and, with `is_preflight`, for OPTIONS.
Fields cors_answer(const CorsRule& rule, std::string_view origin, std::string_view request_headers, bool is_preflight);

}  // namespace services::codec::s3
