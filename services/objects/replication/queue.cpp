#include "services/objects/replication/queue.hpp"

#include "hal/base/error.hpp"

namespace services::objects::replication {

void Queue::add(store::OutboxEntry entry) {
    HAL_REQUIRE(has_room());
    const auto sequence = entry.sequence;
    last_sequence_ = std::max(last_sequence_, sequence);
    if (items_.contains(sequence)) return;
    by_name_[{entry.bucket, entry.key}].insert(sequence);
    Item item;
    item.entry = std::move(entry);
    items_.emplace(sequence, std::move(item));
}

bool Queue::is_first(const Item& item) const {
    return *by_name_.find({item.entry.bucket, item.entry.key})->second.begin() == item.entry.sequence;
}

std::optional<store::OutboxEntry> Queue::next(hal::SteadyTime now) {
    for (auto& [sequence, item] : items_) {
        if (item.is_under_way || item.not_before > now || !is_first(item)) continue;
        item.is_under_way = true;
        return item.entry;
    }
    return std::nullopt;
}

void Queue::forget(std::map<std::uint64_t, Item>::iterator item) {
    const auto name = by_name_.find({item->second.entry.bucket, item->second.entry.key});
    name->second.erase(item->first);
    if (name->second.empty()) by_name_.erase(name);
    items_.erase(item);
}

void Queue::done(std::uint64_t sequence) {
    const auto item = items_.find(sequence);
    HAL_REQUIRE(item != items_.end());
    ++successes_;
    forget(item);
}

void Queue::put_back(std::uint64_t sequence) {
    const auto item = items_.find(sequence);
    HAL_REQUIRE(item != items_.end());
    item->second.is_under_way = false;
}

bool Queue::refused(std::uint64_t sequence, Blame blame, double random, hal::SteadyTime now) {
    const auto found = items_.find(sequence);
    HAL_REQUIRE(found != items_.end());
    auto& item = found->second;
    item.is_under_way = false;
    if (blame == Blame::change || (blame == Blame::unclear && successes_ > item.successes_before)) ++item.tries;
    item.successes_before = successes_;
    if (item.tries >= tries_max) {
        forget(found);
        return true;
    }
    const auto doublings = std::min<std::uint32_t>(item.refusals++, 16);
    const auto bound = std::min(retry_bound_min * (std::int64_t{1} << doublings), retry_bound_max);
    item.not_before = now + std::chrono::milliseconds(static_cast<std::int64_t>(random * static_cast<double>(bound.count())));
    return false;
}

std::optional<hal::SteadyTime> Queue::next_time() const {
    std::optional<hal::SteadyTime> first;
    for (const auto& [sequence, item] : items_)
        if (!item.is_under_way && is_first(item) && (!first || item.not_before < *first)) first = item.not_before;
    return first;
}

}  // namespace services::objects::replication
