// Pods that wait for a node: those to be tried now, by priority and then by age; those that failed, until something
// changes that may help them (at least their back-off: 1 s doubling to 10 s; at most five minutes).
//
// Owns no coroutine. One thread. Bounded by the pods informer.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "hal/async/task.hpp"
#include "hal/base/clock.hpp"

namespace services::kube::scheduler {

class SchedulingQueue {
public:
    using Duration = std::chrono::steady_clock::duration;
    static constexpr std::chrono::seconds back_off_min{1};
    static constexpr std::chrono::seconds back_off_max{10};
    static constexpr std::chrono::minutes wait_max{5};

    SchedulingQueue(hal::async::Executor executor, const hal::Clock& clock) : clock_(clock), wake_(std::move(executor)) {}

    // A pod to be tried; one that waits already is tried again after its back-off.
    void add(const std::string& key, std::int64_t priority);
    // The pod just tried did not fit. It is tried again soon when something changed while it was tried.
    void failed(const std::string& key);
    // The pod just tried could not be bound: tried again after its back-off, whatever changes.
    void retry(const std::string& key);
    void erase(const std::string& key);
    // Something changed that may help: all that failed come back, after their back-off.
    void wake_failed();

    // The next pod to try; waits for one.
    hal::async::Task<std::string> next();
    [[nodiscard]] std::optional<std::string> next_ready();
    [[nodiscard]] std::size_t failed_count() const { return failed_.size(); }

private:
    struct Entry {
        std::int64_t priority = 0;
        unsigned attempts = 0;
        hal::SteadyTime failed_at;
        std::uint64_t sequence = 0;
    };
    using Rank = std::pair<std::int64_t, std::uint64_t>;  // -priority, sequence
    void make_ready(const std::string& key, Entry& entry);
    void delay(const std::string& key, hal::SteadyTime until);
    void undelay(const std::string& key);
    [[nodiscard]] hal::SteadyTime back_off_end(const Entry& entry) const;

    const hal::Clock& clock_;
    std::unordered_map<std::string, Entry> entries_;
    std::map<Rank, std::string> ready_;
    std::set<std::string> failed_;
    std::multimap<hal::SteadyTime, std::string> delayed_;
    std::unordered_map<std::string, hal::SteadyTime> due_;
    std::uint64_t sequence_ = 0, changes_ = 0, changes_when_taken_ = 0;
    hal::async::Event wake_;
};

}  // namespace services::kube::scheduler
