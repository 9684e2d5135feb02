// Giving space back: what is alive of a segment is written again at the log's end, then the segment is deleted whole. And
// the scrub, which reads everything once in a while.
//
// Kind to flash: only segments with little alive are taken, so that a byte copied gives more than a byte back. Resumable:
// what was copied counts at its new place, so a segment whose compaction was interrupted has less alive next time. A copy
// has its change's sequence and is made under its key's lock, so nothing that is acknowledged can fall behind it.
#include <algorithm>

#include "hal/base/log.hpp"
#include "services/objects/store/state.hpp"

namespace services::objects::store {

namespace {

constexpr double live_share_usual = 0.5;
constexpr double live_share_full = 0.9;   // when the disk is nearly full
constexpr std::size_t copies_in_flight = 64;
constexpr std::size_t graves_at_once = 512;
constexpr std::chrono::minutes after_failure{1};

}  // namespace

// Sleeps as long as `bytes` may take.
Task<> Store::State::pace(std::uint64_t bytes, std::uint64_t bytes_per_second) {
    if (bytes_per_second == 0 || counted.is_full || bytes == 0) co_return;
    co_await hal::async::sleep_for(std::chrono::microseconds(bytes * 1'000'000 / bytes_per_second));
}

std::vector<std::uint32_t> Store::State::compactable(double live_share) const {
    std::vector<std::pair<double, std::uint32_t>> found;
    for (const auto& segment : log->segments()) {
        if (segment.is_active) continue;
        const auto alive = live.find(segment.number);
        const auto bytes = alive == live.end() ? 0.0 : static_cast<double>(std::max<std::int64_t>(alive->second, 0));
        const auto share = bytes / static_cast<double>(std::max<std::uint64_t>(segment.bytes, 1));
        if (share < live_share) found.emplace_back(share, segment.number);
    }
    std::sort(found.begin(), found.end());
    std::vector<std::uint32_t> numbers;
    for (const auto& [share, number] : found) numbers.push_back(number);
    return numbers;
}

// Copies one live record; nothing when it is not alive any more.
Task<EntryPtr> Store::State::copy_live(hal::disk::RecordView view) {
    auto record = decoded(view.type, view.body);
    if (!record) co_return nullptr;
    if (auto* put = std::get_if<PutRecord>(&*record)) {
        auto lock = co_await locks.take(lock_name(put->bucket, put->key));
        const auto row = co_await find(put->bucket, put->key, put->version);
        if (!row || row->position != view.position) co_return nullptr;
        const auto owner = buckets_by_id.find(put->bucket);
        if (owner == buckets_by_id.end() || owner->second->is_closing) co_return nullptr;
        BucketUse use(*this, *owner->second);
        // What is still to be told of it is written apart (remains of the segment).
        put->dispatches.clear();
        std::string data(put->data);
        put->data = data;
        co_return co_await append(std::move(*record), std::move(data), {std::move(lock), std::move(use), 0});
    }
    if (auto* bucket = std::get_if<BucketRecord>(&*record)) {
        if (bucket->is_removed) co_return nullptr;
        auto lock = co_await locks.take("bucket:" + bucket->name);
        const auto found = buckets_by_id.find(bucket->id);
        if (found == buckets_by_id.end() || found->second->position != view.position) co_return nullptr;
        auto& state = *found->second;
        auto entry = co_await append(record_of(state), {}, {});
        // The lock goes with this frame; the bucket's place is known at once, and a refused copy is made again.
        co_await committed(entry);
        state.position = entry->change.position;
        co_return entry;
    }
    if (auto* upload = std::get_if<UploadRecord>(&*record)) {
        auto lock = co_await locks.take("upload:" + upload->id);
        co_await flush();
        const auto row = co_await hal::async::offload(reader_pool, [this, upload] { return reader->upload(upload->id); });
        if (!row || row->position != view.position) co_return nullptr;
        co_return co_await append(std::move(*record), {}, {std::move(lock), {}, 0});
    }
    if (auto* part = std::get_if<PartRecord>(&*record)) {
        auto lock = co_await locks.take("upload:" + part->upload);
        co_await flush();
        const auto position = co_await hal::async::offload(
            reader_pool, [this, part] { return reader->part_position(part->upload, part->part.part.number); });
        if (!position || *position != view.position) co_return nullptr;
        co_return co_await append(std::move(*record), {}, {std::move(lock), {}, 0});
    }
    co_return nullptr;
}

// Writes again the tombstones whose victims an older segment may still hold.
Task<> Store::State::copy_graves(std::uint32_t number) {
    const Position to{number + 1, 0};
    std::vector<std::uint32_t> segments;
    for (const auto& segment : log->segments())
        if (segment.number != number) segments.push_back(segment.number);
    std::sort(segments.begin(), segments.end());
    co_await flush();
    for (;;) {
        const auto graves = co_await hal::async::offload(reader_pool, [this, number, to, &segments] {
            return reader->graves({number, 0}, to, segments, graves_at_once);
        });
        if (graves.empty()) co_return;
        std::vector<EntryPtr> copies;
        for (const auto& grave : graves) {
            auto record = decoded(grave.type, grave.body);
            if (!record) throw hal::Error(hal::Code::corrupt, "the index holds a tombstone that cannot be read");
            copies.push_back(co_await append(std::move(*record), {}, {}));
        }
        for (const auto& copy : copies) co_await committed(copy);
        co_await hal::async::offload(index_pool, [this, &graves, &copies] {
            std::vector<Position> places;
            for (const auto& copy : copies) places.push_back(copy->change.position);
            index->move_graves(graves, places);
        });
    }
}

// Writes again what is still to be told because of records of this segment.
Task<> Store::State::copy_outbox(std::uint32_t number) {
    const Position from{number, 0};
    const Position to{number + 1, 0};
    for (;;) {
        co_await flush();
        const auto entries = co_await hal::async::offload(
            reader_pool, [this, from, to] { return reader->outbox_at(from, to, graves_at_once); });
        if (entries.empty()) co_return;
        for (const auto& entry : entries) {
            auto lock = co_await locks.take("outbox:" + entry.dispatch.destination);
            co_await flush();
            const auto entry_sequence = entry.sequences.front();
            auto still = co_await hal::async::offload(
                reader_pool, [this, &entry, entry_sequence] { return reader->outbox_entry(entry.dispatch.destination, entry_sequence); });
            if (!still) continue;
            still->sequences = {entry_sequence};
            co_await committed(co_await append(std::move(*still), {}, {std::move(lock), {}, 0}));
        }
    }
}

Task<bool> Store::State::compact_segment(std::uint32_t number) {
    const auto segments = log->segments();
    const auto found = std::find_if(segments.begin(), segments.end(), [number](const auto& s) { return s.number == number; });
    if (found == segments.end() || found->is_active) co_return false;
    const auto given_back = found->bytes;
    std::uint64_t copied = 0;
    if (const auto alive = live.find(number); alive != live.end() && alive->second > 0) {
        auto from = found->begin;
        const auto end = found->end;
        while (from < end) {
            auto batch = co_await log->scan(from);
            std::deque<EntryPtr> copies;
            std::uint64_t bytes = 0;
            for (const auto& view : batch.records) {
                if (view.position.segment != number) break;
                if (auto entry = co_await copy_live(view)) {
                    bytes += entry->change.length;
                    copies.push_back(std::move(entry));
                }
                if (copies.size() >= copies_in_flight) {
                    co_await committed(copies.front());
                    copies.pop_front();
                }
            }
            for (const auto& copy : copies) co_await committed(copy);
            copied += bytes;
            counted.compacted_bytes += bytes;
            if (batch.records.empty() || batch.next <= from || batch.next.segment != number) break;
            from = batch.next;
            co_await pace(bytes, options.compaction_bytes_per_second);
        }
    }
    co_await copy_outbox(number);
    co_await copy_graves(number);
    co_await flush();
    // Damaged records cannot be copied: the segment stays until their objects are overwritten or deleted.
    if (const auto alive = live.find(number); alive != live.end() && alive->second > 0) {
        stuck.insert(number);
        hal::log::warn("objects", "segment {} is kept: {} bytes of it cannot be read", number, alive->second);
        co_return false;
    }
    const std::vector numbers{number};
    // The index must not fall back behind what the deleted segment said.
    co_await hal::async::offload(index_pool, [this, &numbers] {
        index->forget_segments(numbers);
        index->make_durable();
    });
    live.erase(number);
    co_await log->remove(numbers);
    ++counted.compacted_segments;
    bytes_since_look += given_back;
    hal::log::debug("objects", "segment {} is given back: {} bytes, {} copied", number, given_back, copied);
    co_return true;
}

Task<std::size_t> Store::compact(double live_share) {
    auto& s = *state_;
    auto lock = co_await s.locks.take("compaction");
    co_await s.flush();
    std::size_t count = 0;
    for (const auto number : s.compactable(live_share))
        if (!s.stuck.contains(number) && co_await s.compact_segment(number)) ++count;
    co_return count;
}

Task<> Store::State::upkeep() {
    for (;;) {
        co_await segments_changed.wait();
        segments_changed.clear();
        std::optional<hal::Error> failure;
        try {
            const auto share = is_full() ? live_share_full : live_share_usual;
            auto lock = co_await locks.take("compaction");
            for (const auto number : compactable(share))
                if (!stuck.contains(number)) co_await compact_segment(number);
        } catch (const hal::Error& e) {
            if (e.code() == hal::Code::cancelled) throw;
            failure = e;
        }
        if (failure) {
            hal::log::warn("objects", "compaction: {}", failure->what());
            co_await hal::async::sleep_for(after_failure);
        }
    }
}

}  // namespace services::objects::store
