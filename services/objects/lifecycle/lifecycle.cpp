#include "services/objects/lifecycle/lifecycle.hpp"

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"

namespace services::objects::lifecycle {

namespace s3 = codec::s3;

namespace {

constexpr auto area = "objects";
constexpr std::chrono::minutes after_midnight{5};
constexpr std::chrono::seconds after_start{60};  // what starts first is what people wait for

// The configuration was validated when it was put; what an earlier release took and this one does not is left alone.
std::vector<s3::LifecycleRule> rules_of(const store::Bucket& bucket) {
    const auto text = bucket.configuration.find("lifecycle");
    if (text == bucket.configuration.end()) return {};
    auto rules = s3::lifecycle_rules(text->second);
    if (!rules) hal::log::warn(area, "the lifecycle rules of bucket {} are not understood: {}", bucket.name, rules.error().message);
    return rules ? std::move(*rules) : std::vector<s3::LifecycleRule>{};
}

}  // namespace

std::chrono::seconds until_midnight(hal::WallTime now) {
    const auto midnight = std::chrono::floor<std::chrono::days>(now) + std::chrono::days(1);
    return std::chrono::ceil<std::chrono::seconds>(midnight - now) + after_midnight;
}

// Where the walk is: a version, and what its key's newer ones were.
struct Lifecycle::Place {
    store::Object version;
    std::string key;                // of what was judged last
    hal::WallTime newer_modified{}; // of the version before, of the same key
    unsigned newer_noncurrent = 0;
    bool expires_all = false;       // of this key
};

Lifecycle::Lifecycle(hal::async::Executor executor, store::Store& store, const hal::Clock& clock, Dispatches dispatches)
    : store_(store), clock_(clock), dispatches_(std::move(dispatches)), woken_(std::move(executor)) {}

Task<> Lifecycle::run() {
    co_await woken_.wait_for(after_start);
    for (;;) {
        woken_.clear();
        if (clock_.is_trusted()) {
            const auto swept = co_await sweep();
            if (swept.removed_versions + swept.made_markers + swept.aborted_uploads + swept.failures != 0)
                hal::log::info(area, "lifecycle rules removed {} versions, made {} delete markers, aborted {} uploads; {} failed", swept.removed_versions,
                               swept.made_markers, swept.aborted_uploads, swept.failures);
        }
        co_await woken_.wait_for(until_midnight(clock_.wall()));
    }
}

Task<Swept> Lifecycle::sweep() {
    Swept swept;
    std::vector<std::string> names;
    for (const auto* bucket : store_.buckets())
        if (bucket->configuration.contains("lifecycle")) names.push_back(bucket->name);
    for (const auto& name : names) {
        const auto* bucket = store_.bucket(name);
        if (!bucket) continue;
        const auto rules = rules_of(*bucket);
        if (rules.empty()) continue;
        co_await sweep_versions(name, rules, swept);
        co_await sweep_uploads(name, rules, swept);
    }
    co_return swept;
}

Task<> Lifecycle::sweep_versions(std::string bucket, const Rules& rules, Swept& swept) {
    store::ListRequest request;
    request.bucket = bucket;
    request.with_versions = true;
    request.with_metadata = true;  // tags
    Place place;
    bool has_version = false;      // one is judged when the next is known: a delete marker may stand alone
    for (bool is_truncated = true; is_truncated;) {
        auto page = co_await store_.list(request);
        if (!page) co_return;
        for (auto& version : page->objects) {
            const bool is_same_key = has_version && version.key == place.version.key;
            if (has_version) co_await judge(bucket, rules, place, !is_same_key, swept);
            place.version = std::move(version);
            has_version = true;
        }
        is_truncated = page->is_truncated;
        request.after = std::move(page->next);
        request.after_version = std::move(page->next_version);
    }
    if (has_version) co_await judge(bucket, rules, place, true, swept);
}

// `is_last`: the key has no older version.
Task<> Lifecycle::judge(const std::string& bucket, const Rules& rules, Place& place, bool is_last, Swept& swept) {
    const auto& version = place.version;
    if (version.key != place.key) {
        place.key = version.key;
        place.newer_noncurrent = 0;
        place.expires_all = false;
    }
    const s3::Tags tags(version.metadata.tags.begin(), version.metadata.tags.end());
    s3::VersionFacts facts;
    facts.key = version.key;
    facts.bytes = version.bytes;
    facts.modified = version.modified;
    facts.tags = &tags;
    facts.is_latest = version.is_latest;
    facts.is_delete_marker = version.is_delete_marker;
    facts.versions = version.is_latest && is_last ? 1 : 2;
    facts.successor_modified = place.newer_modified;
    facts.newer_noncurrent = place.newer_noncurrent;
    place.newer_modified = version.modified;
    if (!version.is_latest) ++place.newer_noncurrent;
    const auto verdict = s3::lifecycle_verdict(rules, facts, clock_.wall());
    if (verdict.action == s3::LifecycleAction::expire_all_versions) place.expires_all = true;
    if (place.expires_all) {
        co_await remove(bucket, version.key, version.version, s3::event::lifecycle_delete, swept);
        co_return;
    }
    switch (verdict.action) {
        case s3::LifecycleAction::none:
        case s3::LifecycleAction::expire_all_versions: break;
        case s3::LifecycleAction::expire: {
            const auto* known = store_.bucket(bucket);
            const bool leaves_marker = known && known->versioning != store::Versioning::never;
            co_await remove(bucket, version.key, std::nullopt, leaves_marker ? s3::event::lifecycle_marker : s3::event::lifecycle_delete, swept);
            break;
        }
        case s3::LifecycleAction::expire_version:
        case s3::LifecycleAction::expire_delete_marker:
            co_await remove(bucket, version.key, version.version, s3::event::lifecycle_delete, swept);
            break;
    }
}

Task<> Lifecycle::remove(const std::string& bucket, const std::string& key, std::optional<std::string> version, std::string_view event_name, Swept& swept) {
    const bool is_marker = event_name == s3::event::lifecycle_marker;
    bool has_failed = false;
    try {
        const auto outcome = co_await store_.remove({bucket, key, std::move(version), {}, dispatches_(bucket, key, event_name)});
        has_failed = !outcome;
    } catch (const hal::Error& error) {
        if (error.code() == hal::Code::cancelled) throw;
        hal::log::warn(area, "{}/{} has expired but was not removed: {}", bucket, key, error.what());
        has_failed = true;
    }
    ++(has_failed ? swept.failures : is_marker ? swept.made_markers : swept.removed_versions);
}

Task<> Lifecycle::sweep_uploads(std::string bucket, const Rules& rules, Swept& swept) {
    store::UploadListRequest request;
    request.bucket = bucket;
    for (bool is_truncated = true; is_truncated;) {
        auto page = co_await store_.uploads(request);
        if (!page) co_return;
        for (const auto& upload : page->uploads)
            if (s3::upload_is_stale(rules, upload.key, upload.initiated, clock_.wall())) {
                const auto aborted = co_await store_.abort(bucket, upload.key, upload.id);
                ++(aborted ? swept.aborted_uploads : swept.failures);
            }
        is_truncated = page->is_truncated;
        request.after_key = std::move(page->next_key);
        request.after_upload = std::move(page->next_upload);
    }
}

}  // namespace services::objects::lifecycle
