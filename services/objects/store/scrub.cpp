// The scrub: reads every version once in a while, at a gentle pace, so that damage is found while a copy of the object may
// still be had elsewhere. It goes on after a restart where it was.
#include "hal/base/log.hpp"
#include "services/objects/store/state.hpp"

namespace services::objects::store {

namespace {

constexpr std::size_t page_rows = 256;

}  // namespace

// Reads one version whole, past what was verified since start. Damage is counted and reported; 0 when it is gone meanwhile.
Task<std::uint64_t> Store::State::verify(std::string bucket, std::uint64_t bucket_id, std::string key, VersionKey version) {
    try {
        auto opened = co_await open_row(std::move(bucket), bucket_id, std::move(key), std::move(version), true);
        if (!opened) co_return 0;
        auto& reader_state = **opened;
        std::uint64_t bytes = reader_state.body.size();
        for (const auto& part : reader_state.record.parts) verified.erase(part.blob);
        bytes += reader_state.record.parts.empty() ? 0 : reader_state.record.bytes;
        while (!reader_state.record.parts.empty() && reader_state.at < reader_state.end) {
            const auto [offset, stop] = co_await reader_state.prepare();
            reader_state.at += stop - offset;
            co_await pace(stop - offset, options.scrub_bytes_per_second);
        }
        co_return bytes;
    } catch (const hal::Error& e) {
        if (e.code() == hal::Code::cancelled) throw;
        if (e.code() != hal::Code::corrupt) hal::log::warn("objects", "scrub: {}", e.what());
    }
    co_return 0;
}

Task<std::uint64_t> Store::State::scrub_all() {
    std::uint64_t total = 0;
    // "BUCKET/KEY" that was read last.
    auto place = co_await hal::async::offload(index_pool, [this] { return index->scrub_place(); });
    for (;;) {
        const auto slash = place.find('/');
        auto bucket = place.substr(0, slash);
        ListRequest request;
        request.after = slash == std::string::npos ? "" : place.substr(slash + 1);
        request.keys_max = page_rows;
        request.with_versions = true;
        const auto found = buckets.lower_bound(bucket);
        if (found == buckets.end()) break;
        if (found->first != bucket) request.after.clear();
        bucket = found->first;
        const auto id = found->second->bucket.id;
        co_await flush();
        bool is_truncated = true;
        while (is_truncated) {
            const auto page = co_await hal::async::offload(reader_pool, [this, id, &request] { return reader->list(id, request); });
            for (const auto& row : page.rows) {
                const auto bytes = co_await verify(bucket, id, row.key, row.row.version);
                total += bytes;
                counted.scrubbed_bytes += bytes;
                co_await pace(std::min<std::uint64_t>(bytes, row.row.length), options.scrub_bytes_per_second);
            }
            is_truncated = page.is_truncated;
            request.after = page.next;
            request.after_version = page.next_version;
            place = is_truncated ? bucket + "/" + page.next : bucket + std::string(1, '\x01');
            co_await hal::async::offload(index_pool, [this, &place] { index->set_scrub_place(place); });
        }
        // The next bucket's name is behind this one's.
        place = bucket + '\x01';
    }
    co_await hal::async::offload(index_pool, [this] { index->set_scrub_place(""); });
    co_return total;
}

Task<> Store::State::scrub_rounds() {
    for (;;) {
        // A round that a restart interrupted goes on at once.
        const auto place = co_await hal::async::offload(index_pool, [this] { return index->scrub_place(); });
        if (place.empty()) co_await hal::async::sleep_for(options.scrub_every);
        const auto bytes = co_await scrub_all();
        hal::log::info("objects", "scrub: {} bytes read, {} damaged objects since start", bytes, counted.corrupt_objects);
    }
}

Task<std::uint64_t> Store::scrub() {
    co_return co_await state_->scrub_all();
}

}  // namespace services::objects::store
