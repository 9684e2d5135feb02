// Which change is sent next. Changes of one key go in the order they were made, one at a time; a key whose change is
// refused holds up no other. Pure: time and randomness come in as arguments.
//
// A refusal counts against the change it met; after `tries_max` of them the change is dead, and the next of its key goes
// on. A refusal that may just as well be the destination's doing (403: whose fault is it?) counts only when the
// destination has taken something else since: a branch that is locked out for a week buries nothing. Bounded: `entries_max`.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "hal/base/clock.hpp"
#include "services/objects/store/store.hpp"

namespace services::objects::replication {

class Queue {
public:
    static constexpr std::size_t entries_max = 4096;
    static constexpr std::uint32_t tries_max = 8;
    static constexpr std::chrono::milliseconds retry_bound_min{1'000}, retry_bound_max{5 * 60 * 1000};

    // Takes a change unless it is here already. There must be room.
    void add(store::OutboxEntry entry);
    // What lies behind `sequence` is to be read again: a dead letter came back.
    void go_back_to(std::uint64_t sequence) { last_sequence_ = std::min(last_sequence_, sequence); }
    // The first change that may go now; it is under way until one of the next three is called with its sequence.
    std::optional<store::OutboxEntry> next(hal::SteadyTime now);

    void done(std::uint64_t sequence);
    // Nothing was decided: the way was cut. It waits its turn again.
    void put_back(std::uint64_t sequence);
    enum class Blame : std::uint8_t {
        change,   // of this change alone: counts
        unclear,  // counts when the destination has taken something else since the last time
        nobody,   // a bucket that is full there: never counts
    };
    // The change waits for a while (full jitter, `random` 0 to below 1). True: it is dead and forgotten here.
    bool refused(std::uint64_t sequence, Blame blame, double random, hal::SteadyTime now);

    // When next() may have something that it has not now, by time alone.
    [[nodiscard]] std::optional<hal::SteadyTime> next_time() const;
    // Everything up to here was added.
    [[nodiscard]] std::uint64_t last_sequence() const { return last_sequence_; }
    [[nodiscard]] std::size_t size() const { return items_.size(); }
    [[nodiscard]] bool has_room() const { return items_.size() < entries_max; }

private:
    using Name = std::pair<std::string, std::string>;  // bucket, key
    struct Item {
        store::OutboxEntry entry;
        std::uint32_t tries = 0;
        std::uint32_t refusals = 0;          // for the wait: also those that do not count
        std::uint64_t successes_before = 0;  // of the destination, at the last refusal
        hal::SteadyTime not_before{};
        bool is_under_way = false;
    };
    [[nodiscard]] bool is_first(const Item& item) const;
    void forget(std::map<std::uint64_t, Item>::iterator item);

    std::map<std::uint64_t, Item> items_;               // by sequence
    std::map<Name, std::set<std::uint64_t>> by_name_;
    std::uint64_t last_sequence_ = 0;
    std::uint64_t successes_ = 0;
};

}  // namespace services::objects::replication
