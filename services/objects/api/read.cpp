#include <algorithm>

#include "services/codec/s3/checksum.hpp"
#include "services/codec/s3/lifecycle.hpp"
#include "services/codec/xml/writer.hpp"
#include "services/objects/api/counters.hpp"
#include "services/objects/api/events.hpp"
#include "services/objects/api/fields.hpp"
#include "services/objects/api/handlers.hpp"

namespace services::objects::api {
namespace {

// Query parameters that replace headers of the answer (S3 GetObject).
constexpr std::pair<std::string_view, std::string_view> overrides[] = {
    {"response-content-type", "Content-Type"},         {"response-content-language", "Content-Language"}, {"response-expires", "Expires"},
    {"response-cache-control", "Cache-Control"},       {"response-content-disposition", "Content-Disposition"},
    {"response-content-encoding", "Content-Encoding"},
};
constexpr std::size_t attribute_parts_max = 1000;

// Parts of files go out as such; what is in memory as bytes.
class ObjectStream : public http::BodyReader {
public:
    ObjectStream(store::Reader reader, hal::async::Pool& pool) : reader_(std::move(reader)), pool_(pool) {}
    Task<std::optional<hal::net::FileRange>> read_file() override {
        if (!is_taken_) take(co_await reader_.next());
        if (!file_) co_return std::nullopt;
        is_taken_ = false;
        co_return hal::net::FileRange{file_->descriptor, file_->offset, file_->bytes, &pool_};
    }
    Task<std::string> read() override {
        if (!is_taken_) take(co_await reader_.next());
        is_taken_ = false;
        HAL_REQUIRE(!file_);  // the server asks read_file() first
        co_return std::move(bytes_);
    }

private:
    void take(std::optional<store::Reader::Piece> piece) {
        is_taken_ = true;
        file_.reset();
        bytes_.clear();
        if (!piece) return;
        if (const auto* file = std::get_if<store::FilePiece>(&*piece))
            file_ = *file;
        else
            bytes_ = std::get<std::string_view>(*piece);
    }

    store::Reader reader_;
    hal::async::Pool& pool_;
    bool is_taken_ = false;  // of the reader, and not yet given
    std::optional<store::FilePiece> file_;
    std::string bytes_;
};

// What of the object is asked for: by Range, by partNumber, or all of it.
struct Selection {
    Range range;
    bool is_partial = false;
    const store::Part* part = nullptr;  // null: not by part
    bool by_part = false;
};

Expected<Selection> selection_of(const Call& call, const store::Object& object) {
    Selection selection;
    selection.range = {0, object.bytes};
    const auto* range = call.header("range");
    if (const auto text = call.query("partNumber"); !text.empty()) {
        const auto number = number_of(text);
        if (!number || *number < 1 || *number > store::part_number_max) return refused(Problem::part_number);
        if (range) return invalid_request("Cannot specify both Range header and partNumber query parameter");
        selection.by_part = true;
        if (object.parts.empty()) {
            if (*number != 1) return refused(Problem::invalid_part_number);
            selection.is_partial = object.bytes > 0;
            return selection;
        }
        // Parts count from 1 here, whatever their numbers were when they were uploaded.
        if (*number > object.parts.size()) return refused(Problem::invalid_part_number);
        for (std::size_t i = 0; i + 1 < *number; ++i) selection.range.offset += object.parts[i].bytes;
        selection.part = &object.parts[*number - 1];
        selection.range.bytes = selection.part->bytes;
        selection.is_partial = true;
        return selection;
    }
    if (!range) return selection;
    auto found = range_of(*range, object.bytes);
    if (!found) return std::unexpected(std::move(found.error()));
    if (*found) {
        selection.range = **found;
        selection.is_partial = true;
    }
    return selection;
}

Answer head_of(const Call& call, const store::Object& object, Selection& selection) {
    if (call.header("x-amz-server-side-encryption-customer-algorithm") && !call.request.peer.is_tls) return refused(Problem::sse_customer_insecure);
    if (auto holds = check_read(call.request.headers, "", object.etag, object.modified); !holds) {
        if (holds.error().status != 304) return std::unexpected(std::move(holds.error()));
        auto unchanged = empty_response(304);
        unchanged.headers.set("ETag", in_quotes(object.etag));
        unchanged.headers.set("Last-Modified", http_date(object.modified));
        return unchanged;
    }
    auto selected = selection_of(call, object);
    if (!selected) return std::unexpected(std::move(selected.error()));
    selection = *selected;
    auto response = empty_response(selection.is_partial ? 206 : 200);
    show_version(object, response);
    response.headers.set("Content-Length", std::to_string(selection.range.bytes));
    if (selection.is_partial)
        response.headers.set("Content-Range", "bytes " + std::to_string(selection.range.offset) + "-" +
                                                  std::to_string(selection.range.offset + selection.range.bytes - 1) + "/" + std::to_string(object.bytes));
    if (selection.by_part && !object.parts.empty()) response.headers.set("X-Amz-Mp-Parts-Count", std::to_string(object.parts.size()));
    if (const auto* mode = call.header("x-amz-checksum-mode"); mode && equal_ignoring_case(*mode, "ENABLED")) {
        if (selection.part && !selection.part->checksums.empty())
            show_checksums(selection.part->checksums, object.metadata.checksum_type, response);
        else if (!call.header("range"))
            show_checksums(object.metadata.checksums, object.metadata.checksum_type, response);
    }
    for (const auto& [parameter, header] : overrides)
        if (const auto value = call.query(parameter); !value.empty()) response.headers.set(std::string(header), value);
    return response;
}

// The refusal of a read, which also says that a delete marker is the reason.
Task<Answer> missing(Api& api, Call& call, store::Refusal why) {
    if (why != store::Refusal::no_such_key && why != store::Refusal::is_delete_marker) co_return refused(why);
    const auto found = co_await api.store.stat(call.address.bucket, call.address.key, call.version());
    if (!found || !found->is_delete_marker) co_return refused(why);
    const Place place{call.address.bucket, call.address.key, call.request.path, api.region(), call.request_id, {}};
    auto response = error_response(refusal(why), place, call.request.method == "HEAD");
    response.headers.set("X-Amz-Delete-Marker", "true");
    response.headers.set("X-Amz-Version-Id", found->version);
    response.headers.set("Last-Modified", http_date(found->modified));
    co_return response;
}

}  // namespace

void show_checksums(const store::Fields& checksums, const std::string& type, http::Response& response) {
    for (const auto& [name, value] : checksums) {
        const auto* row = s3::checksum_by_name(name);
        if (row) response.headers.set(std::string(row->header), value);
    }
    if (!checksums.empty() && !type.empty()) response.headers.set("X-Amz-Checksum-Type", type);
}

void show_version(const store::Object& object, http::Response& response) {
    auto& headers = response.headers;
    headers.set("ETag", in_quotes(object.etag));
    headers.set("Last-Modified", http_date(object.modified));
    bool has_type = false;
    for (const auto& [name, value] : object.metadata.headers) {
        headers.set(name, value);
        has_type = has_type || name == "content-type";
    }
    if (!has_type) headers.set("Content-Type", "binary/octet-stream");
    for (const auto& [name, value] : object.metadata.user) headers.set("x-amz-meta-" + name, value);
    if (!object.metadata.tags.empty()) headers.set("X-Amz-Tagging-Count", std::to_string(object.metadata.tags.size()));
}

Task<Answer> get_object(Api& api, Call& call) {
    auto opened = co_await api.store.open_object(call.address.bucket, call.address.key, call.version());
    if (!opened) co_return co_await missing(api, call, opened.error());
    const auto& object = opened->object();
    if (object.is_delete_marker) co_return co_await missing(api, call, store::Refusal::is_delete_marker);
    Selection selection;
    auto response = head_of(call, object, selection);
    if (!response || response->status == 304) co_return response;
    const auto* bucket = api.store.bucket(call.address.bucket);
    if (bucket && bucket->versioning != store::Versioning::never) response->headers.set("X-Amz-Version-Id", object.version);
    s3::VersionFacts facts{.key = object.key, .bytes = object.bytes, .modified = object.modified, .tags = &object.metadata.tags, .is_latest = object.is_latest};
    if (const auto& lifecycle = api.rules(call.address.bucket).lifecycle; !lifecycle.empty())
        if (auto expires = s3::expiration_header(lifecycle, facts); !expires.empty()) response->headers.set("X-Amz-Expiration", expires);
    tell(api, call, s3::event::accessed_get, call.address.bucket, object);
    api.counters().sent += selection.range.bytes;
    if (selection.range.bytes == 0) co_return response;
    if (selection.is_partial) opened->select(selection.range.offset, selection.range.bytes);
    if (const auto bytes = opened->inline_bytes())
        response->body = *bytes;
    else
        response->stream = std::make_unique<ObjectStream>(std::move(*opened), api.pool);
    co_return response;
}

Task<Answer> head_object(Api& api, Call& call) {
    auto found = co_await api.store.stat(call.address.bucket, call.address.key, call.version());
    if (!found) co_return co_await missing(api, call, found.error());
    if (found->is_delete_marker) co_return co_await missing(api, call, call.version() ? store::Refusal::is_delete_marker : store::Refusal::no_such_key);
    Selection selection;
    auto response = head_of(call, *found, selection);
    if (!response) co_return response;
    const auto* bucket = api.store.bucket(call.address.bucket);
    if (bucket && bucket->versioning != store::Versioning::never) response->headers.set("X-Amz-Version-Id", found->version);
    s3::VersionFacts facts{.key = found->key, .bytes = found->bytes, .modified = found->modified, .tags = &found->metadata.tags, .is_latest = found->is_latest};
    if (const auto& lifecycle = api.rules(call.address.bucket).lifecycle; !lifecycle.empty())
        if (auto expires = s3::expiration_header(lifecycle, facts); !expires.empty()) response->headers.set("X-Amz-Expiration", expires);
    tell(api, call, s3::event::accessed_head, call.address.bucket, *found);
    co_return response;
}

Task<Answer> get_attributes(Api& api, Call& call) {
    std::vector<std::string> wanted;
    for (const auto& [name, value] : call.request.headers.all()) {
        if (!equal_ignoring_case(name, "x-amz-object-attributes")) continue;
        for (std::size_t at = 0; at <= value.size();) {
            const auto comma = std::min(value.find(',', at), value.size());
            if (const auto one = trimmed(std::string_view(value).substr(at, comma - at)); !one.empty()) wanted.emplace_back(one);
            at = comma + 1;
        }
    }
    const auto asks = [&](std::string_view name) { return std::ranges::find(wanted, name) != wanted.end(); };
    for (const auto& name : wanted)
        if (name != "ETag" && name != "Checksum" && name != "ObjectParts" && name != "StorageClass" && name != "ObjectSize")
            co_return s3::refuse("InvalidArgument", 400, "Invalid attribute name specified.");
    if (wanted.empty()) co_return s3::refuse("InvalidArgument", 400, "Missing x-amz-object-attributes header.");
    auto found = co_await api.store.stat(call.address.bucket, call.address.key, call.version());
    if (!found) co_return co_await missing(api, call, found.error());
    if (found->is_delete_marker) co_return co_await missing(api, call, call.version() ? store::Refusal::is_delete_marker : store::Refusal::no_such_key);
    const auto& object = *found;
    if (auto holds = check_read(call.request.headers, "", object.etag, object.modified); !holds) co_return std::unexpected(std::move(holds.error()));

    const auto write_checksums = [](services::codec::xml::Writer& out, const store::Fields& checksums) {
        for (const auto& [name, value] : checksums)
            if (const auto* row = s3::checksum_by_name(name)) out.element(row->element, value);
    };
    services::codec::xml::Writer out;
    out.open("GetObjectAttributesResponse", "xmlns", xml_namespace);
    if (asks("ETag")) out.element("ETag", object.etag);
    if (asks("Checksum") && !object.metadata.checksums.empty()) {
        out.open("Checksum");
        // Without the "-N" that a composite one has elsewhere (S3 GetObjectAttributes).
        for (const auto& [name, value] : object.metadata.checksums)
            if (const auto* row = s3::checksum_by_name(name)) out.element(row->element, value.substr(0, value.find('-')));
        out.element("ChecksumType", object.metadata.checksum_type);
        out.close();
    }
    if (asks("ObjectParts") && !object.parts.empty()) {
        const auto* marker_text = call.header("x-amz-part-number-marker");
        const auto* max_text = call.header("x-amz-max-parts");
        const auto marker = marker_text ? number_of(*marker_text) : 0;
        const auto parts_max = max_text ? number_of(*max_text) : attribute_parts_max;
        if (!marker || !parts_max) co_return refused(Problem::max_parts);
        const auto limit = std::min<std::uint64_t>(*parts_max, attribute_parts_max);
        std::vector<const store::Part*> shown;
        bool is_truncated = false;
        for (std::size_t i = *marker; i < object.parts.size(); ++i) {
            if (shown.size() == limit) {
                is_truncated = true;
                break;
            }
            shown.push_back(&object.parts[i]);
        }
        out.open("ObjectParts");
        out.element("PartsCount", static_cast<std::uint64_t>(object.parts.size()));
        out.element("PartNumberMarker", *marker);
        out.element("NextPartNumberMarker", *marker + shown.size());
        out.element("MaxParts", limit);
        out.element("IsTruncated", is_truncated);
        auto number = *marker;
        for (const auto* part : shown) {
            out.open("Part");
            out.element("PartNumber", ++number);
            out.element("Size", part->bytes);
            write_checksums(out, part->checksums);
            out.close();
        }
        out.close();
    }
    if (asks("StorageClass")) {
        std::string_view storage = "STANDARD";
        for (const auto& [name, value] : object.metadata.headers)
            if (name == "x-amz-storage-class") storage = value;
        out.element("StorageClass", storage);
    }
    if (asks("ObjectSize")) out.element("ObjectSize", object.bytes);
    out.close();
    auto response = xml_response(out.finish());
    response.headers.set("Last-Modified", http_date(object.modified));
    const auto* bucket = api.store.bucket(call.address.bucket);
    if (bucket && bucket->versioning != store::Versioning::never) response.headers.set("X-Amz-Version-Id", object.version);
    co_return response;
}

}  // namespace services::objects::api
