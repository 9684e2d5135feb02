#include "services/kube/store/history.hpp"

#include <algorithm>

namespace services::kube::store {

bool in_scope(const Scope& scope, const Key& key) {
    return scope.resource == key.resource && (scope.name_space.empty() || scope.name_space == key.name_space) &&
           (scope.name.empty() || scope.name == key.name);
}

std::size_t History::bytes_of(const Change& change) {
    constexpr std::size_t overhead = sizeof(Change) + 96;  // the key's and values' own allocations
    return overhead + change.value->size() + (change.before ? change.before->size() : 0);
}

void History::add(Change change, Revision durable) {
    bytes_ += bytes_of(change);
    changes_.push_back(std::move(change));
    trim(durable);
}

void History::trim(Revision durable) {
    while ((changes_.size() > changes_max_ || bytes_ > bytes_max_) && !changes_.empty() &&
           changes_.front().revision <= durable) {
        bytes_ -= bytes_of(changes_.front());
        floor_ = changes_.front().revision;
        changes_.pop_front();
    }
}

const Change* History::after(Revision position) const {
    const auto found = std::upper_bound(changes_.begin(), changes_.end(), position,
                                        [](Revision p, const Change& change) { return p < change.revision; });
    return found == changes_.end() ? nullptr : &*found;
}

}  // namespace services::kube::store
