// Uploads from browser forms (S3 POST Object): multipart/form-data with a signed policy, or none where the bucket's policy
// lets anyone write.
#include "hal/base/bytes.hpp"
#include "services/codec/s3/checksum.hpp"
#include "services/codec/s3/post_form.hpp"
#include "services/codec/xml/writer.hpp"
#include "services/objects/api/body.hpp"
#include "services/objects/api/counters.hpp"
#include "services/objects/api/events.hpp"
#include "services/objects/api/fields.hpp"
#include "services/objects/api/handlers.hpp"

namespace services::objects::api {
namespace {

// Form fields that are metadata of the object, as headers of a PUT would be.
http::Headers headers_of(const s3::Fields& fields, const std::string& file_type) {
    http::Headers headers;
    for (const auto& [name, value] : fields)
        if (name.starts_with("x-amz-meta-") || is_kept_header(name) || name == "x-amz-tagging" || name.starts_with("x-amz-checksum-") || name == "content-md5")
            headers.set(name, value);
    if (!headers.find("content-type") && !file_type.empty()) headers.set("content-type", file_type);
    return headers;
}

// Who signed the form, and whether the form keeps to what was signed.
Expected<std::optional<s3::PostPolicy>> admitted(Api& api, Call& call, const s3::FormParser& form) {
    const auto encoded = form.value("policy");
    if (encoded.empty()) return std::optional<s3::PostPolicy>();
    auto claim = s3::claim_of_form(form.fields());
    if (!claim) return std::unexpected(std::move(claim.error()));
    const auto secret = api.access.secret_of(claim->access_key);
    if (!secret) return std::unexpected(s3::unknown_access_key());
    s3::SigningKeys keys;
    s3::VerifyOptions options;
    options.region = api.region();
    options.any_region = api.options.region.empty();
    if (auto proven = s3::verify_form(*claim, form.fields(), *secret, call.now, options, keys); !proven) return std::unexpected(std::move(proven.error()));
    call.who = api.access.identity_of(claim->access_key);
    auto policy = s3::post_policy(encoded);
    if (!policy) return std::unexpected(std::move(policy.error()));
    if (auto holds = s3::check_post_policy(*policy, form.fields(), call.address.bucket, call.now); !holds) return std::unexpected(std::move(holds.error()));
    return std::optional(std::move(*policy));
}

http::Response created(const Call& call, const s3::FormParser& form, const store::Object& object) {
    const auto* host = call.header("host");
    const auto location = std::string(call.request.peer.is_tls ? "https://" : "http://") + (host ? *host : "") + "/" + call.address.bucket + "/" +
                          s3::uri_encoded(object.key, true);
    auto redirect = form.value("success_action_redirect");
    if (redirect.empty()) redirect = form.value("redirect");
    http::Response response;
    if (!redirect.empty()) {
        response.status = 303;
        response.headers.set("Location", std::string(redirect) + (redirect.contains('?') ? "&" : "?") + "bucket=" + call.address.bucket +
                                             "&etag=%22" + object.etag + "%22&key=" + s3::uri_encoded(object.key, false));
    } else if (form.value("success_action_status") == "201") {
        services::codec::xml::Writer out;
        out.open("PostResponse");
        out.element("Location", location);
        out.element("Bucket", call.address.bucket);
        out.element("Key", object.key);
        out.element("ETag", in_quotes(object.etag));
        out.close();
        response = xml_response(out.finish());
        response.status = 201;
        response.headers.set("Location", location);
    } else {
        response.status = form.value("success_action_status") == "200" ? 200 : 204;
        response.headers.set("Location", location);
    }
    response.headers.set("ETag", in_quotes(object.etag));
    show_checksums(object.metadata.checksums, object.metadata.checksum_type, response);
    return response;
}

}  // namespace

Task<Answer> post_object(Api& api, Call& call) {
    const auto* type = call.header("content-type");
    auto boundary = s3::form_boundary(type ? *type : "");
    if (!boundary) co_return std::unexpected(std::move(boundary.error()));
    s3::FormParser form(*boundary);
    BodySource source(call, {});
    // The fields first: nothing is stored for a form that is refused.
    std::string pending;
    while (!form.file_began()) {
        auto piece = co_await source.next();
        if (!piece) co_return std::unexpected(std::move(piece.error()));
        if (piece->empty()) {
            auto problem = form.at_end();
            co_return problem ? Answer(std::unexpected(std::move(*problem))) : Answer(invalid_argument("POST requires exactly one file upload per request."));
        }
        auto step = form.feed(*piece);
        if (!step) co_return std::unexpected(std::move(step.error()));
        pending += step->data;
    }
    auto policy = admitted(api, call, form);
    if (!policy) co_return std::unexpected(std::move(policy.error()));
    const std::string key(form.value("key"));
    if (auto valid = check_key(key); !valid) co_return std::unexpected(std::move(valid.error()));
    call.address.key = key;
    if (auto allowed = api.require(call, "s3:PutObject", call.address.bucket, key); !allowed) co_return std::unexpected(std::move(allowed.error()));
    const auto headers = headers_of(form.fields(), form.file_content_type());
    auto metadata = metadata_of(headers);
    if (!metadata) co_return std::unexpected(std::move(metadata.error()));
    if (auto plain = check_encryption(call); !plain) co_return std::unexpected(std::move(plain.error()));

    s3::HasherSet hashers;
    hashers.add(s3::Checksum::md5);
    const s3::ChecksumRow* algorithm = nullptr;
    for (const auto& row : s3::checksums())
        if (!row.element.empty() && headers.find(row.header)) algorithm = &row;
    if (algorithm) hashers.add(algorithm->algorithm);
    auto body = api.store.body({});
    if (!body) co_return refused(body.error());
    const auto bytes_max = *policy && (*policy)->length_range ? (*policy)->length_range->second : object_bytes_max;
    for (;;) {
        if (!pending.empty()) {
            hashers.update(pending);
            co_await body->write(pending);
            if (body->bytes() > bytes_max) co_return refused(Problem::entity_too_large);
        }
        if (form.is_done()) break;
        auto piece = co_await source.next();
        if (!piece) co_return std::unexpected(std::move(piece.error()));
        if (piece->empty()) {
            if (auto problem = form.at_end()) co_return std::unexpected(std::move(*problem));
            break;
        }
        auto step = form.feed(*piece);
        if (!step) co_return std::unexpected(std::move(step.error()));
        pending = std::move(step->data);
    }
    if (*policy)
        if (auto fits = s3::check_post_length(**policy, body->bytes()); !fits) co_return std::unexpected(std::move(fits.error()));
    store::PutRequest put;
    put.bucket = call.address.bucket;
    put.key = key;
    put.etag = hal::hex(hashers.digest(s3::Checksum::md5));
    put.metadata = std::move(*metadata);
    if (algorithm) {
        const auto computed = hal::base64(hashers.digest(algorithm->algorithm));
        if (computed != headers.get(algorithm->header)) co_return refused(Problem::checksum_mismatch);
        put.metadata.checksums.emplace_back(algorithm->name, computed);
        put.metadata.checksum_type = "FULL_OBJECT";
    }
    if (const auto* md5 = headers.find("content-md5"); md5 && *md5 != hal::base64(hashers.digest(s3::Checksum::md5))) co_return refused(Problem::bad_digest);
    put.dispatches = api.dispatches(call, put.bucket, put.key, s3::event::created_post);
    api.counters().received += body->bytes();
    auto stored = co_await api.store.put(std::move(put), std::move(*body));
    if (!stored) co_return refused(stored.error());
    tell(api, call, s3::event::created_post, call.address.bucket, *stored);
    auto response = created(call, form, *stored);
    const auto* bucket = api.store.bucket(call.address.bucket);
    if (bucket && bucket->versioning != store::Versioning::never) response.headers.set("X-Amz-Version-Id", stored->version);
    co_return response;
}

}  // namespace services::objects::api
