#include "hal/disk/sqlite.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstdlib>
#include <fstream>

#include "hal/base/error.hpp"
#include "tests/folder.hpp"

using hal::disk::Sqlite;

namespace {

}  // namespace

TEST_CASE("a reader sees what a transaction committed and nothing of one that went out of scope") {
    Folder folder;
    auto writer = Sqlite::open(folder.path / "a.db", {});
    writer.execute("CREATE TABLE t(a INTEGER, b TEXT)");
    auto reader = Sqlite::open(folder.path / "a.db", {.mode = Sqlite::Mode::reader});
    {
        Sqlite::Transaction transaction(writer);
        writer.prepare("INSERT INTO t VALUES(?, ?)").bind(1).bind("one").step();
        transaction.commit();
    }
    {
        Sqlite::Transaction transaction(writer);
        writer.prepare("INSERT INTO t VALUES(?, ?)").bind(2).bind(std::string_view("t\0wo", 4)).step();
        CHECK(writer.value("SELECT count(*) FROM t") == 2);
        CHECK(reader.value("SELECT count(*) FROM t") == 1);
    }
    CHECK(writer.value("SELECT count(*) FROM t") == 1);
    auto row = reader.prepare("SELECT a, b FROM t");
    REQUIRE(row.step());
    CHECK(row.integer(0) == 1);
    CHECK(row.bytes(1) == "one");
    CHECK(!row.step());
}

TEST_CASE("a database at its limit says exhausted and stays as it was") {
    Folder folder;
    auto writer = Sqlite::open(folder.path / "a.db", {});
    writer.execute("CREATE TABLE t(b BLOB)");
    writer.limit_bytes(100'000);
    const std::string big(200'000, 'x');
    try {
        Sqlite::Transaction transaction(writer);
        writer.prepare("INSERT INTO t VALUES(?)").bind(big).step();
        FAIL("it was written");
    } catch (const hal::Error& error) {
        CHECK(error.code() == hal::Code::exhausted);
    }
    CHECK(writer.value("SELECT count(*) FROM t") == 0);
    writer.limit_bytes(0);
    writer.prepare("INSERT INTO t VALUES(?)").bind(big).step();
    CHECK(writer.value("SELECT count(*) FROM t") == 1);
}

TEST_CASE("a file that is no database is reported as corrupt") {
    Folder folder;
    std::ofstream(folder.path / "a.db") << std::string(8192, 'z');
    try {
        Sqlite::open(folder.path / "a.db", {});
        FAIL("it was opened");
    } catch (const hal::Error& error) {
        CHECK(error.code() == hal::Code::corrupt);
    }
}
