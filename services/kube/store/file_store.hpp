// The Store over one SQLite file (store.hpp says what it promises; database.hpp how it lies on the disk).
//
// Everything here is the loop's; the two databases are each used by one worker thread. A write is given its revision
// and waits in `queue_`; one commit at a time takes what has gathered (group commit: alone it waits for nobody) and then
// publishes in revision order. A relaxed write that finds no commit under way is published at once and kept in
// `relaxed_` until one comes; with one under way it joins the queue, so that the order of revisions is kept.
#pragma once

#include <deque>
#include <list>
#include <map>

#include "hal/async/pool.hpp"
#include "hal/disk/ballast.hpp"
#include "services/kube/store/database.hpp"
#include "services/kube/store/history.hpp"

namespace services::kube::store {

class FileStore;

class FileWatch : public Watch {
public:
    FileWatch(FileStore& store, Scope scope, Revision from);
    ~FileWatch() override;
    Task<Change> next() override;
    Task<std::optional<Change>> next_within(std::chrono::steady_clock::duration limit) override;
    [[nodiscard]] Revision seen() const override { return position_; }

private:
    friend class FileStore;
    // What is there without waiting.
    Task<std::optional<Change>> ready();

    FileStore* store_;  // null once the store has gone
    Scope scope_;
    Revision position_;
    std::deque<Change> from_disk_;
    hal::async::Event woken_;
    std::list<FileWatch*>::iterator place_;
};

class FileStore : public Store {
public:
    FileStore(hal::async::Executor executor, Options options);
    ~FileStore() override;

    Task<Record> put(Key key, ValueFor value_for, Revision expected, Durability durability) override;
    Task<Record> erase(Key key, ValueFor value_for, Revision expected, Durability durability) override;
    Task<std::optional<Record>> get(Key key) override;
    Task<Page> list(Scope scope, std::size_t limit, Revision at, std::string after_ns, std::string after_name) override;
    std::unique_ptr<Watch> watch(Scope scope, Revision from) override;
    [[nodiscard]] Revision revision() const override { return visible_; }
    [[nodiscard]] Revision compacted() const override { return compacted_; }
    Task<> flush() override;
    Task<> compact(Revision up_to) override;
    Task<> close() override;
    [[nodiscard]] Health health() const override;

private:
    friend class FileWatch;

    struct Pending {
        explicit Pending(hal::async::Executor executor) : done(std::move(executor)) {}
        Write write;
        bool has_write = false;  // else it only waits for a commit
        Revision compact_to = 0;
        hal::async::Event done;
    };

    Task<Record> write(Key key, ValueFor value_for, Revision expected, Durability durability, bool is_erase);
    Task<std::optional<Record>> write_relaxed(const Key& key, const ValueFor& value_for, Revision expected, bool is_erase);
    Task<> enqueue(std::shared_ptr<Pending> pending);
    Task<> commit_queue();
    Task<std::optional<hal::Error>> commit(std::vector<std::shared_ptr<Pending>>& batch);
    bool commit_erasures(const std::vector<Change>& relaxed, const std::vector<Write*>& writes, Revision reserved, const hal::Error& full);
    Task<> maintain();
    [[nodiscard]] bool is_full() const;
    void publish(Change change);
    void check_place(Revision revision) const;
    std::string checked_value(const Key& key, const ValueFor& value_for, Revision revision) const;
    // The newest relaxed change of a key that no commit has taken yet.
    [[nodiscard]] const Change* relaxed_of(const Key& key, Revision at) const;

    hal::async::Executor executor_;
    Options options_;
    std::unique_ptr<Database> writer_;
    hal::disk::Ballast ballast_;
    std::unique_ptr<Database> reader_;

    Revision assigned_ = 0;   // the last revision given to a write
    Revision visible_ = 0;    // the last published
    Revision durable_ = 0;    // everything up to here is on the disk
    Revision reserved_ = 0;
    Revision compacted_ = 0;
    std::vector<std::pair<Revision, Revision>> gaps_;

    std::deque<std::shared_ptr<Pending>> queue_;  // shared with the waiting writer, which may be cancelled
    bool is_committing_ = false;
    bool is_ballast_given_ = false;  // the disk was full, and has not had room for it since
    bool is_closed_ = false;
    std::vector<Change> relaxed_;
    std::size_t relaxed_bytes_ = 0;

    History history_;
    std::list<FileWatch*> watches_;
    Health health_;
    hal::async::TaskGroup tasks_;
    hal::async::Event stopping_;
    hal::async::Pool writer_thread_{1};  // last, so that they have come to rest before the databases go
    hal::async::Pool reader_thread_{1};
};

}  // namespace services::kube::store
