#include "services/objects/replication/transfer.hpp"

#include <algorithm>
#include <charconv>

#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"
#include "services/codec/xml/reader.hpp"
#include "services/codec/xml/writer.hpp"

namespace services::objects::replication {

namespace s3 = codec::s3;
namespace xml = codec::xml;

namespace {

constexpr std::uint64_t part_bytes_kept_max = 64 * 1024 * 1024;  // larger parts of the object itself are cut anew

struct Part {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::string md5;     // raw
    std::string sha256;  // hex
};

// Where the parts of an object are cut. One: it goes whole.
std::vector<Part> cut(const store::Object& object) {
    std::vector<Part> parts;
    const auto add = [&](std::uint64_t bytes) {
        const auto offset = parts.empty() ? 0 : parts.back().offset + parts.back().bytes;
        parts.push_back({offset, bytes, {}, {}});
    };
    const auto may_stay = [&](const store::Part& part) {
        return part.bytes <= part_bytes_kept_max && (part.bytes >= part_bytes_min || &part == &object.parts.back());
    };
    if (object.parts.size() > 1 && std::ranges::all_of(object.parts, may_stay)) {
        // The same parts have the same ETag there.
        for (const auto& part : object.parts) add(part.bytes);
    } else if (object.bytes <= part_bytes_usual) {
        add(object.bytes);
    } else {
        const auto size = std::max(part_bytes_usual, (object.bytes + store::part_number_max - 1) / store::part_number_max);
        for (std::uint64_t left = object.bytes; left > 0; left -= std::min(size, left)) add(std::min(size, left));
    }
    return parts;
}

class Bytes : public http::BodyReader {
public:
    explicit Bytes(store::Reader reader) : reader_(std::move(reader)) {}
    Task<std::string> read() override {
        const auto piece = co_await reader_.next_bytes();
        co_return piece ? std::string(*piece) : std::string();
    }

private:
    store::Reader reader_;
};

class Text : public http::BodyReader {
public:
    explicit Text(std::string text) : text_(std::move(text)) {}
    Task<std::string> read() override { co_return std::exchange(text_, {}); }

private:
    std::string text_;
};

std::string_view unquoted(std::string_view etag) {
    if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') etag = etag.substr(1, etag.size() - 2);
    return etag;
}

template <class Number>
std::optional<Number> number_of(std::string_view text) {
    Number number{};
    const auto end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || at != end) return std::nullopt;
    return number;
}

http::Headers headers_of(const store::Metadata& metadata) {
    http::Headers headers;
    for (const auto& [name, value] : metadata.headers) headers.set(name, value);
    for (const auto& [name, value] : metadata.user) headers.set("x-amz-meta-" + name, value);
    std::string tags;
    for (const auto& [name, value] : metadata.tags)
        tags += (tags.empty() ? "" : "&") + s3::uri_encoded(name, false) + "=" + s3::uri_encoded(value, false);
    if (!tags.empty()) headers.set("x-amz-tagging", tags);
    return headers;
}

}  // namespace

struct Transfer::Parts {
    std::vector<Part> all;
    std::string etag;  // that the object has there when all of it has arrived
};

std::string Transfer::target_of(const store::OutboxEntry& entry) const {
    return "/" + settings_.bucket_there(entry.bucket) + "/" + s3::uri_encoded(settings_.key_there(entry.bucket, entry.key), true);
}

Task<Answer> Transfer::bring(store::OutboxEntry entry, bool may_be_there) {
    std::optional<std::string> version;
    if (settings_.versions == Versions::all) version = entry.version;
    for (bool has_made_bucket = false;;) {
        Answer answer;
        auto object = co_await store_.stat(entry.bucket, entry.key, version);
        const bool is_gone = !object || object->is_delete_marker;
        if (object && settings_.versions == Versions::latest && object->sequence > entry.sequence) co_return Answer{};  // its own turn comes
        if (is_gone || (entry.is_removal && version)) {
            // With all versions, one that was removed before its turn is never sent; a removal counts when nothing is left.
            const bool counts = entry.is_removal || (object && object->is_delete_marker) || !version;
            const bool is_left = version && entry.is_removal && (co_await store_.stat(entry.bucket, entry.key)).has_value();
            if (!counts || is_left || settings_.deletes == Deletes::keep) co_return Answer{};
            answer = co_await bring_removal(entry);
        } else if (object->is_evicted) {
            co_return Answer{};  // its bytes are upstream alone
        } else {
            auto reader = co_await store_.open_object(entry.bucket, entry.key, object->version);
            if (!reader) continue;  // it changed this moment
            answer = co_await bring_object(entry, std::move(*reader), may_be_there || entry.is_removal);
        }
        if (answer.meaning != Meaning::no_bucket || has_made_bucket) co_return answer;
        if (is_gone) co_return Answer{};
        answer = co_await make_bucket(settings_.bucket_there(entry.bucket));
        if (answer.meaning != Meaning::taken) co_return answer;
        has_made_bucket = true;
    }
}

Task<Answer> Transfer::make_bucket(const std::string& bucket) {
    auto said = co_await ask("PUT", "/" + bucket);
    if (said.body.contains("BucketAlreadyOwnedByYou")) co_return Answer{};
    co_return std::move(said.answer);
}

Task<Answer> Transfer::bring_removal(const store::OutboxEntry& entry) {
    auto said = co_await ask("DELETE", target_of(entry));
    if (said.answer.meaning == Meaning::absent || said.answer.meaning == Meaning::no_bucket) co_return Answer{};
    co_return std::move(said.answer);
}

Task<Answer> Transfer::bring_object(const store::OutboxEntry& entry, store::Reader reader, bool may_be_there) {
    const auto parts = co_await hash(reader);
    if (may_be_there && co_await is_there(entry, reader.object(), parts)) co_return Answer{};
    if (parts.all.size() == 1 && reader.object().bytes <= part_bytes_usual) co_return co_await bring_whole(entry, reader, parts);
    co_return co_await bring_parts(entry, reader, parts);
}

Task<Transfer::Parts> Transfer::hash(store::Reader& reader) {
    Parts parts{cut(reader.object()), {}};
    std::vector<s3::PartDigest> digests;
    reader.select(0, reader.object().bytes);
    std::string_view piece;
    for (auto& part : parts.all) {
        s3::HasherSet hashers;
        hashers.add(s3::Checksum::md5);
        hashers.add(s3::Checksum::sha256);
        for (auto left = part.bytes; left > 0;) {
            if (piece.empty()) {
                const auto next = co_await reader.next_bytes();
                if (!next) throw hal::Error(hal::Code::corrupt, "object " + reader.object().key + " ends before its size");
                piece = *next;
            }
            const auto now = piece.substr(0, left);
            hashers.update(now);
            piece.remove_prefix(now.size());
            left -= now.size();
        }
        part.md5 = hashers.digest(s3::Checksum::md5);
        part.sha256 = hal::hex(hashers.digest(s3::Checksum::sha256));
        digests.push_back({part.md5, part.bytes});
    }
    const bool is_whole = parts.all.size() == 1 && reader.object().bytes <= part_bytes_usual;
    parts.etag = is_whole ? hal::hex(parts.all.front().md5) : s3::multipart_etag(digests);
    co_return parts;
}

Task<bool> Transfer::is_there(const store::OutboxEntry& entry, const store::Object& object, const Parts& parts) {
    const auto said = co_await ask("HEAD", target_of(entry));
    co_return said.answer.meaning == Meaning::taken && unquoted(said.headers.get("ETag")) == parts.etag &&
        number_of<std::uint64_t>(said.headers.get("Content-Length")) == object.bytes;
}

Task<Answer> Transfer::bring_whole(const store::OutboxEntry& entry, store::Reader& reader, const Parts& parts) {
    const auto& object = reader.object();
    auto headers = headers_of(object.metadata);
    headers.set("Content-MD5", hal::base64(parts.all.front().md5));
    if (object.metadata.checksum_type == "FULL_OBJECT")
        for (const auto& [algorithm, value] : object.metadata.checksums)
            if (const auto* row = s3::checksum_by_name(algorithm)) headers.set(std::string(row->header), value);
    const auto bytes = object.bytes;
    auto again = co_await store_.open_object(entry.bucket, entry.key, object.version);
    if (!again) co_return Answer{};  // removed meanwhile: its removal has its own turn
    auto said = co_await ask("PUT", target_of(entry), std::move(headers), parts.all.front().sha256, std::make_unique<Bytes>(std::move(*again)), bytes);
    if (said.answer.meaning == Meaning::taken) sent_bytes_ += bytes;
    co_return std::move(said.answer);
}

// The upload of this key that was begun last, "" when there is none.
Task<std::string> Transfer::find_upload(const store::OutboxEntry& entry) {
    const auto key = settings_.key_there(entry.bucket, entry.key);
    const auto said = co_await ask("GET", "/" + settings_.bucket_there(entry.bucket) + "?max-uploads=1000&prefix=" + s3::uri_encoded(key, false) + "&uploads=");
    std::string found, begun;
    const auto document = xml::Document::parse(said.body);
    if (said.answer.meaning != Meaning::taken || !document) co_return found;
    for (auto element = document->root().first(); element; element = element.next()) {
        if (element.name() != "Upload" || element.child_text("Key") != key || element.child_text("Initiated") < begun) continue;
        begun = element.child_text("Initiated");
        found = element.child_text("UploadId");
    }
    co_return found;
}

Task<Answer> Transfer::bring_parts(const store::OutboxEntry& entry, store::Reader& reader, const Parts& parts) {
    const auto& object = reader.object();
    const auto target = target_of(entry);
    std::map<unsigned, std::pair<std::string, std::uint64_t>> there;  // number -> ETag, bytes
    auto upload = co_await find_upload(entry);
    for (std::string marker; !upload.empty();) {
        auto said = co_await ask("GET", target + "?max-parts=1000" + (marker.empty() ? "" : "&part-number-marker=" + marker) +
                                            "&uploadId=" + s3::uri_encoded(upload, false));
        const auto document = xml::Document::parse(said.body);
        if (said.answer.meaning != Meaning::taken || !document) {
            upload.clear();
            there.clear();
            break;
        }
        for (auto element = document->root().first(); element; element = element.next())
            if (element.name() == "Part")
                there[number_of<unsigned>(element.child_text("PartNumber")).value_or(0)] = {
                    std::string(unquoted(element.child_text("ETag"))), number_of<std::uint64_t>(element.child_text("Size")).value_or(0)};
        if (document->root().child_text("IsTruncated") != "true") break;
        auto next = std::string(document->root().child_text("NextPartNumberMarker"));
        if (next.empty() || next == marker) break;
        marker = std::move(next);
    }
    if (upload.empty()) {
        auto said = co_await ask("POST", target + "?uploads=", headers_of(object.metadata), std::string(s3::empty_sha256));
        if (said.answer.meaning != Meaning::taken) co_return std::move(said.answer);
        if (const auto document = xml::Document::parse(said.body)) upload = document->root().child_text("UploadId");
        if (upload.empty()) co_return Answer{Meaning::not_now, "the answer to CreateMultipartUpload names no upload"};
    }
    const auto in_upload = "uploadId=" + s3::uri_encoded(upload, false);
    xml::Writer list;
    list.open("CompleteMultipartUpload");
    for (unsigned number = 1; number <= parts.all.size(); ++number) {
        const auto& part = parts.all[number - 1];
        const auto etag = hal::hex(part.md5);
        const auto have = there.find(number);
        auto etag_there = have == there.end() ? std::string() : have->second.first;
        if (etag_there != etag || have->second.second != part.bytes) {
            auto again = co_await store_.open_object(entry.bucket, entry.key, object.version);
            if (!again) co_return Answer{};
            again->select(part.offset, part.bytes);
            http::Headers headers;
            headers.set("Content-MD5", hal::base64(part.md5));
            auto said = co_await ask("PUT", target + "?partNumber=" + std::to_string(number) + "&" + in_upload, std::move(headers), part.sha256,
                                     std::make_unique<Bytes>(std::move(*again)), part.bytes);
            if (said.answer.meaning != Meaning::taken) co_return std::move(said.answer);
            sent_bytes_ += part.bytes;
            etag_there = unquoted(said.headers.get("ETag"));
        }
        list.open("Part");
        list.element("PartNumber", number);
        list.element("ETag", "\"" + etag_there + "\"");
        list.close();
    }
    list.close();
    auto said = co_await ask("POST", target + "?" + in_upload, list.finish());
    if (said.answer.meaning != Meaning::taken) co_return std::move(said.answer);
    const auto document = xml::Document::parse(said.body);
    const std::string etag(document ? unquoted(document->root().child_text("ETag")) : "");
    // Another form of ETag (SSE-KMS) says nothing; each part's MD5 was verified there.
    const bool says_something = etag.ends_with("-" + std::to_string(parts.all.size()));
    if (says_something && etag != parts.etag) co_return Answer{Meaning::refused, "the object there has ETag " + etag + " but " + parts.etag + " was sent"};
    co_return Answer{};
}

Task<Transfer::Said> Transfer::ask(std::string method, std::string target, std::string body) {
    const auto sha256 = body.empty() ? std::string(s3::empty_sha256) : hal::hex(s3::digest_of(s3::Checksum::sha256, body));
    const auto bytes = body.size();
    std::unique_ptr<http::BodyReader> reader;
    if (!body.empty()) reader = std::make_unique<Text>(std::move(body));
    co_return co_await ask(std::move(method), std::move(target), {}, sha256, std::move(reader), bytes);
}

Task<Transfer::Said> Transfer::ask(std::string method, std::string target, http::Headers headers, std::string sha256,
                                   std::unique_ptr<http::BodyReader> body, std::uint64_t body_bytes) {
    s3::Fields fields = headers.all();
    fields.emplace_back("host", settings_.host);
    s3::sign(fields, method, target, sha256, settings_.credentials, clock_.wall(), keys_);
    http::Request request;
    request.method = std::move(method);
    request.target = std::move(target);
    for (auto& [name, value] : fields) request.headers.add(std::move(name), std::move(value));
    request.stream = std::move(body);
    auto response = co_await line_.send(std::move(request), body_bytes);
    if (response.stream) response.body = co_await response.stream->read_all(answer_bytes_max);
    co_return Said{answer_of(response.status, response.body), std::move(response.headers), std::move(response.body)};
}

}  // namespace services::objects::replication
