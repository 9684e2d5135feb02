// Objects: put, remove, tags, listings.
#include "hal/base/bytes.hpp"
#include "services/objects/store/state.hpp"

namespace services::objects::store {

namespace {

VersionKey new_version() {
    auto bytes = hal::random_bytes(16);  // RFC 9562 version 4
    bytes[6] = static_cast<char>((bytes[6] & 0x0f) | 0x40);
    bytes[8] = static_cast<char>((bytes[8] & 0x3f) | 0x80);
    return bytes;
}

void check_key(const std::string& key) {
    if (key.empty() || key.size() > key_bytes_max)
        throw hal::Error(hal::Code::invalid, "a key has 1 to " + std::to_string(key_bytes_max) + " bytes, this one has " + std::to_string(key.size()));
}

void check_metadata(const Metadata& metadata) {
    std::size_t bytes = 0;
    for (const auto* fields : {&metadata.headers, &metadata.user, &metadata.tags, &metadata.checksums})
        for (const auto& [name, value] : *fields) bytes += name.size() + value.size();
    if (bytes > metadata_bytes_max)
        throw hal::Error(hal::Code::too_large, "an object's metadata has " + std::to_string(bytes) + " bytes, at most " + std::to_string(metadata_bytes_max));
}

// Whether `conditions` hold for the latest version, a delete marker being none.
std::optional<Refusal> refusal_of(const Conditions& conditions, const std::optional<Row>& row) {
    const bool is_there = row && !row->is_delete_marker();
    if (conditions.if_none_match_any && is_there) return Refusal::precondition_failed;
    if (conditions.if_none_match && is_there && row->etag == *conditions.if_none_match) return Refusal::precondition_failed;
    if (conditions.if_match) {
        if (!is_there) return Refusal::no_such_key;
        if (*conditions.if_match != "*" && row->etag != *conditions.if_match) return Refusal::precondition_failed;
    }
    return std::nullopt;
}

}  // namespace

// What a new version of a key becomes in this bucket.
PutRecord Store::State::new_record(const BucketState& bucket, std::string key) {
    PutRecord record;
    record.sequence = record.order = ++sequence;
    record.bucket = bucket.bucket.id;
    record.key = std::move(key);
    if (bucket.bucket.versioning == Versioning::enabled && !bucket.versioning.excludes(record.key)) record.version = new_version();
    record.modified = now();
    return record;
}

Task<std::optional<Refusal>> Store::State::check(std::uint64_t bucket, std::string key, Conditions conditions) {
    if (!conditions.any()) co_return std::nullopt;
    const auto row = co_await find(bucket, std::move(key), std::nullopt);
    co_return refusal_of(conditions, row);
}

Task<Result<Object>> Store::State::put_record(PutRecord record, std::string data, Holding holding, Body::State* body) {
    auto object = object_of(record, true);
    const bool is_told = !record.dispatches.empty();
    record.data = data;
    auto entry = co_await append(std::move(record), std::move(data), std::move(holding));
    if (body) body->is_stored = true;  // the record may be there from here on, whatever becomes of this call
    co_await committed(entry);
    if (is_told) {
        outbox_added.set();
        outbox_added.clear();
    }
    co_return object;
}

Task<Result<Object>> Store::put(PutRequest request, Body body) {
    auto& s = *state_;
    check_key(request.key);
    check_metadata(request.metadata);
    std::optional<VersionKey> version;
    if (request.version && !(version = version_key(*request.version)))
        throw hal::Error(hal::Code::invalid, "a version is \"null\" or a UUID, not " + *request.version);
    auto& b = *body.state_;
    auto bucket = co_await s.enter(request.bucket);
    if (!bucket) co_return std::unexpected(Refusal::no_such_bucket);
    if (b.bytes > s.options.object_bytes_max) co_return std::unexpected(Refusal::entity_too_large);
    if (s.is_full()) co_return std::unexpected(Refusal::storage_full);
    if (const auto quota = bucket->bucket.quota_bytes;
        quota && static_cast<std::int64_t>(bucket->bucket.statistics.bytes + b.bytes) + bucket->unindexed_bytes > static_cast<std::int64_t>(quota))
        co_return std::unexpected(Refusal::quota_exceeded);
    co_await b.finish();
    auto lock = co_await s.locks.take(lock_name(bucket->bucket.id, request.key));
    if (const auto refusal = co_await s.check(bucket->bucket.id, request.key, request.conditions)) co_return std::unexpected(*refusal);
    auto record = s.new_record(*bucket, std::move(request.key));
    if (version) record.version = *version;
    if (request.modified) record.modified = request.modified->time_since_epoch().count();
    record.bytes = b.bytes;
    record.etag = std::move(request.etag);
    record.metadata = std::move(request.metadata);
    record.parts = b.parts(record.modified);
    record.dispatches = std::move(request.dispatches);
    s.bytes_since_look += b.buffer.size();
    const auto bytes = static_cast<std::int64_t>(b.bytes);
    co_return co_await s.put_record(std::move(record), std::move(b.buffer), {std::move(lock), std::move(bucket), bytes}, &b);
}

Task<Result<DeleteOutcome>> Store::remove(DeleteRequest request) {
    auto& s = *state_;
    check_key(request.key);
    std::optional<VersionKey> version;
    // No version that the store gave: there is nothing to remove.
    if (request.version && !(version = version_key(*request.version))) co_return DeleteOutcome{false, *request.version, false};
    auto bucket = co_await s.enter(request.bucket);
    if (!bucket) co_return std::unexpected(Refusal::no_such_bucket);
    auto lock = co_await s.locks.take(lock_name(bucket->bucket.id, request.key));
    if (const auto refusal = co_await s.check(bucket->bucket.id, request.key, request.conditions)) co_return std::unexpected(*refusal);
    const bool is_versioned = bucket->bucket.versioning != Versioning::never;
    if (!version && is_versioned) {
        auto record = s.new_record(*bucket, std::move(request.key));
        record.flags = flag::delete_marker;
        record.dispatches = std::move(request.dispatches);
        const auto made = co_await s.put_record(std::move(record), {}, {std::move(lock), std::move(bucket), 0});
        if (!made) co_return std::unexpected(made.error());
        co_return DeleteOutcome{true, made->version, true};
    }
    const auto row = co_await s.find(bucket->bucket.id, request.key, version ? *version : VersionKey());
    DeleteOutcome outcome{row && row->is_delete_marker(), version ? version_text(*version) : "", row.has_value()};
    if (!row) co_return outcome;
    RemoveRecord record{.sequence = ++s.sequence, .bucket = bucket->bucket.id, .key = std::move(request.key), .version = row->version,
                        .order = row->order, .bytes = row->bytes, .time = s.now(), .dispatches = std::move(request.dispatches)};
    const bool is_told = !record.dispatches.empty();
    auto entry = co_await s.append(std::move(record), {}, {std::move(lock), std::move(bucket), 0});
    co_await s.committed(entry);
    if (is_told) {
        s.outbox_added.set();
        s.outbox_added.clear();
    }
    co_return outcome;
}

// Writes a version's record anew with a change to it, in its place among the versions of its key.
Task<Result<Object>> Store::State::rewrite(std::string bucket_name, std::string key, std::optional<std::string> version,
                                           std::function<bool(PutRecord&)> change) {
    std::optional<VersionKey> wanted;
    if (version && !(wanted = version_key(*version))) co_return std::unexpected(Refusal::no_such_version);
    auto bucket = co_await enter(bucket_name);
    if (!bucket) co_return std::unexpected(Refusal::no_such_bucket);
    auto lock = co_await locks.take(lock_name(bucket->bucket.id, key));
    auto opened = co_await open_row(std::move(bucket_name), bucket->bucket.id, std::move(key), std::move(wanted), false);
    if (!opened) co_return std::unexpected(opened.error());
    auto record = (*opened)->record;
    std::string data(record.data);
    record.dispatches.clear();
    record.upload.clear();
    if (!change(record)) co_return (*opened)->object;
    record.sequence = ++sequence;
    co_return co_await put_record(std::move(record), std::move(data), {std::move(lock), std::move(bucket), 0});
}

Task<Result<Object>> Store::set_tags(std::string bucket, std::string key, std::optional<std::string> version, Fields tags) {
    co_return co_await state_->rewrite(std::move(bucket), std::move(key), std::move(version), [&tags](PutRecord& record) {
        record.metadata.tags = tags;
        return true;
    });
}

Task<bool> Store::evict(std::string bucket, std::string key, std::string version) {
    auto& s = *state_;
    const auto found = s.buckets.find(bucket);
    const auto wanted = version_key(version);
    if (found == s.buckets.end() || !wanted) co_return false;
    const auto id = found->second->bucket.id;
    co_await s.flush();
    // Something is still to be told of it: its bytes are needed here.
    if (co_await hal::async::offload(s.reader_pool, [&s, id, &key, &wanted] { return s.reader->is_pending(id, key, *wanted); })) co_return false;
    bool is_done = false;
    const auto result = co_await s.rewrite(std::move(bucket), std::move(key), std::move(version), [&is_done](PutRecord& record) {
        if (record.parts.empty()) return false;
        for (auto& part : record.parts) part.blob = 0;
        record.parts.clear();
        record.flags |= flag::evicted;
        return is_done = true;
    });
    co_return result.has_value() && is_done;
}

Task<Result<ListResult>> Store::list(ListRequest request) {
    auto& s = *state_;
    const auto found = s.buckets.find(request.bucket);
    if (found == s.buckets.end()) co_return std::unexpected(Refusal::no_such_bucket);
    const auto id = found->second->bucket.id;
    const auto bucket = found->second->bucket.name;
    co_await s.flush();
    auto page = co_await hal::async::offload(s.reader_pool, [&s, id, &request] { return s.reader->list(id, request); });
    ListResult result{.objects = {}, .prefixes = std::move(page.prefixes), .is_truncated = page.is_truncated,
                      .next = std::move(page.next), .next_version = std::move(page.next_version)};
    result.objects.reserve(page.rows.size());
    for (auto& [key, row, is_latest] : page.rows) {
        auto object = object_of(key, row);
        object.is_latest = is_latest;
        if (request.with_metadata && !object.is_delete_marker) {
            auto opened = co_await s.open_row(bucket, id, key, row.version, false);
            if (opened) object.metadata = std::move((*opened)->object.metadata);
        }
        result.objects.push_back(std::move(object));
    }
    co_return result;
}

}  // namespace services::objects::store
