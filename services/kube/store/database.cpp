#include "services/kube/store/database.hpp"

#include <algorithm>

namespace services::kube::store {

namespace {

constexpr std::int64_t application = 0x6262'6b76;  // "bbkv"
constexpr std::int64_t compaction_rows_max = 1000;
constexpr std::int64_t page_bytes = 4096;
constexpr std::int64_t checked_bytes_max = 16 * 1024 * 1024;

constexpr std::string_view tables = R"(
CREATE TABLE IF NOT EXISTS changes(
  id INTEGER PRIMARY KEY, resource TEXT NOT NULL, name_space TEXT NOT NULL, name TEXT NOT NULL,
  kind INTEGER NOT NULL, previous INTEGER NOT NULL, value BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS changes_by_key ON changes(resource, name_space, name, id);
CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gaps(first INTEGER PRIMARY KEY, last INTEGER NOT NULL);
)";

// The rows that stand at revision ?4, after (?2, ?3) in key order. One text for all namespaces, one for a single one,
// so that each walks the index.
constexpr std::string_view newest = R"( AND c.id<=?4 AND c.kind<>2 AND NOT EXISTS(SELECT 1 FROM changes AS n
  WHERE n.resource=c.resource AND n.name_space=c.name_space AND n.name=c.name AND n.id>c.id AND n.id<=?4))";

std::string standing(std::string_view columns, const Scope& scope, std::string_view tail) {
    std::string sql = "SELECT ";
    sql += columns;
    sql += " FROM changes AS c WHERE c.resource=?1 AND ";
    if (scope.name_space.empty())
        sql += "(c.name_space, c.name)>(?2, ?3)";
    else
        sql += "c.name_space=?2 AND c.name>?3";
    if (!scope.name.empty()) sql += " AND c.name=?5";
    sql += newest;
    sql += tail;
    return sql;
}

}  // namespace

Database::Database(const std::filesystem::path& file, hal::disk::Sqlite::Mode mode)
    : sqlite_(hal::disk::Sqlite::open(file, {.mode = mode})) {}

Database::State Database::start() {
    // Before anything is served from it: damage that shows only later would be answered as truth until then. 6 ms a MiB here; a
    // larger file is not worth the wait at each start.
    if (sqlite_.value("PRAGMA page_count") * page_bytes <= checked_bytes_max)
        if (auto check = sqlite_.prepare("PRAGMA quick_check(1)"); check.step() && check.bytes(0) != "ok")
            throw hal::Error(hal::Code::corrupt, "the store's file: " + std::string(check.bytes(0)));
    const auto found_application = sqlite_.value("PRAGMA application_id");
    const auto found_format = sqlite_.value("PRAGMA user_version");
    if (found_application != 0 && found_application != application)
        throw hal::Error(hal::Code::corrupt, "the store's file belongs to another application");
    if (found_format > format)
        throw hal::Error(hal::Code::unsupported, "the store has format " + std::to_string(found_format) +
                                                     " but this release reads up to " + std::to_string(format));
    hal::disk::Sqlite::Transaction transaction(sqlite_);
    sqlite_.execute(tables);
    sqlite_.execute("PRAGMA application_id=" + std::to_string(application));
    sqlite_.execute("PRAGMA user_version=" + std::to_string(format));

    State state;
    state.compacted = meta("compacted", 0);
    const Revision durable = std::max(sqlite_.value("SELECT max(id) FROM changes"), state.compacted);
    const Revision reserved = meta("reserved", 0);
    state.revision = std::max(durable, reserved);
    if (meta("clean", 1) == 0 && reserved > durable) {
        auto gap = sqlite_.prepare("INSERT OR REPLACE INTO gaps(first, last) VALUES(?, ?)");
        gap.bind(durable).bind(reserved).step();
        // Now is past the gap: who lists now may watch from there.
        state.revision = reserved + 1;
    }
    auto gaps = sqlite_.prepare("SELECT first, last FROM gaps ORDER BY first");
    while (gaps.step()) state.gaps.emplace_back(gaps.integer(0), gaps.integer(1));
    set_meta("clean", 0);
    transaction.commit();
    return state;
}

void Database::set_meta(std::string_view name, std::int64_t value) {
    sqlite_.prepare("INSERT OR REPLACE INTO meta(name, value) VALUES(?, ?)").bind(name).bind(value).step();
}

std::int64_t Database::meta(std::string_view name, std::int64_t otherwise) {
    auto statement = sqlite_.prepare("SELECT value FROM meta WHERE name=?");
    statement.bind(name);
    return statement.step() ? statement.integer(0) : otherwise;
}

Database::Last Database::last(const Key& key, bool with_value) {
    auto statement = sqlite_.prepare(
        with_value ? "SELECT id, kind, value FROM changes WHERE resource=? AND name_space=? AND name=? ORDER BY id DESC LIMIT 1"
                   : "SELECT id, kind FROM changes WHERE resource=? AND name_space=? AND name=? ORDER BY id DESC LIMIT 1");
    statement.bind(key.resource).bind(key.name_space).bind(key.name);
    Last found;
    if (!statement.step()) return found;
    found.id = statement.integer(0);
    found.is_deleted = statement.integer(1) == static_cast<int>(Change::Kind::deleted);
    if (with_value && !found.is_deleted) found.value = std::make_shared<const std::string>(statement.bytes(2));
    return found;
}

void Database::insert(const Key& key, Revision id, Change::Kind kind, Revision previous, const std::string& value) {
    auto statement = sqlite_.prepare(
        "INSERT INTO changes(id, resource, name_space, name, kind, previous, value) VALUES(?, ?, ?, ?, ?, ?, ?)");
    statement.bind(id).bind(key.resource).bind(key.name_space).bind(key.name);
    statement.bind(static_cast<std::int64_t>(kind)).bind(previous).bind(value).step();
}

void Database::commit(const std::vector<Change>& relaxed, const std::vector<Write*>& writes, Revision reserved) {
    hal::disk::Sqlite::Transaction transaction(sqlite_);
    for (const auto& change : relaxed) {
        const auto previous = last(change.key, false);
        insert(change.key, change.revision, change.kind, previous.id, *change.value);
    }
    for (auto* write : writes) {
        const auto previous = last(write->key, true);
        const bool stands = previous.id != 0 && !previous.is_deleted;
        const auto where = [&] { return write->key.resource + " " + write->key.name_space + "/" + write->key.name; };
        if (write->expected == 0 && !write->is_erase) {
            if (stands) {
                write->failure.emplace(hal::Code::exists, where() + " exists");
                continue;
            }
            write->kind = Change::Kind::created;
        } else {
            if (!stands) {
                write->failure.emplace(hal::Code::not_found, where() + " does not exist");
                continue;
            }
            if (previous.id != write->expected) {
                write->failure.emplace(hal::Code::conflict, where() + " is at " + std::to_string(previous.id) + ", not at " +
                                                                std::to_string(write->expected));
                continue;
            }
            write->kind = write->is_erase ? Change::Kind::deleted : Change::Kind::updated;
        }
        write->before = previous.value;
        insert(write->key, write->revision, write->kind, previous.id, *write->value);
    }
    if (reserved != 0) set_meta("reserved", reserved);
    transaction.commit();
}

Revision Database::compact(Revision from, Revision up_to) {
    {
        // A step is bounded by rows, so that no write waits long for it.
        auto step = sqlite_.prepare("SELECT id FROM changes WHERE id>? AND id<=? ORDER BY id LIMIT 1 OFFSET ?");
        step.bind(from).bind(up_to).bind(compaction_rows_max);
        if (step.step()) up_to = step.integer(0);
    }
    hal::disk::Sqlite::Transaction transaction(sqlite_);
    sqlite_.prepare("DELETE FROM changes WHERE id IN (SELECT previous FROM changes WHERE id>? AND id<=? AND previous>0)")
        .bind(from).bind(up_to).step();
    // A deleted row goes together with what it replaced.
    sqlite_.prepare("DELETE FROM changes WHERE id>? AND id<=? AND kind=2").bind(from).bind(up_to).step();
    sqlite_.prepare("DELETE FROM gaps WHERE last<=?").bind(up_to).step();
    set_meta("compacted", up_to);
    transaction.commit();
    return up_to;
}

void Database::close(Revision revision) {
    hal::disk::Sqlite::Transaction transaction(sqlite_);
    set_meta("reserved", revision);
    set_meta("clean", 1);
    transaction.commit();
    sqlite_.checkpoint();
}

std::optional<Record> Database::get(const Key& key) {
    auto found = last(key, true);
    if (found.id == 0 || found.is_deleted) return std::nullopt;
    return Record{key, found.id, std::move(found.value)};
}

std::vector<Record> Database::list(const Scope& scope, std::size_t limit, Revision at, const std::string& after_ns,
                                   const std::string& after_name) {
    const auto sql = standing("c.id, c.name_space, c.name, c.value", scope, " ORDER BY c.name_space, c.name LIMIT ?6");
    auto statement = sqlite_.prepare(sql);
    statement.bind(scope.resource).bind(scope.name_space.empty() ? after_ns : scope.name_space).bind(after_name).bind(at);
    statement.bind(scope.name).bind(static_cast<std::int64_t>(limit));
    std::vector<Record> records;
    while (statement.step())
        records.push_back({{scope.resource, std::string(statement.bytes(1)), std::string(statement.bytes(2))},
                           statement.integer(0),
                           std::make_shared<const std::string>(statement.bytes(3))});
    return records;
}

std::int64_t Database::count(const Scope& scope, Revision at, const std::string& after_ns, const std::string& after_name) {
    auto statement = sqlite_.prepare(standing("count(*)", scope, ""));
    statement.bind(scope.resource).bind(scope.name_space.empty() ? after_ns : scope.name_space).bind(after_name).bind(at);
    if (!scope.name.empty()) statement.bind(scope.name);
    return statement.step() ? statement.integer(0) : 0;
}

std::vector<Change> Database::changes(const Scope& scope, Revision from, Revision up_to, std::size_t limit) {
    auto statement = sqlite_.prepare(R"(SELECT c.id, c.name_space, c.name, c.kind, c.value, p.value, p.kind FROM changes AS c
        LEFT JOIN changes AS p ON p.id=c.previous
        WHERE c.id>?1 AND c.id<=?2 AND c.resource=?3 AND (?4='' OR c.name_space=?4) AND (?5='' OR c.name=?5)
        ORDER BY c.id LIMIT ?6)");
    statement.bind(from).bind(up_to).bind(scope.resource).bind(scope.name_space).bind(scope.name);
    statement.bind(static_cast<std::int64_t>(limit));
    std::vector<Change> changes;
    std::size_t bytes = 0;
    while (bytes < changes_bytes_max && statement.step()) {
        Change change;
        change.revision = statement.integer(0);
        change.key = {scope.resource, std::string(statement.bytes(1)), std::string(statement.bytes(2))};
        change.kind = static_cast<Change::Kind>(statement.integer(3));
        change.value = std::make_shared<const std::string>(statement.bytes(4));
        if (!statement.is_null(5) && statement.integer(6) != static_cast<int>(Change::Kind::deleted))
            change.before = std::make_shared<const std::string>(statement.bytes(5));
        bytes += change.value->size() + (change.before ? change.before->size() : 0);
        changes.push_back(std::move(change));
    }
    return changes;
}

std::int64_t Database::used_bytes() {
    return (sqlite_.value("PRAGMA page_count") - sqlite_.value("PRAGMA freelist_count")) * page_bytes;
}

}  // namespace services::kube::store
