// The store's file: one SQLite table of changes, in revision order, on one connection. Blocking; the store calls it on
// its writer's and its reader's thread, never on the loop's.
//
//   changes(id INTEGER PRIMARY KEY, resource, name_space, name, kind, previous, value)
//     id        the revision                      kind   0 created, 1 updated, 2 deleted
//     previous  the row this one replaces, 0 when there is none
//     value     JSON; of a deleted row the last one, as its event shows it
//   meta(name PRIMARY KEY, value): reserved, compacted, clean       gaps(first, last): revisions lost in an unclean stop
//
// For example creating, then deleting Pod default/a: (7,pods,default,a,0,0,{..}) and (9,pods,default,a,2,7,{..}).
// The newest row of a key with id <= R is the object at R. PRAGMA user_version is the format, application_id ours.
#pragma once

#include <optional>
#include <vector>

#include "hal/base/error.hpp"
#include "hal/disk/sqlite.hpp"
#include "services/kube/store/store.hpp"

namespace services::kube::store {

using Text = std::shared_ptr<const std::string>;

// One write on its way to the disk, and what became of it.
struct Write {
    Key key;
    Revision revision = 0;
    bool is_erase = false;
    Revision expected = 0;  // as in Store::put
    Text value;

    std::optional<hal::Error> failure;
    Change::Kind kind = Change::Kind::created;
    Text before;
};

class Database {
public:
    static constexpr std::int64_t format = 1;

    struct State {
        Revision revision = 0;   // the last that may have been handed out
        Revision compacted = 0;
        std::vector<std::pair<Revision, Revision>> gaps;  // (after, up to]: handed out, but lost
    };

    Database(const std::filesystem::path& file, hal::disk::Sqlite::Mode mode);

    // Writer: makes the tables and tells where the store stands. From here on a stop without close() is unclean.
    State start();
    // One transaction: `relaxed` (already seen by clients, the last change of each key), then `writes`, whose checks may
    // fail one by one. Throws when nothing of it was committed.
    void commit(const std::vector<Change>& relaxed, const std::vector<Write*>& writes, Revision reserved);
    // Drops what was superseded in (from, up_to], in one bounded transaction; returns how far it came.
    Revision compact(Revision from, Revision up_to);
    void close(Revision revision);

    // Reader.
    std::optional<Record> get(const Key& key);
    std::vector<Record> list(const Scope& scope, std::size_t limit, Revision at, const std::string& after_ns,
                             const std::string& after_name);
    std::int64_t count(const Scope& scope, Revision at, const std::string& after_ns, const std::string& after_name);
    // Changes in (from, up_to], oldest first, at most `limit` of them and about `changes_bytes_max`.
    std::vector<Change> changes(const Scope& scope, Revision from, Revision up_to, std::size_t limit);

    void limit_bytes(std::int64_t bytes_max) { sqlite_.limit_bytes(bytes_max); }
    std::int64_t used_bytes();

    static constexpr std::size_t changes_bytes_max = 256 * 1024;

private:
    struct Last {
        Revision id = 0;
        bool is_deleted = false;
        Text value;
    };
    Last last(const Key& key, bool with_value);
    void insert(const Key& key, Revision id, Change::Kind kind, Revision previous, const std::string& value);
    void set_meta(std::string_view name, std::int64_t value);
    std::int64_t meta(std::string_view name, std::int64_t otherwise);

    hal::disk::Sqlite sqlite_;
};

}  // namespace services::kube::store
