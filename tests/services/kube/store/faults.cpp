// What a store promises when the process dies, the disk is full, or the file comes from another release.
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <map>

#include "fixture.hpp"
#include "hal/disk/sqlite.hpp"

using namespace store_test;

namespace {

// Writes objects forever and tells each acknowledged one on `pipe`.
Task<> acknowledge(Store& store, int pipe) {
    for (int i = 0;; ++i) {
        const auto record = co_await store.put(pod("p" + std::to_string(i)), text("v"), 0, Durability::durable);
        const auto seen = co_await store.put(lease("l" + std::to_string(i)), text("v"), 0, Durability::relaxed);
        const Revision told[2] = {record.revision, seen.revision};
        if (::write(pipe, told, sizeof told) != sizeof told) ::_exit(3);
    }
}

Task<> fill(Store& store) {
    const std::string big(20'000, 'x');
    int count = 0;
    std::optional<Code> code;
    while (!code && count < 1000) code = co_await code_thrown(store.put(pod("p" + std::to_string(count++)), text(big), 0, Durability::durable));
    CHECK(code == Code::exhausted);
    CHECK(count > 20);
    CHECK((co_await store.list({"pods", "", ""}, 0, 0, "", "")).records.size() == static_cast<std::size_t>(count - 1));
    for (int i = 0; i < 10; ++i) {
        const auto record = co_await store.get(pod("p" + std::to_string(i)));
        co_await store.erase(pod("p" + std::to_string(i)), [&record](Revision) { return *record->value; }, record->revision,
                             Durability::durable);
    }
    CHECK(!(co_await code_thrown(store.put(pod("new"), text(big), 0, Durability::durable))));
}

Task<> nothing(Store&) { co_return; }

}  // namespace

TEST_CASE("a store killed at any moment has lost nothing it acknowledged and gives no revision twice") {
    Folder folder;
    std::map<Revision, int> handed_out;
    Revision last = 0;
    std::size_t acknowledged = 0;
    for (int round = 0; round < 5; ++round) {
        Folder own;
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            ::close(ends[0]);
            with_store({.file = (own.path / "state.db"), .reserve = 16}, [pipe = ends[1]](Store& store) { return acknowledge(store, pipe); });
            ::_exit(4);
        }
        ::close(ends[1]);
        Revision told[2] = {};
        const int rounds = 20 + round * 37;
        for (int i = 0; i < rounds; ++i) REQUIRE(::read(ends[0], told, sizeof told) == sizeof told);
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        int count = rounds;
        Revision more[2];
        while (::read(ends[0], more, sizeof more) == sizeof more) {
            ++count;
            told[0] = more[0];
            told[1] = more[1];
        }
        ::close(ends[0]);
        acknowledged += static_cast<std::size_t>(count);
        last = std::max(told[0], told[1]);
        with_store({.file = (own.path / "state.db")}, [count, last](Store& store) -> Task<> {
            return [](Store& opened, int expected, Revision seen) -> Task<> {
                for (int i = 0; i < expected; ++i) CHECK(co_await opened.get(pod("p" + std::to_string(i))));
                CHECK(opened.revision() >= seen);
                const auto record = co_await opened.put(pod("fresh"), text("1"), 0, Durability::durable);
                CHECK(record.revision > seen);
            }(store, count, last);
        });
    }
    CHECK(acknowledged > 100);
}

TEST_CASE("a watch from a relaxed revision that an unclean stop lost is told that it is gone") {
    Folder folder;
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
        with_store({.file = (folder.path / "state.db")}, [pipe = ends[1]](Store& store) { return acknowledge(store, pipe); });
        ::_exit(4);
    }
    ::close(ends[1]);
    Revision told[2] = {};
    REQUIRE(::read(ends[0], told, sizeof told) == sizeof told);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    Revision more[2];
    while (::read(ends[0], more, sizeof more) == sizeof more) std::copy(more, more + 2, told);
    ::close(ends[0]);
    with_store({.file = (folder.path / "state.db")}, [last = told[1]](Store& store) -> Task<> {
        return [](Store& opened, Revision relaxed) -> Task<> {
            // The child may have committed the next write, which took the lease along, before it could tell.
            if (!(co_await opened.get(lease("l0"))) || opened.revision() > relaxed + 4)
                CHECK(co_await code_thrown(opened.list({"pods", "", ""}, 0, opened.revision() - 1, "", "")) == Code::gone);
            // Now is not lost: who lists before the first write may watch from there.
            CHECK(!(co_await code_thrown(opened.list({"pods", "", ""}, 0, 0, "", ""))));
            CHECK(opened.watch({"pods", "", ""}, opened.revision()) != nullptr);
            CHECK(!(co_await code_thrown(opened.put(pod("fresh"), text("1"), 0, Durability::durable))));
            CHECK(!(co_await code_thrown(opened.list({"pods", "", ""}, 0, opened.revision(), "", ""))));
        }(store, last);
    });
}

TEST_CASE("a full store refuses writes, still reads and deletes, and recovers when there is room") {
    Folder folder;
    with_store({.file = (folder.path / "state.db"), .disk_bytes_max = 1024 * 1024}, fill);
}

TEST_CASE("a store of a newer release is left alone") {
    Folder folder;
    with_store({.file = (folder.path / "state.db")}, nothing);
    {
        auto file = hal::disk::Sqlite::open((folder.path / "state.db"), {});
        file.execute("PRAGMA user_version=99");
    }
    try {
        with_store({.file = (folder.path / "state.db")}, nothing);
        FAIL("it was opened");
    } catch (const Error& error) {
        CHECK(error.code() == Code::unsupported);
    }
}

TEST_CASE("an object over the size limit is refused") {
    Folder folder;
    with_store({.file = (folder.path / "state.db"), .value_bytes_max = 100}, [](Store& store) -> Task<> {
        return [](Store& opened) -> Task<> {
            CHECK(!(co_await code_thrown(opened.put(pod("a"), text(std::string(100, 'x')), 0, Durability::durable))));
            CHECK(co_await code_thrown(opened.put(pod("b"), text(std::string(101, 'x')), 0, Durability::durable)) ==
                  Code::too_large);
        }(store);
    });
}
