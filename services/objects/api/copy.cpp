#include <boost/asio/experimental/awaitable_operators.hpp>

#include <algorithm>

#include "hal/base/bytes.hpp"
#include "services/codec/xml/writer.hpp"
#include "services/objects/api/body.hpp"
#include "services/objects/api/events.hpp"
#include "services/objects/api/fields.hpp"
#include "services/objects/api/handlers.hpp"

namespace services::objects::api {
namespace {

struct Source {
    std::string bucket;
    std::string key;
    std::optional<std::string> version;
};

// "x-amz-copy-source: /bucket/key%20encoded?versionId=..."
Expected<Source> source_of(const Call& call) {
    std::string_view text = *call.header("x-amz-copy-source");
    Source source;
    if (const auto mark = text.rfind("?versionId="); mark != std::string_view::npos) {
        source.version = std::string(text.substr(mark + 11));
        text = text.substr(0, mark);
    }
    const auto decoded = s3::uri_decoded(text, false);
    if (!decoded) return refused(Problem::copy_source);
    auto address = address_of(*decoded);
    if (address.scope != Scope::object) return refused(Problem::copy_source);
    if (!is_bucket_name(address.bucket)) return refused(Problem::invalid_bucket_name);
    if (auto valid = check_key(address.key); !valid) return std::unexpected(std::move(valid.error()));
    source.bucket = std::move(address.bucket);
    source.key = std::move(address.key);
    return source;
}

Task<> hash_block(hal::async::Pool& pool, s3::HasherSet& hashers, std::string_view block) {
    co_await hal::async::offload(pool, [&hashers, block] { hashers.update(block); });
}

// Reads what `reader` has selected through `hashers`, into `body` too when it is given.
Task<> read_through(Api& api, store::Reader& reader, s3::HasherSet& hashers, store::Body* body) {
    using namespace boost::asio::experimental::awaitable_operators;
    while (const auto piece = co_await reader.next_bytes()) {
        if (body)
            co_await (hash_block(api.pool, hashers, *piece) && body->write(*piece));
        else
            co_await hash_block(api.pool, hashers, *piece);
    }
}

// The source, opened, allowed and with its conditions met.
Task<Expected<store::Reader>> open_source(Api& api, Call& call, Source source) {
    if (auto allowed = api.require(call, "s3:GetObject", source.bucket, source.key); !allowed) co_return std::unexpected(std::move(allowed.error()));
    if (call.header("x-amz-copy-source-server-side-encryption-customer-algorithm") && !call.request.peer.is_tls)
        co_return refused(Problem::sse_customer_insecure);
    auto opened = co_await api.store.open_object(source.bucket, source.key, source.version);
    if (!opened) co_return refused(opened.error());
    const auto& object = opened->object();
    if (object.is_delete_marker) co_return refused(source.version ? Problem::method_not_allowed : Problem::no_such_key);
    if (auto holds = check_read(call.request.headers, "x-amz-copy-source-", object.etag, object.modified); !holds)
        co_return std::unexpected(std::move(holds.error()));
    co_return std::move(*opened);
}

// COPY or REPLACE; nullopt for anything else.
std::optional<bool> replaces(const std::string* directive) {
    if (!directive || directive->empty() || *directive == "COPY") return false;
    if (*directive == "REPLACE") return true;
    return std::nullopt;
}

void show_source(const Api& api, const Source& source, const store::Object& object, http::Response& response) {
    const auto* bucket = api.store.bucket(source.bucket);
    if (bucket && bucket->versioning != store::Versioning::never) response.headers.set("X-Amz-Copy-Source-Version-Id", object.version);
}

// A copy is no multipart object: its ETag and checksum are those of the whole (S3 CopyObject). They are computed from the
// source's bytes where they differ from what it has, or another algorithm is asked for.
Task<Expected<void>> make_whole(Api& api, const Call& call, const Source& source, const store::Object& object, store::PutRequest& put) {
    const auto* asked = call.header("x-amz-checksum-algorithm");
    const auto& have = object.metadata.checksums;
    const auto name = asked && !asked->empty() ? *asked : have.empty() ? std::string(s3::row_of(s3::Checksum::crc64nvme).name) : have.front().first;
    const auto* row = s3::checksum_by_name(name);
    if (!row) co_return refused(Problem::invalid_checksum);
    const bool was_multipart = object.etag.contains('-');
    const bool has_it = object.metadata.checksum_type == "FULL_OBJECT" && !have.empty() && have.front().first == row->name;
    if (has_it && !was_multipart) co_return Expected<void>();
    auto again = co_await api.store.open_object(source.bucket, source.key, object.version);
    if (!again) co_return refused(again.error());
    s3::HasherSet hashers;
    hashers.add(row->algorithm);
    if (was_multipart && !hashers.has(s3::Checksum::md5)) hashers.add(s3::Checksum::md5);
    co_await read_through(api, *again, hashers, nullptr);
    if (was_multipart) put.etag = hal::hex(hashers.digest(s3::Checksum::md5));
    put.metadata.checksums = {{std::string(row->name), hal::base64(hashers.digest(row->algorithm))}};
    put.metadata.checksum_type = "FULL_OBJECT";
    co_return Expected<void>();
}

}  // namespace

Task<Answer> copy_object(Api& api, Call& call) {
    auto source = source_of(call);
    if (!source) co_return std::unexpected(std::move(source.error()));
    if (auto plain = check_encryption(call); !plain) co_return std::unexpected(std::move(plain.error()));
    const auto new_metadata = replaces(call.header("x-amz-metadata-directive"));
    if (!new_metadata) co_return refused(Problem::metadata_directive);
    const auto new_tags = replaces(call.header("x-amz-tagging-directive"));
    if (!new_tags) co_return refused(Problem::tagging_directive);
    if (call.header("x-amz-object-lock-mode") || call.header("x-amz-object-lock-legal-hold")) co_return refused(Problem::lock_not_enabled);
    if (!api.store.bucket(source->bucket)) co_return refused(Problem::no_such_bucket);
    auto opened = co_await open_source(api, call, *source);
    if (!opened) co_return std::unexpected(std::move(opened.error()));
    const store::Object object = opened->object();
    auto metadata = metadata_of(call.request.headers);
    if (!metadata) co_return std::unexpected(std::move(metadata.error()));

    const bool is_itself = source->bucket == call.address.bucket && source->key == call.address.key && !source->version;
    const bool changes_storage = std::ranges::any_of(metadata->headers, [](const auto& field) { return field.first == "x-amz-storage-class"; });
    if (is_itself && !*new_metadata && !*new_tags && !changes_storage) co_return refused(Problem::copy_dest);

    store::PutRequest put;
    put.bucket = call.address.bucket;
    put.key = call.address.key;
    put.etag = object.etag;
    put.conditions = write_conditions(call.request.headers);
    put.metadata = *new_metadata ? std::move(*metadata) : object.metadata;
    put.metadata.tags = *new_tags ? (*new_metadata ? put.metadata.tags : metadata->tags) : object.metadata.tags;
    put.metadata.checksums = object.metadata.checksums;
    put.metadata.checksum_type = object.metadata.checksum_type;
    if (!*new_metadata && changes_storage) {
        std::erase_if(put.metadata.headers, [](const auto& field) { return field.first == "x-amz-storage-class"; });
        for (auto& field : metadata->headers)
            if (field.first == "x-amz-storage-class") put.metadata.headers.push_back(field);
    }
    if (auto whole = co_await make_whole(api, call, *source, object, put); !whole) co_return std::unexpected(std::move(whole.error()));
    put.dispatches = api.dispatches(call, put.bucket, put.key, s3::event::created_copy);
    auto body = co_await api.store.body_of(*opened, {object.bytes});
    if (!body) co_return refused(body.error());
    auto stored = co_await api.store.put(std::move(put), std::move(*body));
    if (!stored) co_return refused(stored.error());

    services::codec::xml::Writer out;
    out.open("CopyObjectResult", "xmlns", xml_namespace);
    out.element("LastModified", xml_date(stored->modified));
    out.element("ETag", in_quotes(stored->etag));
    for (const auto& [name, value] : stored->metadata.checksums)
        if (const auto* row = s3::checksum_by_name(name)) out.element(row->element, value);
    if (!stored->metadata.checksums.empty()) out.element("ChecksumType", stored->metadata.checksum_type);
    out.close();
    auto response = xml_response(out.finish());
    const auto* bucket = api.store.bucket(call.address.bucket);
    if (bucket && bucket->versioning != store::Versioning::never) response.headers.set("X-Amz-Version-Id", stored->version);
    show_source(api, *source, object, response);
    tell(api, call, s3::event::created_copy, call.address.bucket, *stored);
    co_return response;
}

Task<Answer> upload_part_copy(Api& api, Call& call) {
    auto source = source_of(call);
    if (!source) co_return std::unexpected(std::move(source.error()));
    const auto number = number_of(call.query("partNumber"));
    if (!number || *number < 1 || *number > store::part_number_max) co_return refused(Problem::part_number);
    if (!api.store.bucket(source->bucket)) co_return refused(Problem::no_such_bucket);
    const auto id = call.query("uploadId");
    auto upload = co_await api.store.upload(call.address.bucket, call.address.key, id);
    if (!upload) co_return refused(upload.error());
    auto opened = co_await open_source(api, call, *source);
    if (!opened) co_return std::unexpected(std::move(opened.error()));
    const store::Object object = opened->object();
    const auto* range_text = call.header("x-amz-copy-source-range");
    auto range = copy_range_of(range_text ? *range_text : "", object.bytes);
    if (!range) co_return std::unexpected(std::move(range.error()));
    const auto bytes = *range ? (*range)->bytes : object.bytes;
    if (bytes > part_bytes_max) co_return refused(Problem::entity_too_large);
    if (*range) opened->select((*range)->offset, bytes);

    s3::HasherSet hashers;
    hashers.add(s3::Checksum::md5);
    const auto* row = upload->checksum_algorithm.empty() ? nullptr : s3::checksum_by_name(upload->checksum_algorithm);
    if (row) hashers.add(row->algorithm);
    auto body = api.store.body({bytes});
    if (!body) co_return refused(body.error());
    co_await read_through(api, *opened, hashers, &*body);
    store::Fields checksums;
    if (row) checksums.emplace_back(row->name, hal::base64(hashers.digest(row->algorithm)));
    auto part = co_await api.store.put_part(call.address.bucket, call.address.key, id, static_cast<unsigned>(*number), std::move(*body),
                                            hal::hex(hashers.digest(s3::Checksum::md5)), std::move(checksums));
    if (!part) co_return refused(part.error());
    services::codec::xml::Writer out;
    out.open("CopyPartResult", "xmlns", xml_namespace);
    out.element("LastModified", xml_date(part->modified));
    out.element("ETag", in_quotes(part->etag));
    for (const auto& [name, value] : part->checksums)
        if (const auto* known = s3::checksum_by_name(name)) out.element(known->element, value);
    out.close();
    auto response = xml_response(out.finish());
    show_source(api, *source, object, response);
    co_return response;
}

}  // namespace services::objects::api
