#include "services/kubeclient/work_queue.hpp"

#include <algorithm>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"

namespace services::kubeclient {

WorkQueue::WorkQueue(hal::async::Executor executor, std::string name)
    : name_(std::move(name)), wake_(std::move(executor)) {}

void WorkQueue::add(std::string key) {
    if (is_shut_down_ || !waiting_.insert(key).second) return;
    if (waiting_.size() > keys_max) {
        waiting_.erase(key);
        throw hal::Error(hal::Code::exhausted, name_ + ": more than " + std::to_string(keys_max) + " keys wait");
    }
    if (busy_.contains(key)) return;  // done() puts it into the queue
    ready_.push_back(std::move(key));
    wake_.set();
}

void WorkQueue::add_after(std::string key, Duration delay) {
    if (is_shut_down_) return;
    if (delay <= Duration::zero()) return add(std::move(key));
    const auto at = std::chrono::steady_clock::now() + delay;
    if (const auto known = due_.find(key); known != due_.end()) {
        if (known->second <= at) return;
        cancel_delayed(key);
    }
    due_[key] = at;
    delayed_.emplace(at, std::move(key));
    wake_.set();
}

void WorkQueue::cancel_delayed(const std::string& key) {
    const auto known = due_.find(key);
    if (known == due_.end()) return;
    for (auto [it, end] = delayed_.equal_range(known->second); it != end; ++it) {
        if (it->second != key) continue;
        delayed_.erase(it);
        break;
    }
    due_.erase(known);
}

void WorkQueue::add_rate_limited(std::string key) {
    const auto failures = failures_[key]++;
    const auto delay = failures < 28 ? std::min<Duration>(back_off_min * (1LL << failures), back_off_max) : back_off_max;
    add_after(std::move(key), delay);
}

void WorkQueue::forget(const std::string& key) { failures_.erase(key); }

std::size_t WorkQueue::failures(const std::string& key) const {
    const auto found = failures_.find(key);
    return found == failures_.end() ? 0 : found->second;
}

std::optional<WorkQueue::Duration> WorkQueue::admit_due() {
    while (!delayed_.empty()) {
        const auto left = delayed_.begin()->first - std::chrono::steady_clock::now();
        if (left > Duration::zero()) return left;
        auto key = std::move(delayed_.begin()->second);
        delayed_.erase(delayed_.begin());
        due_.erase(key);
        add(std::move(key));
    }
    return std::nullopt;
}

Task<std::optional<std::string>> WorkQueue::next() {
    while (true) {
        const auto due = admit_due();
        if (!ready_.empty()) {
            auto key = std::move(ready_.front());
            ready_.pop_front();
            waiting_.erase(key);
            busy_.insert(key);
            co_return key;
        }
        if (is_shut_down_) co_return std::nullopt;
        wake_.clear();
        if (due)
            co_await wake_.wait_for(*due);
        else
            co_await wake_.wait();
    }
}

void WorkQueue::done(const std::string& key) {
    busy_.erase(key);
    if (!waiting_.contains(key)) return;
    ready_.push_back(key);
    wake_.set();
}

void WorkQueue::shut_down() {
    is_shut_down_ = true;
    wake_.set();
}

Task<> WorkQueue::run(std::function<Task<>(std::string key)> reconcile) {
    while (auto key = co_await next()) {
        std::string failure;
        bool is_cancelled = false, is_quiet = false;
        try {
            co_await reconcile(*key);
        } catch (const hal::Error& e) {
            failure = e.what();
            is_cancelled = e.code() == hal::Code::cancelled;
            is_quiet = e.code() == hal::Code::conflict;
        } catch (const std::exception& e) {
            failure = e.what();
        }
        // However the cancellation showed, it is no failure of the key.
        const auto state = co_await boost::asio::this_coro::cancellation_state;
        is_cancelled = is_cancelled || (!failure.empty() && state.cancelled() != boost::asio::cancellation_type::none);
        if (is_cancelled) {
            done(*key);
            throw hal::Error(hal::Code::cancelled, failure);
        }
        if (failure.empty()) {
            forget(*key);
        } else {
            if (!is_quiet) hal::log::warn(name_, "{}: {}", *key, failure);
            add_rate_limited(*key);
        }
        done(*key);
    }
}

}  // namespace services::kubeclient
