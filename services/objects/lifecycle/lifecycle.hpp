// Carries out the lifecycle rules of buckets: once after the start, and after each midnight UTC, because days are what the
// rules count. The rules themselves are services/codec/s3/lifecycle.hpp's.
//
// Walks a bucket page by page, versions of a key newest first, and holds no more than a page. A removal that does not succeed
// is left for the next time. While the time is not known for sure nothing is removed: a board that wakes up in the wrong year
// must not expire what its branch still needs.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "services/codec/s3/lifecycle.hpp"
#include "services/codec/s3/notification.hpp"
#include "services/objects/store/store.hpp"

namespace services::objects::lifecycle {

using hal::async::Task;

struct Swept {
    std::uint64_t removed_versions = 0;  // delete markers among them
    std::uint64_t made_markers = 0;
    std::uint64_t aborted_uploads = 0;
    std::uint64_t failures = 0;
};

class Lifecycle {
public:
    // What a removal must tell to the outside: bucket, key, event name.
    using Dispatches = std::function<std::vector<store::Dispatch>(const std::string&, const std::string&, std::string_view)>;
    // All must outlive this.
    Lifecycle(hal::async::Executor executor, store::Store& store, const hal::Clock& clock, Dispatches dispatches);
    // Runs until cancelled.
    Task<> run();
    // Looks again at once: rules were changed.
    void wake() { woken_.set(); }
    // Once over all buckets.
    Task<Swept> sweep();

private:
    using Rules = std::vector<codec::s3::LifecycleRule>;
    struct Place;
    Task<> sweep_versions(std::string bucket, const Rules& rules, Swept& swept);
    Task<> sweep_uploads(std::string bucket, const Rules& rules, Swept& swept);
    Task<> judge(const std::string& bucket, const Rules& rules, Place& place, bool is_last, Swept& swept);
    Task<> remove(const std::string& bucket, const std::string& key, std::optional<std::string> version, std::string_view event_name, Swept& swept);

    store::Store& store_;
    const hal::Clock& clock_;
    Dispatches dispatches_;
    hal::async::Event woken_;
};

// From `now` to shortly after the next midnight UTC.
std::chrono::seconds until_midnight(hal::WallTime now);

}  // namespace services::objects::lifecycle
