#include "hal/disk/sqlite.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "hal/base/error.hpp"

namespace hal::disk {

namespace {

constexpr int busy_milliseconds_max = 5000;
constexpr std::int64_t page_bytes = 4096;

Code code_of(int result) {
    switch (result & 0xff) {
        case SQLITE_FULL: return Code::exhausted;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB: return Code::corrupt;
        case SQLITE_BUSY:
        case SQLITE_LOCKED: return Code::unavailable;
        case SQLITE_TOOBIG: return Code::too_large;
        default: return Code::io;
    }
}

[[noreturn]] void fail(sqlite3* database, int result, std::string_view what) {
    std::string message(what);
    message += ": ";
    message += database ? sqlite3_errmsg(database) : sqlite3_errstr(result);
    // SQLITE_IOERR hides the reason; ENOSPC at an unexpected place (shm, journal) is a full disk all the same.
    if (database && (result & 0xff) == SQLITE_IOERR) {
        const int number = sqlite3_system_errno(database);
        if (number == ENOSPC || number == EDQUOT) throw Error(Code::exhausted, message);
    }
    throw Error(code_of(result), message);
}

}  // namespace

Statement::~Statement() {
    if (!statement_) return;
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
}

Statement& Statement::bind(std::int64_t value) {
    const int result = sqlite3_bind_int64(statement_, ++bound_, value);
    if (result != SQLITE_OK) fail(sqlite3_db_handle(statement_), result, "bind");
    return *this;
}

Statement& Statement::bind(std::string_view bytes) {
    const int result = sqlite3_bind_text64(statement_, ++bound_, bytes.data() ? bytes.data() : "", bytes.size(),
                                           SQLITE_STATIC, SQLITE_UTF8);
    if (result != SQLITE_OK) fail(sqlite3_db_handle(statement_), result, "bind");
    return *this;
}

bool Statement::step() {
    const int result = sqlite3_step(statement_);
    if (result == SQLITE_ROW) return true;
    if (result == SQLITE_DONE) return false;
    fail(sqlite3_db_handle(statement_), result, "statement");
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_, column); }

std::string_view Statement::bytes(int column) const {
    const void* start = sqlite3_column_blob(statement_, column);
    const int size = sqlite3_column_bytes(statement_, column);
    return start ? std::string_view(static_cast<const char*>(start), static_cast<std::size_t>(size)) : std::string_view();
}

bool Statement::is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

void Sqlite::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
void Sqlite::Close::operator()(sqlite3* database) const { sqlite3_close_v2(database); }

Sqlite::Sqlite(Sqlite&&) noexcept = default;
Sqlite& Sqlite::operator=(Sqlite&& other) noexcept {
    // Statements go before the connection they belong to.
    statements_ = std::move(other.statements_);
    database_ = std::move(other.database_);
    options_ = other.options_;
    return *this;
}
Sqlite::~Sqlite() { statements_.clear(); }

Sqlite Sqlite::open(const std::filesystem::path& file, Options options) {
    Sqlite made;
    made.options_ = options;
    sqlite3* database = nullptr;
    const bool is_writer = options.mode == Mode::writer;
    const int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                      (is_writer ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
    const int result = sqlite3_open_v2(file.c_str(), &database, flags, nullptr);
    made.database_.reset(database);
    if (result != SQLITE_OK) fail(database, result, "open " + file.string());
    sqlite3_busy_timeout(database, busy_milliseconds_max);
    if (is_writer) {
        made.execute("PRAGMA page_size=" + std::to_string(page_bytes));
        made.execute("PRAGMA journal_mode=WAL");
        made.execute("PRAGMA synchronous=FULL");
        made.execute("PRAGMA wal_autocheckpoint=" + std::to_string(std::max<std::int64_t>(1, options.wal_bytes_max / page_bytes)));
        made.execute("PRAGMA journal_size_limit=" + std::to_string(options.wal_bytes_max));
    }
    made.execute("PRAGMA cache_size=-" + std::to_string(options.cache_bytes / 1024));
    made.execute("PRAGMA mmap_size=0");
    made.execute("PRAGMA temp_store=MEMORY");
    return made;
}

Statement Sqlite::prepare(std::string_view sql) {
    const std::string key(sql);
    auto found = statements_.find(key);
    if (found == statements_.end()) {
        if (statements_.size() >= options_.statements_max) statements_.clear();
        sqlite3_stmt* statement = nullptr;
        const int result = sqlite3_prepare_v3(database_.get(), sql.data(), static_cast<int>(sql.size()),
                                              SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
        if (result != SQLITE_OK) fail(database_.get(), result, key);
        found = statements_.emplace(key, statement).first;
    }
    return Statement(found->second.get());
}

void Sqlite::execute(std::string_view sql) {
    const std::string text(sql);
    const int result = sqlite3_exec(database_.get(), text.c_str(), nullptr, nullptr, nullptr);
    if (result != SQLITE_OK) fail(database_.get(), result, text.substr(0, 40));
}

std::int64_t Sqlite::value(std::string_view sql) {
    auto statement = prepare(sql);
    return statement.step() ? statement.integer(0) : 0;
}

std::int64_t Sqlite::changed_rows() const { return sqlite3_changes64(database_.get()); }

void Sqlite::limit_bytes(std::int64_t bytes_max) {
    // SQLite's own default is the largest count there is.
    const std::int64_t pages = bytes_max > 0 ? std::max<std::int64_t>(1, bytes_max / page_bytes)
                                             : std::numeric_limits<std::int32_t>::max() - 1;
    execute("PRAGMA max_page_count=" + std::to_string(pages));
}

void Sqlite::checkpoint() { sqlite3_wal_checkpoint_v2(database_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr); }

Sqlite::Transaction::Transaction(Sqlite& database) : database_(&database) { database.execute("BEGIN IMMEDIATE"); }

Sqlite::Transaction::~Transaction() {
    if (!database_) return;
    // An error may have rolled back already (SQLITE_FULL does).
    if (!sqlite3_get_autocommit(database_->database_.get()))
        sqlite3_exec(database_->database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Sqlite::Transaction::commit() {
    database_->execute("COMMIT");
    database_ = nullptr;
}

std::string sqlite_version() { return sqlite3_libversion(); }

}  // namespace hal::disk
