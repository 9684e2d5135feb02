// What a loop has asked for and its cache has not shown yet: pods made or deleted. Until the cache caught up (or the
// expectation is five minutes old: an event got lost), the loop must not count pods, or it would make them twice.
//
// Per key of the owner. Deletions are known by pod key, so that the same pod, seen as deleting and as deleted, counts once.
#pragma once

#include <chrono>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "hal/base/clock.hpp"

namespace services::kube::controllers {

class Expectations {
public:
    static constexpr std::chrono::minutes age_max{5};

    explicit Expectations(const hal::Clock& clock) : clock_(clock) {}
    void expect_creations(const std::string& owner, std::size_t count);
    void expect_deletions(const std::string& owner, const std::vector<std::string>& pods);
    void creation_observed(const std::string& owner);
    void deletion_observed(const std::string& owner, const std::string& pod);
    [[nodiscard]] bool satisfied(const std::string& owner) const;
    void forget(const std::string& owner);

private:
    struct Entry {
        std::size_t creations = 0;
        std::set<std::string> deletions;
        hal::SteadyTime since;
    };
    const hal::Clock& clock_;
    std::unordered_map<std::string, Entry> entries_;
};

}  // namespace services::kube::controllers
