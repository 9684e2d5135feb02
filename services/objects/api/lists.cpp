#include <algorithm>

#include "hal/base/bytes.hpp"
#include "services/codec/s3/checksum.hpp"
#include "services/codec/s3/tagging.hpp"
#include "services/codec/xml/writer.hpp"
#include "services/objects/api/fields.hpp"
#include "services/objects/api/handlers.hpp"

namespace services::objects::api {
namespace {

namespace xml = services::codec::xml;

constexpr std::uint64_t list_max = 1000;

// What all listings share: how names are written, how many there may be.
struct Form {
    bool is_encoded = false;
    std::uint64_t keys_max = list_max;
    std::string prefix, delimiter;
    [[nodiscard]] std::string written(std::string_view name) const { return is_encoded ? list_encoded(name) : std::string(name); }
};

Expected<Form> form_of(const Call& call, std::string_view max_name, Problem bad_max) {
    Form form;
    form.prefix = call.query("prefix");
    form.delimiter = call.query("delimiter");
    if (const auto encoding = call.query("encoding-type"); !encoding.empty()) {
        if (!equal_ignoring_case(encoding, "url")) return invalid_argument("Invalid Encoding Method specified in Request");
        form.is_encoded = true;
    }
    if (const auto text = call.query(max_name); !text.empty()) {
        const auto number = number_of(text);
        if (!number || *number > 2147483647) return refused(bad_max);
        form.keys_max = std::min(*number, list_max);
    }
    if (!is_utf8(form.prefix) || form.prefix.size() > store::key_bytes_max) return refused(Problem::object_name);
    return form;
}

void write_owner(xml::Writer& out, std::string_view element = "Owner") {
    out.open(element);
    out.element("ID", owner_id);
    out.element("DisplayName", owner_name);
    out.close();
}

std::string_view storage_class(const store::Metadata& metadata) {
    for (const auto& [name, value] : metadata.headers)
        if (name == "x-amz-storage-class") return value;
    return "STANDARD";
}

// MinIO's extension `metadata=true`: what mc and its web page show beside the names.
void write_metadata(xml::Writer& out, const store::Object& object) {
    out.open("UserMetadata");
    for (const auto& [name, value] : object.metadata.headers) out.element(name, value);
    for (const auto& [name, value] : object.metadata.user) {
        // A user's name may be no XML name; those are left out, as clients could not read them.
        if (std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'; }))
            out.element("X-Amz-Meta-" + name, value);
    }
    out.close();
    if (!object.metadata.tags.empty()) out.element("UserTags", s3::tags_header(object.metadata.tags));
}

struct EntryForm {
    bool has_owner = true;
    bool has_metadata = false;
    bool is_version = false;
};

void write_entry(xml::Writer& out, const Form& form, const store::Object& object, EntryForm shown) {
    out.open(!shown.is_version ? "Contents" : object.is_delete_marker ? "DeleteMarker" : "Version");
    out.element("Key", form.written(object.key));
    out.element("LastModified", xml_date(object.modified));
    if (!object.is_delete_marker) {
        out.element("ETag", in_quotes(object.etag));
        out.element("Size", object.bytes);
        for (const auto& [name, value] : object.metadata.checksums) {
            out.element("ChecksumAlgorithm", name);
            out.element("ChecksumType", object.metadata.checksum_type);
        }
    }
    if (shown.has_owner) write_owner(out);
    if (!object.is_delete_marker) out.element("StorageClass", storage_class(object.metadata));
    if (shown.is_version) {
        out.element("IsLatest", object.is_latest);
        out.element("VersionId", object.version.empty() ? store::null_version : std::string_view(object.version));
    }
    if (shown.has_metadata && !object.is_delete_marker) write_metadata(out, object);
    out.close();
}

void write_prefixes(xml::Writer& out, const Form& form, const std::vector<std::string>& prefixes) {
    for (const auto& prefix : prefixes) {
        out.open("CommonPrefixes");
        out.element("Prefix", form.written(prefix));
        out.close();
    }
}

Task<store::Result<store::ListResult>> list(Api& api, const Call& call, const Form& form, std::string after, bool with_versions,
                                            std::string after_version, bool with_metadata) {
    // A page of nothing is asked for: nothing comes, and it is the last.
    if (form.keys_max == 0) co_return store::ListResult{};
    co_return co_await api.store.list({.bucket = call.address.bucket, .prefix = form.prefix, .delimiter = form.delimiter, .after = std::move(after),
                                       .after_version = std::move(after_version), .keys_max = form.keys_max, .with_versions = with_versions,
                                       .with_metadata = with_metadata});
}

bool asks_metadata(const Call& call) { return call.query("metadata") == "true"; }

}  // namespace

Task<Answer> list_v1(Api& api, Call& call) {
    auto form = form_of(call, "max-keys", Problem::max_keys);
    if (!form) co_return std::unexpected(std::move(form.error()));
    const auto marker = call.query("marker");
    auto page = co_await list(api, call, *form, marker, false, "", asks_metadata(call));
    if (!page) co_return refused(page.error());
    xml::Writer out;
    out.open("ListBucketResult", "xmlns", xml_namespace);
    out.element("Name", call.address.bucket);
    out.element("Prefix", form->written(form->prefix));
    out.element("Marker", form->written(marker));
    // S3 names it with a delimiter only; MinIO always, and clients that do not look take either.
    if (page->is_truncated) out.element("NextMarker", form->written(page->next));
    out.element("MaxKeys", form->keys_max);
    if (!form->delimiter.empty()) out.element("Delimiter", form->written(form->delimiter));
    if (form->is_encoded) out.element("EncodingType", "url");
    out.element("IsTruncated", page->is_truncated);
    for (const auto& object : page->objects) write_entry(out, *form, object, {.has_metadata = asks_metadata(call)});
    write_prefixes(out, *form, page->prefixes);
    out.close();
    co_return xml_response(out.finish());
}

Task<Answer> list_v2(Api& api, Call& call) {
    auto form = form_of(call, "max-keys", Problem::max_keys);
    if (!form) co_return std::unexpected(std::move(form.error()));
    const auto start_after = call.query("start-after");
    const auto token = call.query("continuation-token");
    if (call.has_query("continuation-token") && token.empty()) co_return invalid_argument("The continuation token provided is incorrect");
    auto after = start_after;
    if (!token.empty()) {
        auto decoded = hal::base64_decoded(token);
        if (!decoded) co_return invalid_argument("The continuation token provided is incorrect");
        after = std::move(*decoded);
    }
    auto page = co_await list(api, call, *form, after, false, "", asks_metadata(call));
    if (!page) co_return refused(page.error());
    xml::Writer out;
    out.open("ListBucketResult", "xmlns", xml_namespace);
    out.element("Name", call.address.bucket);
    out.element("Prefix", form->written(form->prefix));
    if (!start_after.empty()) out.element("StartAfter", form->written(start_after));
    if (!token.empty()) out.element("ContinuationToken", token);
    if (page->is_truncated) out.element("NextContinuationToken", hal::base64(page->next));
    out.element("KeyCount", static_cast<std::uint64_t>(page->objects.size() + page->prefixes.size()));
    out.element("MaxKeys", form->keys_max);
    if (!form->delimiter.empty()) out.element("Delimiter", form->written(form->delimiter));
    out.element("IsTruncated", page->is_truncated);
    const EntryForm shown{.has_owner = call.query("fetch-owner") == "true", .has_metadata = asks_metadata(call)};
    for (const auto& object : page->objects) write_entry(out, *form, object, shown);
    write_prefixes(out, *form, page->prefixes);
    if (form->is_encoded) out.element("EncodingType", "url");
    out.close();
    co_return xml_response(out.finish());
}

Task<Answer> list_versions(Api& api, Call& call) {
    auto form = form_of(call, "max-keys", Problem::max_keys);
    if (!form) co_return std::unexpected(std::move(form.error()));
    const auto key_marker = call.query("key-marker"), version_marker = call.query("version-id-marker");
    if (!version_marker.empty() && key_marker.empty())
        co_return invalid_argument("A version-id marker cannot be specified without a key marker.");
    auto page = co_await list(api, call, *form, key_marker, true, version_marker, asks_metadata(call));
    if (!page) co_return refused(page.error());
    xml::Writer out;
    out.open("ListVersionsResult", "xmlns", xml_namespace);
    out.element("Name", call.address.bucket);
    out.element("Prefix", form->written(form->prefix));
    out.element("KeyMarker", form->written(key_marker));
    if (!version_marker.empty()) out.element("VersionIdMarker", version_marker);
    if (page->is_truncated) {
        out.element("NextKeyMarker", form->written(page->next));
        if (!page->next_version.empty()) out.element("NextVersionIdMarker", page->next_version);
    }
    out.element("MaxKeys", form->keys_max);
    if (!form->delimiter.empty()) out.element("Delimiter", form->written(form->delimiter));
    out.element("IsTruncated", page->is_truncated);
    for (const auto& object : page->objects) write_entry(out, *form, object, {.has_metadata = asks_metadata(call), .is_version = true});
    write_prefixes(out, *form, page->prefixes);
    if (form->is_encoded) out.element("EncodingType", "url");
    out.close();
    co_return xml_response(out.finish());
}

Task<Answer> list_uploads(Api& api, Call& call) {
    auto form = form_of(call, "max-uploads", Problem::max_uploads);
    if (!form) co_return std::unexpected(std::move(form.error()));
    const auto key_marker = call.query("key-marker"), upload_marker = call.query("upload-id-marker");
    store::Result<store::UploadListResult> page = store::UploadListResult{};
    if (form->keys_max > 0)
        page = co_await api.store.uploads({call.address.bucket, form->prefix, form->delimiter, key_marker, upload_marker, form->keys_max});
    if (!page) co_return refused(page.error());
    xml::Writer out;
    out.open("ListMultipartUploadsResult", "xmlns", xml_namespace);
    out.element("Bucket", call.address.bucket);
    out.element("KeyMarker", form->written(key_marker));
    out.element("UploadIdMarker", upload_marker);
    out.element("NextKeyMarker", page->is_truncated ? form->written(page->next_key) : std::string());
    out.element("NextUploadIdMarker", page->is_truncated ? page->next_upload : std::string());
    if (!form->delimiter.empty()) out.element("Delimiter", form->written(form->delimiter));
    if (form->is_encoded) out.element("EncodingType", "url");
    out.element("MaxUploads", form->keys_max);
    out.element("IsTruncated", page->is_truncated);
    out.element("Prefix", form->written(form->prefix));
    for (const auto& upload : page->uploads) {
        out.open("Upload");
        out.element("Key", form->written(upload.key));
        out.element("UploadId", upload.id);
        write_owner(out, "Initiator");
        write_owner(out);
        out.element("StorageClass", storage_class(upload.metadata));
        out.element("Initiated", xml_date(upload.initiated));
        if (!upload.checksum_algorithm.empty()) {
            out.element("ChecksumAlgorithm", upload.checksum_algorithm);
            out.element("ChecksumType", upload.checksum_type);
        }
        out.close();
    }
    write_prefixes(out, *form, page->prefixes);
    out.close();
    co_return xml_response(out.finish());
}

Task<Answer> list_parts(Api& api, Call& call) {
    auto form = form_of(call, "max-parts", Problem::max_parts);
    if (!form) co_return std::unexpected(std::move(form.error()));
    const auto marker_text = call.query("part-number-marker");
    const auto marker = marker_text.empty() ? std::optional<std::uint64_t>(0) : number_of(marker_text);
    if (!marker) co_return invalid_argument("Argument part-number-marker must be an integer between 0 and 2147483647");
    const auto id = call.query("uploadId");
    auto upload = co_await api.store.upload(call.address.bucket, call.address.key, id);
    if (!upload) co_return refused(upload.error());
    auto found = co_await api.store.parts(call.address.bucket, call.address.key, id, static_cast<unsigned>(std::min<std::uint64_t>(*marker, store::part_number_max)),
                                          form->keys_max + 1);
    if (!found) co_return refused(found.error());
    auto& parts = *found;
    const bool is_truncated = parts.size() > form->keys_max;
    if (is_truncated) parts.resize(form->keys_max);
    xml::Writer out;
    out.open("ListPartsResult", "xmlns", xml_namespace);
    out.element("Bucket", call.address.bucket);
    out.element("Key", form->written(call.address.key));
    out.element("UploadId", id);
    write_owner(out, "Initiator");
    write_owner(out);
    out.element("StorageClass", storage_class(upload->metadata));
    out.element("PartNumberMarker", *marker);
    out.element("NextPartNumberMarker", is_truncated && !parts.empty() ? std::uint64_t{parts.back().number} : std::uint64_t{0});
    out.element("MaxParts", form->keys_max);
    out.element("IsTruncated", is_truncated);
    if (!upload->checksum_algorithm.empty()) {
        out.element("ChecksumAlgorithm", upload->checksum_algorithm);
        out.element("ChecksumType", upload->checksum_type);
    }
    for (const auto& part : parts) {
        out.open("Part");
        out.element("PartNumber", part.number);
        out.element("LastModified", xml_date(part.modified));
        out.element("ETag", in_quotes(part.etag));
        out.element("Size", part.bytes);
        for (const auto& [name, value] : part.checksums)
            if (const auto* row = s3::checksum_by_name(name)) out.element(row->element, value);
        out.close();
    }
    out.close();
    co_return xml_response(out.finish());
}

}  // namespace services::objects::api
