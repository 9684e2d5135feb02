#include "services/kube/scheduler/queue.hpp"

#include <algorithm>

namespace services::kube::scheduler {

void SchedulingQueue::add(const std::string& key, std::int64_t priority) {
    auto [place, is_new] = entries_.try_emplace(key);
    place->second.priority = priority;
    if (is_new) return make_ready(key, place->second);
    if (failed_.erase(key) > 0) delay(key, back_off_end(place->second));
}

void SchedulingQueue::failed(const std::string& key) {
    const auto place = entries_.find(key);
    if (place == entries_.end()) return;  // deleted while it was tried
    ++place->second.attempts;
    place->second.failed_at = clock_.steady();
    if (changes_ != changes_when_taken_) return delay(key, back_off_end(place->second));
    failed_.insert(key);
    delay(key, clock_.steady() + wait_max);
}

void SchedulingQueue::retry(const std::string& key) {
    const auto place = entries_.find(key);
    if (place == entries_.end()) return;
    ++place->second.attempts;
    place->second.failed_at = clock_.steady();
    delay(key, back_off_end(place->second));
}

void SchedulingQueue::erase(const std::string& key) {
    const auto place = entries_.find(key);
    if (place == entries_.end()) return;
    ready_.erase({-place->second.priority, place->second.sequence});
    failed_.erase(key);
    undelay(key);
    entries_.erase(place);
}

void SchedulingQueue::wake_failed() {
    ++changes_;
    for (const auto& key : failed_) delay(key, back_off_end(entries_.at(key)));
    failed_.clear();
}

hal::SteadyTime SchedulingQueue::back_off_end(const Entry& entry) const {
    if (entry.attempts == 0) return clock_.steady();
    const auto doublings = std::min(entry.attempts - 1, 8U);
    return entry.failed_at + std::min<Duration>(back_off_min * (1 << doublings), back_off_max);
}

void SchedulingQueue::make_ready(const std::string& key, Entry& entry) {
    entry.sequence = ++sequence_;
    ready_.emplace(Rank{-entry.priority, entry.sequence}, key);
    wake_.set();
}

void SchedulingQueue::delay(const std::string& key, hal::SteadyTime until) {
    undelay(key);
    due_[key] = until;
    delayed_.emplace(until, key);
    wake_.set();
}

void SchedulingQueue::undelay(const std::string& key) {
    const auto due = due_.find(key);
    if (due == due_.end()) return;
    for (auto [it, end] = delayed_.equal_range(due->second); it != end; ++it) {
        if (it->second != key) continue;
        delayed_.erase(it);
        break;
    }
    due_.erase(due);
}

std::optional<std::string> SchedulingQueue::next_ready() {
    while (!delayed_.empty() && delayed_.begin()->first <= clock_.steady()) {
        const auto key = delayed_.begin()->second;
        undelay(key);
        failed_.erase(key);
        make_ready(key, entries_.at(key));
    }
    if (ready_.empty()) return std::nullopt;
    auto key = std::move(ready_.begin()->second);
    ready_.erase(ready_.begin());
    changes_when_taken_ = changes_;
    return key;
}

hal::async::Task<std::string> SchedulingQueue::next() {
    while (true) {
        if (auto key = next_ready()) co_return *key;
        wake_.clear();
        if (delayed_.empty())
            co_await wake_.wait();
        else
            co_await wake_.wait_for(delayed_.begin()->first - clock_.steady());
    }
}

}  // namespace services::kube::scheduler
