// MinIO's own surface below /minio/: health, metrics with its names, and the admin calls whose bodies are plain JSON. What
// takes or gives encrypted bodies is answered as by a MinIO that has the feature off.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <sys/statvfs.h>

#include <array>
#include <format>

#include "hal/base/bytes.hpp"
#include "services/objects/api/body.hpp"
#include "services/objects/api/counters.hpp"
#include "services/objects/api/events.hpp"
#include "services/objects/api/fields.hpp"
#include "services/objects/api/handlers.hpp"
#include "services/objects/api/token.hpp"

namespace services::objects::api {
namespace {

namespace json = boost::json;

constexpr std::string_view metric_type = "text/plain; version=0.0.4; charset=utf-8";
constexpr std::size_t admin_body_bytes_max = 1024 * 1024;

Answer health(const std::string& path, const Call& call) {
    if (call.request.method != "GET" && call.request.method != "HEAD") return refused(Problem::method_not_allowed);
    constexpr std::array known{"/minio/health/live", "/minio/health/ready", "/minio/health/cluster", "/minio/health/cluster/read"};
    if (std::ranges::find(known, path) == known.end()) return refused(Problem::not_implemented);
    auto response = empty_response(200);
    if (path == "/minio/health/cluster") response.headers.set("X-Minio-Write-Quorum", "1");
    if (path == "/minio/health/cluster/read") response.headers.set("X-Minio-Read-Quorum", "1");
    response.headers.set("X-Minio-Storage-Class-Defaults", "true");
    return response;
}

class Metrics {
public:
    void family(std::string_view name, std::string_view type, std::string_view help) {
        name_ = name;
        text_ += std::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
    }
    void value(std::string_view labels, std::uint64_t number) {
        text_ += name_;
        text_ += '{';
        text_ += labels;
        text_ += std::format("}} {}\n", number);
    }
    std::string text_;

private:
    std::string_view name_;
};

constexpr std::string_view server_label = "server=\"127.0.0.1:9000\"";

void cluster_metrics(Api& api, Metrics& out) {
    const auto statistics = api.store.statistics();
    const auto total = statistics.free_bytes + statistics.log_bytes + statistics.part_files_bytes;
    const auto one = [&](std::string_view name, std::string_view type, std::string_view help, std::uint64_t number) {
        out.family(name, type, help);
        out.value(server_label, number);
    };
    one("minio_cluster_health_status", "gauge", "Get cluster health status", 1);
    one("minio_cluster_nodes_online_total", "gauge", "Total number of MinIO nodes online", 1);
    one("minio_cluster_nodes_offline_total", "gauge", "Total number of MinIO nodes offline", 0);
    one("minio_cluster_drive_online_total", "gauge", "Total drives online in this cluster", 1);
    one("minio_cluster_drive_offline_total", "gauge", "Total drives offline in this cluster", 0);
    one("minio_cluster_drive_total", "gauge", "Total drives in this cluster", 1);
    one("minio_cluster_write_quorum", "gauge", "Maximum write quorum across all pools and sets", 1);
    one("minio_cluster_bucket_total", "gauge", "Total number of buckets in the cluster", statistics.buckets);
    one("minio_cluster_capacity_raw_total_bytes", "gauge", "Total capacity online in the cluster", total);
    one("minio_cluster_capacity_raw_free_bytes", "gauge", "Total free capacity online in the cluster", statistics.free_bytes);
    one("minio_cluster_capacity_usable_total_bytes", "gauge", "Total usable capacity online in the cluster", total);
    one("minio_cluster_capacity_usable_free_bytes", "gauge", "Total free usable capacity online in the cluster", statistics.free_bytes);
    one("minio_cluster_usage_total_bytes", "gauge", "Total cluster usage in bytes", statistics.all.bytes);
    one("minio_cluster_usage_object_total", "gauge", "Total number of objects in a cluster", statistics.all.objects);
    one("minio_cluster_usage_version_total", "gauge", "Total number of versions (includes delete marker) in a cluster", statistics.all.versions + statistics.all.delete_markers);
    one("minio_cluster_usage_deletemarker_total", "gauge", "Total number of delete markers in a cluster", statistics.all.delete_markers);
    auto& counters = api.counters();
    const auto by_name = [&](std::string_view name, std::string_view help, auto pick) {
        out.family(name, "counter", help);
        for (const auto& [operation, row] : counters.rows())
            if (const auto number = pick(row); number > 0) out.value(std::format("api=\"{}\",{}", lower(operation), server_label), number);
    };
    by_name("minio_s3_requests_total", "Total number of S3 requests", [](const Counters::Row& row) { return row.requests; });
    by_name("minio_s3_requests_errors_total", "Total number of S3 requests with (4xx and 5xx) errors", [](const Counters::Row& row) { return row.refused + row.failed; });
    by_name("minio_s3_requests_4xx_errors_total", "Total number of S3 requests with (4xx) errors", [](const Counters::Row& row) { return row.refused; });
    by_name("minio_s3_requests_5xx_errors_total", "Total number of S3 requests with (5xx) errors", [](const Counters::Row& row) { return row.failed; });
    one("minio_s3_requests_inflight_total", "gauge", "Total number of S3 requests currently in flight", counters.running);
    one("minio_s3_traffic_received_bytes", "counter", "Total number of s3 bytes received", counters.received);
    one("minio_s3_traffic_sent_bytes", "counter", "Total number of s3 bytes sent", counters.sent);
    for (const auto& [arn, target] : api.events().targets()) {
        out.family("minio_notify_target_total_events", "counter", "Total number of events sent to the target");
        out.value("target_id=\"" + arn + "\"", target.delivered);
    }
}

void bucket_metrics(Api& api, Metrics& out) {
    const auto each = [&](std::string_view name, std::string_view help, auto pick) {
        out.family(name, "gauge", help);
        for (const auto* bucket : api.store.buckets()) out.value(std::format("bucket=\"{}\",{}", bucket->name, server_label), pick(*bucket));
    };
    each("minio_bucket_usage_total_bytes", "Total bucket size in bytes", [](const store::Bucket& bucket) { return bucket.statistics.bytes; });
    each("minio_bucket_usage_object_total", "Total number of objects", [](const store::Bucket& bucket) { return bucket.statistics.objects; });
    each("minio_bucket_usage_version_total", "Total number of versions", [](const store::Bucket& bucket) { return bucket.statistics.versions + bucket.statistics.delete_markers; });
    each("minio_bucket_usage_deletemarker_total", "Total number of delete markers", [](const store::Bucket& bucket) { return bucket.statistics.delete_markers; });
    each("minio_bucket_quota_total_bytes", "Total bucket quota size in bytes", [](const store::Bucket& bucket) { return bucket.quota_bytes; });
}

void node_metrics(Api& api, Metrics& out) {
    const auto statistics = api.store.statistics();
    const auto one = [&](std::string_view name, std::string_view help, std::uint64_t number) {
        out.family(name, "gauge", help);
        out.value(std::format("drive=\"/data\",{}", server_label), number);
    };
    one("minio_node_drive_free_bytes", "Total storage available on a drive", statistics.free_bytes);
    one("minio_node_drive_used_bytes", "Total storage used on a drive", statistics.log_bytes + statistics.part_files_bytes);
    one("minio_node_drive_total_bytes", "Total storage on a drive", statistics.free_bytes + statistics.log_bytes + statistics.part_files_bytes);
}

Answer metrics(Api& api, const Call& call) {
    if (!api.options.public_metrics) {
        const auto* header = call.header("authorization");
        constexpr std::string_view bearer = "Bearer ";
        if (!header || !header->starts_with(bearer) || !is_metrics_token(std::string_view(*header).substr(bearer.size()), api.access, call.now))
            return refused(Problem::access_denied);
    }
    const auto& path = call.request.path;
    Metrics out;
    if (path == "/minio/v2/metrics/bucket") bucket_metrics(api, out);
    else if (path == "/minio/v2/metrics/node" || path == "/minio/v2/metrics/resource") node_metrics(api, out);
    else {
        cluster_metrics(api, out);
        if (path != "/minio/v2/metrics/cluster") {
            node_metrics(api, out);
            bucket_metrics(api, out);
        }
    }
    return http::text_response(200, std::move(out.text_), std::string(metric_type));
}

Answer json_answer(const json::value& value) { return http::json_response(200, json::serialize(value)); }

// `mc admin info`
Answer server_info(Api& api, const Call& call) {
    const auto statistics = api.store.statistics();
    const auto used = statistics.log_bytes + statistics.part_files_bytes;
    const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(api.clock.steady() - api.started).count();
    const auto* host = call.header("host");
    json::object drive{{"endpoint", "/data"}, {"path", "/data"}, {"state", "ok"}, {"uuid", api.options.deployment_id}, {"totalspace", statistics.free_bytes + used},
                       {"usedspace", used}, {"availspace", statistics.free_bytes}, {"pool_index", 0}, {"set_index", 0}, {"disk_index", 0}};
    json::object server{{"state", "online"}, {"endpoint", host ? *host : "127.0.0.1:9000"}, {"scheme", call.request.peer.is_tls ? "https" : "http"},
                        {"uptime", uptime}, {"version", "2025-09-07T16:13:09Z"}, {"commitID", "branchbox"},
                        {"network", json::object{{host ? *host : "127.0.0.1:9000", "online"}}}, {"drives", json::array{drive}}, {"poolNumber", 1}, {"poolNumbers", json::array{1}}};
    return json_answer(json::object{
        {"mode", "online"}, {"domain", json::array{}}, {"region", api.options.region}, {"sqsARN", json::array(api.events().arns().begin(), api.events().arns().end())},
        {"deploymentID", api.options.deployment_id}, {"buckets", json::object{{"count", statistics.buckets}}},
        {"objects", json::object{{"count", statistics.all.objects}}}, {"versions", json::object{{"count", statistics.all.versions}}},
        {"deletemarkers", json::object{{"count", statistics.all.delete_markers}}}, {"usage", json::object{{"size", statistics.all.bytes}}},
        {"services", json::object{{"kms", json::object{}}, {"ldap", json::object{}}}},
        {"backend", json::object{{"backendType", "FS"}, {"onlineDisks", 1}, {"offlineDisks", 0}}}, {"servers", json::array{server}}});
}

Task<Answer> set_quota(Api& api, Call& call) {
    auto text = co_await read_document(api, call, admin_body_bytes_max);
    if (!text) co_return std::unexpected(std::move(text.error()));
    boost::system::error_code broken;
    const auto value = json::parse(*text, broken);
    const auto* object = broken ? nullptr : value.if_object();
    if (!object) co_return s3::refuse("XMinioAdminBucketQuotaInvalid", 400, "Bucket quota configuration has invalid JSON");
    // "quota" until 2023, "size" since.
    const auto* size = object->if_contains("size");
    if (!size || (size->is_int64() && size->get_int64() == 0)) size = object->if_contains("quota");
    std::uint64_t bytes = 0;
    if (size && (!size->is_int64() || size->get_int64() < 0)) co_return invalid_argument("Bucket quota must be a number of bytes");
    if (size) bytes = static_cast<std::uint64_t>(size->get_int64());
    auto set = co_await api.store.set_quota(call.query("bucket"), bytes);
    if (!set) co_return refused(set.error());
    co_return empty_response(200);
}

Answer get_quota(Api& api, const Call& call) {
    const auto* bucket = api.store.bucket(call.query("bucket"));
    if (!bucket) return refused(Problem::no_such_bucket);
    return json_answer(json::object{{"quota", bucket->quota_bytes}, {"size", bucket->quota_bytes}, {"rate", 0}, {"requests", 0}, {"quotatype", bucket->quota_bytes ? "hard" : ""}});
}

Answer list_policies(Api& api) {
    json::object out;
    for (const auto& name : api.access.policy_names())
        if (const auto* policy = api.access.policy(name)) out[name] = json::parse(policy->text());
    return json_answer(out);
}

Task<Answer> add_policy(Api& api, Call& call) {
    auto text = co_await read_document(api, call, admin_body_bytes_max);
    if (!text) co_return std::unexpected(std::move(text.error()));
    co_await api.access.put_policy(call.query("name"), std::move(*text));
    co_return empty_response(200);
}

Task<Answer> remove_policy(Api& api, Call& call) {
    co_await api.access.remove_policy(call.query("name"));
    co_return empty_response(200);
}

Task<Answer> set_policy(Api& api, Call& call) {
    std::vector<std::string> names;
    const auto list = call.query("policyName");
    for (std::size_t at = 0; at < list.size();) {
        const auto comma = std::min(list.find(',', at), list.size());
        names.push_back(list.substr(at, comma - at));
        at = comma + 1;
    }
    co_await api.access.set_policies(call.query("userOrGroup"), std::move(names));
    co_return empty_response(200);
}

Task<Answer> remove_user(Api& api, Call& call) {
    co_await api.access.remove(call.query("accessKey"));
    co_return empty_response(200);
}

Task<Answer> set_user_status(Api& api, Call& call) {
    const auto status = call.query("status");
    if (status != "enabled" && status != "disabled") co_return invalid_argument("Invalid status");
    co_await api.access.set_enabled(call.query("accessKey"), status == "enabled");
    co_return empty_response(200);
}

struct AdminRow {
    std::string_view method, name, action;
    Task<Answer> (*run)(Api&, Call&);
};

constexpr AdminRow admin_table[] = {
    {"GET", "info", "admin:ServerInfo", [](Api& api, Call& call) -> Task<Answer> { co_return server_info(api, call); }},
    {"PUT", "set-bucket-quota", "admin:SetBucketQuota", set_quota},
    {"GET", "get-bucket-quota", "admin:GetBucketQuota", [](Api& api, Call& call) -> Task<Answer> { co_return get_quota(api, call); }},
    {"GET", "list-canned-policies", "admin:ListUserPolicies", [](Api& api, Call&) -> Task<Answer> { co_return list_policies(api); }},
    {"PUT", "add-canned-policy", "admin:CreatePolicy", add_policy},
    {"DELETE", "remove-canned-policy", "admin:DeletePolicy", remove_policy},
    {"PUT", "set-user-or-group-policy", "admin:AttachUserOrGroupPolicy", set_policy},
    {"DELETE", "remove-user", "admin:DeleteUser", remove_user},
    {"PUT", "set-user-status", "admin:EnableUser", set_user_status},
};

}  // namespace

Task<Answer> minio_surface(Api& api, Call& call) {
    const auto& path = call.request.path;
    if (path.starts_with("/minio/health/")) co_return health(path, call);
    if (path == "/minio/prometheus/metrics" || path.starts_with("/minio/v2/metrics/") || path.starts_with("/minio/metrics/v3")) co_return metrics(api, call);
    if (auto known = api.authenticate(call); !known) co_return std::unexpected(std::move(known.error()));
    if (call.who.access_key.empty()) co_return refused(Problem::access_denied);
    constexpr std::string_view admin = "/minio/admin/v3/";
    if (!path.starts_with(admin)) co_return refused(Problem::not_implemented);
    for (const auto& row : admin_table) {
        if (path.substr(admin.size()) != row.name || call.request.method != row.method) continue;
        if (auto allowed = api.require(call, row.action, "", ""); !allowed) co_return std::unexpected(std::move(allowed.error()));
        co_return co_await row.run(api, call);
    }
    co_return refused(Problem::not_implemented);
}

}  // namespace services::objects::api
