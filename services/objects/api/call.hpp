// One request on its way through the API, and the API itself: what all operations share. An operation is a free function
// Task<Answer>(Api&, Call&) in the file of its kind; dispatch.cpp holds the table of them.
//
// Owns no data: the store, the users and the clock are given and outlive it. One thread. Bounded: XML bodies
// `document_bytes_max`; everything else by http::Limits, the store's Options and access's limits.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hal/async/pool.hpp"
#include "hal/base/clock.hpp"
#include "services/codec/s3/cors.hpp"
#include "services/codec/s3/lifecycle.hpp"
#include "services/codec/s3/notification.hpp"
#include "services/codec/s3/policy.hpp"
#include "services/codec/s3/signature.hpp"
#include "services/http/message.hpp"
#include "services/objects/access/access.hpp"
#include "services/objects/api/error.hpp"
#include "services/objects/api/operation.hpp"
#include "services/objects/store/store.hpp"

namespace services::objects::api {

using hal::async::Task;

class Events;
class Counters;

inline constexpr std::size_t document_bytes_max = 2 * 1024 * 1024;  // 1,000 keys to delete, each with its version
inline constexpr std::uint64_t object_bytes_max = std::uint64_t{5} << 40;
inline constexpr std::uint64_t part_bytes_max = std::uint64_t{5} << 30;
// The one owner there is, as MinIO calls it.
inline constexpr std::string_view owner_id = "02d6176db174dc93cb1b899f7c6078f08654445fe8cf1b6ce98d8855f66bdbf4";
inline constexpr std::string_view owner_name = "minio";
inline constexpr std::string_view xml_namespace = "http://s3.amazonaws.com/doc/2006-03-01/";

struct Call {
    http::Request request;
    Address address;
    const OperationRow* row = nullptr;
    std::string request_id;
    hal::WallTime now{};
    access::Identity who;
    s3::Verified verified;
    bool is_presigned = false;

    [[nodiscard]] std::string query(std::string_view name) const {
        const auto* value = request.query_value(name);
        return value ? *value : std::string();
    }
    [[nodiscard]] bool has_query(std::string_view name) const { return request.query_value(name) != nullptr; }
    [[nodiscard]] const std::string* header(std::string_view name) const { return request.headers.find(name); }
    // "versionId" of the query; nullopt without.
    [[nodiscard]] std::optional<std::string> version() const {
        const auto* value = request.query_value("versionId");
        return value && !value->empty() ? std::optional(*value) : std::nullopt;
    }
};

// What a bucket's configuration says, read once until it changes.
struct BucketRules {
    std::unique_ptr<s3::Policy> policy;
    std::vector<s3::CorsRule> cors;
    std::vector<s3::LifecycleRule> lifecycle;
    std::vector<s3::NotificationRule> notifications;
};

struct ApiOptions {
    std::string region;                        // "" : us-east-1, any is accepted from clients
    std::string deployment_id;
    bool public_metrics = false;               // MINIO_PROMETHEUS_AUTH_TYPE=public
    std::map<std::string, std::string> webhooks;  // ARN -> address
};

class Api {
public:
    Api(hal::async::Executor executor, store::Store& store, access::Access& access, const hal::Clock& clock, hal::async::Pool& pool,
        ApiOptions options);
    ~Api();
    Api(const Api&) = delete;
    Api& operator=(const Api&) = delete;

    // Every request of port 9000. Never throws for what a client did.
    Task<http::Response> handle(http::Request request);
    [[nodiscard]] http::Handler handler() {
        return [this](http::Request request) { return handle(std::move(request)); };
    }

    // What operations use.
    store::Store& store;
    access::Access& access;
    const hal::Clock& clock;
    hal::async::Pool& pool;
    const ApiOptions options;
    const hal::async::Executor executor;
    const hal::SteadyTime started;
    [[nodiscard]] const std::string& region() const { return region_; }
    Events& events() { return *events_; }
    Counters& counters() { return *counters_; }

    // Who sent the call, proven; anonymous when it carries no signature.
    Expected<void> authenticate(Call& call);
    // AccessDenied unless the caller may do `action` with this bucket and key.
    Expected<void> require(const Call& call, std::string_view action, std::string_view bucket, std::string_view key);
    const BucketRules& rules(std::string_view bucket);
    // To be called whenever a bucket's configuration has changed or the bucket is gone.
    void forget_rules(std::string_view bucket);
    // Who else wants to know of that.
    void when_rules_change(std::function<void()> call) { rules_changed_ = std::move(call); }
    // What makes a change of a bucket go upstream; none given: nothing does.
    using Replication = std::function<std::optional<store::Dispatch>(std::string_view bucket)>;
    void replicate_by(Replication replication) { replication_ = std::move(replication); }
    // Dispatches (webhooks, replication) that a change of `key` brings with it.
    std::vector<store::Dispatch> dispatches(const Call& call, std::string_view bucket, std::string_view key, std::string_view event_name);

private:
    Task<Answer> answer(Call& call);
    Task<Answer> run(Call& call);
    void finish(const Call& call, http::Response& response);
    Answer preflight(const Call& call);

    s3::SigningKeys keys_;
    std::string region_;
    std::string host_id_;
    std::function<void()> rules_changed_;
    std::map<std::string, BucketRules, std::less<>> rules_;
    std::unique_ptr<Events> events_;
    std::unique_ptr<Counters> counters_;
    Replication replication_;
    std::uint64_t requests_ = 0;
};

// A body that is a document: read whole, its hash and Content-MD5 verified.
Task<Expected<std::string>> read_document(Api& api, Call& call, std::size_t bytes_max = document_bytes_max);
http::Response xml_response(std::string body);
http::Response empty_response(unsigned status);

}  // namespace services::objects::api
