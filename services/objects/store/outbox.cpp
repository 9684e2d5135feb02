// The outbox: entries are made by changes (Dispatch), and taken out by records of their own. See index_outbox.cpp.
#include "services/objects/store/state.hpp"

namespace services::objects::store {

namespace {

std::string outbox_lock(std::string_view destination) { return "outbox:" + std::string(destination); }

}  // namespace

Task<std::vector<OutboxEntry>> Store::State::outbox_entries(std::string destination, OutboxState kind, std::uint64_t after, std::size_t entries_max) {
    co_await flush();
    std::vector<OutboxRecord> records;
    auto entries = co_await hal::async::offload(reader_pool, [this, &destination, kind, after, entries_max, &records] {
        return reader->outbox(destination, kind, after, entries_max, &records);
    });
    for (std::size_t i = 0; i < entries.size(); ++i)
        if (const auto found = buckets_by_id.find(records[i].bucket); found != buckets_by_id.end()) entries[i].bucket = found->second->bucket.name;
    co_return entries;
}

Task<std::vector<OutboxEntry>> Store::outbox(std::string destination, std::uint64_t after_sequence, std::size_t entries_max) {
    co_return co_await state_->outbox_entries(std::move(destination), OutboxState::pending, after_sequence, entries_max);
}

Task<std::vector<OutboxEntry>> Store::dead_letters(std::string destination, std::uint64_t after_sequence, std::size_t entries_max) {
    co_return co_await state_->outbox_entries(std::move(destination), OutboxState::dead, after_sequence, entries_max);
}

Task<> Store::outbox_done(std::string destination, std::vector<std::uint64_t> sequences) {
    if (sequences.empty()) co_return;
    auto& s = *state_;
    auto lock = co_await s.locks.take(outbox_lock(destination));
    OutboxRecord record;
    record.state = static_cast<std::uint64_t>(OutboxState::done);
    record.dispatch.destination = std::move(destination);
    record.sequences = std::move(sequences);
    auto entry = co_await s.append(std::move(record), {}, {std::move(lock), {}, 0});
    co_await s.committed(entry);
}

// Writes the entry's new state, if it is there in the old one.
Task<bool> Store::State::move_outbox(std::string destination, std::uint64_t sequence_of_entry, OutboxState from, OutboxState to, std::string reason,
                                     std::uint32_t tries) {
    auto lock = co_await locks.take(outbox_lock(destination));
    co_await flush();
    auto record = co_await hal::async::offload(
        reader_pool, [this, &destination, sequence_of_entry] { return reader->outbox_entry(destination, sequence_of_entry); });
    if (!record || static_cast<OutboxState>(record->state) != from) co_return false;
    record->state = static_cast<std::uint64_t>(to);
    record->sequences = {sequence_of_entry};
    record->reason = std::move(reason);
    record->tries = tries;
    auto entry = co_await append(std::move(*record), {}, {std::move(lock), {}, 0});
    co_await committed(entry);
    co_return true;
}

Task<> Store::outbox_dead(std::string destination, std::uint64_t sequence, std::string reason, std::uint32_t tries) {
    co_await state_->move_outbox(std::move(destination), sequence, OutboxState::pending, OutboxState::dead, std::move(reason), tries);
}

Task<bool> Store::outbox_redrive(std::string destination, std::uint64_t sequence) {
    const bool is_moved = co_await state_->move_outbox(std::move(destination), sequence, OutboxState::dead, OutboxState::pending, {}, 0);
    if (is_moved) {
        state_->outbox_added.set();
        state_->outbox_added.clear();
    }
    co_return is_moved;
}

Task<Backlog> Store::backlog(std::string destination) {
    auto& s = *state_;
    co_await s.flush();
    co_return co_await hal::async::offload(s.reader_pool, [&s, &destination] { return s.reader->backlog(destination); });
}

Task<> Store::outbox_more() { co_await state_->outbox_added.wait(); }

}  // namespace services::objects::store
