#include <format>
#include <utility>

#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "services/objects/api/call.hpp"
#include "services/objects/api/counters.hpp"
#include "services/objects/api/events.hpp"
#include "services/objects/api/fields.hpp"
#include "services/objects/api/handlers.hpp"

namespace services::objects::api {
namespace {

constexpr std::string_view default_region = "us-east-1";
constexpr std::string_view cors_exposed = "Date, Etag, Server, Connection, Accept-Ranges, Content-Range, Content-Encoding, Content-Length, Content-Type, "
                                          "Content-Disposition, Last-Modified, Content-Language, Cache-Control, Retry-After, X-Amz-Bucket-Region, Expires, "
                                          "X-Amz*, *";

// Condition keys that policies may ask for (AWS "Condition keys for Amazon S3"; MinIO's getConditionValues).
using Values = std::vector<std::pair<std::string, std::vector<std::string>>>;
Values condition_values(const Call& call) {
    Values values;
    const auto add = [&](std::string name, std::string value) { values.emplace_back(std::move(name), std::vector{std::move(value)}); };
    add("aws:SourceIp", call.request.peer.remote.address);
    add("aws:SecureTransport", call.request.peer.is_tls ? "true" : "false");
    add("aws:CurrentTime", hal::rfc3339(call.now));
    add("aws:EpochTime", std::to_string(std::chrono::floor<std::chrono::seconds>(call.now).time_since_epoch().count()));
    if (const auto* agent = call.header("user-agent")) add("aws:UserAgent", *agent);
    if (const auto* referer = call.header("referer")) add("aws:Referer", *referer);
    if (!call.who.user.empty()) {
        add("aws:username", call.who.user);
        add("aws:userid", call.who.user);
    }
    add("aws:principaltype", call.who.access_key.empty() ? "Anonymous" : call.who.is_root ? "Account" : "User");
    add("s3:authType", call.is_presigned ? "REST-QUERY-STRING" : "REST-HEADER");
    for (const auto& [name, value] : call.request.query) {
        if (name == "prefix" || name == "delimiter" || name == "max-keys") add("s3:" + name, value);
        if (name == "versionId") add("s3:versionid", value);
    }
    for (const auto& [name, value] : call.request.headers.all())
        if (auto key = lower(name); key.starts_with("x-amz-")) add("s3:" + key, value);
    return values;
}

}  // namespace

Api::Api(hal::async::Executor on, store::Store& s, access::Access& a, const hal::Clock& c, hal::async::Pool& p, ApiOptions o)
    : store(s), access(a), clock(c), pool(p), options(std::move(o)), executor(std::move(on)), started(c.steady()),
      region_(options.region.empty() ? std::string(default_region) : options.region), host_id_(hal::hex(hal::random_bytes(32))),
      events_(std::make_unique<Events>(*this)), counters_(std::make_unique<Counters>()) {}

Api::~Api() = default;

Expected<void> Api::require(const Call& call, std::string_view action, std::string_view bucket, std::string_view key) {
    if (call.who.is_root) return {};
    const auto values = condition_values(call);
    const s3::Ask ask{action, bucket, key, call.who.access_key, values};
    const auto* policy = bucket.empty() || !store.bucket(bucket) ? nullptr : rules(bucket).policy.get();
    if (access.may(call.who, ask, policy)) return {};
    // S3: who may list may list versions.
    if (action == "s3:ListBucketVersions") return require(call, "s3:ListBucket", bucket, key);
    return refused(Problem::access_denied);
}

const BucketRules& Api::rules(std::string_view name) {
    static const BucketRules none;
    if (const auto it = rules_.find(name); it != rules_.end()) return it->second;
    const auto* bucket = store.bucket(name);
    if (!bucket || bucket->configuration.empty()) return none;
    BucketRules made;
    const auto text = [&](std::string_view key) {
        const auto it = bucket->configuration.find(key);
        return it == bucket->configuration.end() ? std::string() : it->second;
    };
    if (auto json = text("policy"); !json.empty())
        if (auto policy = s3::Policy::of_bucket(json, name)) made.policy = std::make_unique<s3::Policy>(std::move(*policy));
    if (auto xml = text("cors"); !xml.empty())
        if (auto read = s3::cors_rules(std::move(xml))) made.cors = std::move(*read);
    if (auto xml = text("lifecycle"); !xml.empty())
        if (auto read = s3::lifecycle_rules(std::move(xml))) made.lifecycle = std::move(*read);
    if (auto xml = text("notification"); !xml.empty())
        if (auto read = s3::notification_rules(std::move(xml), events_->arns())) made.notifications = std::move(*read);
    return rules_.emplace(std::string(name), std::move(made)).first->second;
}

void Api::forget_rules(std::string_view bucket) {
    if (const auto it = rules_.find(bucket); it != rules_.end()) rules_.erase(it);
    if (rules_changed_) rules_changed_();
}

std::vector<store::Dispatch> Api::dispatches(const Call& call, std::string_view bucket, std::string_view key, std::string_view event_name) {
    std::vector<store::Dispatch> made;
    if (replication_)
        if (auto dispatch = replication_(bucket)) made.push_back(std::move(*dispatch));
    const auto& found = rules(bucket);
    for (const auto& rule : found.notifications)
        if (rule.matches(event_name, key)) made.push_back({Events::destination(rule.arn), events_->note(call, event_name, rule), false});
    return made;
}

Expected<void> Api::authenticate(Call& call) {
    const s3::SignedRequest request{call.request.method, call.request.target, &call.request.headers.all()};
    auto claim = s3::claim_of(request);
    if (!claim) return std::unexpected(std::move(claim.error()));
    call.is_presigned = claim->scheme == s3::Scheme::v4_query || claim->scheme == s3::Scheme::v2_query;
    if (claim->scheme == s3::Scheme::anonymous) {
        auto payload = s3::payload_of(request);
        if (!payload) return std::unexpected(std::move(payload.error()));
        call.verified = std::move(*payload);
        return {};
    }
    const auto secret = access.secret_of(claim->access_key);
    if (!secret) return std::unexpected(s3::unknown_access_key());
    s3::VerifyOptions verify_options;
    verify_options.region = region_;
    // Without a region of its own MinIO takes any; its clients ask for the region with one they guess.
    verify_options.any_region = options.region.empty() || call.request.path.starts_with("/minio/");
    auto verified = s3::verify(*claim, request, *secret, call.now, verify_options, keys_);
    if (!verified) return std::unexpected(std::move(verified.error()));
    call.verified = std::move(*verified);
    call.who = access.identity_of(claim->access_key);
    return {};
}

Answer Api::preflight(const Call& call) {
    const auto* origin = call.header("origin");
    const auto* method = call.header("access-control-request-method");
    if (!origin || !method) return s3::refuse("BadRequest", 400, "Insufficient information. Origin request header needed.");
    const auto* asked = call.header("access-control-request-headers");
    auto response = empty_response(200);
    const auto& cors = rules(call.address.bucket).cors;
    if (cors.empty()) {
        // MinIO's own default: every origin, unless the bucket says otherwise.
        response.status = 204;
        response.headers.set("Access-Control-Allow-Origin", *origin);
        response.headers.set("Access-Control-Allow-Methods", *method);
        if (asked) response.headers.set("Access-Control-Allow-Headers", *asked);
        response.headers.set("Access-Control-Allow-Credentials", "true");
    } else {
        const auto* rule = s3::cors_rule_for(cors, *origin, *method, asked ? *asked : "");
        if (!rule) return s3::refuse("AccessForbidden", 403, "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.");
        for (auto& [name, value] : s3::cors_answer(*rule, *origin, asked ? *asked : "", true)) response.headers.set(name, value);
    }
    response.headers.add("Vary", "Origin");
    return response;
}

Task<Answer> Api::answer(Call& call) {
    const auto& request = call.request;
    if (request.path.starts_with("/minio/")) co_return co_await minio_surface(*this, call);
    call.address = address_of(request.path);
    if (request.method == "OPTIONS") co_return preflight(call);
    call.row = operation_of(request, call.address);
    if (!call.row) co_return refused(Problem::method_not_allowed);
    if (auto known = authenticate(call); !known) co_return std::unexpected(std::move(known.error()));
    if (call.address.scope != Scope::service && !is_bucket_name(call.address.bucket)) co_return refused(Problem::invalid_bucket_name);
    if (call.address.scope == Scope::object)
        if (auto valid = check_key(call.address.key); !valid) co_return std::unexpected(std::move(valid.error()));
    if (!call.row->action.empty() && call.row->operation != Operation::list_buckets)
        if (auto allowed = require(call, call.row->action, call.address.bucket, call.address.key); !allowed)
            co_return std::unexpected(std::move(allowed.error()));
    const auto operate = handle_of(call.row->operation);
    if (!operate) {
        if (call.who.access_key.empty()) co_return refused(Problem::access_denied);
        co_return refused(Problem::not_implemented);
    }
    if (call.address.scope != Scope::service && call.row->operation != Operation::create_bucket && !store.bucket(call.address.bucket))
        co_return refused(Problem::no_such_bucket);
    co_return co_await operate(*this, call);
}

Task<Answer> Api::run(Call& call) {
    try {
        co_return co_await answer(call);
    } catch (const hal::Error& failure) {
        if (failure.code() == hal::Code::cancelled) throw;
        if (failure.code() == hal::Code::corrupt || failure.code() == hal::Code::io || failure.code() == hal::Code::internal)
            hal::log::error("objects", "{} {}: {}", call.request.method, call.request.path, failure.what());
        co_return std::unexpected(refusal(failure));
    }
}

Task<http::Response> Api::handle(http::Request request) {
    Call call;
    call.request = std::move(request);
    call.now = clock.wall();
    call.request_id = std::format("{:X}", static_cast<std::uint64_t>(call.now.time_since_epoch().count()) * 1000 + ++requests_ % 1000);
    const auto counting = counters_->begin();
    auto made = co_await run(call);
    const Place place{call.address.bucket, call.address.key, call.request.path, region_, call.request_id, host_id_};
    auto response = made ? std::move(*made) : error_response(made.error(), place, call.request.method == "HEAD");
    finish(call, response);
    counters_->count(call.row ? call.row->name : std::string_view("minio"), response.status);
    co_return response;
}

// What every answer carries, as MinIO's do.
void Api::finish(const Call& call, http::Response& response) {
    auto& headers = response.headers;
    headers.set("Server", "MinIO");
    headers.set("X-Amz-Request-Id", call.request_id);
    headers.set("X-Amz-Id-2", host_id_);
    headers.set("X-Content-Type-Options", "nosniff");
    headers.set("X-Xss-Protection", "1; mode=block");
    headers.set("Strict-Transport-Security", "max-age=31536000; includeSubDomains");
    if (!headers.find("Accept-Ranges") && call.row && call.row->scope == Scope::object) headers.set("Accept-Ranges", "bytes");
    const auto* origin = call.header("origin");
    if (!origin || call.request.method == "OPTIONS") return;
    const auto& cors = rules(call.address.bucket).cors;
    if (cors.empty()) {
        headers.set("Access-Control-Allow-Origin", *origin);
        headers.set("Access-Control-Allow-Credentials", "true");
        headers.set("Access-Control-Expose-Headers", std::string(cors_exposed));
    } else {
        // S3 lets what a preflight would ask decide where a request says it.
        const auto* method = call.header("access-control-request-method");
        const auto* asked = call.header("access-control-request-headers");
        if (const auto* rule = s3::cors_rule_for(cors, *origin, method ? *method : call.request.method, asked ? *asked : ""))
            for (auto& [name, value] : s3::cors_answer(*rule, *origin, "", false)) headers.set(name, value);
    }
    headers.add("Vary", "Origin");
}

http::Response xml_response(std::string body) {
    http::Response response;
    response.body = std::move(body);
    response.headers.set("Content-Type", "application/xml");
    return response;
}

http::Response empty_response(unsigned status) {
    http::Response response;
    response.status = status;
    return response;
}

}  // namespace services::objects::api
