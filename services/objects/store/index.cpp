// The tables (schema_version 1). Texts are compared by bytes. `ord` is the negative order of a version, so the newest of a
// key comes first; `oldest` is the oldest segment that may hold a dead record of the same thing, 0 for none.
#include "services/objects/store/index.hpp"

#include <algorithm>
#include <cstring>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"

namespace services::objects::store {

namespace {

constexpr std::int64_t schema_version = 1;

constexpr auto schema = R"(
CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS buckets(id INTEGER PRIMARY KEY, sequence INTEGER, position INTEGER, length INTEGER, oldest INTEGER,
    body TEXT);
CREATE TABLE IF NOT EXISTS versions(bucket INTEGER, key TEXT, ord INTEGER, version TEXT, sequence INTEGER, position INTEGER,
    length INTEGER, bytes INTEGER, modified INTEGER, etag TEXT, flags INTEGER, oldest INTEGER, blobs TEXT,
    PRIMARY KEY(bucket, key, ord)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS statistics(bucket INTEGER PRIMARY KEY, objects INTEGER, versions INTEGER, markers INTEGER,
    bytes INTEGER);
CREATE TABLE IF NOT EXISTS segments(segment INTEGER PRIMARY KEY, live INTEGER);
CREATE TABLE IF NOT EXISTS uploads(id TEXT PRIMARY KEY, bucket INTEGER, key TEXT, sequence INTEGER, position INTEGER,
    length INTEGER, oldest INTEGER, body TEXT) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS uploads_by_key ON uploads(bucket, key, id);
CREATE TABLE IF NOT EXISTS parts(upload TEXT, number INTEGER, sequence INTEGER, position INTEGER, length INTEGER, oldest INTEGER,
    blob INTEGER, body TEXT, PRIMARY KEY(upload, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blobs(id INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS graves(position INTEGER, type INTEGER, oldest INTEGER, origin INTEGER, body TEXT,
    PRIMARY KEY(position, type, body)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox(destination TEXT, sequence INTEGER, state INTEGER, bucket INTEGER, key TEXT, version TEXT,
    position INTEGER, oldest INTEGER, coalesces INTEGER, bytes INTEGER, time INTEGER, body TEXT,
    PRIMARY KEY(destination, sequence)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS outbox_by_position ON outbox(position);
CREATE INDEX IF NOT EXISTS outbox_by_version ON outbox(bucket, key, version);
)";

std::int64_t signed_of(std::uint64_t value) { return static_cast<std::int64_t>(value); }
std::uint64_t unsigned_of(std::int64_t value) { return static_cast<std::uint64_t>(value); }
std::uint32_t narrow(std::int64_t value) { return static_cast<std::uint32_t>(value); }

std::uint32_t older(std::uint32_t a, std::uint32_t b) { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

std::uint64_t blob_at(std::string_view blobs, std::size_t i) {
    std::uint64_t id = 0;
    std::memcpy(&id, blobs.data() + i * sizeof id, sizeof id);
    return id;
}

std::string blobs_of(const std::vector<StoredPart>& parts) {
    std::string bytes(parts.size() * sizeof(std::uint64_t), 0);
    for (std::size_t i = 0; i < parts.size(); ++i) std::memcpy(bytes.data() + i * sizeof(std::uint64_t), &parts[i].blob, sizeof(std::uint64_t));
    return bytes;
}

bool names(std::string_view blobs, std::uint64_t id) {
    for (std::size_t i = 0; i < blobs.size() / sizeof id; ++i)
        if (blob_at(blobs, i) == id) return true;
    return false;
}

constexpr std::string_view row_columns =
    "ord, version, sequence, position, length, bytes, modified, etag, flags, oldest, blobs FROM versions ";

Row row_of(const hal::disk::Statement& s, int first = 0) {
    return {.order = unsigned_of(-s.integer(first)),
            .version = std::string(s.bytes(first + 1)),
            .sequence = unsigned_of(s.integer(first + 2)),
            .position = Position::of(unsigned_of(s.integer(first + 3))),
            .length = narrow(s.integer(first + 4)),
            .bytes = unsigned_of(s.integer(first + 5)),
            .modified = s.integer(first + 6),
            .etag = std::string(s.bytes(first + 7)),
            .flags = unsigned_of(s.integer(first + 8)),
            .oldest = narrow(s.integer(first + 9)),
            .blobs = std::string(s.bytes(first + 10))};
}

}  // namespace

IndexWriter IndexWriter::open(const std::filesystem::path& file, std::size_t cache_bytes) {
    const auto attempt = [&] {
        auto database = hal::disk::Sqlite::open(
            file, {.mode = hal::disk::Sqlite::Mode::writer, .cache_bytes = cache_bytes, .wal_bytes_max = 8 * 1024 * 1024});
        database.execute("PRAGMA synchronous=NORMAL");
        const auto version = database.value("PRAGMA user_version");
        if (version != 0 && version != schema_version)
            throw hal::Error(hal::Code::corrupt, "the index has version " + std::to_string(version));
        database.execute(schema);
        database.execute("PRAGMA user_version=" + std::to_string(schema_version));
        return database;
    };
    try {
        return IndexWriter(attempt());
    } catch (const hal::Error& e) {
        if (e.code() != hal::Code::corrupt) throw;
        hal::log::warn("objects", "{}: {}; it is made again from the log", file.string(), e.what());
    }
    for (const auto* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(std::filesystem::path(file) += suffix);
    return IndexWriter(attempt());
}

Position IndexWriter::position() { return Position::of(unsigned_of(database_.value("SELECT value FROM meta WHERE name='position'"))); }
std::uint64_t IndexWriter::sequence() { return unsigned_of(database_.value("SELECT value FROM meta WHERE name='sequence'")); }
bool IndexWriter::was_closed_cleanly() { return database_.value("SELECT value FROM meta WHERE name='clean'") == 1; }
std::uint64_t IndexWriter::uploads() { return unsigned_of(database_.value("SELECT count(*) FROM uploads")); }

void IndexWriter::set_closed_cleanly(bool clean) {
    auto s = database_.prepare("INSERT OR REPLACE INTO meta VALUES('clean', ?)");
    s.bind(std::int64_t{clean}).step();
}

std::string IndexWriter::scrub_place() {
    auto s = database_.prepare("SELECT value FROM meta WHERE name='scrub'");
    return s.step() ? std::string(s.bytes(0)) : std::string();
}

void IndexWriter::set_scrub_place(std::string_view place) {
    auto s = database_.prepare("INSERT OR REPLACE INTO meta VALUES('scrub', ?)");
    s.bind(place).step();
}

void IndexWriter::make_durable() { database_.execute("PRAGMA wal_checkpoint(FULL)"); }

void IndexWriter::forget_segments(std::span<const std::uint32_t> numbers) {
    for (const auto number : numbers) {
        auto s = database_.prepare("DELETE FROM segments WHERE segment = ?");
        s.bind(std::int64_t{number}).step();
        // What described only records of that segment has no use any more.
        auto g = database_.prepare("DELETE FROM graves WHERE position >= ? AND position < ?");
        g.bind(signed_of(Position{number, 0}.value())).bind(signed_of(Position{number + 1, 0}.value())).step();
    }
}

std::vector<std::pair<Position, BucketRecord>> IndexWriter::buckets() {
    std::vector<std::pair<Position, BucketRecord>> found;
    auto s = database_.prepare("SELECT position, body FROM buckets");
    while (s.step()) {
        auto record = decoded(static_cast<std::uint8_t>(RecordType::bucket), s.bytes(1));
        if (!record) throw hal::Error(hal::Code::corrupt, "the index holds a bucket that cannot be read");
        found.emplace_back(Position::of(unsigned_of(s.integer(0))), std::get<BucketRecord>(std::move(*record)));
    }
    return found;
}

std::map<std::uint64_t, BucketStatistics> IndexWriter::statistics() {
    std::map<std::uint64_t, BucketStatistics> found;
    auto s = database_.prepare("SELECT bucket, objects, versions, markers, bytes FROM statistics");
    while (s.step())
        found[unsigned_of(s.integer(0))] = {unsigned_of(s.integer(1)), unsigned_of(s.integer(2)), unsigned_of(s.integer(3)),
                                            unsigned_of(s.integer(4))};
    return found;
}

std::map<std::uint32_t, std::int64_t> IndexWriter::live() {
    std::map<std::uint32_t, std::int64_t> found;
    auto s = database_.prepare("SELECT segment, live FROM segments");
    while (s.step()) found[narrow(s.integer(0))] = s.integer(1);
    return found;
}

Applied IndexWriter::apply(std::span<const Change* const> changes, Position end) {
    hal::disk::Sqlite::Transaction transaction(database_);
    Effects effects;
    effects.sequence = sequence();
    for (const auto* change : changes)
        std::visit([&](const auto& record) { apply_one(effects, *change, record); }, change->record);
    save(effects, end);
    Applied applied;
    for (const auto& [bucket, delta] : effects.statistics) {
        auto s = database_.prepare("SELECT objects, versions, markers, bytes FROM statistics WHERE bucket = ?");
        s.bind(signed_of(bucket));
        if (s.step())
            applied.statistics[bucket] = {unsigned_of(s.integer(0)), unsigned_of(s.integer(1)), unsigned_of(s.integer(2)),
                                          unsigned_of(s.integer(3))};
    }
    for (const auto& [segment, delta] : effects.live) {
        auto s = database_.prepare("SELECT live FROM segments WHERE segment = ?");
        s.bind(std::int64_t{segment});
        applied.live[segment] = s.step() ? s.integer(0) : 0;
    }
    applied.uploads = uploads();
    applied.blobs = std::move(effects.blobs);
    transaction.commit();
    return applied;
}

void IndexWriter::save(Effects& effects, Position end) {
    for (const auto& [bucket, delta] : effects.statistics) {
        auto s = database_.prepare("INSERT INTO statistics VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT(bucket) DO UPDATE SET "
                                   "objects = objects + ?2, versions = versions + ?3, markers = markers + ?4, bytes = bytes + ?5");
        s.bind(signed_of(bucket)).bind(signed_of(delta.objects)).bind(signed_of(delta.versions));
        s.bind(signed_of(delta.delete_markers)).bind(signed_of(delta.bytes)).step();
    }
    for (const auto& [segment, delta] : effects.live) {
        if (delta == 0) continue;
        auto s = database_.prepare("INSERT INTO segments VALUES(?1, ?2) ON CONFLICT(segment) DO UPDATE SET live = live + ?2");
        s.bind(std::int64_t{segment}).bind(delta).step();
    }
    for (const auto& [name, value] : {std::pair{"position", end.value()}, std::pair{"sequence", effects.sequence}}) {
        auto s = database_.prepare("INSERT OR REPLACE INTO meta VALUES(?, ?)");
        s.bind(std::string_view(name)).bind(signed_of(value)).step();
    }
}

std::optional<Row> IndexWriter::version_row(std::uint64_t bucket, std::string_view key, std::string_view version, std::uint64_t order) {
    {
        auto s = database_.prepare("SELECT " + std::string(row_columns) + "WHERE bucket = ? AND key = ? AND ord = ?");
        s.bind(signed_of(bucket)).bind(key).bind(-signed_of(order));
        if (s.step()) {
            auto row = row_of(s);
            if (row.version == version) return row;
        }
    }
    auto s = database_.prepare("SELECT " + std::string(row_columns) + "WHERE bucket = ? AND key = ? AND version = ?");
    s.bind(signed_of(bucket)).bind(key).bind(version);
    return s.step() ? std::optional(row_of(s)) : std::nullopt;
}

namespace {

// Whether the latest version of a key is an object, as opposed to a delete marker or nothing.
bool shows_object(hal::disk::Sqlite& database, std::uint64_t bucket, std::string_view key) {
    auto s = database.prepare("SELECT flags FROM versions WHERE bucket = ? AND key = ? ORDER BY ord LIMIT 1");
    s.bind(signed_of(bucket)).bind(key);
    return s.step() && !(unsigned_of(s.integer(0)) & flag::delete_marker);
}

}  // namespace

void IndexWriter::drop_row(Effects& effects, std::uint64_t bucket, std::string_view key, const Row& row, std::string_view kept_blobs) {
    auto s = database_.prepare("DELETE FROM versions WHERE bucket = ? AND key = ? AND ord = ?");
    s.bind(signed_of(bucket)).bind(key).bind(-signed_of(row.order)).step();
    effects.drop(row.position, row.length);
    effects.count(bucket, row, false);
    for (std::size_t i = 0; i < row.blobs.size() / sizeof(std::uint64_t); ++i) {
        const auto id = blob_at(row.blobs, i);
        if (names(kept_blobs, id)) continue;
        effects.blobs.push_back(id);
        auto b = database_.prepare("DELETE FROM blobs WHERE id = ?");
        b.bind(signed_of(id)).step();
    }
    // What was to be told of this version's state is told by what replaced it.
    auto o = database_.prepare("DELETE FROM outbox WHERE bucket = ? AND key = ? AND version = ? AND coalesces = 1 AND sequence <= ?");
    o.bind(signed_of(bucket)).bind(key).bind(std::string_view(row.version)).bind(signed_of(row.sequence)).step();
}

void IndexWriter::apply_one(Effects& effects, const Change& change, const PutRecord& put) {
    effects.sequence = std::max(effects.sequence, put.sequence);
    const auto blobs = blobs_of(put.parts);
    std::uint32_t oldest = 0;
    if (!put.upload.empty()) {
        if (const auto upload_oldest = end_upload(effects, put.upload, blobs))
            bury(change, upload_oldest, RecordType::upload_end, encoded(UploadEndRecord{put.sequence, put.upload}));
    }
    const auto existing = version_row(put.bucket, put.key, put.version, put.order);
    if (existing && existing->sequence > put.sequence) return;
    const bool showed = shows_object(database_, put.bucket, put.key);
    bool is_copy = false;
    if (existing) {
        oldest = existing->oldest;
        if (existing->position != change.position) oldest = older(oldest, existing->position.segment);
        is_copy = existing->sequence == put.sequence;
        if (is_copy) {  // the same change at another place: what is to be told of it stays
            auto d = database_.prepare("DELETE FROM versions WHERE bucket = ? AND key = ? AND ord = ?");
            d.bind(signed_of(put.bucket)).bind(std::string_view(put.key)).bind(-signed_of(existing->order)).step();
            effects.drop(existing->position, existing->length);
            effects.count(put.bucket, *existing, false);
        } else {
            drop_row(effects, put.bucket, put.key, *existing, blobs);
        }
    }
    const Row row{.order = put.order, .version = put.version, .sequence = put.sequence, .position = change.position,
                  .length = change.length, .bytes = put.bytes, .modified = put.modified, .etag = put.etag, .flags = put.flags,
                  .oldest = oldest, .blobs = blobs};
    {
        auto s = database_.prepare("INSERT INTO versions VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
        s.bind(signed_of(put.bucket)).bind(std::string_view(put.key)).bind(-signed_of(row.order)).bind(std::string_view(row.version));
        s.bind(signed_of(row.sequence)).bind(signed_of(row.position.value())).bind(std::int64_t{row.length});
        s.bind(signed_of(row.bytes)).bind(row.modified).bind(std::string_view(row.etag)).bind(signed_of(row.flags));
        s.bind(std::int64_t{row.oldest}).bind(std::string_view(row.blobs)).step();
    }
    for (const auto& part : put.parts) {
        auto b = database_.prepare("INSERT OR IGNORE INTO blobs VALUES(?)");
        b.bind(signed_of(part.blob)).step();
    }
    effects.add(change);
    effects.count(put.bucket, row, true);
    const bool shows = shows_object(database_, put.bucket, put.key);
    if (shows != showed) effects.statistics[put.bucket].objects += shows ? 1 : ~std::uint64_t{0};
    add_dispatches(change, put.dispatches,
                   {.state = 0, .dispatch = {}, .sequences = {}, .bucket = put.bucket, .key = put.key, .version = put.version,
                    .is_removal = 0, .bytes = put.bytes, .time = put.modified, .reason = {}, .tries = 0},
                   put.sequence);
}

void IndexWriter::apply_one(Effects& effects, const Change& change, const RemoveRecord& removal) {
    effects.sequence = std::max(effects.sequence, removal.sequence);
    const auto row = version_row(removal.bucket, removal.key, removal.version, removal.order);
    if (row && row->sequence < removal.sequence) {
        const bool showed = shows_object(database_, removal.bucket, removal.key);
        drop_row(effects, removal.bucket, removal.key, *row, {});
        const bool shows = shows_object(database_, removal.bucket, removal.key);
        if (shows != showed) effects.statistics[removal.bucket].objects += shows ? 1 : ~std::uint64_t{0};
        auto kept = removal;
        kept.dispatches.clear();
        bury(change, older(row->oldest, row->position.segment), RecordType::remove, encoded(kept));
    }
    add_dispatches(change, removal.dispatches,
                   {.state = 0, .dispatch = {}, .sequences = {}, .bucket = removal.bucket, .key = removal.key,
                    .version = removal.version, .is_removal = 1, .bytes = 0, .time = removal.time, .reason = {}, .tries = 0},
                   removal.sequence);
}

void IndexWriter::apply_one(Effects& effects, const Change& change, const BucketRecord& bucket) {
    effects.sequence = std::max(effects.sequence, bucket.sequence);
    std::uint32_t oldest = 0;
    {
        auto s = database_.prepare("SELECT sequence, position, length, oldest FROM buckets WHERE id = ?");
        s.bind(signed_of(bucket.id));
        if (s.step()) {
            if (unsigned_of(s.integer(0)) > bucket.sequence) return;
            const auto position = Position::of(unsigned_of(s.integer(1)));
            effects.drop(position, narrow(s.integer(2)));
            oldest = older(narrow(s.integer(3)), position.segment);
        } else if (bucket.is_removed) {
            return;
        }
    }
    if (bucket.is_removed) {
        // Its objects may lie in segments older than the bucket's own record, which compaction has moved on.
        drop_bucket(effects, bucket.id);
        bury(change, 1, RecordType::bucket, change.body);
        return;
    }
    auto s = database_.prepare("INSERT OR REPLACE INTO buckets VALUES(?, ?, ?, ?, ?, ?)");
    s.bind(signed_of(bucket.id)).bind(signed_of(bucket.sequence)).bind(signed_of(change.position.value()));
    s.bind(std::int64_t{change.length}).bind(std::int64_t{oldest}).bind(std::string_view(change.body)).step();
    effects.add(change);
}

void IndexWriter::drop_bucket(Effects& effects, std::uint64_t bucket) {
    const auto id = signed_of(bucket);
    {
        auto s = database_.prepare("SELECT position, length, blobs FROM versions WHERE bucket = ?");
        s.bind(id);
        while (s.step()) {
            effects.drop(Position::of(unsigned_of(s.integer(0))), narrow(s.integer(1)));
            const auto blobs = s.bytes(2);
            for (std::size_t i = 0; i < blobs.size() / sizeof(std::uint64_t); ++i) effects.blobs.push_back(blob_at(blobs, i));
        }
    }
    std::vector<std::string> uploads;
    {
        auto s = database_.prepare("SELECT id FROM uploads WHERE bucket = ?");
        s.bind(id);
        while (s.step()) uploads.emplace_back(s.bytes(0));
    }
    for (const auto& upload : uploads) end_upload(effects, upload, {});
    for (const auto blob : effects.blobs) {
        auto b = database_.prepare("DELETE FROM blobs WHERE id = ?");
        b.bind(signed_of(blob)).step();
    }
    for (const auto* sql : {"DELETE FROM versions WHERE bucket = ?", "DELETE FROM statistics WHERE bucket = ?",
                            "DELETE FROM buckets WHERE id = ?", "DELETE FROM outbox WHERE bucket = ? AND coalesces = 1"}) {
        auto s = database_.prepare(sql);
        s.bind(id).step();
    }
    effects.statistics.erase(bucket);
}

void IndexWriter::apply_one(Effects& effects, const Change& change, const UploadRecord& upload) {
    effects.sequence = std::max(effects.sequence, upload.sequence);
    std::uint32_t oldest = 0;
    {
        auto s = database_.prepare("SELECT position, length, oldest FROM uploads WHERE id = ?");
        s.bind(std::string_view(upload.id));
        if (s.step()) {
            const auto position = Position::of(unsigned_of(s.integer(0)));
            effects.drop(position, narrow(s.integer(1)));
            oldest = older(narrow(s.integer(2)), position.segment);
        }
    }
    auto s = database_.prepare("INSERT OR REPLACE INTO uploads VALUES(?, ?, ?, ?, ?, ?, ?, ?)");
    s.bind(std::string_view(upload.id)).bind(signed_of(upload.bucket)).bind(std::string_view(upload.key));
    s.bind(signed_of(upload.sequence)).bind(signed_of(change.position.value())).bind(std::int64_t{change.length});
    s.bind(std::int64_t{oldest}).bind(std::string_view(change.body)).step();
    effects.add(change);
}

void IndexWriter::apply_one(Effects& effects, const Change& change, const PartRecord& part) {
    effects.sequence = std::max(effects.sequence, part.sequence);
    std::uint32_t oldest = 0;
    {
        auto s = database_.prepare("SELECT sequence, position, length, oldest, blob FROM parts WHERE upload = ? AND number = ?");
        s.bind(std::string_view(part.upload)).bind(std::int64_t{part.part.part.number});
        if (s.step()) {
            if (unsigned_of(s.integer(0)) > part.sequence) return;
            const auto position = Position::of(unsigned_of(s.integer(1)));
            effects.drop(position, narrow(s.integer(2)));
            oldest = older(narrow(s.integer(3)), position.segment);
            const auto blob = unsigned_of(s.integer(4));
            if (blob != part.part.blob) {
                effects.blobs.push_back(blob);
                auto b = database_.prepare("DELETE FROM blobs WHERE id = ?");
                b.bind(signed_of(blob)).step();
            }
        }
    }
    auto s = database_.prepare("INSERT OR REPLACE INTO parts VALUES(?, ?, ?, ?, ?, ?, ?, ?)");
    s.bind(std::string_view(part.upload)).bind(std::int64_t{part.part.part.number}).bind(signed_of(part.sequence));
    s.bind(signed_of(change.position.value())).bind(std::int64_t{change.length}).bind(std::int64_t{oldest});
    s.bind(signed_of(part.part.blob)).bind(std::string_view(change.body)).step();
    auto b = database_.prepare("INSERT OR IGNORE INTO blobs VALUES(?)");
    b.bind(signed_of(part.part.blob)).step();
    effects.add(change);
}

// Removes an upload with its parts; the oldest segment that holds a record of it, 0 when there was none.
std::uint32_t IndexWriter::end_upload(Effects& effects, std::string_view upload, std::string_view kept_blobs) {
    std::uint32_t oldest = 0;
    {
        auto s = database_.prepare("SELECT position, length, oldest FROM uploads WHERE id = ?");
        s.bind(upload);
        if (s.step()) {
            const auto position = Position::of(unsigned_of(s.integer(0)));
            effects.drop(position, narrow(s.integer(1)));
            oldest = older(oldest, older(narrow(s.integer(2)), position.segment));
        }
    }
    std::vector<std::uint64_t> gone;
    {
        auto s = database_.prepare("SELECT position, length, oldest, blob FROM parts WHERE upload = ?");
        s.bind(upload);
        while (s.step()) {
            const auto position = Position::of(unsigned_of(s.integer(0)));
            effects.drop(position, narrow(s.integer(1)));
            oldest = older(oldest, older(narrow(s.integer(2)), position.segment));
            if (const auto blob = unsigned_of(s.integer(3)); !names(kept_blobs, blob)) gone.push_back(blob);
        }
    }
    for (const auto blob : gone) {
        effects.blobs.push_back(blob);
        auto b = database_.prepare("DELETE FROM blobs WHERE id = ?");
        b.bind(signed_of(blob)).step();
    }
    for (const auto* sql : {"DELETE FROM uploads WHERE id = ?", "DELETE FROM parts WHERE upload = ?"}) {
        auto s = database_.prepare(sql);
        s.bind(upload).step();
    }
    return oldest;
}

void IndexWriter::apply_one(Effects& effects, const Change& change, const UploadEndRecord& end) {
    effects.sequence = std::max(effects.sequence, end.sequence);
    // The parts of an upload that was completed belong to an object, which may have come before this (a copy).
    if (const auto oldest = end_upload(effects, end.upload, {})) bury(change, oldest, RecordType::upload_end, change.body);
}

void IndexWriter::bury(const Change& change, std::uint32_t oldest, RecordType type, std::string_view body) {
    auto s = database_.prepare("INSERT OR REPLACE INTO graves VALUES(?, ?, ?, ?, ?)");
    s.bind(signed_of(change.position.value())).bind(std::int64_t{static_cast<std::uint8_t>(type)}).bind(std::int64_t{oldest});
    s.bind(std::int64_t{change.position.segment}).bind(body).step();
}

// Records of a bucket or an upload may stand before its own one, which compaction has moved on; what has none in the end
// is of one that was removed.
void IndexWriter::drop_strays() {
    hal::disk::Sqlite::Transaction transaction(database_);
    Effects effects;
    effects.sequence = sequence();
    std::vector<std::uint64_t> buckets;
    {
        auto s = database_.prepare("SELECT DISTINCT bucket FROM statistics WHERE bucket NOT IN (SELECT id FROM buckets) "
                                   "UNION SELECT DISTINCT bucket FROM uploads WHERE bucket NOT IN (SELECT id FROM buckets)");
        while (s.step()) buckets.push_back(unsigned_of(s.integer(0)));
    }
    for (const auto bucket : buckets) drop_bucket(effects, bucket);
    std::vector<std::string> uploads_gone;
    {
        auto s = database_.prepare("SELECT DISTINCT upload FROM parts WHERE upload NOT IN (SELECT id FROM uploads)");
        while (s.step()) uploads_gone.emplace_back(s.bytes(0));
    }
    for (const auto& upload : uploads_gone) end_upload(effects, upload, {});
    // A part that was dropped may be part of an object whose record came first.
    {
        auto s = database_.prepare("SELECT blobs FROM versions WHERE blobs != ''");
        while (s.step()) {
            const auto blobs = s.bytes(0);
            for (std::size_t i = 0; i < blobs.size() / sizeof(std::uint64_t); ++i) {
                auto b = database_.prepare("INSERT OR IGNORE INTO blobs VALUES(?)");
                b.bind(signed_of(blob_at(blobs, i))).step();
            }
        }
    }
    save(effects, position());
    transaction.commit();
}

}  // namespace services::objects::store
