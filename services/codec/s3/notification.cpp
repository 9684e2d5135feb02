#include "services/codec/s3/notification.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <format>

#include "services/codec/s3/documents.hpp"
#include "services/codec/s3/signature.hpp"
#include "services/codec/xml/writer.hpp"

namespace services::codec::s3 {

namespace json = boost::json;

namespace {

constexpr std::size_t filter_value_bytes_max = 1024;

// What may be asked for: MinIO's list, so that every client's configuration is taken; those that never happen here (other
// services' work) are legal and never fire.
constexpr std::string_view names[] = {
    "s3:BucketCreated:*",
    "s3:BucketRemoved:*",
    "s3:ObjectAccessed:*",
    "s3:ObjectAccessed:Attributes",
    "s3:ObjectAccessed:Get",
    "s3:ObjectAccessed:GetLegalHold",
    "s3:ObjectAccessed:GetRetention",
    "s3:ObjectAccessed:Head",
    "s3:ObjectCreated:*",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:DeleteTagging",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:PutLegalHold",
    "s3:ObjectCreated:PutRetention",
    "s3:ObjectCreated:PutTagging",
    "s3:ObjectRemoved:*",
    "s3:ObjectRemoved:Delete",
    "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:ObjectRemoved:DeleteAllVersions",
    "s3:ObjectRemoved:NoOP",
    "s3:ObjectTransition:*",
    "s3:ObjectTransition:Complete",
    "s3:ObjectTransition:Failed",
    "s3:ObjectRestore:*",
    "s3:ObjectRestore:Post",
    "s3:ObjectRestore:Completed",
    "s3:Replication:*",
    "s3:Replication:OperationCompletedReplication",
    "s3:Replication:OperationFailedReplication",
    "s3:Replication:OperationMissedThreshold",
    "s3:Replication:OperationNotTracked",
    "s3:Replication:OperationReplicatedAfterThreshold",
    "s3:LifecycleExpiration:*",
    "s3:LifecycleExpiration:Delete",
    "s3:LifecycleExpiration:DeleteMarkerCreated",
    "s3:LifecycleDelMarkerExpiration:Delete",
    "s3:Scanner:*",
    "s3:Scanner:ManyVersions",
    "s3:Scanner:LargeVersions",
    "s3:Scanner:BigPrefix",
};

auto invalid(std::string message) { return refuse("InvalidArgument", 400, std::move(message)); }

Expected<void> read_filter(NotificationRule& rule, xml::Element filter) {
    bool has_prefix = false, has_suffix = false;
    auto key = filter.child("S3Key");
    if (!key) key = filter.child("Key");
    for (auto element = key.first(); element; element = element.next()) {
        if (element.name() != "FilterRule") continue;
        const auto name = element.child_text("Name"), value = element.child_text("Value");
        if (value.size() > filter_value_bytes_max)
            return invalid("Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation");
        if (name == "prefix" || name == "Prefix") {
            if (has_prefix) return invalid("Cannot specify more than one prefix rule in a filter.");
            has_prefix = true;
            rule.prefix = value;
        } else if (name == "suffix" || name == "Suffix") {
            if (has_suffix) return invalid("Cannot specify more than one suffix rule in a filter.");
            has_suffix = true;
            rule.suffix = value;
        } else {
            return invalid("filter rule name must be either prefix or suffix");
        }
    }
    return {};
}

Expected<NotificationRule> rule_of(xml::Element element, std::span<const std::string> arns) {
    NotificationRule rule;
    rule.id = element.child_text("Id");
    rule.arn = element.child_text("Queue");
    for (auto field = element.first(); field; field = field.next()) {
        if (field.name() != "Event") continue;
        if (!is_event_name(field.text())) return invalid("A specified event is not supported for notifications.");
        if (std::ranges::contains(rule.events, field.text())) return std::unexpected(malformed_xml());
        rule.events.emplace_back(field.text());
    }
    if (rule.events.empty()) return std::unexpected(malformed_xml());
    if (auto read = read_filter(rule, element.child("Filter")); !read) return std::unexpected(std::move(read.error()));
    if (!std::ranges::contains(arns, rule.arn))
        return invalid("A specified destination ARN does not exist or is not well-formed. Verify the destination ARN.");
    return rule;
}

bool are_the_same(const NotificationRule& a, const NotificationRule& b) {
    return a.arn == b.arn && a.prefix == b.prefix && a.suffix == b.suffix &&
           std::ranges::any_of(a.events, [&](const auto& name) { return std::ranges::contains(b.events, name); });
}

// As Go's url.QueryEscape: what S3 does to keys in records.
std::string query_escaped(std::string_view text) {
    auto escaped = uri_encoded(text, false);
    for (auto at = escaped.find("%20"); at != std::string::npos; at = escaped.find("%20", at)) escaped.replace(at, 3, "+");
    return escaped;
}

json::object record_of(const EventRecord& event) {
    json::object object{{"key", query_escaped(event.key)}};
    if (event.bytes != 0) object["size"] = event.bytes;
    if (!event.etag.empty()) object["eTag"] = event.etag;
    if (!event.content_type.empty()) object["contentType"] = event.content_type;
    if (!event.metadata.empty()) {
        json::object metadata;
        for (const auto& [name, value] : event.metadata) metadata[name] = value;
        object["userMetadata"] = std::move(metadata);
    }
    if (!event.version_id.empty()) object["versionId"] = event.version_id;
    object["sequencer"] = event.sequencer;
    return {
        {"eventVersion", "2.0"},
        {"eventSource", "minio:s3"},
        {"awsRegion", event.region},
        {"eventTime", std::format("{:%Y-%m-%dT%H:%M:%S}Z", std::chrono::floor<std::chrono::milliseconds>(event.time))},
        {"eventName", event.name},
        {"userIdentity", {{"principalId", event.principal}}},
        {"requestParameters", {{"principalId", event.principal}, {"region", event.region}, {"sourceIPAddress", event.source_ip}}},
        {"responseElements",
         {{"x-amz-request-id", event.request_id}, {"x-minio-deployment-id", event.deployment_id}, {"x-minio-origin-endpoint", event.endpoint}}},
        {"s3",
         {{"s3SchemaVersion", "1.0"},
          {"configurationId", event.configuration_id},
          {"bucket", {{"name", event.bucket}, {"ownerIdentity", {{"principalId", event.principal}}}, {"arn", "arn:aws:s3:::" + event.bucket}}},
          {"object", std::move(object)}}},
        {"source", {{"host", event.source_ip}, {"port", ""}, {"userAgent", event.user_agent}}},
    };
}

}  // namespace

bool is_event_name(std::string_view name) { return std::ranges::contains(names, name); }

bool event_matches(std::string_view pattern, std::string_view name) {
    if (pattern.ends_with(":*")) return name.starts_with(pattern.substr(0, pattern.size() - 1));
    return pattern == name;
}

bool NotificationRule::matches(std::string_view event_name, std::string_view key) const {
    return key.starts_with(prefix) && key.ends_with(suffix) &&
           std::ranges::any_of(events, [&](const auto& pattern) { return event_matches(pattern, event_name); });
}

Expected<std::vector<NotificationRule>> notification_rules(std::string body, std::span<const std::string> arns) {
    const auto document = xml_document(std::move(body), "NotificationConfiguration");
    if (!document) return std::unexpected(document.error());
    std::vector<NotificationRule> rules;
    for (auto element = document->root().first(); element; element = element.next()) {
        if (element.name() == "TopicConfiguration" || element.name() == "CloudFunctionConfiguration")
            return refuse("UnsupportedNotification", 400, "MinIO server does not support Topic or Cloud Function based notifications.");
        if (element.name() != "QueueConfiguration") continue;
        auto rule = rule_of(element, arns);
        if (!rule) return std::unexpected(std::move(rule.error()));
        if (std::ranges::any_of(rules, [&](const auto& other) { return are_the_same(other, *rule); }))
            return invalid("Configurations overlap. Configurations on the same bucket cannot share a common event type.");
        rules.push_back(std::move(*rule));
        if (rules.size() > notification_rules_max) return std::unexpected(malformed_xml());
    }
    return rules;
}

std::string notification_xml(const std::vector<NotificationRule>& rules) {
    xml::Writer writer;
    writer.open("NotificationConfiguration", "xmlns", "http://s3.amazonaws.com/doc/2006-03-01/");
    for (const auto& rule : rules) {
        writer.open("QueueConfiguration");
        writer.element("Id", rule.id);
        if (!rule.prefix.empty() || !rule.suffix.empty()) {
            writer.open("Filter");
            writer.open("S3Key");
            for (const auto& [name, value] : {std::pair("prefix", rule.prefix), std::pair("suffix", rule.suffix)}) {
                if (value.empty()) continue;
                writer.open("FilterRule");
                writer.element("Name", name);
                writer.element("Value", value);
                writer.close();
            }
            writer.close();
            writer.close();
        }
        for (const auto& name : rule.events) writer.element("Event", name);
        writer.element("Queue", rule.arn);
        writer.close();
    }
    writer.close();
    return writer.finish();
}

std::string event_record_json(const EventRecord& event) { return json::serialize(record_of(event)); }

std::string webhook_json(const EventRecord& event) {
    return json::serialize(
        json::object{{"EventName", event.name}, {"Key", event.bucket + "/" + event.key}, {"Records", json::array{record_of(event)}}});
}

}  // namespace services::codec::s3
