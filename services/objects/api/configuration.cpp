// The documents that a bucket is configured with: one table says how each is read, kept and answered.
#include <algorithm>

#include "services/codec/s3/cors.hpp"
#include "services/codec/s3/documents.hpp"
#include "services/codec/s3/lifecycle.hpp"
#include "services/codec/s3/notification.hpp"
#include "services/codec/s3/tagging.hpp"
#include "services/codec/xml/writer.hpp"
#include "services/objects/api/events.hpp"
#include "services/objects/api/handlers.hpp"

namespace services::objects::api {
namespace {

using enum Operation;

struct ConfigurationRow {
    Operation get, put, remove;
    std::string_view key;     // of store::Bucket::configuration
    Problem missing;
    unsigned put_status;
    // The text as it is kept, from the document as it was sent.
    Expected<std::string> (*read)(Api& api, const Call& call, std::string text);
};

Expected<std::string> read_policy(Api&, const Call& call, std::string text) {
    if (text.size() > s3::policy_bytes_max) return s3::refuse("EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed object size.");
    auto policy = s3::Policy::of_bucket(text, call.address.bucket);
    if (!policy) return std::unexpected(std::move(policy.error()));
    // A policy that says nothing is none.
    return policy->is_empty() ? std::string() : std::move(text);
}

Expected<std::string> read_lifecycle(Api&, const Call&, std::string text) {
    auto rules = s3::lifecycle_rules(std::move(text));
    if (!rules) return std::unexpected(std::move(rules.error()));
    return s3::lifecycle_xml(*rules);
}

// As a MinIO without a key server: what is well-formed is refused all the same.
Expected<std::string> read_encryption(Api&, const Call&, std::string text) {
    auto encryption = s3::bucket_encryption(std::move(text));
    if (!encryption) return std::unexpected(std::move(encryption.error()));
    return refused(Problem::kms_not_configured);
}

Expected<std::string> read_tagging(Api&, const Call&, std::string text) {
    auto tags = s3::tags_from_xml(std::move(text), s3::bucket_tags_max);
    if (!tags) return std::unexpected(std::move(tags.error()));
    return s3::tags_xml(*tags);
}

Expected<std::string> read_cors(Api&, const Call&, std::string text) {
    auto rules = s3::cors_rules(std::move(text));
    if (!rules) return std::unexpected(std::move(rules.error()));
    return s3::cors_xml(*rules);
}

Expected<std::string> read_notification(Api& api, const Call&, std::string text) {
    auto rules = s3::notification_rules(std::move(text), api.events().arns());
    if (!rules) return std::unexpected(std::move(rules.error()));
    return rules->empty() ? std::string() : s3::notification_xml(*rules);
}

// A bucket has a notification configuration and a versioning state from the beginning: they are never missing.
constexpr ConfigurationRow table[] = {
    {get_policy, put_policy, delete_policy, "policy", Problem::no_such_policy, 204, read_policy},
    {get_lifecycle, put_lifecycle, delete_lifecycle, "lifecycle", Problem::no_such_lifecycle, 200, read_lifecycle},
    {get_encryption, put_encryption, delete_encryption, "encryption", Problem::no_such_encryption, 200, read_encryption},
    {get_bucket_tagging, put_bucket_tagging, delete_bucket_tagging, "tagging", Problem::no_such_tags, 200, read_tagging},
    {get_cors, put_cors, delete_cors, "cors", Problem::no_such_cors, 200, read_cors},
    {get_notification, put_notification, not_implemented, "notification", Problem::internal_error, 200, read_notification},
};

const ConfigurationRow* row_of(Operation operation) {
    const auto* it = std::ranges::find_if(table, [&](const auto& row) { return row.get == operation || row.put == operation || row.remove == operation; });
    return it == std::end(table) ? nullptr : it;
}

s3::Versioning shown(store::Versioning versioning) {
    switch (versioning) {
        case store::Versioning::enabled: return s3::Versioning::enabled;
        case store::Versioning::suspended: return s3::Versioning::suspended;
        case store::Versioning::never: break;
    }
    return s3::Versioning::never;
}

}  // namespace

Task<Answer> get_configuration(Api& api, Call& call) {
    const auto* bucket = api.store.bucket(call.address.bucket);
    if (call.row->operation == get_versioning) {
        const auto exclusions = bucket->configuration.find("versioning");
        co_return xml_response(exclusions != bucket->configuration.end() ? exclusions->second : s3::versioning_xml({shown(bucket->versioning), {}, false}));
    }
    const auto* row = row_of(call.row->operation);
    const auto it = bucket->configuration.find(row->key);
    if (it == bucket->configuration.end()) {
        if (row->get == get_notification) co_return xml_response(s3::notification_xml({}));
        co_return refused(row->missing);
    }
    auto response = xml_response(it->second);
    if (row->get == get_policy) response.headers.set("Content-Type", "application/json");
    co_return response;
}

Task<Answer> put_configuration(Api& api, Call& call) {
    auto text = co_await read_document(api, call);
    if (!text) co_return std::unexpected(std::move(text.error()));
    if (call.row->operation == put_versioning) {
        auto versioning = s3::versioning_configuration(std::move(*text));
        if (!versioning) co_return std::unexpected(std::move(versioning.error()));
        const auto* bucket = api.store.bucket(call.address.bucket);
        if (!bucket) co_return refused(Problem::no_such_bucket);
        // Exclusions first: until versioning is on they say nothing.
        if (versioning->has_exclusions() || bucket->configuration.contains("versioning")) {
            auto kept = co_await api.store.configure(call.address.bucket, "versioning", versioning->has_exclusions() ? s3::versioning_xml(*versioning) : "");
            if (!kept) co_return refused(kept.error());
        }
        auto set = co_await api.store.set_versioning(
            call.address.bucket, versioning->status == s3::Versioning::enabled ? store::Versioning::enabled : store::Versioning::suspended);
        if (!set) co_return refused(set.error());
        co_return empty_response(200);
    }
    const auto* row = row_of(call.row->operation);
    auto kept = row->read(api, call, std::move(*text));
    if (!kept) co_return std::unexpected(std::move(kept.error()));
    auto done = co_await api.store.configure(call.address.bucket, std::string(row->key), std::move(*kept));
    if (!done) co_return refused(done.error());
    api.forget_rules(call.address.bucket);
    co_return empty_response(row->put_status);
}

Task<Answer> delete_configuration(Api& api, Call& call) {
    const auto* row = row_of(call.row->operation);
    auto done = co_await api.store.configure(call.address.bucket, std::string(row->key), "");
    if (!done) co_return refused(done.error());
    api.forget_rules(call.address.bucket);
    co_return empty_response(204);
}

Task<Answer> get_policy_status(Api& api, Call& call) {
    const auto& policy = api.rules(call.address.bucket).policy;
    const auto anyone_may = [&](std::string_view action) {
        return policy && policy->evaluate({action, call.address.bucket, "", "", {}}) == s3::Verdict::allow;
    };
    services::codec::xml::Writer out;
    out.open("PolicyStatus", "xmlns", xml_namespace);
    // As MinIO reckons: public is what anyone may read and write.
    out.element("IsPublic", anyone_may("s3:ListBucket") && anyone_may("s3:PutObject") ? "TRUE" : "FALSE");
    out.close();
    co_return xml_response(out.finish());
}

}  // namespace services::objects::api
