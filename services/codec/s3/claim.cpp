#include <algorithm>
#include <charconv>

#include "services/codec/s3/canonical.hpp"
#include "services/codec/s3/sentences.hpp"
#include "services/codec/s3/signature.hpp"

namespace services::codec::s3 {

namespace {

constexpr std::string_view v4_algorithm = "AWS4-HMAC-SHA256";

Expected<void> read_credential(Claim& claim, std::string_view credential) {
    // The access key may hold '/': the scope is the last four parts.
    std::vector<std::string_view> parts;
    for (auto rest = credential;;) {
        const auto slash = rest.find('/');
        parts.push_back(rest.substr(0, slash));
        if (slash == std::string_view::npos) break;
        rest.remove_prefix(slash + 1);
    }
    if (parts.size() < 5)
        return query_parameters("Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting "
                                "\"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".");
    const auto count = parts.size();
    claim.scope.date = parts[count - 4];
    claim.scope.region = parts[count - 3];
    claim.scope.service = parts[count - 2];
    claim.access_key = credential.substr(0, static_cast<std::size_t>(parts[count - 4].data() - credential.data()) - 1);
    if (claim.access_key.empty()) return std::unexpected(unknown_access_key());
    if (!iso8601_time(claim.scope.date + "T000000Z"))
        return query_parameters("Error parsing the X-Amz-Credential parameter; incorrect date format. This date in the credential must be in "
                                "the format \"yyyyMMdd\".");
    if (parts[count - 1] != "aws4_request")
        return query_parameters("Error parsing the X-Amz-Credential parameter; incorrect terminal. This endpoint uses \"aws4_request\".");
    return {};
}

Expected<void> read_signed_headers(Claim& claim, std::string_view list) {
    if (list.empty()) return missing_fields();
    for (;;) {
        const auto end = list.find(';');
        claim.signed_headers.push_back(lower_case(list.substr(0, end)));
        if (claim.signed_headers.size() > signed_headers_max)
            return refuse("InvalidArgument", 400, "Signature header names too many SignedHeaders.");
        if (end == std::string_view::npos) return {};
        list.remove_prefix(end + 1);
    }
}

Expected<void> read_header_time(Claim& claim, const Fields& headers, bool is_v4) {
    const auto* text = find_field(headers, "x-amz-date");
    if (text == nullptr || text->empty()) text = find_field(headers, "date");
    if (text == nullptr || text->empty()) return missing_date();
    auto time = iso8601_time(*text);
    if (!time) time = rfc1123_time(*text);
    if (!time) return malformed_date();
    claim.time = *time;
    // Version 4 signs the long ISO form, whatever form the date was sent in.
    if (is_v4) claim.time_text = iso8601_text(*time);
    return {};
}

Expected<Claim> v4_header_claim(std::string_view header, const Fields& headers) {
    Claim claim;
    claim.scheme = Scheme::v4_header;
    std::string packed;  // some clients put blanks after the commas, some do not
    std::ranges::copy_if(header.substr(v4_algorithm.size()), std::back_inserter(packed), [](char c) { return c != ' ' && c != '\t'; });
    std::string_view credential, signed_headers;
    bool has_credential = false, has_headers = false, has_signature = false;
    for (std::string_view rest = packed; !rest.empty();) {
        const auto part = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(rest.size(), part.size() + 1));
        const auto equals = part.find('=');
        if (equals == std::string_view::npos) return missing_fields();
        const auto name = part.substr(0, equals), value = part.substr(equals + 1);
        if (name == "Credential") {
            credential = value;
            has_credential = true;
        } else if (name == "SignedHeaders") {
            signed_headers = value;
            has_headers = true;
        } else if (name == "Signature") {
            claim.signature = value;
            has_signature = true;
        }
    }
    if (!has_credential) return refuse("InvalidRequest", 400, "Missing Credential field for this request.");
    if (!has_headers) return refuse("InvalidArgument", 400, "Signature header missing SignedHeaders field.");
    if (!has_signature) return refuse("AccessDenied", 400, "Signature header missing Signature field.");
    if (claim.signature.empty()) return missing_fields();
    if (auto read = read_credential(claim, credential); !read) return std::unexpected(std::move(read.error()));
    if (auto read = read_signed_headers(claim, signed_headers); !read) return std::unexpected(std::move(read.error()));
    if (auto read = read_header_time(claim, headers, true); !read) return std::unexpected(std::move(read.error()));
    if (const auto* token = find_field(headers, "x-amz-security-token")) claim.session_token = *token;
    return claim;
}

Expected<Claim> v4_query_claim(const Target& target) {
    Claim claim;
    claim.scheme = Scheme::v4_query;
    const auto* algorithm = target.find("X-Amz-Algorithm");
    const auto* credential = target.find("X-Amz-Credential");
    const auto* signature = target.find("X-Amz-Signature");
    const auto* date = target.find("X-Amz-Date");
    const auto* headers = target.find("X-Amz-SignedHeaders");
    const auto* expires = target.find("X-Amz-Expires");
    if (algorithm == nullptr || credential == nullptr || signature == nullptr || date == nullptr || headers == nullptr || expires == nullptr)
        return query_parameters("Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, "
                                "X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.");
    if (*algorithm != v4_algorithm) return query_parameters("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\".");
    if (auto read = read_credential(claim, *credential); !read) return std::unexpected(std::move(read.error()));
    const auto time = iso8601_time(*date);
    if (!time) return query_parameters("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
    claim.time = *time;
    claim.time_text = *date;
    std::int64_t seconds = 0;
    const auto [end, error] = std::from_chars(expires->data(), expires->data() + expires->size(), seconds);
    if (error != std::errc() || end != expires->data() + expires->size()) return query_parameters("X-Amz-Expires should be a number");
    if (seconds < 0) return query_parameters("X-Amz-Expires must be non-negative");
    if (seconds > presigned_expires_max.count())
        return query_parameters("X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than "
                                "604800 seconds");
    claim.expires = std::chrono::seconds(seconds);
    if (auto read = read_signed_headers(claim, *headers); !read) return std::unexpected(std::move(read.error()));
    claim.signature = *signature;
    if (claim.signature.empty()) return missing_fields();
    if (const auto* token = target.find("X-Amz-Security-Token")) claim.session_token = *token;
    return claim;
}

Expected<Claim> v2_header_claim(std::string_view header, const Fields& headers) {
    Claim claim;
    claim.scheme = Scheme::v2_header;
    header.remove_prefix(4);  // "AWS "
    while (header.starts_with(' ')) header.remove_prefix(1);
    const auto colon = header.rfind(':');
    if (colon == std::string_view::npos || header.contains(' ')) return missing_fields();
    claim.access_key = header.substr(0, colon);
    claim.signature = header.substr(colon + 1);
    if (claim.access_key.empty() || claim.signature.empty()) return missing_fields();
    if (auto read = read_header_time(claim, headers, false); !read) return std::unexpected(std::move(read.error()));
    if (const auto* token = find_field(headers, "x-amz-security-token")) claim.session_token = *token;
    return claim;
}

Expected<Claim> v2_query_claim(const Target& target) {
    Claim claim;
    claim.scheme = Scheme::v2_query;
    const auto* key = target.find("AWSAccessKeyId");
    const auto* signature = target.find("Signature");
    const auto* expires = target.find("Expires");
    if (key == nullptr || signature == nullptr || expires == nullptr || key->empty() || signature->empty() || expires->empty())
        return query_parameters("Query-string authentication version 2 requires the AWSAccessKeyId, Signature and Expires parameters.");
    std::int64_t seconds = 0;
    const auto [end, error] = std::from_chars(expires->data(), expires->data() + expires->size(), seconds);
    if (error != std::errc() || end != expires->data() + expires->size()) return query_parameters("X-Amz-Expires should be a number");
    claim.access_key = *key;
    claim.signature = *signature;
    claim.expires = std::chrono::seconds(seconds);
    return claim;
}

}  // namespace

std::string Scope::text() const { return date + "/" + region + "/" + service + "/aws4_request"; }

Refusal unknown_access_key() { return {"InvalidAccessKeyId", 403, "The Access Key Id you provided does not exist in our records."}; }
Refusal payload_mismatch() {
    return {"XAmzContentSHA256Mismatch", 400, "The provided 'x-amz-content-sha256' header does not match what was computed."};
}
Refusal access_denied() { return {"AccessDenied", 403, "Access Denied."}; }

Expected<Claim> claim_of(const SignedRequest& request) {
    if (const auto* header = find_field(*request.headers, "authorization")) {
        if (header->starts_with(v4_algorithm)) return v4_header_claim(*header, *request.headers);
        if (header->starts_with("AWS ")) return v2_header_claim(*header, *request.headers);
        if (header->empty()) return refuse("InvalidArgument", 400, "Authorization header is invalid -- one and only one ' ' (space) required.");
        return unsupported_mechanism();
    }
    if (!request.target.contains('?')) return Claim();
    const auto target = target_of(request.target);
    if (target.find("X-Amz-Credential") != nullptr || target.find("X-Amz-Signature") != nullptr) return v4_query_claim(target);
    if (target.find("AWSAccessKeyId") != nullptr) return v2_query_claim(target);
    return Claim();
}

Expected<Claim> claim_of_form(const Fields& fields) {
    Claim claim;
    if (const auto* signature = find_field(fields, "x-amz-signature")) {
        claim.scheme = Scheme::v4_query;
        claim.signature = *signature;
        const auto* credential = find_field(fields, "x-amz-credential");
        const auto* date = find_field(fields, "x-amz-date");
        const auto* algorithm = find_field(fields, "x-amz-algorithm");
        if (credential == nullptr || date == nullptr || find_field(fields, "policy") == nullptr) return missing_fields();
        if (algorithm == nullptr || *algorithm != v4_algorithm) return query_parameters("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\".");
        if (auto read = read_credential(claim, *credential); !read) return std::unexpected(std::move(read.error()));
        const auto time = iso8601_time(*date);
        if (!time) return malformed_date();
        claim.time = *time;
        claim.time_text = *date;
        if (const auto* token = find_field(fields, "x-amz-security-token")) claim.session_token = *token;
        return claim;
    }
    const auto* key = find_field(fields, "awsaccesskeyid");
    const auto* signature = find_field(fields, "signature");
    if (key == nullptr && signature == nullptr) return claim;
    if (key == nullptr || signature == nullptr || find_field(fields, "policy") == nullptr) return missing_fields();
    claim.scheme = Scheme::v2_query;
    claim.access_key = *key;
    claim.signature = *signature;
    return claim;
}

}  // namespace services::codec::s3
