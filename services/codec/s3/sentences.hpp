// The sentences with which S3 (as MinIO words them) refuses a signature, each once. Pure.
#pragma once

#include <string>
#include <string_view>

#include "services/codec/s3/refusal.hpp"

namespace services::codec::s3 {

inline auto signature_does_not_match() {
    return refuse("SignatureDoesNotMatch", 403,
                  "The request signature we calculated does not match the signature you provided. Check your key and signing method.");
}
inline auto unsigned_headers() { return refuse("AccessDenied", 400, "There were headers present in the request which were not signed"); }
inline auto missing_fields() { return refuse("MissingFields", 400, "Missing fields in request."); }
inline auto malformed_date() {
    return refuse("MalformedDate", 400, "Invalid date format header, expected to be in ISO8601, RFC1123 or RFC1123Z time format.");
}
inline auto missing_date() { return refuse("AccessDenied", 400, "AWS authentication requires a valid Date or x-amz-date header"); }
inline auto too_skewed() {
    return refuse("RequestTimeTooSkewed", 403, "The difference between the request time and the server's time is too large.");
}
inline auto expired() { return refuse("AccessDenied", 403, "Request has expired"); }
inline auto query_parameters(std::string message) { return refuse("AuthorizationQueryParametersError", 400, std::move(message)); }
inline auto unsupported_mechanism() {
    return refuse("InvalidRequest", 400, "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.");
}
inline auto malformed_form() {
    return refuse("MalformedPOSTRequest", 400, "The body of your POST request is not well-formed multipart/form-data.");
}

}  // namespace services::codec::s3
