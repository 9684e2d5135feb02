#include "services/codec/s3/lifecycle.hpp"

#include <algorithm>
#include <charconv>
#include <format>

#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"
#include "services/codec/s3/checksum.hpp"
#include "services/codec/s3/documents.hpp"
#include "services/codec/xml/writer.hpp"

namespace services::codec::s3 {

namespace {

using std::chrono::days;

constexpr std::size_t rules_max = 1000;
constexpr std::size_t id_bytes_max = 255;
constexpr unsigned days_max = 36'500;  // a hundred years: no sum overflows

auto invalid(std::string message) { return refuse("InvalidRequest", 400, std::move(message)); }

template <class Number>
std::optional<Number> number_in(std::string_view text) {
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

Expected<unsigned> positive_days(std::string_view text, std::string_view what) {
    const auto count = number_in<unsigned>(text);
    if (!count || *count == 0 || *count > days_max) return invalid(std::string(what) + " must be a positive integer");
    return *count;
}

Expected<void> read_expiration(LifecycleRule& rule, xml::Element element) {
    const auto count = element.child("Days"), date = element.child("Date"), marker = element.child("ExpiredObjectDeleteMarker");
    if (static_cast<int>(static_cast<bool>(count)) + static_cast<int>(static_cast<bool>(date)) > 1) return std::unexpected(malformed_xml());
    if (count) {
        const auto read = positive_days(count.text(), "Days for Expiration action");
        if (!read) return std::unexpected(read.error());
        rule.expiration_days = *read;
    }
    if (date) {
        try {
            rule.expiration_date = hal::parse_rfc3339(std::string(date.text()));
        } catch (const hal::Error&) {
            return invalid("Date must be provided in ISO 8601 format");
        }
        if (*rule.expiration_date != std::chrono::floor<days>(*rule.expiration_date)) return invalid("'Date' must be at midnight GMT");
    }
    rule.expired_delete_marker = marker.text() == "true";
    rule.expire_all_versions = element.child_text("ExpiredObjectAllVersions") == "true";
    if (rule.expired_delete_marker && (count || date)) return std::unexpected(malformed_xml());
    if (!count && !date && !marker) return std::unexpected(malformed_xml());
    return {};
}

Expected<void> read_tag(LifecycleRule& rule, xml::Element element) {
    if (!element.child("Key")) return std::unexpected(malformed_xml());
    rule.tags.emplace_back(element.child_text("Key"), element.child_text("Value"));
    if (rule.tags.size() > object_tags_max) return std::unexpected(malformed_xml());
    return {};
}

// The fields of <Filter> or of the <And> in it.
Expected<void> read_filter(LifecycleRule& rule, xml::Element element, bool is_and) {
    unsigned fields = 0;
    for (auto field = element.first(); field; field = field.next(), ++fields) {
        Expected<void> read;
        if (field.name() == "Prefix") {
            rule.prefix = field.text();
        } else if (field.name() == "Tag") {
            read = read_tag(rule, field);
        } else if (field.name() == "ObjectSizeGreaterThan" || field.name() == "ObjectSizeLessThan") {
            const auto bytes = number_in<std::uint64_t>(field.text());
            if (!bytes) return std::unexpected(malformed_xml());
            (field.name() == "ObjectSizeGreaterThan" ? rule.size_greater_than : rule.size_less_than) = *bytes;
        } else if (field.name() == "And" && !is_and) {
            read = read_filter(rule, field, true);
        } else {
            return std::unexpected(malformed_xml());
        }
        if (!read) return read;
    }
    if (!is_and && fields > 1) return std::unexpected(malformed_xml());  // several go into <And>
    return {};
}

Expected<void> read_noncurrent(LifecycleRule& rule, xml::Element element) {
    if (const auto count = element.child("NoncurrentDays")) {
        const auto read = positive_days(count.text(), "NoncurrentDays for NoncurrentVersionExpiration action");
        if (!read) return std::unexpected(read.error());
        rule.noncurrent_days = *read;
    }
    auto newer = element.child("NewerNoncurrentVersions");
    if (!newer) newer = element.child("MaxNoncurrentVersions");
    if (newer) {
        rule.newer_noncurrent_versions = number_in<unsigned>(newer.text());
        if (!rule.newer_noncurrent_versions) return std::unexpected(malformed_xml());
    }
    if (!rule.noncurrent_days && rule.newer_noncurrent_versions.value_or(0) == 0) return std::unexpected(malformed_xml());
    return {};
}

Expected<LifecycleRule> rule_of(xml::Element element, std::size_t index) {
    LifecycleRule rule;
    rule.id = element.child_text("ID");
    if (rule.id.size() > id_bytes_max) return invalid("ID length is limited to 255 characters");
    const auto status = element.child_text("Status");
    if (status.empty()) return invalid("Status should not be empty");
    if (status != "Enabled" && status != "Disabled") return invalid("Status must be set to either Enabled or Disabled");
    rule.is_enabled = status == "Enabled";
    if (element.child("Transition") || element.child("NoncurrentVersionTransition"))
        return refuse("TransitionStorageClassNotFoundError", 404, "The transition storage class was not found");

    Expected<void> read;
    const auto filter = element.child("Filter"), prefix = element.child("Prefix");
    if (filter && prefix) return std::unexpected(malformed_xml());
    rule.has_filter_element = static_cast<bool>(filter);
    rule.prefix = prefix.text();
    if (filter) read = read_filter(rule, filter, false);
    const auto expiration = element.child("Expiration"), noncurrent = element.child("NoncurrentVersionExpiration"),
               abort = element.child("AbortIncompleteMultipartUpload");
    if (read && expiration) read = read_expiration(rule, expiration);
    if (read && noncurrent) read = read_noncurrent(rule, noncurrent);
    if (!read) return std::unexpected(std::move(read.error()));
    if (abort) {
        const auto count = positive_days(abort.child_text("DaysAfterInitiation"), "DaysAfterInitiation");
        if (!count) return std::unexpected(count.error());
        rule.abort_upload_days = *count;
    }
    if (!expiration && !noncurrent && !abort) return std::unexpected(malformed_xml());
    if (rule.id.empty())
        rule.id = hal::hex(digest_of(Checksum::sha256, std::to_string(index) + "\n" + rule.prefix + "\n" + tags_header(rule.tags))).substr(0, 20);
    return rule;
}

bool applies_to_key(const LifecycleRule& rule, std::string_view key) { return rule.is_enabled && key.starts_with(rule.prefix); }

bool applies(const LifecycleRule& rule, const VersionFacts& version) {
    if (!applies_to_key(rule, version.key)) return false;
    if (version.is_delete_marker) return rule.tags.empty() && !rule.size_greater_than && !rule.size_less_than;
    if (rule.size_greater_than && version.bytes <= *rule.size_greater_than) return false;
    if (rule.size_less_than && version.bytes >= *rule.size_less_than) return false;
    return std::ranges::all_of(rule.tags, [&](const auto& tag) { return version.tags != nullptr && std::ranges::contains(*version.tags, tag); });
}

// S3: the age in days is added, then rounded up to the next midnight UTC.
hal::WallTime midnight_after(hal::WallTime from, unsigned count) { return std::chrono::floor<days>(from + days(count) + days(1)); }

// The latest version's expiry by `rule`.
std::optional<hal::WallTime> expiry(const LifecycleRule& rule, const VersionFacts& version) {
    if (rule.expiration_date) return rule.expiration_date;
    if (rule.expiration_days) return midnight_after(version.modified, *rule.expiration_days);
    return std::nullopt;
}

// What `rule` does to `version`, and when; nothing when it does nothing.
std::optional<LifecycleVerdict> planned(const LifecycleRule& rule, const VersionFacts& version) {
    if (!version.is_latest) {
        if (version.newer_noncurrent < rule.newer_noncurrent_versions.value_or(0)) return std::nullopt;
        if (rule.noncurrent_days)
            return LifecycleVerdict{LifecycleAction::expire_version, rule.id, midnight_after(version.successor_modified, *rule.noncurrent_days)};
        if (rule.newer_noncurrent_versions) return LifecycleVerdict{LifecycleAction::expire_version, rule.id, version.successor_modified};
        return std::nullopt;
    }
    const auto due = expiry(rule, version);
    if (version.is_delete_marker) {
        // A marker that stands alone hides nothing.
        if (version.versions != 1) return std::nullopt;
        if (rule.expired_delete_marker) return LifecycleVerdict{LifecycleAction::expire_delete_marker, rule.id, version.modified};
        if (due) return LifecycleVerdict{LifecycleAction::expire_delete_marker, rule.id, *due};
        return std::nullopt;
    }
    if (!due) return std::nullopt;
    return LifecycleVerdict{rule.expire_all_versions ? LifecycleAction::expire_all_versions : LifecycleAction::expire, rule.id, *due};
}

}  // namespace

Expected<std::vector<LifecycleRule>> lifecycle_rules(std::string body) {
    auto document = xml::Document::parse(std::move(body));
    if (!document) return std::unexpected(malformed_xml());
    const auto root = document->root();
    if (root.name() != "LifecycleConfiguration" && root.name() != "BucketLifecycleConfiguration") return std::unexpected(malformed_xml());
    std::vector<LifecycleRule> rules;
    for (auto element = root.first(); element; element = element.next()) {
        if (element.name() != "Rule") continue;
        auto rule = rule_of(element, rules.size());
        if (!rule) return std::unexpected(std::move(rule.error()));
        if (std::ranges::contains(rules, rule->id, &LifecycleRule::id))
            return invalid("Rule ID must be unique. Found same ID for one or more rules");
        rules.push_back(std::move(*rule));
        if (rules.size() > rules_max) return invalid("Lifecycle configuration allows a maximum of 1000 rules");
    }
    if (rules.empty()) return invalid("Lifecycle configuration should have at least one rule");
    return rules;
}

std::string lifecycle_xml(const std::vector<LifecycleRule>& rules) {
    xml::Writer writer;
    const auto tag = [&](const auto& pair) {
        writer.open("Tag");
        writer.element("Key", pair.first);
        writer.element("Value", pair.second);
        writer.close();
    };
    writer.open("LifecycleConfiguration", "xmlns", "http://s3.amazonaws.com/doc/2006-03-01/");
    for (const auto& rule : rules) {
        writer.open("Rule");
        if (rule.expiration_days || rule.expiration_date || rule.expired_delete_marker) {
            writer.open("Expiration");
            if (rule.expiration_days) writer.element("Days", *rule.expiration_days);
            if (rule.expiration_date) writer.element("Date", hal::rfc3339(*rule.expiration_date));
            if (rule.expired_delete_marker) writer.element("ExpiredObjectDeleteMarker", true);
            if (rule.expire_all_versions) writer.element("ExpiredObjectAllVersions", true);
            writer.close();
        }
        writer.element("ID", rule.id);
        if (rule.has_filter_element) {
            writer.open("Filter");
            const auto fields = rule.tags.size() + (rule.size_greater_than ? 1U : 0U) + (rule.size_less_than ? 1U : 0U) + (rule.prefix.empty() ? 0U : 1U);
            if (fields > 1) writer.open("And");
            if (!rule.prefix.empty() || fields == 0) writer.element("Prefix", rule.prefix);
            for (const auto& pair : rule.tags) tag(pair);
            if (rule.size_greater_than) writer.element("ObjectSizeGreaterThan", *rule.size_greater_than);
            if (rule.size_less_than) writer.element("ObjectSizeLessThan", *rule.size_less_than);
            if (fields > 1) writer.close();
            writer.close();
        } else {
            writer.element("Prefix", rule.prefix);
        }
        writer.element("Status", rule.is_enabled ? "Enabled" : "Disabled");
        if (rule.noncurrent_days || rule.newer_noncurrent_versions) {
            writer.open("NoncurrentVersionExpiration");
            if (rule.noncurrent_days) writer.element("NoncurrentDays", *rule.noncurrent_days);
            if (rule.newer_noncurrent_versions) writer.element("NewerNoncurrentVersions", *rule.newer_noncurrent_versions);
            writer.close();
        }
        if (rule.abort_upload_days) {
            writer.open("AbortIncompleteMultipartUpload");
            writer.element("DaysAfterInitiation", *rule.abort_upload_days);
            writer.close();
        }
        writer.close();
    }
    writer.close();
    return writer.finish();
}

LifecycleVerdict lifecycle_verdict(const std::vector<LifecycleRule>& rules, const VersionFacts& version, hal::WallTime now) {
    LifecycleVerdict verdict;
    for (const auto& rule : rules) {
        if (!applies(rule, version)) continue;
        const auto plan = planned(rule, version);
        if (!plan || plan->due > now) continue;
        // Among those due the earliest, and of two at once the one that removes more (S3: "permanent deletion takes precedence").
        if (verdict.action == LifecycleAction::none || plan->due < verdict.due || (plan->due == verdict.due && plan->action > verdict.action))
            verdict = *plan;
    }
    return verdict;
}

std::string expiration_header(const std::vector<LifecycleRule>& rules, const VersionFacts& version) {
    std::optional<hal::WallTime> earliest;
    std::string_view id;
    if (!version.is_latest || version.is_delete_marker) return {};
    for (const auto& rule : rules) {
        if (!applies(rule, version)) continue;
        const auto due = expiry(rule, version);
        if (!due || (earliest && *earliest <= *due)) continue;
        earliest = due;
        id = rule.id;
    }
    if (!earliest) return {};
    return std::format("expiry-date=\"{:%a, %d %b %Y %H:%M:%S} GMT\", rule-id=\"{}\"", std::chrono::floor<std::chrono::seconds>(*earliest), id);
}

bool upload_is_stale(const std::vector<LifecycleRule>& rules, std::string_view key, hal::WallTime initiated, hal::WallTime now) {
    return std::ranges::any_of(rules, [&](const auto& rule) {
        return rule.abort_upload_days && applies_to_key(rule, key) && midnight_after(initiated, *rule.abort_upload_days) <= now;
    });
}

}  // namespace services::codec::s3
