#include <algorithm>

#include "hal/base/bytes.hpp"
#include "services/codec/s3/documents.hpp"
#include "services/codec/xml/writer.hpp"
#include "services/objects/api/body.hpp"
#include "services/objects/api/counters.hpp"
#include "services/objects/api/events.hpp"
#include "services/objects/api/fields.hpp"
#include "services/objects/api/handlers.hpp"

namespace services::objects::api {

namespace xml = services::codec::xml;

Task<Answer> create_upload(Api& api, Call& call) {
    if (auto plain = check_encryption(call); !plain) co_return std::unexpected(std::move(plain.error()));
    if (call.header("x-amz-object-lock-mode") || call.header("x-amz-object-lock-legal-hold")) co_return refused(Problem::lock_not_enabled);
    store::UploadRequest upload;
    upload.bucket = call.address.bucket;
    upload.key = call.address.key;
    auto metadata = metadata_of(call.request.headers);
    if (!metadata) co_return std::unexpected(std::move(metadata.error()));
    upload.metadata = std::move(*metadata);
    const auto* type = call.header("x-amz-checksum-type");
    if (const auto* name = call.header("x-amz-checksum-algorithm"); name && !name->empty()) {
        const auto* row = s3::checksum_by_name(*name);
        if (!row) co_return refused(Problem::invalid_checksum);
        upload.checksum_algorithm = row->name;
        const bool is_full = type ? equal_ignoring_case(*type, "FULL_OBJECT") : row->default_type == s3::ChecksumType::full_object;
        if (type && !is_full && !equal_ignoring_case(*type, "COMPOSITE")) co_return refused(Problem::invalid_checksum);
        if (is_full ? !row->may_be_full_object : !row->may_be_composite)
            co_return invalid_request("The " + std::string(is_full ? "FULL_OBJECT" : "COMPOSITE") + " checksum type cannot be used with the " +
                                      std::string(row->name) + " checksum algorithm.");
        upload.checksum_type = is_full ? "FULL_OBJECT" : "COMPOSITE";
    } else if (type) {
        co_return invalid_request("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.");
    }
    const auto algorithm = upload.checksum_algorithm, checksum_type = upload.checksum_type;
    auto made = co_await api.store.create_upload(std::move(upload));
    if (!made) co_return refused(made.error());
    xml::Writer out;
    out.open("InitiateMultipartUploadResult", "xmlns", xml_namespace);
    out.element("Bucket", call.address.bucket);
    out.element("Key", call.address.key);
    out.element("UploadId", *made);
    out.close();
    auto response = xml_response(out.finish());
    if (!algorithm.empty()) {
        response.headers.set("X-Amz-Checksum-Algorithm", algorithm);
        response.headers.set("X-Amz-Checksum-Type", checksum_type);
    }
    co_return response;
}

Task<Answer> upload_part(Api& api, Call& call) {
    const auto id = call.query("uploadId");
    const auto number = number_of(call.query("partNumber"));
    if (!number || *number < 1 || *number > store::part_number_max) co_return refused(Problem::part_number);
    if (call.header("x-amz-server-side-encryption-customer-algorithm") && !call.request.peer.is_tls) co_return refused(Problem::sse_customer_insecure);
    auto announced = announced_of(call, part_bytes_max);
    if (!announced) co_return std::unexpected(std::move(announced.error()));
    auto upload = co_await api.store.upload(call.address.bucket, call.address.key, id);
    if (!upload) co_return refused(upload.error());
    const auto* row = upload->checksum_algorithm.empty() ? nullptr : s3::checksum_by_name(upload->checksum_algorithm);
    // A checksum that was announced for the upload is the one its parts have.
    if (row && announced->algorithm && (!announced->checksum.empty() || announced->checksum_in_trailer) && *announced->algorithm != row->algorithm)
        co_return invalid_argument("Checksum Type mismatch occurred, expected checksum Type: " + std::string(row->name) +
                                   ", actual checksum Type: " + std::string(s3::row_of(*announced->algorithm).name));
    if (row) announced->algorithm = row->algorithm;
    auto body = api.store.body({announced->bytes});
    if (!body) co_return refused(body.error());
    auto received = co_await receive(api, call, std::move(*announced), *body, std::nullopt, part_bytes_max);
    if (!received) co_return std::unexpected(std::move(received.error()));
    api.counters().received += received->bytes;
    auto part = co_await api.store.put_part(call.address.bucket, call.address.key, id, static_cast<unsigned>(*number), std::move(*body),
                                            hal::hex(received->md5), std::move(received->checksums));
    if (!part) co_return refused(part.error());
    auto response = empty_response(200);
    response.headers.set("ETag", in_quotes(part->etag));
    show_checksums(part->checksums, "", response);
    co_return response;
}

namespace {

// The parts that the client named, as the store has them; InvalidPart when one is not there or differs.
Expected<std::vector<const store::Part*>> chosen_parts(const std::vector<store::Part>& stored, const std::vector<s3::CompletedPart>& named) {
    std::vector<const store::Part*> chosen;
    for (const auto& part : named) {
        const auto it = std::ranges::lower_bound(stored, part.number, {}, &store::Part::number);
        if (it == stored.end() || it->number != part.number || it->etag != unquoted(part.etag)) return refused(Problem::invalid_part);
        if (part.checksum_algorithm) {
            const auto& row = s3::row_of(*part.checksum_algorithm);
            for (const auto& [name, value] : it->checksums)
                if (name == row.name && value != part.checksum) return refused(Problem::invalid_part);
        }
        chosen.push_back(&*it);
    }
    return chosen;
}

// The checksum of the whole from its parts; "" when a part has none.
std::string whole_checksum(const s3::ChecksumRow& row, const std::string& type, const std::vector<const store::Part*>& parts) {
    std::vector<s3::PartDigest> digests;
    for (const auto* part : parts) {
        const auto it = std::ranges::find(part->checksums, row.name, &std::pair<std::string, std::string>::first);
        if (it == part->checksums.end()) return {};
        auto raw = s3::checksum_decoded(row.algorithm, it->second);
        if (!raw) return {};
        digests.push_back({std::move(*raw), part->bytes});
    }
    return type == "FULL_OBJECT" ? hal::base64(s3::full_object_digest(row.algorithm, digests)) : s3::composite_checksum(row.algorithm, digests);
}

// What the client says the whole object's checksum is, against what it is. A composite may come without its "-N".
bool checksum_holds(const Call& call, const s3::ChecksumRow& row, const std::string& value) {
    const auto* sent = call.header(row.header);
    return !sent || sent->empty() || *sent == value || *sent == value.substr(0, value.find('-'));
}

}  // namespace

Task<Answer> complete_upload(Api& api, Call& call) {
    auto text = co_await read_document(api, call);
    if (!text) co_return std::unexpected(std::move(text.error()));
    auto named = s3::completed_parts(std::move(*text));
    if (!named) co_return std::unexpected(std::move(named.error()));
    if (named->empty()) co_return refused(Problem::malformed_xml);
    store::CompleteRequest complete;
    complete.bucket = call.address.bucket;
    complete.key = call.address.key;
    complete.upload = call.query("uploadId");
    auto upload = co_await api.store.upload(complete.bucket, complete.key, complete.upload);
    if (!upload) co_return refused(upload.error());
    auto stored = co_await api.store.parts(complete.bucket, complete.key, complete.upload);
    if (!stored) co_return refused(stored.error());
    auto chosen = chosen_parts(*stored, *named);
    if (!chosen) co_return std::unexpected(std::move(chosen.error()));
    std::vector<s3::PartDigest> digests;
    std::uint64_t bytes = 0;
    for (const auto* part : *chosen) {
        digests.push_back({hal::hex_decoded(part->etag).value_or(""), part->bytes});
        bytes += part->bytes;
        complete.parts.push_back({part->number, part->etag});
    }
    complete.etag = s3::multipart_etag(digests);
    if (const auto* size = call.header("x-amz-mp-object-size"); size && number_of(*size) != bytes)
        co_return invalid_request("The provided 'x-amz-mp-object-size' header does not match what was computed.");
    if (!upload->checksum_algorithm.empty()) {
        const auto* row = s3::checksum_by_name(upload->checksum_algorithm);
        const auto value = whole_checksum(*row, upload->checksum_type, *chosen);
        if (!value.empty() && !checksum_holds(call, *row, value)) co_return refused(Problem::checksum_mismatch);
        if (!value.empty()) {
            complete.checksums.emplace_back(row->name, value);
            complete.checksum_type = upload->checksum_type;
        }
    }
    complete.conditions = write_conditions(call.request.headers);
    complete.dispatches = api.dispatches(call, complete.bucket, complete.key, s3::event::created_complete);
    auto made = co_await api.store.complete(std::move(complete));
    if (!made) co_return refused(made.error());

    xml::Writer out;
    out.open("CompleteMultipartUploadResult", "xmlns", xml_namespace);
    const auto* host = call.header("host");
    out.element("Location", std::string(call.request.peer.is_tls ? "https://" : "http://") + (host ? *host : "") + "/" + call.address.bucket + "/" +
                                s3::uri_encoded(call.address.key, true));
    out.element("Bucket", call.address.bucket);
    out.element("Key", call.address.key);
    out.element("ETag", in_quotes(made->etag));
    for (const auto& [name, value] : made->metadata.checksums)
        if (const auto* row = s3::checksum_by_name(name)) out.element(row->element, value);
    if (!made->metadata.checksums.empty()) out.element("ChecksumType", made->metadata.checksum_type);
    out.close();
    auto response = xml_response(out.finish());
    const auto* bucket = api.store.bucket(call.address.bucket);
    if (bucket && bucket->versioning != store::Versioning::never) response.headers.set("X-Amz-Version-Id", made->version);
    tell(api, call, s3::event::created_complete, call.address.bucket, *made);
    co_return response;
}

Task<Answer> abort_upload(Api& api, Call& call) {
    auto aborted = co_await api.store.abort(call.address.bucket, call.address.key, call.query("uploadId"));
    if (!aborted) co_return refused(aborted.error());
    co_return empty_response(204);
}

}  // namespace services::objects::api
