#include "services/kube/controllers/expectations.hpp"

namespace services::kube::controllers {

void Expectations::expect_creations(const std::string& owner, std::size_t count) {
    entries_[owner] = {.creations = count, .deletions = {}, .since = clock_.steady()};
}

void Expectations::expect_deletions(const std::string& owner, const std::vector<std::string>& pods) {
    entries_[owner] = {.creations = 0, .deletions = {pods.begin(), pods.end()}, .since = clock_.steady()};
}

void Expectations::creation_observed(const std::string& owner) {
    const auto entry = entries_.find(owner);
    if (entry != entries_.end() && entry->second.creations > 0) --entry->second.creations;
}

void Expectations::deletion_observed(const std::string& owner, const std::string& pod) {
    const auto entry = entries_.find(owner);
    if (entry != entries_.end()) entry->second.deletions.erase(pod);
}

bool Expectations::satisfied(const std::string& owner) const {
    const auto entry = entries_.find(owner);
    if (entry == entries_.end()) return true;
    const auto& [creations, deletions, since] = entry->second;
    return (creations == 0 && deletions.empty()) || clock_.steady() - since > age_max;
}

void Expectations::forget(const std::string& owner) { entries_.erase(owner); }

}  // namespace services::kube::controllers
