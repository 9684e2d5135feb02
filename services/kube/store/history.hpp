// The most recent changes, in revision order, in memory: what watchers that keep up read. What falls out is on the disk.
//
// Bounded by count and bytes, except that a change which is not on the disk yet never falls out (relaxed writes are
// bounded on their own).
#pragma once

#include <deque>

#include "services/kube/store/store.hpp"

namespace services::kube::store {

class History {
public:
    History(std::size_t changes_max, std::size_t bytes_max) : changes_max_(changes_max), bytes_max_(bytes_max) {}

    // Everything after this revision is here.
    [[nodiscard]] Revision floor() const { return floor_; }
    void start_at(Revision revision) { floor_ = revision; }
    void add(Change change, Revision durable);
    // Lets go what is over the bounds and on the disk.
    void trim(Revision durable);
    // The first change after `position`, null when there is none; the pointer lives until the next add() or trim().
    [[nodiscard]] const Change* after(Revision position) const;

private:
    static std::size_t bytes_of(const Change& change);

    std::deque<Change> changes_;
    std::size_t changes_max_;
    std::size_t bytes_max_;
    std::size_t bytes_ = 0;
    Revision floor_ = 0;
};

bool in_scope(const Scope& scope, const Key& key);

}  // namespace services::kube::store
