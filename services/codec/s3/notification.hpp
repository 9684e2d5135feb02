// Bucket notifications: event names, rules with filters, and the record a target receives (S3 event message 2.0, as
// MinIO fills it).
//
// Pure. Bounded: 100 rules a bucket.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hal/base/clock.hpp"
#include "services/codec/s3/refusal.hpp"
#include "services/codec/s3/tagging.hpp"

namespace services::codec::s3 {

inline constexpr std::size_t notification_rules_max = 100;

// Every event that happens here, by its full name.
namespace event {
inline constexpr std::string_view created_put = "s3:ObjectCreated:Put";
inline constexpr std::string_view created_post = "s3:ObjectCreated:Post";
inline constexpr std::string_view created_copy = "s3:ObjectCreated:Copy";
inline constexpr std::string_view created_complete = "s3:ObjectCreated:CompleteMultipartUpload";
inline constexpr std::string_view created_put_tagging = "s3:ObjectCreated:PutTagging";
inline constexpr std::string_view created_delete_tagging = "s3:ObjectCreated:DeleteTagging";
inline constexpr std::string_view accessed_get = "s3:ObjectAccessed:Get";
inline constexpr std::string_view accessed_head = "s3:ObjectAccessed:Head";
inline constexpr std::string_view removed_delete = "s3:ObjectRemoved:Delete";
inline constexpr std::string_view removed_marker = "s3:ObjectRemoved:DeleteMarkerCreated";
inline constexpr std::string_view lifecycle_delete = "s3:LifecycleExpiration:Delete";
inline constexpr std::string_view lifecycle_marker = "s3:LifecycleExpiration:DeleteMarkerCreated";
inline constexpr std::string_view replication_completed = "s3:Replication:OperationCompletedReplication";
inline constexpr std::string_view replication_failed = "s3:Replication:OperationFailedReplication";
inline constexpr std::string_view bucket_created = "s3:BucketCreated:*";
inline constexpr std::string_view bucket_removed = "s3:BucketRemoved:*";
}  // namespace event

// A name a client may ask for: an event, or a family ("s3:ObjectCreated:*").
bool is_event_name(std::string_view name);
// True if the asked `pattern` covers `name`.
bool event_matches(std::string_view pattern, std::string_view name);

struct NotificationRule {
    std::string id;
    std::string arn;  // "arn:minio:sqs::primary:webhook"
    std::vector<std::string> events;
    std::string prefix;
    std::string suffix;
    [[nodiscard]] bool matches(std::string_view event_name, std::string_view key) const;
};

// `arns` are the targets there are: another is InvalidArgument, as are unknown events and overlapping rules.
Expected<std::vector<NotificationRule>> notification_rules(std::string body, std::span<const std::string> arns);
std::string notification_xml(const std::vector<NotificationRule>& rules);

struct EventRecord {
    std::string_view name;  // "s3:ObjectCreated:Put", written so, as MinIO does
    hal::WallTime time{};
    std::string region;
    std::string principal;  // access key
    std::string source_ip;
    std::string user_agent;
    std::string request_id;
    std::string deployment_id;
    std::string endpoint;   // "http://10.42.0.1:9000"
    std::string configuration_id = "Config";
    std::string bucket;
    std::string key;        // as it is; written URL-encoded
    std::uint64_t bytes = 0;
    std::string etag;
    std::string content_type;
    std::string version_id;
    std::string sequencer;  // rises for each event of a key; hex
    Tags metadata;          // user metadata, with their header names
};
// One element of "Records".
std::string event_record_json(const EventRecord& record);
// What a webhook gets: {"EventName":..,"Key":"bucket/key","Records":[..]}.
std::string webhook_json(const EventRecord& record);

}  // namespace services::codec::s3
