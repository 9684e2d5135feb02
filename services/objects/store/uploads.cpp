// Multipart uploads. Their state is read from the index; an upload's changes are made one after the other.
#include "hal/base/bytes.hpp"
#include "services/objects/store/state.hpp"

namespace services::objects::store {

namespace {

Upload upload_of(const std::string& bucket, UploadRecord record) {
    return {.id = hal::hex(record.id), .bucket = bucket, .key = std::move(record.key),
            .initiated = hal::WallTime(std::chrono::microseconds(record.initiated)), .metadata = std::move(record.metadata),
            .checksum_algorithm = std::move(record.checksum_algorithm), .checksum_type = std::move(record.checksum_type)};
}

std::string upload_lock(std::string_view id) { return "upload:" + std::string(id); }

}  // namespace

Task<Result<UploadRecord>> Store::State::find_upload(std::uint64_t bucket, std::string key, std::string id) {
    const auto raw = hal::hex_decoded(id);
    if (!raw || raw->size() != 16) co_return std::unexpected(Refusal::no_such_upload);
    co_await flush();
    auto row = co_await hal::async::offload(reader_pool, [this, &raw] { return reader->upload(*raw); });
    if (!row || row->record.bucket != bucket || row->record.key != key) co_return std::unexpected(Refusal::no_such_upload);
    co_return std::move(row->record);
}

Task<Result<std::string>> Store::create_upload(UploadRequest request) {
    auto& s = *state_;
    if (request.key.empty() || request.key.size() > key_bytes_max) throw hal::Error(hal::Code::invalid, "a key has 1 to 1024 bytes");
    auto bucket = co_await s.enter(request.bucket);
    if (!bucket) co_return std::unexpected(Refusal::no_such_bucket);
    if (s.is_full()) co_return std::unexpected(Refusal::storage_full);
    if (s.uploads_open >= s.options.uploads_max) co_return std::unexpected(Refusal::too_many_uploads);
    UploadRecord record;
    record.sequence = ++s.sequence;
    for (int i = 0; i < 8; ++i) record.id.push_back(static_cast<char>(record.sequence >> (56 - 8 * i)));
    record.id += hal::random_bytes(8);
    record.bucket = bucket->bucket.id;
    record.key = std::move(request.key);
    record.initiated = s.now();
    record.metadata = std::move(request.metadata);
    record.checksum_algorithm = std::move(request.checksum_algorithm);
    record.checksum_type = std::move(request.checksum_type);
    auto id = hal::hex(record.id);
    auto entry = co_await s.append(std::move(record), {}, {{}, std::move(bucket), 0});
    co_await s.committed(entry);
    co_return id;
}

Task<Result<Upload>> Store::upload(std::string bucket, std::string key, std::string id) {
    auto& s = *state_;
    const auto found = s.buckets.find(bucket);
    if (found == s.buckets.end()) co_return std::unexpected(Refusal::no_such_bucket);
    auto record = co_await s.find_upload(found->second->bucket.id, std::move(key), std::move(id));
    if (!record) co_return std::unexpected(record.error());
    co_return upload_of(bucket, std::move(*record));
}

Task<Result<Part>> Store::put_part(std::string bucket_name, std::string key, std::string id, unsigned number, Body body, std::string etag,
                                   Fields checksums) {
    auto& s = *state_;
    if (number < 1 || number > part_number_max) throw hal::Error(hal::Code::invalid, "a part's number is 1 to 10000, not " + std::to_string(number));
    auto bucket = co_await s.enter(bucket_name);
    if (!bucket) co_return std::unexpected(Refusal::no_such_bucket);
    if (s.is_full()) co_return std::unexpected(Refusal::storage_full);
    auto& b = *body.state_;
    b.needs_file = true;
    co_await b.finish();
    const auto raw = hal::hex_decoded(id);
    auto lock = co_await s.locks.take(upload_lock(raw.value_or("")));
    const auto upload = co_await s.find_upload(bucket->bucket.id, std::move(key), std::move(id));
    if (!upload) co_return std::unexpected(upload.error());
    PartRecord record{.sequence = ++s.sequence, .upload = *raw, .part = {}};
    // A copied range of an object of many parts comes as one file; a whole one may come as several.
    const auto stored = b.parts(s.now());
    if (stored.size() != 1) throw hal::Error(hal::Code::internal, "a part is one file");
    record.part = stored.front();
    record.part.part = {.number = number, .bytes = b.bytes, .etag = std::move(etag), .modified = hal::WallTime(std::chrono::microseconds(s.now())),
                        .checksums = std::move(checksums)};
    auto part = record.part.part;
    auto entry = co_await s.append(std::move(record), {}, {std::move(lock), std::move(bucket), 0});
    b.is_stored = true;
    co_await s.committed(entry);
    co_return part;
}

Task<Result<std::vector<Part>>> Store::parts(std::string bucket, std::string key, std::string id, unsigned after, std::size_t parts_max) {
    auto& s = *state_;
    const auto found = s.buckets.find(bucket);
    if (found == s.buckets.end()) co_return std::unexpected(Refusal::no_such_bucket);
    const auto upload = co_await s.find_upload(found->second->bucket.id, std::move(key), std::move(id));
    if (!upload) co_return std::unexpected(upload.error());
    const auto stored = co_await hal::async::offload(
        s.reader_pool, [&s, &upload, after, parts_max] { return s.reader->parts(upload->id, after, parts_max); });
    std::vector<Part> found_parts;
    found_parts.reserve(stored.size());
    for (const auto& part : stored) found_parts.push_back(part.part);
    co_return found_parts;
}

namespace {

// The stored parts that a completion names, in its order.
Result<std::vector<StoredPart>> chosen(const CompleteRequest& request, std::vector<StoredPart> stored) {
    std::map<unsigned, StoredPart*> by_number;
    for (auto& part : stored) by_number[part.part.number] = &part;
    std::vector<StoredPart> parts;
    for (std::size_t i = 0; i < request.parts.size(); ++i) {
        const auto& named = request.parts[i];
        if (i > 0 && named.number <= request.parts[i - 1].number) return std::unexpected(Refusal::invalid_part_order);
        const auto found = by_number.find(named.number);
        if (found == by_number.end() || found->second->part.etag != named.etag) return std::unexpected(Refusal::invalid_part);
        if (i + 1 < request.parts.size() && found->second->part.bytes < request.part_bytes_min) return std::unexpected(Refusal::entity_too_small);
        parts.push_back(*found->second);
    }
    if (parts.empty()) return std::unexpected(Refusal::invalid_part);
    return parts;
}

}  // namespace

Task<Result<Object>> Store::complete(CompleteRequest request) {
    auto& s = *state_;
    auto bucket = co_await s.enter(request.bucket);
    if (!bucket) co_return std::unexpected(Refusal::no_such_bucket);
    auto upload_held = co_await s.locks.take(upload_lock(hal::hex_decoded(request.upload).value_or("")));
    auto upload = co_await s.find_upload(bucket->bucket.id, request.key, request.upload);
    if (!upload) co_return std::unexpected(upload.error());
    auto stored = co_await hal::async::offload(s.reader_pool, [&s, &upload] { return s.reader->parts(upload->id, 0, part_number_max); });
    auto parts = chosen(request, std::move(stored));
    if (!parts) co_return std::unexpected(parts.error());
    std::uint64_t bytes = 0;
    for (const auto& part : *parts) bytes += part.part.bytes;
    if (bytes > s.options.object_bytes_max) co_return std::unexpected(Refusal::entity_too_large);
    if (const auto quota = bucket->bucket.quota_bytes; quota && bucket->bucket.statistics.bytes + bytes > quota)
        co_return std::unexpected(Refusal::quota_exceeded);
    auto lock = co_await s.locks.take(lock_name(bucket->bucket.id, request.key));
    if (const auto refusal = co_await s.check(bucket->bucket.id, request.key, request.conditions)) co_return std::unexpected(*refusal);
    auto record = s.new_record(*bucket, std::move(request.key));
    record.bytes = bytes;
    record.flags = flag::multipart;
    record.etag = std::move(request.etag);
    record.metadata = std::move(upload->metadata);
    record.metadata.checksums = std::move(request.checksums);
    record.metadata.checksum_type = std::move(request.checksum_type);
    record.parts = std::move(*parts);
    record.upload = std::move(upload->id);
    record.dispatches = std::move(request.dispatches);
    co_return co_await s.put_record(std::move(record), {}, {std::move(lock), std::move(bucket), static_cast<std::int64_t>(bytes)});
}

Task<Result<void>> Store::abort(std::string bucket_name, std::string key, std::string id) {
    auto& s = *state_;
    auto bucket = co_await s.enter(bucket_name);
    if (!bucket) co_return std::unexpected(Refusal::no_such_bucket);
    auto lock = co_await s.locks.take(upload_lock(hal::hex_decoded(id).value_or("")));
    const auto upload = co_await s.find_upload(bucket->bucket.id, std::move(key), std::move(id));
    if (!upload) co_return std::unexpected(upload.error());
    auto entry = co_await s.append(UploadEndRecord{++s.sequence, upload->id}, {}, {std::move(lock), std::move(bucket), 0});
    co_await s.committed(entry);
    co_return Result<void>();
}

Task<Result<UploadListResult>> Store::uploads(UploadListRequest request) {
    auto& s = *state_;
    const auto found = s.buckets.find(request.bucket);
    if (found == s.buckets.end()) co_return std::unexpected(Refusal::no_such_bucket);
    const auto id = found->second->bucket.id;
    request.after_upload = hal::hex_decoded(request.after_upload).value_or("");
    co_await s.flush();
    auto page = co_await hal::async::offload(s.reader_pool, [&s, id, &request] { return s.reader->uploads(id, request); });
    UploadListResult result{.uploads = {}, .prefixes = std::move(page.prefixes), .is_truncated = page.is_truncated,
                            .next_key = std::move(page.next_key), .next_upload = hal::hex(page.next_upload)};
    for (auto& record : page.uploads) result.uploads.push_back(upload_of(request.bucket, std::move(record)));
    co_return result;
}

}  // namespace services::objects::store
