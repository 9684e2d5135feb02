// Buckets: all of them are in memory; each change writes a bucket's record anew.
#include "hal/base/log.hpp"
#include "services/objects/store/state.hpp"

namespace services::objects::store {

namespace {

constexpr std::size_t configuration_bytes_max = 256 * 1024;
// How much may be written before the free space is looked at again.
constexpr std::uint64_t look_bytes = 1024 * 1024;

}  // namespace

BucketUse::BucketUse(Store::State& store, BucketState& bucket) : store_(&store), bucket_(&bucket) { ++bucket.users; }

void BucketUse::release() {
    if (!bucket_) return;
    if (--bucket_->users == 0) {
        store_->bucket_released.set();
        store_->bucket_released.clear();
    }
    bucket_ = nullptr;
}

BucketRecord Store::State::record_of(const BucketState& state) const {
    BucketRecord record{.sequence = state.sequence, .id = state.bucket.id, .name = state.bucket.name,
                        .created = state.bucket.created.time_since_epoch().count(),
                        .versioning = static_cast<std::uint64_t>(state.bucket.versioning), .quota_bytes = state.bucket.quota_bytes,
                        .is_removed = 0, .configuration = {}};
    for (const auto& [name, value] : state.bucket.configuration) record.configuration.emplace_back(name, value);
    return record;
}

void Store::State::learn_bucket(const BucketRecord& record, Position position) {
    auto& state = buckets[record.name];
    if (!state || state->bucket.id != record.id) {
        if (state) buckets_by_id.erase(state->bucket.id);
        state = std::make_unique<BucketState>();
    }
    state->bucket.name = record.name;
    state->bucket.id = record.id;
    state->bucket.created = hal::WallTime(std::chrono::microseconds(record.created));
    state->bucket.versioning = static_cast<Versioning>(record.versioning);
    state->bucket.quota_bytes = record.quota_bytes;
    state->bucket.configuration = {record.configuration.begin(), record.configuration.end()};
    const auto versioning = state->bucket.configuration.find("versioning");
    const bool has_exclusions = versioning != state->bucket.configuration.end();
    state->versioning = has_exclusions ? codec::s3::versioning_configuration(versioning->second).value_or(codec::s3::VersioningConfiguration())
                                       : codec::s3::VersioningConfiguration();
    state->sequence = record.sequence;
    state->position = position;
    buckets_by_id[record.id] = state.get();
}

bool Store::State::is_full() {
    if (bytes_since_look >= look_bytes || free_bytes == UINT64_MAX) {
        free_bytes = disk.free_bytes(folder);
        bytes_since_look = 0;
    }
    bool full = free_bytes < options.reserve_bytes;
    if (options.bytes_max) full = full || log->bytes() + static_cast<std::uint64_t>(std::max<std::int64_t>(*part_bytes, 0)) >= options.bytes_max;
    if (full != counted.is_full) {
        if (full)
            hal::log::warn("objects", "the disk is nearly full ({} MiB free): new objects are refused", free_bytes >> 20);
        else
            hal::log::info("objects", "there is room again: objects are taken");
        segments_changed.set();
    }
    counted.is_full = full;
    return full;
}

Task<BucketUse> Store::State::enter(std::string name) {
    for (;;) {
        const auto found = buckets.find(name);
        if (found == buckets.end()) co_return BucketUse();
        if (!found->second->is_closing) co_return BucketUse(*this, *found->second);
        // Being removed: it is there or it is not when that is over.
        (co_await locks.take("bucket:" + name)).release();
    }
}

Task<Result<void>> Store::create_bucket(std::string name) {
    auto& s = *state_;
    auto lock = co_await s.locks.take("bucket:" + name);
    if (s.buckets.contains(name)) co_return std::unexpected(Refusal::bucket_exists);
    if (s.buckets.size() >= s.options.buckets_max) co_return std::unexpected(Refusal::too_many_buckets);
    if (s.is_full()) co_return std::unexpected(Refusal::storage_full);
    const auto sequence = ++s.sequence;
    BucketRecord record{.sequence = sequence, .id = sequence, .name = name, .created = s.now(), .versioning = 0, .quota_bytes = 0,
                        .is_removed = 0, .configuration = {}};
    auto entry = co_await s.append(record, {}, {});
    co_await s.committed(entry);
    s.learn_bucket(record, entry->change.position);
    co_return Result<void>();
}

Task<Result<void>> Store::delete_bucket(std::string name, bool force) {
    auto& s = *state_;
    auto lock = co_await s.locks.take("bucket:" + name);
    const auto found = s.buckets.find(name);
    if (found == s.buckets.end()) co_return std::unexpected(Refusal::no_such_bucket);
    auto& bucket = *found->second;
    bucket.is_closing = true;
    struct Reopen {
        BucketState* bucket;
        ~Reopen() {
            if (bucket) bucket->is_closing = false;
        }
    } reopen{&bucket};
    while (bucket.users > 0) co_await s.bucket_released.wait();
    co_await s.flush();
    if (!force) {
        const auto id = bucket.bucket.id;
        const bool has_any = co_await hal::async::offload(s.reader_pool, [&s, id] { return s.reader->has_any(id); });
        if (has_any) co_return std::unexpected(Refusal::bucket_not_empty);
    }
    auto record = s.record_of(bucket);
    record.sequence = ++s.sequence;
    record.is_removed = 1;
    record.configuration.clear();
    auto entry = co_await s.append(record, {}, {});
    co_await s.committed(entry);
    reopen.bucket = nullptr;
    s.buckets_by_id.erase(bucket.bucket.id);
    s.buckets.erase(name);
    co_return Result<void>();
}

const Bucket* Store::bucket(std::string_view name) const {
    const auto found = state_->buckets.find(name);
    return found == state_->buckets.end() ? nullptr : &found->second->bucket;
}

std::vector<const Bucket*> Store::buckets() const {
    std::vector<const Bucket*> all;
    for (const auto& [name, state] : state_->buckets) all.push_back(&state->bucket);
    return all;
}

Task<Result<void>> Store::State::change_bucket(std::string name, std::function<void(BucketRecord&)> change) {
    auto lock = co_await locks.take("bucket:" + name);
    const auto found = buckets.find(name);
    if (found == buckets.end()) co_return std::unexpected(Refusal::no_such_bucket);
    auto record = record_of(*found->second);
    change(record);
    record.sequence = ++sequence;
    auto entry = co_await append(record, {}, {});
    co_await committed(entry);
    learn_bucket(record, entry->change.position);
    co_return Result<void>();
}

Task<Result<void>> Store::set_versioning(std::string name, Versioning versioning) {
    co_return co_await state_->change_bucket(std::move(name), [versioning](BucketRecord& record) { record.versioning = static_cast<std::uint64_t>(versioning); });
}

Task<Result<void>> Store::set_quota(std::string name, std::uint64_t bytes) {
    co_return co_await state_->change_bucket(std::move(name), [bytes](BucketRecord& record) { record.quota_bytes = bytes; });
}

Task<Result<void>> Store::configure(std::string name, std::string key, std::string value) {
    if (value.size() > configuration_bytes_max)
        throw hal::Error(hal::Code::too_large, "a bucket's configuration has " + std::to_string(value.size()) + " bytes, at most " +
                                                   std::to_string(configuration_bytes_max));
    co_return co_await state_->change_bucket(std::move(name), [&key, &value](BucketRecord& record) {
        std::erase_if(record.configuration, [&key](const auto& field) { return field.first == key; });
        if (!value.empty()) record.configuration.emplace_back(key, value);
    });
}

}  // namespace services::objects::store
