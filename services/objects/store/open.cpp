// Opening a store: its index, the tail of the log behind it, and what an unclean end left over. Closing it.
#include "hal/base/log.hpp"
#include "services/objects/store/state.hpp"

namespace services::objects::store {

namespace {

constexpr std::uint32_t record_bytes_max = 16 * 1024 * 1024;
constexpr std::size_t sweep_files_max = 4096;  // looked up in one go

}  // namespace

Store::State::State(hal::disk::Disk& d, const hal::Clock& c, std::filesystem::path f, Options o, hal::async::Executor e)
    : disk(d), clock(c), folder(std::move(f)), options(std::move(o)), executor(e), locks(e), appended(e), has_settled(e), index_now(e),
      batch_done(e), bucket_released(e), outbox_added(e), segments_changed(e), tasks(e, "objects"), upkeep_tasks(e, "objects upkeep") {}

Task<> Store::State::start() {
    const auto file = folder / "index.db";
    co_await hal::async::offload(index_pool, [this, &file] {
        std::filesystem::create_directories(folder);
        disk.make_folder(folder / "parts");
        disk.make_folder(folder / "log");
        index = IndexWriter::open(file, options.index_cache_bytes);
    });
    hal::disk::LogOptions log_options;
    log_options.segment_bytes = options.segment_bytes;
    log_options.record_bytes_max = std::min(record_bytes_max, options.segment_bytes - 16 * 1024);
    log = co_await hal::disk::Log::open(disk, file_pool, folder / "log", log_options);
    const bool was_clean = co_await hal::async::offload(index_pool, [this, &file, end = log->end()] {
        if (index->position() > end) {
            // The index of another log, or one whose end is lost: nothing in it can be relied on.
            hal::log::warn("objects", "the index is ahead of the log: it is made again");
            index.reset();
            for (const auto* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(std::filesystem::path(file) += suffix);
            index = IndexWriter::open(file, options.index_cache_bytes);
        }
        const bool clean = index->was_closed_cleanly();
        index->set_closed_cleanly(false);
        return clean;
    });
    const auto replayed = co_await replay();
    co_await hal::async::offload(index_pool, [this, &file] {
        for (const auto& [position, record] : index->buckets()) learn_bucket(record, position);
        for (const auto& [id, statistics] : index->statistics())
            if (const auto found = buckets_by_id.find(id); found != buckets_by_id.end()) found->second->bucket.statistics = statistics;
        live = index->live();
        uploads_open = index->uploads();
        sequence = indexed_sequence = index->sequence();
        reader = IndexReader::open(file, options.index_cache_bytes);
    });
    if (replayed > 1) hal::log::info("objects", "{} records were read from the log into the index", replayed);
    tasks.spawn("settle", settle());
    tasks.spawn("index", index_batches());
    co_await count_part_files();
    if (!was_clean) upkeep_tasks.spawn("sweep", sweep_orphans());
    upkeep_tasks.spawn("upkeep", upkeep());
    if (options.scrub_every.count() > 0) upkeep_tasks.spawn("scrub", scrub_rounds());
    segments_changed.set();
}

Task<std::uint64_t> Store::State::replay() {
    std::uint64_t count = 0;
    auto from = co_await hal::async::offload(index_pool, [this] { return index->position(); });
    const bool is_whole = from == Position{};
    for (;;) {
        auto batch = co_await log->scan(from);
        if (batch.records.empty() && batch.next == from) break;
        std::vector<Change> changes;
        for (const auto& view : batch.records) {
            auto record = decoded(view.type, view.body);
            if (!record) {
                note_corrupt("a record of type " + std::to_string(view.type) + " at " + std::to_string(view.position.segment) + ":" +
                             std::to_string(view.position.offset) + " cannot be read");
                continue;
            }
            Change change{view.position, static_cast<std::uint32_t>(view.body.size()), std::move(*record), {}};
            if (!std::holds_alternative<PutRecord>(change.record)) change.body = view.body;
            changes.push_back(std::move(change));
        }
        co_await hal::async::offload(index_pool, [this, &changes, end = batch.next] {
            std::vector<const Change*> pointers;
            for (const auto& change : changes) pointers.push_back(&change);
            // Files that nothing names any more are left to the sweep: a later record may name them again.
            index->apply(pointers, end);
        });
        count += batch.records.size();
        if (batch.next == from) break;
        from = batch.next;
    }
    if (count && is_whole) co_await hal::async::offload(index_pool, [this] { index->drop_strays(); });
    co_return count;
}

// A look into each of the 256 folders; there are no more files than objects past inline_bytes_max.
Task<> Store::State::count_part_files() {
    *part_bytes += co_await hal::async::offload(file_pool, [this] {
        std::int64_t bytes = 0;
        for (const auto& sub : disk.list(folder / "parts"))
            if (sub.is_folder)
                for (const auto& file : disk.list(folder / "parts" / sub.name)) bytes += static_cast<std::int64_t>(file.bytes);
        return bytes;
    });
}

// Removes part files that no record names: what was being written when the last process ended.
Task<> Store::State::sweep_orphans() {
    const auto parts = folder / "parts";
    const auto folders = co_await hal::async::offload(file_pool, [this, &parts] { return disk.list(parts); });
    for (const auto& sub : folders) {
        if (!sub.is_folder) continue;
        const auto files = co_await hal::async::offload(file_pool, [this, &parts, &sub] { return disk.list(parts / sub.name); });
        for (std::size_t at = 0; at < files.size(); at += sweep_files_max) {
            std::vector<std::uint64_t> blobs;
            for (auto i = at; i < std::min(files.size(), at + sweep_files_max); ++i) {
                const auto blob = blob_of_name(sub.name + files[i].name);
                if (blob && !young.contains(*blob)) blobs.push_back(*blob);
            }
            // A file written since then is young, or in the index.
            co_await flush();
            auto unknown = co_await hal::async::offload(reader_pool, [this, &blobs] { return reader->unknown_blobs(blobs); });
            std::erase_if(unknown, [this](std::uint64_t blob) { return young.contains(blob); });
            counted.orphans_removed += unknown.size();
            if (!unknown.empty()) hal::log::info("objects", "{} part files of interrupted uploads are removed", unknown.size());
            remove_blobs(std::move(unknown));
        }
    }
}

Store::Store(std::unique_ptr<State> state) : state_(std::move(state)) {}
Store::~Store() = default;

Task<std::unique_ptr<Store>> Store::open(hal::disk::Disk& disk, const hal::Clock& clock, std::filesystem::path folder, Options options) {
    auto state = std::make_unique<State>(disk, clock, std::move(folder), std::move(options), co_await boost::asio::this_coro::executor);
    co_await state->start();
    co_return std::unique_ptr<Store>(new Store(std::move(state)));
}

Task<> Store::close() {
    auto& s = *state_;
    s.upkeep_tasks.cancel();
    co_await s.upkeep_tasks.join();
    s.is_closing = true;
    s.appended.set();
    s.has_settled.set();
    s.index_now.set();
    co_await s.tasks.join();
    std::optional<hal::Error> failure;
    try {
        co_await s.log->close();
        co_await hal::async::offload(s.index_pool, [&s] {
            s.index->set_closed_cleanly(!s.needs_sweep);
            s.index->make_durable();
        });
    } catch (const hal::Error& e) {
        failure = e;
    }
    if (failure) throw hal::Error(*failure);
}

Task<> Store::flush_index() { co_await state_->flush(); }

Statistics Store::statistics() const {
    auto& s = *state_;
    auto now = s.counted;
    now.buckets = s.buckets.size();
    for (const auto& [name, bucket] : s.buckets) {
        const auto& of = bucket->bucket.statistics;
        now.all.objects += of.objects;
        now.all.versions += of.versions;
        now.all.delete_markers += of.delete_markers;
        now.all.bytes += of.bytes;
    }
    now.log_bytes = s.log->bytes();
    for (const auto& [segment, bytes] : s.live) now.live_bytes += static_cast<std::uint64_t>(std::max<std::int64_t>(bytes, 0));
    now.free_bytes = s.free_bytes;
    now.part_files_bytes = static_cast<std::uint64_t>(std::max<std::int64_t>(*s.part_bytes, 0));
    now.unindexed = s.settled - s.applied;
    now.log = s.log->statistics();
    return now;
}

}  // namespace services::objects::store
