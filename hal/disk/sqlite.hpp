// A thin face over SQLite for what is small and needs transactions: connections, cached statements, transactions.
//
// Owns no schema and no thread: a connection is used from one thread at a time, and blocks (callers go through
// async::offload). WAL with synchronous=FULL, so a commit that returned is on the disk (one fdatasync of the WAL).
// Bounded: `cache_bytes` of pages a connection, no mmap of the database. Failures are hal::Error: exhausted (disk full or
// `bytes_max` reached), corrupt, unavailable (locked), io for everything else the system refused. A failed fsync refuses
// the transaction, and its frames are written again by the next one (SQLite starts over at the last commit).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

struct sqlite3;
struct sqlite3_stmt;

namespace hal::disk {

// A prepared statement on loan from its connection. Parameters are bound in order; reset when it goes out of scope.
class Statement {
public:
    explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
    ~Statement();
    Statement(Statement&& other) noexcept : statement_(other.statement_), bound_(other.bound_) { other.statement_ = nullptr; }
    Statement& operator=(Statement&&) = delete;

    Statement& bind(std::int64_t value);
    // Not copied: `bytes` must live until the statement goes.
    Statement& bind(std::string_view bytes);
    // True while there is a row.
    bool step();
    [[nodiscard]] std::int64_t integer(int column) const;
    // Valid until the next step().
    [[nodiscard]] std::string_view bytes(int column) const;
    [[nodiscard]] bool is_null(int column) const;

private:
    sqlite3_stmt* statement_;
    int bound_ = 0;
};

class Sqlite {
public:
    enum class Mode { writer, reader };
    struct Options {
        Mode mode = Mode::writer;
        std::size_t cache_bytes = 256 * 1024;
        std::size_t statements_max = 64;
        std::int64_t wal_bytes_max = 1024 * 1024;  // a checkpoint follows the commit that passes it
    };

    // A writer creates the file where there is none. Throws Error{corrupt} when it is no database.
    static Sqlite open(const std::filesystem::path& file, Options options);
    Sqlite(Sqlite&&) noexcept;
    Sqlite& operator=(Sqlite&&) noexcept;
    ~Sqlite();

    // A statement for `sql`, prepared once.
    Statement prepare(std::string_view sql);
    // Runs statements without parameters.
    void execute(std::string_view sql);
    [[nodiscard]] std::int64_t value(std::string_view sql);  // the first column of the first row, 0 when there is none
    [[nodiscard]] std::int64_t changed_rows() const;         // by the last statement
    void limit_bytes(std::int64_t bytes_max);                // 0: none. Writes past it are Error{exhausted}
    void checkpoint();                                       // moves what it can from the WAL; never throws for a busy reader

    // Rolls back when it goes out of scope uncommitted.
    class Transaction {
    public:
        explicit Transaction(Sqlite& database);
        ~Transaction();
        Transaction(const Transaction&) = delete;
        Transaction& operator=(const Transaction&) = delete;
        void commit();

    private:
        Sqlite* database_;
    };

private:
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const;
    };
    struct Close {
        void operator()(sqlite3* database) const;
    };
    Sqlite() = default;

    std::unique_ptr<sqlite3, Close> database_;
    std::unordered_map<std::string, std::unique_ptr<sqlite3_stmt, Finalize>> statements_;
    Options options_;
};

// "3.46.1": the SQLite this runs with.
std::string sqlite_version();

}  // namespace hal::disk
