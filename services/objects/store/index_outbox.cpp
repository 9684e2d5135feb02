// The outbox in the index: an entry is pending or dead until it is done, and its newest record says which.
#include <algorithm>

#include "hal/base/error.hpp"
#include "services/objects/store/index.hpp"

namespace services::objects::store {

namespace {

std::int64_t signed_of(std::uint64_t value) { return static_cast<std::int64_t>(value); }
std::uint64_t unsigned_of(std::int64_t value) { return static_cast<std::uint64_t>(value); }

OutboxRecord record_of(std::string_view body) {
    auto record = decoded(static_cast<std::uint8_t>(RecordType::outbox), body);
    if (!record) throw hal::Error(hal::Code::corrupt, "the index holds an outbox entry that cannot be read");
    return std::get<OutboxRecord>(std::move(*record));
}

}  // namespace

void IndexWriter::add_dispatches(const Change& change, const std::vector<Dispatch>& dispatches, OutboxRecord entry,
                                 std::uint64_t sequence) {
    for (const auto& dispatch : dispatches) {
        entry.dispatch = dispatch;
        entry.sequences = {sequence};
        add_outbox(change, entry, sequence);
    }
}

void IndexWriter::add_outbox(const Change& change, const OutboxRecord& entry, std::uint64_t sequence) {
    std::uint32_t oldest = 0;
    {
        auto s = database_.prepare("SELECT position, oldest FROM outbox WHERE destination = ? AND sequence = ?");
        s.bind(std::string_view(entry.dispatch.destination)).bind(signed_of(sequence));
        if (s.step()) {
            const auto segment = Position::of(unsigned_of(s.integer(0))).segment;
            oldest = s.integer(1) ? std::min(static_cast<std::uint32_t>(s.integer(1)), segment) : segment;
        }
    }
    const auto body = encoded(entry);
    auto s = database_.prepare("INSERT OR REPLACE INTO outbox VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    s.bind(std::string_view(entry.dispatch.destination)).bind(signed_of(sequence)).bind(signed_of(entry.state));
    s.bind(signed_of(entry.bucket)).bind(std::string_view(entry.key)).bind(std::string_view(entry.version));
    s.bind(signed_of(change.position.value())).bind(std::int64_t{oldest}).bind(std::int64_t{entry.dispatch.superseded_by_next});
    s.bind(signed_of(entry.bytes)).bind(entry.time).bind(std::string_view(body)).step();
}

void IndexWriter::apply_one(Effects& effects, const Change& change, const OutboxRecord& outbox) {
    for (const auto sequence : outbox.sequences) effects.sequence = std::max(effects.sequence, sequence);
    if (static_cast<OutboxState>(outbox.state) != OutboxState::done) {
        if (!outbox.sequences.empty()) add_outbox(change, outbox, outbox.sequences.front());
        return;
    }
    std::uint32_t oldest = 0;
    for (const auto sequence : outbox.sequences) {
        auto s = database_.prepare("DELETE FROM outbox WHERE destination = ? AND sequence = ? RETURNING position, oldest");
        s.bind(std::string_view(outbox.dispatch.destination)).bind(signed_of(sequence));
        while (s.step()) {
            auto segment = Position::of(unsigned_of(s.integer(0))).segment;
            if (s.integer(1)) segment = std::min(static_cast<std::uint32_t>(s.integer(1)), segment);
            oldest = oldest ? std::min(oldest, segment) : segment;
        }
    }
    if (oldest) bury(change, oldest, RecordType::outbox, change.body);
}

std::vector<OutboxEntry> IndexReader::outbox(std::string_view destination, OutboxState state, std::uint64_t after,
                                             std::size_t entries_max, std::vector<OutboxRecord>* records) {
    std::vector<OutboxEntry> found;
    auto s = database_.prepare("SELECT sequence, body FROM outbox WHERE destination = ? AND sequence > ? AND state = ? "
                               "ORDER BY sequence LIMIT ?");
    s.bind(destination).bind(signed_of(after)).bind(std::int64_t{static_cast<std::uint8_t>(state)}).bind(signed_of(entries_max));
    while (s.step()) {
        auto r = record_of(s.bytes(1));
        found.push_back({.sequence = unsigned_of(s.integer(0)), .bucket = {}, .key = r.key, .version = version_text(r.version),
                         .is_removal = r.is_removal != 0, .bytes = r.bytes, .time = hal::WallTime(std::chrono::microseconds(r.time)),
                         .note = r.dispatch.note, .reason = r.reason, .tries = static_cast<std::uint32_t>(r.tries)});
        if (records) records->push_back(std::move(r));
    }
    return found;
}

std::optional<OutboxRecord> IndexReader::outbox_entry(std::string_view destination, std::uint64_t sequence) {
    auto s = database_.prepare("SELECT body FROM outbox WHERE destination = ? AND sequence = ?");
    s.bind(destination).bind(signed_of(sequence));
    return s.step() ? std::optional(record_of(s.bytes(0))) : std::nullopt;
}

Backlog IndexReader::backlog(std::string_view destination) {
    Backlog backlog;
    auto s = database_.prepare("SELECT state, count(*), sum(bytes), min(time) FROM outbox WHERE destination = ? GROUP BY state");
    s.bind(destination);
    while (s.step()) {
        if (static_cast<OutboxState>(s.integer(0)) == OutboxState::dead) {
            backlog.dead = unsigned_of(s.integer(1));
        } else {
            backlog.entries = unsigned_of(s.integer(1));
            backlog.bytes = unsigned_of(s.integer(2));
            backlog.oldest = hal::WallTime(std::chrono::microseconds(s.integer(3)));
        }
    }
    return backlog;
}

bool IndexReader::is_pending(std::uint64_t bucket, std::string_view key, std::string_view version) {
    auto s = database_.prepare("SELECT 1 FROM outbox WHERE bucket = ? AND key = ? AND version = ? LIMIT 1");
    s.bind(signed_of(bucket)).bind(key).bind(version);
    return s.step();
}

std::vector<OutboxRecord> IndexReader::outbox_at(Position from, Position to, std::size_t entries_max) {
    std::vector<OutboxRecord> found;
    auto s = database_.prepare("SELECT sequence, body FROM outbox WHERE position >= ? AND position < ? LIMIT ?");
    s.bind(signed_of(from.value())).bind(signed_of(to.value())).bind(signed_of(entries_max));
    while (s.step()) {
        auto record = record_of(s.bytes(1));
        record.sequences = {unsigned_of(s.integer(0))};
        found.push_back(std::move(record));
    }
    return found;
}

std::vector<Grave> IndexReader::graves(Position from, Position to, std::span<const std::uint32_t> segments, std::size_t graves_max) {
    std::vector<Grave> found;
    auto s = database_.prepare("SELECT position, type, body, oldest, origin FROM graves WHERE position >= ? AND position < ?");
    s.bind(signed_of(from.value())).bind(signed_of(to.value()));
    while (found.size() < graves_max && s.step()) {
        // Its victims lie in [oldest, origin); a victim beside it goes with it.
        const auto next = std::lower_bound(segments.begin(), segments.end(), static_cast<std::uint32_t>(s.integer(3)));
        if (next == segments.end() || *next >= static_cast<std::uint32_t>(s.integer(4))) continue;
        found.push_back({unsigned_of(s.integer(0)), static_cast<std::uint8_t>(s.integer(1)), std::string(s.bytes(2))});
    }
    return found;
}

void IndexWriter::move_graves(std::span<const Grave> graves, std::span<const Position> places) {
    hal::disk::Sqlite::Transaction transaction(database_);
    for (std::size_t i = 0; i < graves.size(); ++i) {
        auto s = database_.prepare("UPDATE graves SET position = ? WHERE position = ? AND type = ? AND body = ?");
        s.bind(signed_of(places[i].value())).bind(signed_of(graves[i].place)).bind(std::int64_t{graves[i].type});
        s.bind(std::string_view(graves[i].body)).step();
    }
    transaction.commit();
}

}  // namespace services::objects::store
