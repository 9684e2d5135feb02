#include "hal/base/bytes.hpp"
#include "services/codec/s3/documents.hpp"
#include "services/codec/s3/tagging.hpp"
#include "services/codec/xml/writer.hpp"
#include "services/objects/api/body.hpp"
#include "services/objects/api/counters.hpp"
#include "services/objects/api/events.hpp"
#include "services/objects/api/fields.hpp"
#include "services/objects/api/handlers.hpp"

namespace services::objects::api {

Expected<void> check_key(std::string_view key) {
    if (key.size() > store::key_bytes_max) return refused(Problem::key_too_long);
    if (!is_valid_key(key)) return refused(Problem::object_name);
    return {};
}

Expected<void> check_encryption(const Call& call) {
    if (call.header("x-amz-server-side-encryption-customer-algorithm") || call.header("x-amz-server-side-encryption-customer-key"))
        return call.request.peer.is_tls ? refused(Problem::not_implemented) : refused(Problem::sse_customer_insecure);
    const auto* asked = call.header("x-amz-server-side-encryption");
    if (asked && *asked != "AES256" && *asked != "aws:kms")
        return invalid_argument("The encryption method specified is not supported");
    if (asked) return refused(Problem::kms_not_configured);
    return {};
}

void tell(Api& api, const Call& call, std::string_view event_name, std::string_view bucket, const store::Object& object) {
    api.events().publish(call, event_name, bucket, object);
}

namespace {

// Object lock is off: what asks for it is refused as MinIO does for a bucket without it.
Expected<void> check_lock_headers(const Call& call) {
    if (call.header("x-amz-object-lock-mode") || call.header("x-amz-object-lock-retain-until-date") || call.header("x-amz-object-lock-legal-hold"))
        return refused(Problem::lock_not_enabled);
    return {};
}

void show_bucket_version(Api& api, const Call& call, const std::string& version, http::Response& response) {
    const auto* bucket = api.store.bucket(call.address.bucket);
    if (bucket && bucket->versioning != store::Versioning::never && !version.empty()) response.headers.set("X-Amz-Version-Id", version);
}

}  // namespace

Task<Answer> put_object(Api& api, Call& call) {
    if (auto unlocked = check_lock_headers(call); !unlocked) co_return std::unexpected(std::move(unlocked.error()));
    auto announced = announced_of(call, object_bytes_max);
    if (!announced) co_return std::unexpected(std::move(announced.error()));
    if (auto plain = check_encryption(call); !plain) co_return std::unexpected(std::move(plain.error()));
    store::PutRequest put;
    put.bucket = call.address.bucket;
    put.key = call.address.key;
    auto metadata = metadata_of(call.request.headers);
    if (!metadata) co_return std::unexpected(std::move(metadata.error()));
    put.metadata = std::move(*metadata);
    put.conditions = write_conditions(call.request.headers);

    auto body = api.store.body({announced->bytes});
    if (!body) co_return refused(body.error());
    // S3 gives every object a checksum; CRC64NVME where the client names none.
    auto received = co_await receive(api, call, std::move(*announced), *body, s3::Checksum::crc64nvme);
    if (!received) co_return std::unexpected(std::move(received.error()));
    api.counters().received += received->bytes;
    put.etag = hal::hex(received->md5);
    put.metadata.checksums = std::move(received->checksums);
    if (!put.metadata.checksums.empty()) put.metadata.checksum_type = "FULL_OBJECT";
    put.dispatches = api.dispatches(call, put.bucket, put.key, s3::event::created_put);

    auto stored = co_await api.store.put(std::move(put), std::move(*body));
    if (!stored) co_return refused(stored.error());
    auto response = empty_response(200);
    response.headers.set("ETag", in_quotes(stored->etag));
    show_bucket_version(api, call, stored->version, response);
    show_checksums(stored->metadata.checksums, stored->metadata.checksum_type, response);
    tell(api, call, s3::event::created_put, call.address.bucket, *stored);
    co_return response;
}

Task<Answer> delete_object(Api& api, Call& call) {
    const auto* force = call.header("x-minio-force-delete");
    if (force && equal_ignoring_case(*force, "true")) {
        // MinIO's: everything below the key as a prefix. Only for who may delete without limits.
        if (auto allowed = api.require(call, "s3:ForceDeleteBucket", call.address.bucket, ""); !allowed) co_return std::unexpected(std::move(allowed.error()));
        for (bool has_more = true; has_more;) {
            auto page = co_await api.store.list({.bucket = call.address.bucket, .prefix = call.address.key, .delimiter = "", .after = "", .after_version = "",
                                                 .keys_max = 1000, .with_versions = true, .with_metadata = false});
            if (!page) co_return refused(page.error());
            has_more = page->is_truncated;
            for (auto& object : page->objects) {
                auto gone = co_await api.store.remove({.bucket = call.address.bucket, .key = object.key, .version = object.version, .conditions = {}, .dispatches = {}});
                if (!gone) co_return refused(gone.error());
            }
        }
        co_return empty_response(204);
    }
    store::DeleteRequest remove;
    remove.bucket = call.address.bucket;
    remove.key = call.address.key;
    remove.version = call.version();
    remove.conditions.if_match = write_conditions(call.request.headers).if_match;
    const auto* bucket = api.store.bucket(remove.bucket);
    const bool makes_marker = bucket && bucket->versioning != store::Versioning::never && !remove.version;
    const auto event_name = makes_marker ? s3::event::removed_marker : s3::event::removed_delete;
    remove.dispatches = api.dispatches(call, remove.bucket, remove.key, event_name);
    auto gone = co_await api.store.remove(std::move(remove));
    // A version that never was: gone all the same (S3 DeleteObject), but a malformed id is named.
    if (!gone && gone.error() != store::Refusal::no_such_key && gone.error() != store::Refusal::no_such_version) co_return refused(gone.error());
    auto response = empty_response(204);
    if (!gone) co_return response;
    show_bucket_version(api, call, gone->version, response);
    if (gone->is_delete_marker) response.headers.set("X-Amz-Delete-Marker", "true");
    if (gone->changed) {
        store::Object object;
        object.key = call.address.key;
        object.version = gone->version;
        object.modified = call.now;
        tell(api, call, event_name, call.address.bucket, object);
    }
    co_return response;
}

Task<Answer> delete_objects(Api& api, Call& call) {
    auto body = co_await read_document(api, call);
    if (!body) co_return std::unexpected(std::move(body.error()));
    if (body->empty()) co_return refused(Problem::missing_md5);
    auto request = s3::delete_request(std::move(*body));
    if (!request) co_return std::unexpected(std::move(request.error()));
    services::codec::xml::Writer out;
    out.open("DeleteResult", "xmlns", xml_namespace);
    const auto bucket_name = call.address.bucket;
    const auto write_error = [&](const s3::DeleteTarget& target, const s3::Refusal& why) {
        out.open("Error");
        out.element("Code", why.code);
        out.element("Message", why.message);
        out.element("Key", target.key);
        out.element("VersionId", target.version_id);
        out.close();
    };
    for (auto& target : request->targets) {
        if (auto allowed = api.require(call, "s3:DeleteObject", bucket_name, target.key); !allowed) {
            write_error(target, allowed.error());
            continue;
        }
        if (auto valid = check_key(target.key); !valid) {
            write_error(target, valid.error());
            continue;
        }
        const auto* bucket = api.store.bucket(bucket_name);
        if (!bucket) co_return refused(Problem::no_such_bucket);
        const bool makes_marker = bucket->versioning != store::Versioning::never && target.version_id.empty();
        const auto event_name = makes_marker ? s3::event::removed_marker : s3::event::removed_delete;
        store::DeleteRequest remove;
        remove.bucket = bucket_name;
        remove.key = target.key;
        if (!target.version_id.empty()) remove.version = target.version_id;
        remove.dispatches = api.dispatches(call, bucket_name, target.key, event_name);
        auto gone = co_await api.store.remove(std::move(remove));
        if (!gone && gone.error() != store::Refusal::no_such_key && gone.error() != store::Refusal::no_such_version) {
            write_error(target, refusal(gone.error()));
            continue;
        }
        if (gone && gone->changed) {
            store::Object object;
            object.key = target.key;
            object.version = gone->version;
            object.modified = call.now;
            tell(api, call, event_name, bucket_name, object);
        }
        if (request->is_quiet) continue;
        out.open("Deleted");
        out.element("Key", target.key);
        if (!target.version_id.empty()) out.element("VersionId", target.version_id);
        if (gone && gone->is_delete_marker) {
            out.element("DeleteMarker", true);
            out.element("DeleteMarkerVersionId", gone->version);
        }
        out.close();
    }
    out.close();
    co_return xml_response(out.finish());
}

Task<Answer> get_tagging(Api& api, Call& call) {
    auto found = co_await api.store.stat(call.address.bucket, call.address.key, call.version());
    if (!found) co_return refused(found.error());
    if (found->is_delete_marker) co_return refused(call.version() ? Problem::method_not_allowed : Problem::no_such_key);
    auto response = xml_response(s3::tags_xml(found->metadata.tags));
    show_bucket_version(api, call, found->version, response);
    co_return response;
}

namespace {

Task<Answer> change_tags(Api& api, Call& call, store::Fields tags, std::string_view event_name, unsigned status) {
    auto changed = co_await api.store.set_tags(call.address.bucket, call.address.key, call.version(), std::move(tags));
    if (!changed) co_return refused(changed.error());
    auto response = empty_response(status);
    show_bucket_version(api, call, changed->version, response);
    tell(api, call, event_name, call.address.bucket, *changed);
    co_return response;
}

}  // namespace

Task<Answer> put_tagging(Api& api, Call& call) {
    auto body = co_await read_document(api, call);
    if (!body) co_return std::unexpected(std::move(body.error()));
    auto tags = s3::tags_from_xml(std::move(*body), s3::object_tags_max);
    if (!tags) co_return std::unexpected(std::move(tags.error()));
    co_return co_await change_tags(api, call, std::move(*tags), s3::event::created_put_tagging, 200);
}

Task<Answer> delete_tagging(Api& api, Call& call) {
    co_return co_await change_tags(api, call, {}, s3::event::created_delete_tagging, 204);
}

}  // namespace services::objects::api
