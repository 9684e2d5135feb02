#include "services/kube/store/file_store.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <limits>

#include "hal/base/log.hpp"

namespace services::kube::store {

using hal::Code;
using hal::Error;
using hal::async::offload;

namespace {

constexpr std::int64_t ballast_bytes = 512 * 1024;
// On the disk itself: room for the log of one checkpoint and the deletions before it.
constexpr std::int64_t disk_ballast_bytes = 4 * 1024 * 1024;

}  // namespace

std::unique_ptr<Store> Store::open(hal::async::Executor executor, Options options, const hal::Clock&) {
    return std::make_unique<FileStore>(std::move(executor), std::move(options));
}

FileStore::FileStore(hal::async::Executor executor, Options options)
    : executor_(executor),
      options_(std::move(options)),
      ballast_(options_.file.parent_path() / "ballast", disk_ballast_bytes),
      history_(options_.history_ring_max, options_.history_ring_bytes_max),
      tasks_(executor, "store"),
      stopping_(executor) {
    std::filesystem::create_directories(options_.file.parent_path());
    writer_ = std::make_unique<Database>(options_.file, hal::disk::Sqlite::Mode::writer);
    auto state = writer_->start();
    // Above the limit lies what deletions, reservations and compaction need when it is reached.
    if (!ballast_.hold()) hal::log::warn("store", "the disk is nearly full: no room is kept for deletions");
    if (options_.disk_bytes_max > 0) writer_->limit_bytes(options_.disk_bytes_max + ballast_bytes);
    reader_ = std::make_unique<Database>(options_.file, hal::disk::Sqlite::Mode::reader);
    assigned_ = visible_ = durable_ = reserved_ = state.revision;
    compacted_ = state.compacted;
    gaps_ = std::move(state.gaps);
    history_.start_at(visible_);
    health_.file_bytes = writer_->used_bytes();
    tasks_.spawn("maintain", maintain());
}

FileStore::~FileStore() {
    for (auto* watch : watches_) {
        watch->store_ = nullptr;
        watch->woken_.set();
    }
}

Task<Record> FileStore::put(Key key, ValueFor value_for, Revision expected, Durability durability) {
    return write(std::move(key), std::move(value_for), expected, durability, false);
}

Task<Record> FileStore::erase(Key key, ValueFor value_for, Revision expected, Durability durability) {
    return write(std::move(key), std::move(value_for), expected, durability, true);
}

bool FileStore::is_full() const { return options_.disk_bytes_max > 0 && health_.file_bytes >= options_.disk_bytes_max; }

std::string FileStore::checked_value(const Key& key, const ValueFor& value_for, Revision revision) const {
    auto value = value_for(revision);
    if (value.size() > options_.value_bytes_max)
        throw Error(Code::too_large, key.resource + " " + key.name + " has " + std::to_string(value.size()) +
                                         " bytes but at most " + std::to_string(options_.value_bytes_max) + " are stored");
    return value;
}

Task<Record> FileStore::write(Key key, ValueFor value_for, Revision expected, Durability durability, bool is_erase) {
    if (is_closed_) throw Error(Code::unavailable, "the store is closed");
    if (durability == Durability::relaxed) {
        auto written = co_await write_relaxed(key, value_for, expected, is_erase);
        if (written) co_return std::move(*written);
        if (is_closed_) throw Error(Code::unavailable, "the store is closed");
    }
    if (!is_erase && is_ballast_given_) {
        is_ballast_given_ = !co_await offload(writer_thread_, [this] { return ballast_.hold(); });
        if (is_ballast_given_) throw Error(Code::exhausted, "the disk is full: deletions alone are stored until there is room");
    }
    if (!is_erase && is_full()) {
        // What was superseded meanwhile may make room.
        co_await compact(visible_);
        if (is_full())
            throw Error(Code::exhausted, "the store is full: " + std::to_string(options_.disk_bytes_max) + " bytes are used");
    }
    if (queue_.size() >= options_.queue_max) throw Error(Code::unavailable, "too many writes wait for the disk");
    const Revision revision = ++assigned_;
    auto pending = std::make_shared<Pending>(executor_);
    pending->write.value = std::make_shared<const std::string>(checked_value(key, value_for, revision));
    pending->write.key = key;
    pending->write.revision = revision;
    pending->write.expected = expected;
    pending->write.is_erase = is_erase;
    pending->has_write = true;
    co_await enqueue(pending);
    if (pending->write.failure) throw *pending->write.failure;
    co_return Record{std::move(key), revision, pending->write.value};
}

// Empty when the write has to go through a commit.
Task<std::optional<Record>> FileStore::write_relaxed(const Key& key, const ValueFor& value_for, Revision expected,
                                                     bool is_erase) {
    for (;;) {
        if (is_committing_ || !queue_.empty() || relaxed_.size() >= options_.relaxed_max ||
            relaxed_bytes_ >= options_.relaxed_bytes_max || assigned_ >= reserved_)
            co_return std::nullopt;
        std::optional<Record> current;
        if (const auto* change = relaxed_of(key, visible_)) {
            if (change->kind != Change::Kind::deleted) current = Record{key, change->revision, change->value};
        } else {
            const auto seen = visible_;
            current = co_await offload(reader_thread_, [this, &key] { return reader_->get(key); });
            // Whatever happened meanwhile may have been this key.
            if (visible_ != seen || is_committing_ || !queue_.empty()) continue;
        }
        const auto where = key.resource + " " + key.name_space + "/" + key.name;
        if (expected == 0 && !is_erase) {
            if (current) throw Error(Code::exists, where + " exists");
        } else if (!current) {
            throw Error(Code::not_found, where + " does not exist");
        } else if (current->revision != expected) {
            throw Error(Code::conflict, where + " is at " + std::to_string(current->revision) + ", not at " +
                                            std::to_string(expected));
        }
        const Revision revision = ++assigned_;
        Change change;
        change.kind = is_erase ? Change::Kind::deleted : current ? Change::Kind::updated : Change::Kind::created;
        change.key = key;
        change.revision = revision;
        change.value = std::make_shared<const std::string>(checked_value(key, value_for, revision));
        if (current) change.before = current->value;
        relaxed_.push_back(change);
        relaxed_bytes_ += change.value->size();
        Record record{key, revision, change.value};
        publish(std::move(change));
        co_return record;
    }
}

Task<> FileStore::enqueue(std::shared_ptr<Pending> pending) {
    queue_.push_back(pending);
    if (!is_committing_) {
        is_committing_ = true;
        tasks_.spawn("commit", commit_queue());
    }
    co_await pending->done.wait();
}

Task<> FileStore::commit_queue() {
    while (!queue_.empty()) {
        std::vector<std::shared_ptr<Pending>> batch;
        while (!queue_.empty() && batch.size() < options_.commit_max) {
            batch.push_back(std::move(queue_.front()));
            queue_.pop_front();
        }
        auto failure = co_await commit(batch);
        if (failure && health_.failure != failure->what()) hal::log::error("store", "a commit failed: {}", failure->what());
        health_.failure = failure ? failure->what() : "";
        for (const auto& pending : batch) {
            auto& write = pending->write;
            if (failure && !write.failure) write.failure = failure;
            if (pending->has_write && !write.failure)
                publish({write.kind, write.key, write.revision, write.value, write.before});
            pending->done.set();
        }
    }
    is_committing_ = false;
}

// The disk is full: what makes room is written into the ballast's, the rest of the batch fails with `full`. False when that
// was no help. On the writer's thread.
bool FileStore::commit_erasures(const std::vector<Change>& relaxed, const std::vector<Write*>& writes, Revision reserved, const Error& full) {
    std::vector<Write*> erasures;
    for (auto* write : writes) {
        write->failure.reset();
        if (write->is_erase) erasures.push_back(write);
    }
    if (erasures.empty()) return false;
    try {
        writer_->commit(relaxed, erasures, reserved);
    } catch (const Error&) {
        return false;
    }
    for (auto* write : writes)
        if (!write->is_erase) write->failure = full;
    return true;
}

// One transaction for a batch and the relaxed writes before it. The failure that refused all of it, or nothing.
Task<std::optional<Error>> FileStore::commit(std::vector<std::shared_ptr<Pending>>& batch) {
    // Of several relaxed writes of one key only the last goes to the disk.
    std::map<Key, const Change*> last;
    for (const auto& change : relaxed_) last[change.key] = &change;
    std::vector<Change> relaxed;
    for (const auto& change : relaxed_)
        if (last[change.key] == &change) relaxed.push_back(change);
    const std::size_t relaxed_taken = relaxed_.size();
    std::vector<Write*> writes;
    Revision compact_to = 0;
    for (const auto& pending : batch) {
        if (pending->has_write) writes.push_back(&pending->write);
        compact_to = std::max(compact_to, pending->compact_to);
    }
    const bool reserves = reserved_ - assigned_ < options_.reserve / 2;
    const Revision reserved = reserves ? assigned_ + options_.reserve : 0;
    const Revision durable = writes.empty() ? visible_ : writes.back()->revision;
    const Revision compacted = compacted_;
    const bool was_ballast_given = is_ballast_given_;
    struct Outcome {
        std::optional<Error> failure;
        Revision compacted = 0;
        std::int64_t bytes = 0;
        bool is_ballast_given = false;
    };
    const bool has_rows = !writes.empty() || !relaxed.empty();
    auto outcome = co_await offload(writer_thread_, [&] {
        Outcome result;
        result.compacted = compacted;
        result.is_ballast_given = was_ballast_given;
        try {
            if (has_rows) writer_->commit(relaxed, writes, reserved);
        } catch (const Error& error) {
            result.is_ballast_given = error.code() == Code::exhausted && (ballast_.give_up() || result.is_ballast_given);
            if (!result.is_ballast_given || !commit_erasures(relaxed, writes, reserved, error)) {
                result.failure = error;
                return result;
            }
        }
        // A transaction of its own: when it fails, what was committed above still is.
        try {
            while (result.compacted < compact_to) result.compacted = writer_->compact(result.compacted, compact_to);
        } catch (const Error& error) {
            hal::log::warn("store", "compaction: {}", error.what());
        }
        result.bytes = writer_->used_bytes();
        if (ballast_.hold()) result.is_ballast_given = false;  // one system call as long as it is there
        return result;
    });
    compacted_ = outcome.compacted;
    is_ballast_given_ = outcome.is_ballast_given;
    if (outcome.failure) {
        for (auto* write : writes) write->failure.reset();
        co_return std::move(outcome.failure);
    }
    std::erase_if(gaps_, [&](const auto& gap) { return gap.second <= compacted_; });
    relaxed_.erase(relaxed_.begin(), relaxed_.begin() + static_cast<std::ptrdiff_t>(relaxed_taken));
    relaxed_bytes_ = 0;
    for (const auto& change : relaxed_) relaxed_bytes_ += change.value->size();
    if (has_rows && reserves) reserved_ = reserved;
    durable_ = durable;
    history_.trim(durable_);
    health_.file_bytes = outcome.bytes;
    ++health_.commits;
    co_return std::nullopt;
}

void FileStore::publish(Change change) {
    const Revision before = visible_;
    visible_ = change.revision;
    ++health_.changes;
    for (auto* watch : watches_) {
        if (watch->position_ < before) continue;  // it has something to read anyway, and will come here by itself
        if (in_scope(watch->scope_, change.key))
            watch->woken_.set();
        else
            watch->position_ = std::max(watch->position_, change.revision);
    }
    history_.add(std::move(change), durable_);
}

const Change* FileStore::relaxed_of(const Key& key, Revision at) const {
    for (auto change = relaxed_.rbegin(); change != relaxed_.rend(); ++change)
        if (change->revision <= at && change->key == key) return &*change;
    return nullptr;
}

Task<std::optional<Record>> FileStore::get(Key key) {
    if (const auto* change = relaxed_of(key, visible_)) {
        if (change->kind == Change::Kind::deleted) co_return std::nullopt;
        co_return Record{key, change->revision, change->value};
    }
    co_return co_await offload(reader_thread_, [this, &key] { return reader_->get(key); });
}

void FileStore::check_place(Revision revision) const {
    if (revision < compacted_)
        throw Error(Code::gone, "revision " + std::to_string(revision) + " was compacted away, the oldest is " +
                                    std::to_string(compacted_));
    for (const auto& [first, last] : gaps_)
        if (revision > first && revision <= last)
            throw Error(Code::gone, "revision " + std::to_string(revision) + " was lost in an unclean stop");
}

Task<Page> FileStore::list(Scope scope, std::size_t limit, Revision at, std::string after_ns, std::string after_name) {
    if (at != 0) {
        check_place(at);
        if (at > visible_) throw Error(Code::gone, "revision " + std::to_string(at) + " is not there yet");
    }
    Page page;
    page.revision = at == 0 ? visible_ : at;
    const bool has_relaxed = std::any_of(relaxed_.begin(), relaxed_.end(), [&](const Change& change) {
        return in_scope(scope, change.key) && change.revision <= page.revision;
    });
    // The merge takes the relaxed changes as they stand now; a commit meanwhile only moves them to the disk, where the
    // snapshot's revision finds the same.
    const std::size_t wanted = limit == 0 ? 0 : limit + 1 + (has_relaxed ? relaxed_.size() : 0);
    auto relaxed = has_relaxed ? relaxed_ : std::vector<Change>{};
    const auto revision = page.revision;
    struct Outcome {
        std::vector<Record> records;
        std::int64_t remaining = 0;
    };
    auto outcome = co_await offload(reader_thread_, [&] {
        Outcome result;
        result.records = reader_->list(scope, wanted == 0 ? std::numeric_limits<std::int64_t>::max() : wanted, revision,
                                       after_ns, after_name);
        std::map<std::pair<std::string, std::string>, const Change*> newest;
        for (const auto& change : relaxed)
            if (in_scope(scope, change.key) && change.revision <= revision &&
                std::pair(change.key.name_space, change.key.name) > std::pair(after_ns, after_name))
                newest[{change.key.name_space, change.key.name}] = &change;
        if (!newest.empty()) {
            std::vector<Record> all;
            auto record = result.records.begin();
            const auto key_of = [](const Record& r) { return std::pair(r.key.name_space, r.key.name); };
            for (const auto& [key, change] : newest) {
                for (; record != result.records.end() && key_of(*record) < key; ++record) all.push_back(std::move(*record));
                if (record != result.records.end() && key_of(*record) == key) ++record;
                if (change->kind != Change::Kind::deleted) all.push_back({change->key, change->revision, change->value});
            }
            for (; record != result.records.end(); ++record) all.push_back(std::move(*record));
            result.records = std::move(all);
        }
        if (limit != 0 && result.records.size() > limit) {
            const auto& end = result.records[limit - 1].key;
            result.remaining = reader_->count(scope, revision, end.name_space, end.name);
        }
        return result;
    });
    page.records = std::move(outcome.records);
    if (limit != 0 && page.records.size() > limit) {
        const auto over = static_cast<std::int64_t>(page.records.size() - limit);
        page.records.resize(limit);
        page.has_more = true;
        page.remaining = std::max(outcome.remaining, over);
    }
    // Compaction may have passed while the reader was reading.
    check_place(page.revision);
    co_return page;
}

Task<> FileStore::flush() {
    if (relaxed_.empty()) co_return;
    auto pending = std::make_shared<Pending>(executor_);
    co_await enqueue(pending);
    if (pending->write.failure) throw *pending->write.failure;
}

Task<> FileStore::compact(Revision up_to) {
    up_to = std::min(up_to, visible_);
    if (up_to <= compacted_) co_return;
    auto pending = std::make_shared<Pending>(executor_);
    pending->compact_to = up_to;
    co_await enqueue(pending);
    if (pending->write.failure) throw *pending->write.failure;
}

// The chatter's flush and the compaction, at their intervals.
Task<> FileStore::maintain() {
    auto flush_at = std::chrono::steady_clock::now() + options_.relaxed_flush;
    auto compact_at = std::chrono::steady_clock::now() + options_.compact_after;
    Revision mark = visible_;
    while (!stopping_.is_set()) {
        const auto now = std::chrono::steady_clock::now();
        const auto next = std::min(flush_at, compact_at);
        if (now < next) {
            co_await stopping_.wait_for(next - now);
            continue;
        }
        auto pending = std::make_shared<Pending>(executor_);
        bool is_due = false;
        if (now >= flush_at) {
            flush_at = now + options_.relaxed_flush;
            is_due = !relaxed_.empty();
        }
        if (now >= compact_at) {
            compact_at = now + options_.compact_after;
            pending->compact_to = mark - compacted_ >= options_.compact_changes_min ? mark : 0;
            is_due = is_due || pending->compact_to != 0;
            mark = visible_;
        }
        if (is_due) co_await enqueue(pending);
    }
}

Task<> FileStore::close() {
    if (is_closed_) co_return;
    is_closed_ = true;
    stopping_.set();
    // What waits is committed; the relaxed writes go with a last commit of their own.
    auto last = std::make_shared<Pending>(executor_);
    co_await enqueue(last);
    co_await tasks_.join();
    for (auto* watch : watches_) watch->woken_.set();
    if (!last->write.failure) {
        const auto revision = assigned_;
        co_await offload(writer_thread_, [this, revision] { writer_->close(revision); });
    }
}

Store::Health FileStore::health() const {
    auto health = health_;
    health.watches = watches_.size();
    return health;
}

std::unique_ptr<Watch> FileStore::watch(Scope scope, Revision from) {
    check_place(from);
    return std::make_unique<FileWatch>(*this, std::move(scope), from);
}

FileWatch::FileWatch(FileStore& store, Scope scope, Revision from)
    : store_(&store), scope_(std::move(scope)), position_(from), woken_(store.executor_) {
    place_ = store.watches_.insert(store.watches_.end(), this);
}

FileWatch::~FileWatch() {
    if (store_) store_->watches_.erase(place_);
}

Task<std::optional<Change>> FileWatch::ready() {
    for (;;) {
        if (!store_ || store_->is_closed_) throw Error(Code::cancelled, "the store is closed");
        if (!from_disk_.empty()) {
            auto change = std::move(from_disk_.front());
            from_disk_.pop_front();
            position_ = change.revision;
            co_return change;
        }
        if (position_ >= store_->history_.floor()) {
            while (const auto* change = store_->history_.after(position_)) {
                position_ = change->revision;
                if (in_scope(scope_, change->key)) co_return *change;
            }
            position_ = std::max(position_, store_->visible_);
            co_return std::nullopt;
        }
        store_->check_place(position_);
        const auto up_to = store_->history_.floor();
        constexpr std::size_t batch_max = 64;
        auto changes = co_await offload(store_->reader_thread_, [this, up_to] {
            return store_->reader_->changes(scope_, position_, up_to, batch_max);
        });
        if (store_) store_->check_place(position_);
        if (changes.empty())
            position_ = up_to;
        else
            from_disk_.assign(std::make_move_iterator(changes.begin()), std::make_move_iterator(changes.end()));
    }
}

Task<Change> FileWatch::next() {
    for (;;) {
        woken_.clear();
        auto change = co_await ready();
        if (change) co_return std::move(*change);
        co_await woken_.wait();
    }
}

Task<std::optional<Change>> FileWatch::next_within(std::chrono::steady_clock::duration limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    for (;;) {
        woken_.clear();
        auto change = co_await ready();
        if (change) co_return change;
        const auto now = std::chrono::steady_clock::now();
        if (now >= end) co_return std::nullopt;
        co_await woken_.wait_for(end - now);
    }
}

}  // namespace services::kube::store
