// Lifecycle rules of a bucket: reading LifecycleConfiguration, and deciding what has expired.
//
// Pure: the time comes in as an argument. Days count as S3 counts them: an object expires at the first midnight UTC after
// its age in days has passed. Bounded: 1,000 rules. Transitions are refused (there is no second tier).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hal/base/clock.hpp"
#include "services/codec/s3/refusal.hpp"
#include "services/codec/s3/tagging.hpp"

namespace services::codec::s3 {

struct LifecycleRule {
    std::string id;
    bool is_enabled = false;
    std::string prefix;
    Tags tags;                                        // all must be there
    std::optional<std::uint64_t> size_greater_than;   // bytes
    std::optional<std::uint64_t> size_less_than;
    std::optional<unsigned> expiration_days;
    std::optional<hal::WallTime> expiration_date;     // midnight UTC
    bool expired_delete_marker = false;               // removes a delete marker that stands alone
    bool expire_all_versions = false;                 // MinIO's ExpiredObjectAllVersions
    std::optional<unsigned> noncurrent_days;
    std::optional<unsigned> newer_noncurrent_versions; // this many stay
    std::optional<unsigned> abort_upload_days;
    bool has_filter_element = false;                  // <Filter> rather than <Prefix>: written back the same way
};

// Rules without an ID get one. Refuses with InvalidRequest or MalformedXML.
Expected<std::vector<LifecycleRule>> lifecycle_rules(std::string body);
std::string lifecycle_xml(const std::vector<LifecycleRule>& rules);

// One version of an object, as the rules see it.
struct VersionFacts {
    std::string_view key;
    std::uint64_t bytes = 0;
    hal::WallTime modified{};
    const Tags* tags = nullptr;        // null: none
    bool is_latest = true;
    bool is_delete_marker = false;
    unsigned versions = 1;             // of the key, delete markers counted
    hal::WallTime successor_modified{}; // not the latest: when it became noncurrent
    unsigned newer_noncurrent = 0;     // not the latest: noncurrent versions younger than this one
};

enum class LifecycleAction : std::uint8_t {
    none,
    expire,               // the latest version: as DeleteObject without a version (a delete marker where versioned)
    expire_version,       // this version for good (noncurrent)
    expire_delete_marker, // this delete marker for good
    expire_all_versions,  // the key with all its versions
};

struct LifecycleVerdict {
    LifecycleAction action = LifecycleAction::none;
    std::string_view rule_id;  // of `rules`
    hal::WallTime due{};
};

// What has fallen due at `now`.
LifecycleVerdict lifecycle_verdict(const std::vector<LifecycleRule>& rules, const VersionFacts& version, hal::WallTime now);
// When the latest version will expire, for x-amz-expiration: `expiry-date="...", rule-id="..."`. "" when it will not.
std::string expiration_header(const std::vector<LifecycleRule>& rules, const VersionFacts& version);
// True when an upload begun at `initiated` has to be aborted.
bool upload_is_stale(const std::vector<LifecycleRule>& rules, std::string_view key, hal::WallTime initiated, hal::WallTime now);

}  // namespace services::codec::s3
