// The API server's store: every object as JSON text under (resource, namespace, name), one increasing revision over all
// types, and the history of changes since the last compaction, which is what a watch reads.
//
// Knows no Kubernetes type. Used from the loop's thread; SQLite runs on the store's own writer and reader threads.
// Acknowledged means durable: put/erase return after fdatasync of the group they were committed with. `relaxed` writes
// (Leases, Events) are visible at once, flushed with the next durable commit or after `relaxed_flush`, and their
// revisions come from reserved blocks, so that none is ever used twice after a crash.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hal/async/task.hpp"
#include "hal/base/clock.hpp"

namespace services::kube::store {

using hal::async::Task;
using Revision = std::int64_t;  // 1 and up; opaque to clients

enum class Durability { durable, relaxed };

struct Key {
    std::string resource;   // "pods", "deployments.apps": plural[.group]
    std::string name_space; // "" for cluster-scoped
    std::string name;
    auto operator<=>(const Key&) const = default;
};

struct Record {
    Key key;
    Revision revision = 0;
    std::shared_ptr<const std::string> value;  // JSON; shared between the history ring and its readers, never changed
};

// One change. `before` is the value it replaced (for watches with selectors), null when created.
struct Change {
    enum class Kind { created, updated, deleted } kind = Kind::created;
    Key key;
    Revision revision = 0;
    std::shared_ptr<const std::string> value;   // deleted: the last value
    std::shared_ptr<const std::string> before;
};

// What a list or watch looks at. Empty name_space: all; empty name: all.
struct Scope {
    std::string resource;
    std::string name_space;
    std::string name;
};

struct Page {
    std::vector<Record> records;  // ordered by (name_space, name)
    Revision revision = 0;        // the snapshot it was read at
    bool has_more = false;
    std::int64_t remaining = 0;   // items of the scope after this page
};

struct Options {
    std::filesystem::path file;                       // <data>/state.db
    std::size_t value_bytes_max = 3 * 1024 * 1024 / 2;  // Error{too_large}; etcd's request limit
    // Recent changes kept in memory for watchers; one further behind reads from disk, so a slow one costs nothing.
    std::size_t history_ring_max = 1024;
    std::size_t history_ring_bytes_max = 1024 * 1024;
    std::size_t relaxed_max = 512;                    // relaxed writes held in memory; one more flushes them
    std::size_t relaxed_bytes_max = 512 * 1024;
    std::size_t commit_max = 256;                     // writes in one transaction; more wait for the next
    std::size_t queue_max = 4096;                     // writes that wait: Error{unavailable} beyond
    Revision reserve = 1000;                          // revisions set aside with each reservation
    std::chrono::seconds relaxed_flush{600};
    std::chrono::seconds compact_after{600};
    Revision compact_changes_min = 1000;              // fewer are left for the next time: each compaction costs pages
    std::int64_t disk_bytes_max = 0;                  // 0: the file system's own end. Error{exhausted} when full
};

// Changes of one scope in revision order. Destroying it ends the watch.
class Watch {
public:
    virtual ~Watch() = default;
    // The next change; waits. Throws Error{gone} once its place was compacted away, Error{cancelled}.
    virtual Task<Change> next() = 0;
    // Like next(), empty when nothing came within `limit`.
    virtual Task<std::optional<Change>> next_within(std::chrono::steady_clock::duration limit) = 0;
    // Every change up to this revision has been returned (for BOOKMARK).
    [[nodiscard]] virtual Revision seen() const = 0;
};

class Store {
public:
    // Opens or creates. Throws Error{io|corrupt|unsupported}: a format from a newer release is unsupported.
    static std::unique_ptr<Store> open(hal::async::Executor executor, Options options, const hal::Clock& clock);
    virtual ~Store() = default;

    // `expected`: 0 = must not exist (Error{exists}); N = must be at N (Error{conflict}, or not_found when absent).
    // `value_for` gets the revision the write will have, so that the object can carry it; called on the loop's thread.
    using ValueFor = std::function<std::string(Revision)>;
    virtual Task<Record> put(Key key, ValueFor value_for, Revision expected, Durability durability) = 0;
    // `value_for` makes the last value, as the deletion event shows it. Error{conflict|not_found}.
    virtual Task<Record> erase(Key key, ValueFor value_for, Revision expected, Durability durability) = 0;

    virtual Task<std::optional<Record>> get(Key key) = 0;
    // `at` 0: now. Starts after key (after_ns, after_name). Throws Error{gone} when `at` is compacted or beyond.
    virtual Task<Page> list(Scope scope, std::size_t limit, Revision at, std::string after_ns, std::string after_name) = 0;
    // Changes after `from`. Throws Error{gone} when compacted, or past the last durable revision after an unclean start.
    virtual std::unique_ptr<Watch> watch(Scope scope, Revision from) = 0;

    [[nodiscard]] virtual Revision revision() const = 0;
    [[nodiscard]] virtual Revision compacted() const = 0;
    // Commits relaxed writes that are pending.
    virtual Task<> flush() = 0;
    // Forgets what was superseded at `up_to` or before (bounded by revision()). Runs by itself every `compact_after`, up
    // to where the store was one such time before, if those are `compact_changes_min` changes or more.
    virtual Task<> compact(Revision up_to) = 0;
    // Commits what is pending; then no more writes. Watches end with Error{cancelled}.
    virtual Task<> close() = 0;
    // Metrics and health: bytes on disk, last commit failure ("" when healthy), commits, fsyncs.
    struct Health {
        std::int64_t file_bytes = 0;
        std::string failure;
        std::uint64_t commits = 0;
        std::uint64_t changes = 0;
        std::size_t watches = 0;
    };
    [[nodiscard]] virtual Health health() const = 0;
};

}  // namespace services::kube::store
