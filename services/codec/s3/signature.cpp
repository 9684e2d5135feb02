#include "services/codec/s3/signature.hpp"

#include <algorithm>
#include <cstring>

#include "hal/base/bytes.hpp"
#include "services/codec/s3/canonical.hpp"
#include "services/codec/s3/hmac.hpp"
#include "services/codec/s3/sentences.hpp"

namespace services::codec::s3 {

namespace {

constexpr std::string_view unsigned_payload = "UNSIGNED-PAYLOAD";

struct PayloadName {
    std::string_view value;
    Payload payload;
};
constexpr PayloadName payload_names[] = {
    {unsigned_payload, Payload::none},
    {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", Payload::streaming_signed},
    {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", Payload::streaming_signed_trailer},
    {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", Payload::streaming_unsigned_trailer},
};

Expected<void> read_payload(Verified& verified, std::string_view value) {
    for (const auto& row : payload_names)
        if (row.value == value) {
            verified.payload = row.payload;
            return {};
        }
    const bool is_hex = value.size() == 64 && std::ranges::all_of(value, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    });
    if (!is_hex)
        return refuse("InvalidArgument", 400,
                      "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "
                      "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.");
    verified.payload = Payload::sha256;
    verified.sha256 = lower_case(value);
    return {};
}

// Headers that may be sent without a signature though their name begins with x-amz-: the first two are signed by other
// means, the last says nothing to us.
bool may_be_unsigned(std::string_view name) {
    return name == "x-amz-date" || name == "x-amz-content-sha256" || name == "x-amz-user-agent";
}

// The canonical lines of the signed headers. A header that is named but not there may stand in the query (presigned).
Expected<std::string> header_lines(const Claim& claim, const SignedRequest& request, const Target& target) {
    if (!std::ranges::contains(claim.signed_headers, "host")) return unsigned_headers();
    std::string lines;
    for (const auto& name : claim.signed_headers) {
        if (find_field(*request.headers, name) != nullptr) {
            append_header_line(lines, *request.headers, name);
            continue;
        }
        const auto in_query = std::ranges::find_if(target.query, [&](const auto& field) { return same_name(field.first, name); });
        if (in_query == target.query.end()) return unsigned_headers();
        lines += name + ":" + in_query->second + "\n";
    }
    for (const auto& field : *request.headers) {
        const auto name = lower_case(field.first);
        if (name.starts_with("x-amz-") && !may_be_unsigned(name) && !std::ranges::contains(claim.signed_headers, name)) return unsigned_headers();
    }
    return lines;
}

std::string joined(const std::vector<std::string>& names) {
    std::string text;
    for (const auto& name : names) {
        if (!text.empty()) text += ';';
        text += name;
    }
    return text;
}

std::string_view as_text(const SigningKeys::Key& key) { return {reinterpret_cast<const char*>(key.data()), key.size()}; }

Expected<void> check_scope(const Claim& claim, const VerifyOptions& options) {
    const auto& scope = claim.scope;
    if (scope.service != options.service)
        return refuse("AuthorizationParametersError", 400,
                      "Error parsing the Credential/X-Amz-Credential parameter; incorrect service. This endpoint belongs to \"" +
                          std::string(options.service) + "\".");
    if (!options.any_region && !options.region.empty() && scope.region != options.region)
        return refuse("AuthorizationHeaderMalformed", 400,
                      "The authorization header is malformed; the region is wrong; expecting '" + std::string(options.region) + "'.");
    // A key of one day signs that day alone.
    if (!claim.time_text.starts_with(scope.date)) return signature_does_not_match();
    return {};
}

Expected<void> check_time(const Claim& claim, hal::WallTime now) {
    switch (claim.scheme) {
        case Scheme::v4_header:
        case Scheme::v2_header:
            if (claim.time > now + clock_skew_max || claim.time < now - clock_skew_max) return too_skewed();
            return {};
        case Scheme::v4_query:
            if (claim.time > now + clock_skew_max) return refuse("AccessDenied", 403, "Request is not valid yet");
            if (now - claim.time > claim.expires) return expired();
            return {};
        case Scheme::v2_query:
            if (claim.expires < std::chrono::floor<std::chrono::seconds>(now).time_since_epoch()) return expired();
            return {};
        case Scheme::anonymous: return {};
    }
    return {};
}

Expected<Verified> verify_v2(const Claim& claim, const SignedRequest& request, const Target& target, std::string_view secret) {
    std::string date;
    if (claim.scheme == Scheme::v2_query)
        date = *target.find("Expires");
    else if (find_field(*request.headers, "x-amz-date") == nullptr)
        date = *find_field(*request.headers, "date");
    const auto matches = [&](std::string_view path) {
        return hal::equal_secrets(hal::base64(hmac(Checksum::sha1, secret, string_to_sign_v2(request, target, path, date))), claim.signature);
    };
    // A bucket's resource is "/bucket/" to some clients though they send "/bucket" (botocore), and "/bucket" to others.
    const bool is_bucket = target.path.size() > 1 && target.path.find('/', 1) == std::string_view::npos;
    if (!matches(target.path) && !(is_bucket && matches(std::string(target.path) + "/"))) return signature_does_not_match();
    return payload_of(request);
}

// What the request says about its body's hash; `fallback` when it says nothing.
std::string_view payload_text(const SignedRequest& request, const Target& target, bool is_query, std::string_view fallback) {
    if (is_query)
        if (const auto* value = target.find("X-Amz-Content-Sha256")) return *value;
    if (const auto* value = find_field(*request.headers, "x-amz-content-sha256")) return *value;
    return fallback;
}

}  // namespace

const SigningKeys::Key& SigningKeys::key(std::string_view secret, const Scope& scope) {
    std::string name;
    name.reserve(secret.size() + 48);
    for (const std::string_view part : {std::string_view(scope.date), std::string_view(scope.region), std::string_view(scope.service), secret}) {
        name += part;
        name += '\n';
    }
    if (const auto found = keys_.find(name); found != keys_.end()) return found->second;
    if (keys_.size() >= keys_max_) keys_.clear();
    const auto by_date = hmac(Checksum::sha256, "AWS4" + std::string(secret), scope.date);
    const auto by_region = hmac(Checksum::sha256, by_date, scope.region);
    const auto by_service = hmac(Checksum::sha256, by_region, scope.service);
    const auto bytes = hmac(Checksum::sha256, by_service, "aws4_request");
    auto& key = keys_[std::move(name)];
    std::memcpy(key.data(), bytes.data(), key.size());
    return key;
}

Expected<Verified> payload_of(const SignedRequest& request) {
    Verified verified;
    const auto* value = find_field(*request.headers, "x-amz-content-sha256");
    if (value == nullptr) return verified;
    if (auto read = read_payload(verified, *value); !read) return std::unexpected(std::move(read.error()));
    // A chain of signatures without a signature to begin with proves nothing.
    if (verified.payload == Payload::streaming_signed || verified.payload == Payload::streaming_signed_trailer)
        return std::unexpected(access_denied());
    return verified;
}

Expected<Verified> verify(const Claim& claim, const SignedRequest& request, std::string_view secret, hal::WallTime now,
                          const VerifyOptions& options, SigningKeys& keys) {
    if (claim.scheme == Scheme::anonymous) return payload_of(request);
    if (!claim.session_token.empty())
        return refuse("InvalidTokenId", 403, "The security token included in the request is invalid");
    const auto target = target_of(request.target);
    if (auto checked = check_time(claim, now); !checked) return std::unexpected(std::move(checked.error()));
    if (claim.scheme == Scheme::v2_header || claim.scheme == Scheme::v2_query) return verify_v2(claim, request, target, secret);
    if (auto checked = check_scope(claim, options); !checked) return std::unexpected(std::move(checked.error()));

    const bool is_query = claim.scheme == Scheme::v4_query;
    const auto payload = payload_text(request, target, is_query, is_query ? unsigned_payload : empty_sha256);
    const auto lines = header_lines(claim, request, target);
    if (!lines) return std::unexpected(lines.error());
    const auto canonical = canonical_request(request.method, target, is_query ? "X-Amz-Signature" : "", *lines, joined(claim.signed_headers), payload);

    Verified verified;
    verified.scope = claim.scope.text();
    verified.signing_key = keys.key(secret, claim.scope);
    verified.seed_signature = hal::hex(hmac(Checksum::sha256, as_text(verified.signing_key), string_to_sign(claim.time_text, verified.scope, canonical)));
    if (!hal::equal_secrets(verified.seed_signature, claim.signature)) return signature_does_not_match();
    verified.time_text = claim.time_text;
    if (auto read = read_payload(verified, payload); !read) return std::unexpected(std::move(read.error()));
    return verified;
}

Expected<void> verify_form(const Claim& claim, const Fields& fields, std::string_view secret, hal::WallTime now, const VerifyOptions& options,
                           SigningKeys& keys) {
    const auto* policy = find_field(fields, "policy");
    if (policy == nullptr) return missing_fields();
    if (!claim.session_token.empty())
        return refuse("InvalidTokenId", 403, "The security token included in the request is invalid");
    std::string signature;
    if (claim.scheme == Scheme::v2_query) {
        signature = hal::base64(hmac(Checksum::sha1, secret, *policy));
    } else {
        // The policy's own expiration bounds a form; a date far ahead is a clock that is wrong.
        if (claim.time > now + clock_skew_max) return refuse("AccessDenied", 403, "Request is not valid yet");
        if (auto checked = check_scope(claim, options); !checked) return checked;
        signature = hal::hex(hmac(Checksum::sha256, as_text(keys.key(secret, claim.scope)), *policy));
    }
    if (!hal::equal_secrets(signature, claim.signature)) return signature_does_not_match();
    return {};
}

void sign(Fields& headers, std::string_view method, std::string_view target, std::string_view payload_sha256, const Credentials& credentials,
          hal::WallTime now, SigningKeys& keys) {
    const auto time_text = iso8601_text(now);
    const auto set = [&](std::string_view name, std::string_view value) {
        std::erase_if(headers, [&](const auto& field) { return same_name(field.first, name); });
        headers.emplace_back(name, value);
    };
    set("x-amz-date", time_text);
    set("x-amz-content-sha256", payload_sha256);
    std::erase_if(headers, [](const auto& field) { return same_name(field.first, "authorization"); });

    // What a proxy on the way may change or drop is not signed.
    constexpr std::string_view left_out[] = {"user-agent", "accept-encoding", "connection", "expect", "te", "transfer-encoding"};
    std::vector<std::string> names;
    for (const auto& field : headers) {
        auto name = lower_case(field.first);
        if (!std::ranges::contains(left_out, name)) names.push_back(std::move(name));
    }
    std::ranges::sort(names);
    const auto repeated = std::ranges::unique(names);
    names.erase(repeated.begin(), repeated.end());
    std::string lines;
    for (const auto& name : names) append_header_line(lines, headers, name);

    const auto signed_headers = joined(names);
    const Scope scope{time_text.substr(0, 8), credentials.region, credentials.service};
    const auto canonical = canonical_request(method, target_of(target), "", lines, signed_headers, payload_sha256);
    const auto signature =
        hal::hex(hmac(Checksum::sha256, as_text(keys.key(credentials.secret, scope)), string_to_sign(time_text, scope.text(), canonical)));
    headers.emplace_back("authorization", "AWS4-HMAC-SHA256 Credential=" + credentials.access_key + "/" + scope.text() +
                                              ", SignedHeaders=" + signed_headers + ", Signature=" + signature);
}

std::string presign(std::string_view method, std::string_view target, std::string_view host, std::chrono::seconds expires,
                    const Credentials& credentials, hal::WallTime now, SigningKeys& keys) {
    const auto time_text = iso8601_text(now);
    const Scope scope{time_text.substr(0, 8), credentials.region, credentials.service};
    std::string url(target);
    url += target.contains('?') ? '&' : '?';
    url += "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + uri_encoded(credentials.access_key + "/" + scope.text(), false) +
           "&X-Amz-Date=" + time_text + "&X-Amz-Expires=" + std::to_string(expires.count()) + "&X-Amz-SignedHeaders=host";
    const auto canonical = canonical_request(method, target_of(url), "", "host:" + std::string(host) + "\n", "host", unsigned_payload);
    const auto signature =
        hal::hex(hmac(Checksum::sha256, as_text(keys.key(credentials.secret, scope)), string_to_sign(time_text, scope.text(), canonical)));
    return url + "&X-Amz-Signature=" + signature;
}

}  // namespace services::codec::s3
