// Keys to be reconciled: each key waits at most once, is worked on by one worker at a time (added again meanwhile, it is
// worked on again after), and after failures comes back with exponential back-off (5 ms doubling to 1000 s), as client-go's
// workqueue does.
//
// Owns no coroutine: workers call run() or next()/done(). One thread. Bounded by `keys_max`: a key over it is refused
// with Error{exhausted}, which only a caller without an informer's bound can reach.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "hal/async/task.hpp"

namespace services::kubeclient {

using hal::async::Task;

class WorkQueue {
public:
    using Duration = std::chrono::steady_clock::duration;
    static constexpr Duration back_off_min = std::chrono::milliseconds(5);
    static constexpr Duration back_off_max = std::chrono::seconds(1000);
    static constexpr std::size_t keys_max = 1'000'000;

    WorkQueue(hal::async::Executor executor, std::string name);

    void add(std::string key);
    // Not before `delay`. An earlier due time of the same key wins.
    void add_after(std::string key, Duration delay);
    // After the key's back-off, which doubles until forget().
    void add_rate_limited(std::string key);
    void forget(const std::string& key);
    // Drops a delayed add of `key`.
    void cancel_delayed(const std::string& key);

    // The next key, then busy until done(). Empty once shut down.
    Task<std::optional<std::string>> next();
    void done(const std::string& key);
    void shut_down();
    [[nodiscard]] std::size_t size() const { return ready_.size(); }
    [[nodiscard]] std::size_t failures(const std::string& key) const;

    // A worker: reconciles keys until shut down or cancelled. A failure is logged and its key comes back; a conflict
    // (someone else wrote first) comes back without a line. `reconcile` must not be a capturing coroutine lambda.
    Task<> run(std::function<Task<>(std::string key)> reconcile);

private:
    // Moves what is due into the queue; the time until the next one.
    std::optional<Duration> admit_due();

    std::string name_;
    std::deque<std::string> ready_;
    std::unordered_set<std::string> waiting_;  // in ready_, or to be added once done
    std::unordered_set<std::string> busy_;
    std::multimap<std::chrono::steady_clock::time_point, std::string> delayed_;
    std::unordered_map<std::string, std::chrono::steady_clock::time_point> due_;
    std::unordered_map<std::string, unsigned> failures_;
    hal::async::Event wake_;
    bool is_shut_down_ = false;
};

}  // namespace services::kubeclient
