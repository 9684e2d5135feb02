// The way of a change: appended to the log, durable (and acknowledged), indexed.
#include <algorithm>

#include "hal/base/log.hpp"
#include "services/objects/store/state.hpp"

namespace services::objects::store {

namespace {

constexpr std::chrono::seconds index_retry{1};

}  // namespace

// -- locks

void Locks::Held::release() {
    if (auto* locks = std::exchange(locks_, nullptr)) locks->pass_on(name_);
}

void Locks::pass_on(const std::string& name) {
    const auto found = waiting_.find(name);
    if (found == waiting_.end()) return;
    if (found->second.empty()) {
        waiting_.erase(found);
        return;
    }
    auto* next = found->second.front();
    found->second.pop_front();
    next->has_lock = true;
    next->event.set();
}

std::optional<Locks::Held> Locks::try_take(std::string name) {
    if (!waiting_.try_emplace(name).second) return std::nullopt;
    return Held(*this, std::move(name));
}

Task<Locks::Held> Locks::take(std::string name) {
    if (auto held = try_take(name)) co_return std::move(*held);
    Waiter waiter(executor_);
    waiting_.find(name)->second.push_back(&waiter);
    // Given up while waiting: out of the line, or the lock goes to the next one.
    struct Leave {
        Locks& locks;
        const std::string& name;
        Waiter& waiter;
        bool is_taken = false;
        ~Leave() {
            if (is_taken) return;
            if (waiter.has_lock)
                locks.pass_on(name);
            else
                locks.waiting_.find(name)->second.remove(&waiter);
        }
    } leave{*this, name, waiter};
    co_await waiter.event.wait();
    leave.is_taken = true;
    co_return Held(*this, name);
}

std::string lock_name(std::uint64_t bucket, std::string_view key) {
    std::string name(sizeof bucket, 0);
    std::memcpy(name.data(), &bucket, sizeof bucket);
    return name.append(key);
}

// -- the queue

Task<EntryPtr> Store::State::append(AnyRecord record, std::string data, Holding holding) {
    auto body = std::visit([](const auto& r) { return encoded(r); }, record);
    const auto bytes = body.size() + data.size();
    while (queue.size() + applying.size() >= options.unindexed_max) {
        index_now.set();
        co_await batch_done.wait();
    }
    co_await log->room(bytes);
    auto entry = std::make_shared<Entry>(executor);
    const std::initializer_list<std::string_view> parts{body};
    entry->change.position = log->append(static_cast<std::uint8_t>(type_of(record)), record_version, parts, std::move(data));
    entry->change.length = static_cast<std::uint32_t>(bytes);
    if (auto* put = std::get_if<PutRecord>(&record)) {
        // What the index needs, and no more.
        put->data = {};
        put->metadata = {};
        entry->overlay_key = lock_name(put->bucket, put->key);
    } else {
        entry->change.body = std::move(body);
        // A tombstone that compaction writes again comes without the key's lock: it says nothing about what there is now.
        const auto* removal = std::get_if<RemoveRecord>(&record);
        if (removal && holding.lock) entry->overlay_key = lock_name(removal->bucket, removal->key);
    }
    entry->change.record = std::move(record);
    entry->lock = std::move(holding.lock);
    entry->bucket = std::move(holding.bucket);
    entry->bytes = holding.bytes;
    if (entry->bucket) entry->bucket->unindexed_bytes += entry->bytes;
    queue.push_back(entry);
    ++queued;
    appended.set();
    co_return entry;
}

namespace {

Task<bool> asked(hal::disk::Log& log, Position position) {
    try {
        co_await log.committed(position);
    } catch (const hal::Error& e) {
        if (e.code() == hal::Code::cancelled) throw;
        co_return false;
    }
    co_return true;
}

}  // namespace

Task<> Store::State::committed(EntryPtr entry) {
    // Asking the log at once makes the group that takes the record be synced; the answer is settle()'s.
    if (entry->fate == Entry::Fate::unknown) (void)co_await asked(*log, entry->change.position);
    if (entry->fate == Entry::Fate::unknown) co_await entry->settled.wait();
    if (entry->failure) throw hal::Error(*entry->failure);
}

Task<> Store::State::settle() {
    for (;;) {
        const auto first = static_cast<std::size_t>(settled - (queued - queue.size()));
        if (first == queue.size()) {
            appended.clear();
            if (is_closing) co_return;
            co_await appended.wait();
            continue;
        }
        const EntryPtr entry = queue[first];
        try {
            co_await log->committed(entry->change.position);
            entry->fate = Entry::Fate::durable;
        } catch (const hal::Error& e) {
            if (e.code() == hal::Code::cancelled) throw;
            entry->fate = Entry::Fate::refused;
            entry->failure = e;
            // Part files that the record names stay until it is certain that it is not there.
            needs_sweep = true;
        }
        ++settled;
        if (entry->fate == Entry::Fate::durable) {
            if (!entry->overlay_key.empty()) overlay[entry->overlay_key].push_back(entry.get());
        } else if (entry->bucket) {
            entry->bucket->unindexed_bytes -= entry->bytes;
        }
        entry->lock.release();
        entry->bucket.release();
        entry->settled.set();
        has_settled.set();
        if (settled - applied >= options.unindexed_max / 2) index_now.set();
    }
}

Task<> Store::State::index_batches() {
    for (;;) {
        if (settled == applied) {
            has_settled.clear();
            if (is_closing && queue.empty()) co_return;
            co_await has_settled.wait();
        }
        if (!index_wanted && !is_closing) co_await index_now.wait_for(options.index_after);
        index_now.clear();
        index_wanted = false;
        const auto count = static_cast<std::size_t>(settled - applied);
        std::vector<const Change*> changes;
        for (std::size_t i = 0; i < count; ++i) {
            if (queue.front()->fate == Entry::Fate::durable) changes.push_back(&queue.front()->change);
            applying.push_back(std::move(queue.front()));
            queue.pop_front();
        }
        // The last one is read again at the next start, which does no harm: what lies behind it may never become durable.
        std::optional<Applied> done;
        if (changes.empty()) done.emplace().uploads = uploads_open;
        while (!done) {
            std::optional<hal::Error> failure;
            try {
                done = co_await hal::async::offload(index_pool, [this, &changes] { return index->apply(changes, changes.back()->position); });
            } catch (const hal::Error& e) {
                if (e.code() == hal::Code::cancelled) throw;
                failure = e;
            }
            if (!failure) break;
            if (is_closing) throw hal::Error(*failure);
            // The changes are safe in the log and seen from memory; the queue's bound holds new ones up meanwhile.
            hal::log::error("objects", "index: {}; tried again", failure->what());
            was_full = was_full || failure->code() == hal::Code::exhausted;
            co_await hal::async::sleep_for(index_retry);
        }
        for (const auto& [id, statistics] : done->statistics)
            if (const auto found = buckets_by_id.find(id); found != buckets_by_id.end()) found->second->bucket.statistics = statistics;
        for (const auto& [segment, bytes] : done->live) live[segment] = bytes;
        uploads_open = done->uploads;
        for (const auto& entry : applying) {
            if (entry->fate != Entry::Fate::durable) continue;
            std::visit(
                [this, &entry](const auto& record) {
                    using Record = std::remove_cvref_t<decltype(record)>;
                    if constexpr (std::is_same_v<Record, PutRecord>) {
                        indexed_sequence = std::max(indexed_sequence, record.sequence);
                        for (const auto& part : record.parts) young.erase(part.blob);
                        if (const auto found = buckets_by_id.find(record.bucket); found != buckets_by_id.end())
                            found->second->unindexed_bytes -= entry->bytes;
                    } else if constexpr (std::is_same_v<Record, PartRecord>) {
                        young.erase(record.part.blob);
                    }
                },
                entry->change.record);
            if (entry->overlay_key.empty()) continue;
            const auto found = overlay.find(entry->overlay_key);
            std::erase(found->second, entry.get());
            if (found->second.empty()) overlay.erase(found);
        }
        applying.clear();
        applied += count;
        batch_done.set();
        batch_done.clear();
        segments_changed.set();
        remove_blobs(std::move(done->blobs));
    }
}

Task<> Store::State::flush() {
    const auto wanted = settled;
    while (applied < wanted) {
        index_wanted = true;
        index_now.set();
        co_await batch_done.wait();
    }
}

Task<std::optional<Row>> Store::State::find(std::uint64_t bucket, std::string key, std::optional<VersionKey> version) {
    const auto name = lock_name(bucket, key);
    for (;;) {
        // The newest change of each version that the index does not have decides about it.
        std::vector<VersionKey> decided;
        std::optional<Row> best;
        if (const auto found = overlay.find(name); found != overlay.end()) {
            for (auto it = found->second.rbegin(); it != found->second.rend(); ++it) {
                const auto& change = (*it)->change;
                const auto* put = std::get_if<PutRecord>(&change.record);
                const auto& changed = put ? put->version : std::get<RemoveRecord>(change.record).version;
                if (std::find(decided.begin(), decided.end(), changed) != decided.end()) continue;
                decided.push_back(changed);
                if (version && *version != changed) continue;
                if (!put) {
                    if (version) co_return std::nullopt;
                    continue;
                }
                if (!best || best->order < put->order)
                    best = Row{.order = put->order, .version = put->version, .sequence = put->sequence, .position = change.position,
                               .length = change.length, .bytes = put->bytes, .modified = put->modified, .etag = put->etag,
                               .flags = put->flags, .oldest = 0, .blobs = {}};
                if (version) co_return best;
            }
            if (best && best->order > indexed_sequence) co_return best;
        }
        const auto before = applied;
        auto rows = co_await hal::async::offload(reader_pool, [this, bucket, &key, &version, &decided] {
            if (!version) return reader->versions(bucket, key, decided, 1);
            auto row = reader->version(bucket, key, *version);
            return row ? std::vector{std::move(*row)} : std::vector<Row>();
        });
        if (applied != before) continue;  // what was in memory may be in the index now
        if (rows.empty()) co_return best;
        co_return best && best->order > rows.front().order ? best : std::optional(std::move(rows.front()));
    }
}

}  // namespace services::objects::store
