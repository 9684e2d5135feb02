// Who sent a request, proven: AWS Signature Version 4 (header, presigned query, POST form) and Version 2 (header,
// presigned query), verified as MinIO and S3 do; and the client's side of Version 4.
//
// Owns no keys and no clock: the secret and the time come in as arguments, so each rule about skew and expiry can be
// tested. Works on the request as it was sent. Bounded: header and query sizes by the HTTP server; 64 signed headers;
// SigningKeys keeps at most `keys_max`. Comparisons of signatures take the same time whatever differs.
//
// The order of a request: claim_of() says who it claims to be; the caller looks the secret up (none: unknown_access_key());
// verify() proves it and says how the body must be checked; the chunked body continues in chunked.hpp.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "hal/base/clock.hpp"
#include "services/codec/s3/refusal.hpp"

namespace services::codec::s3 {

inline constexpr std::chrono::minutes clock_skew_max{15};
inline constexpr std::chrono::seconds presigned_expires_max{7 * 24 * 3600};
inline constexpr std::size_t signed_headers_max = 64;
inline constexpr std::string_view empty_sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

// The request line and fields as sent: `target` is raw ("/a%20b?x=1"). Views of the caller's, valid during the call.
struct SignedRequest {
    std::string_view method;
    std::string_view target;
    const Fields* headers;
};

enum class Scheme { anonymous, v4_header, v4_query, v2_header, v2_query };

// How the bytes of the body are vouched for.
enum class Payload {
    sha256,                     // x-amz-content-sha256 is the hash; the caller compares with payload_mismatch()
    none,                       // not signed: UNSIGNED-PAYLOAD, presigned, Version 2, anonymous
    streaming_signed,           // STREAMING-AWS4-HMAC-SHA256-PAYLOAD
    streaming_signed_trailer,   // STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER
    streaming_unsigned_trailer, // STREAMING-UNSIGNED-PAYLOAD-TRAILER
};

// The scope of a Version 4 credential: "20260101/us-east-1/s3/aws4_request".
struct Scope {
    std::string date;    // YYYYMMDD
    std::string region;  // may be empty (admin clients)
    std::string service; // s3 or sts
    [[nodiscard]] std::string text() const;
};

struct Claim {
    Scheme scheme = Scheme::anonymous;
    std::string access_key;
    Scope scope;                              // Version 4
    std::string time_text;                    // Version 4: 20260101T000000Z
    hal::WallTime time{};                     // when it was signed; Version 2 query: unset
    std::chrono::seconds expires{};           // query forms; Version 2: seconds since 1970
    std::vector<std::string> signed_headers;  // Version 4: lower case, as sent
    std::string signature;
    std::string session_token;                // x-amz-security-token, "" without
};

// Signing keys of recently seen (secret, date, region, service): four HMACs saved for each request. Used from one thread.
class SigningKeys {
public:
    using Key = std::array<unsigned char, 32>;
    explicit SigningKeys(std::size_t keys_max = 64) : keys_max_(keys_max) {}
    const Key& key(std::string_view secret, const Scope& scope);
    void clear() { keys_.clear(); }  // when secrets change

private:
    std::size_t keys_max_;
    std::unordered_map<std::string, Key> keys_;
};

struct VerifyOptions {
    std::string_view region;          // the configured one; "" accepts any, as MinIO without MINIO_REGION does
    std::string_view service = "s3";  // "sts" for STS
    bool any_region = false;          // admin calls sign with whatever region they have, an empty one too
};

// What verification found, and what the body's decoder needs.
struct Verified {
    Payload payload = Payload::none;
    std::string sha256;            // Payload::sha256: lower-case hex, to be compared with the body's
    // For streaming_signed*: the chain's beginning.
    SigningKeys::Key signing_key{};
    std::string scope;
    std::string time_text;
    std::string seed_signature;
};

// What the request claims. Anonymous when it carries no signature at all; refuses what is malformed or of an unknown
// scheme, with S3's code and sentence.
Expected<Claim> claim_of(const SignedRequest& request);

// Proves `claim` with the `secret` of its access key at time `now`. Refuses: SignatureDoesNotMatch, RequestTimeTooSkewed,
// AccessDenied (expired, not yet valid, unsigned x-amz headers), AuthorizationHeaderMalformed (region), ...
Expected<Verified> verify(const Claim& claim, const SignedRequest& request, std::string_view secret, hal::WallTime now,
                          const VerifyOptions& options, SigningKeys& keys);
// The payload form of a request that needs no proof (anonymous).
Expected<Verified> payload_of(const SignedRequest& request);

// POST policy forms: `fields` are the form's. Version 4 (x-amz-signature) or 2 (signature over policy).
Expected<Claim> claim_of_form(const Fields& fields);
Expected<void> verify_form(const Claim& claim, const Fields& fields, std::string_view secret, hal::WallTime now,
                           const VerifyOptions& options, SigningKeys& keys);

Refusal unknown_access_key();  // InvalidAccessKeyId
Refusal payload_mismatch();    // XAmzContentSHA256Mismatch
Refusal access_denied();       // AccessDenied

// The client's side: adds host (unless there), x-amz-date, x-amz-content-sha256 and authorization to `headers`. All
// headers present are signed but for those a proxy may change (user-agent, accept-encoding, connection, expect, te).
struct Credentials {
    std::string access_key;
    std::string secret;
    std::string region = "us-east-1";
    std::string service = "s3";
};
void sign(Fields& headers, std::string_view method, std::string_view target, std::string_view payload_sha256,
          const Credentials& credentials, hal::WallTime now, SigningKeys& keys);
// `target` with the query of a presigned request for `host`.
std::string presign(std::string_view method, std::string_view target, std::string_view host, std::chrono::seconds expires,
                    const Credentials& credentials, hal::WallTime now, SigningKeys& keys);

// As AWS encodes for signing: unreserved characters stay, `keep_slash` for paths; %XX in upper case.
std::string uri_encoded(std::string_view text, bool keep_slash);
// The inverse; nullopt when a %XX is wrong. `plus_is_space` for queries.
std::optional<std::string> uri_decoded(std::string_view text, bool plus_is_space);

}  // namespace services::codec::s3
