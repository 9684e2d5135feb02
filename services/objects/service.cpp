#include "services/objects/service.hpp"

#include <boost/asio/this_coro.hpp>
#include <boost/json/serialize.hpp>

#include <cstdlib>
#include <format>
#include <random>

#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "hal/disk/disk.hpp"
#include "hal/disk/file.hpp"
#include "services/http/server.hpp"
#include "services/objects/access/access.hpp"
#include "services/objects/api/counters.hpp"
#include "services/objects/api/events.hpp"
#include "services/objects/lifecycle/lifecycle.hpp"
#include "services/objects/replication/replicator.hpp"
#include "services/objects/replication/uplink_line.hpp"
#include "services/objects/settings.hpp"
#include "services/objects/store/store.hpp"

namespace services::objects {

namespace log = hal::log;
using hal::async::Task;

namespace {

constexpr auto area = "objects";
constexpr std::chrono::seconds drain_time_max{5};
constexpr std::size_t deployment_bytes_max = 256;
constexpr std::size_t dead_letters_max = 1000;  // shown at once

std::optional<std::string> environment_variable(const std::string& name) {
    const auto* value = std::getenv(name.c_str());
    return value ? std::optional<std::string>(value) : std::nullopt;
}

// Which store this is, for its whole life (mc admin info, events).
std::string deployment_id(const std::filesystem::path& folder) {
    const auto file = folder / "deployment-id";
    if (auto known = hal::disk::read_file(file, deployment_bytes_max)) return *known;
    auto made = hal::random_uuid();
    hal::disk::replace_file(file, made, 0600);
    return made;
}

http::Limits limits() {
    http::Limits limits;
    limits.connections_max = 1024;
    return limits;
}

std::string metrics(api::Counters& counters, const store::Statistics& statistics, const std::optional<replication::Status>& upstream) {
    std::string text;
    const auto add = [&](std::string_view name, std::string_view type, std::uint64_t value) {
        text += std::format("# TYPE {0} {1}\n{0} {2}\n", name, type, value);
    };
    add("branchbox_objects_buckets", "gauge", statistics.buckets);
    add("branchbox_objects_objects", "gauge", statistics.all.objects);
    add("branchbox_objects_versions", "gauge", statistics.all.versions);
    add("branchbox_objects_bytes", "gauge", statistics.all.bytes);
    add("branchbox_objects_log_bytes", "gauge", statistics.log_bytes);
    add("branchbox_objects_live_bytes", "gauge", statistics.live_bytes);
    add("branchbox_objects_part_files_bytes", "gauge", statistics.part_files_bytes);
    add("branchbox_objects_free_bytes", "gauge", statistics.free_bytes);
    add("branchbox_objects_full", "gauge", statistics.is_full ? 1 : 0);
    add("branchbox_objects_unindexed", "gauge", statistics.unindexed);
    add("branchbox_objects_corrupt_total", "counter", statistics.corrupt_objects);
    add("branchbox_objects_scrubbed_bytes_total", "counter", statistics.scrubbed_bytes);
    add("branchbox_objects_compacted_bytes_total", "counter", statistics.compacted_bytes);
    add("branchbox_objects_log_syncs_total", "counter", statistics.log.groups);
    add("branchbox_objects_requests_running", "gauge", counters.running);
    add("branchbox_objects_received_bytes_total", "counter", counters.received);
    add("branchbox_objects_sent_bytes_total", "counter", counters.sent);
    text += "# TYPE branchbox_objects_requests_total counter\n";
    for (const auto& [name, row] : counters.rows()) text += std::format("branchbox_objects_requests_total{{api=\"{}\"}} {}\n", name, row.requests);
    if (upstream) {
        add("branchbox_objects_backlog_changes", "gauge", upstream->backlog.entries);
        add("branchbox_objects_backlog_bytes", "gauge", upstream->backlog.bytes);
        add("branchbox_objects_backlog_dead", "gauge", upstream->backlog.dead);
        add("branchbox_objects_sent_changes_total", "counter", upstream->sent_changes);
    }
    return text;
}

Task<http::Response> metrics_answer(api::Api& api, replication::Replicator* replicator) {
    std::optional<replication::Status> upstream;
    if (replicator) upstream = co_await replicator->status();
    co_return http::text_response(200, metrics(api.counters(), api.store.statistics(), upstream), "text/plain; version=0.0.4; charset=utf-8");
}

// What upstream has refused for good, oldest first: {"items":[{"bucket","key","version","reason","tries","time"}]}.
Task<http::Response> dead_letters(store::Store& store) {
    boost::json::array items;
    for (const auto& letter : co_await store.dead_letters(std::string(replication::destination), 0, dead_letters_max))
        items.push_back({{"bucket", letter.bucket}, {"key", letter.key}, {"version", letter.version}, {"reason", letter.reason},
                         {"tries", letter.tries}, {"time", hal::rfc3339(letter.time)}});
    co_return http::json_response(200, boost::json::serialize(boost::json::object{{"items", std::move(items)}}));
}

// All of them go to the outbox again: {"count":N}.
Task<http::Response> redrive(replication::Replicator& replicator) {
    const auto count = co_await replicator.redrive();
    co_return http::json_response(200, boost::json::serialize(boost::json::object{{"count", count}}));
}

Task<http::Response> at_once(http::Response response) { co_return response; }

}  // namespace

Task<> run(config::Service& service) {
    const auto root = root_of(service, environment_variable);
    std::filesystem::create_directories(service.data_folder());
    auto options = options_of(service, environment_variable, deployment_id(service.data_folder()));

    store::Options store_options;
    store_options.bytes_max = static_cast<std::uint64_t>(service.disk_bytes_max);
    auto store = co_await store::Store::open(hal::disk::system_disk(), *service.clock, service.data_folder(), store_options);
    access::Access access(service.data_folder(), root, service.executor, *service.pool, *service.clock);
    api::Api api(service.executor, *store, access, *service.clock, *service.pool, std::move(options));

    // What goes upstream, when the configuration says where.
    std::unique_ptr<uplink::client::Uplink> uplink;
    std::unique_ptr<replication::UplinkLine> line;
    std::unique_ptr<replication::Replicator> replicator;
    std::mt19937_64 random(std::random_device{}());
    if (const auto* section = service.settings.if_contains("upstream"); section && section->is_object()) {
        auto found = replication::read_settings(section->get_object(), service.credentials, service.site);
        for (const auto& problem : found.problems) log::error(area, "{}", problem);
        if (found.settings) {
            uplink = std::make_unique<uplink::client::Uplink>(service.executor, service.run_folder());
            line = std::make_unique<replication::UplinkLine>(*uplink, found.settings->endpoint);
            api.replicate_by([settings = *found.settings](std::string_view bucket) { return settings.dispatch(bucket); });
            replicator = std::make_unique<replication::Replicator>(service.executor, *store, *line, *found.settings, *service.clock,
                                                                   [&random] { return std::uniform_real_distribution<>(0, 1)(random); });
        }
    }
    lifecycle::Lifecycle lifecycle(service.executor, *store, *service.clock,
                                   [&api](const std::string& bucket, const std::string& key, std::string_view event_name) {
                                       return api.dispatches(api::Call{}, bucket, key, event_name);
                                   });

    api.when_rules_change([&lifecycle] { lifecycle.wake(); });

    http::Server server(service.executor, api.handler(), limits());
    for (auto& listener : service.listeners["s3"]) server.listen(std::move(listener));
    http::Router router;
    router.add("GET", "/healthz", [](http::Request) { return at_once(http::text_response(200, "ok")); });
    router.add("GET", "/readyz", [](http::Request) { return at_once(http::text_response(200, "ok")); });
    router.add("GET", "/metrics", [&](http::Request) { return metrics_answer(api, replicator.get()); });
    if (replicator) {
        router.add("GET", "/dead-letters", [&](http::Request) { return dead_letters(*store); });
        router.add("POST", "/dead-letters/redrive", [&](http::Request) { return redrive(*replicator); });
    }
    http::Server control(service.executor, router.handler());
    for (auto& listener : service.listeners["control"]) control.listen(std::move(listener));

    hal::async::TaskGroup group(service.executor, area);
    group.spawn("lifecycle", lifecycle.run());
    group.spawn("webhooks", api.events().deliver());
    if (uplink) group.spawn("uplink", uplink->run());
    if (replicator) group.spawn("replication", replicator->run());
    if (service.notify_ready) service.notify_ready();
    const auto statistics = store->statistics();
    log::info(area, "{} buckets with {} objects, {} MiB", statistics.buckets, statistics.all.objects, statistics.all.bytes >> 20);

    const auto ended = co_await config::until_stopped(service);
    co_await server.drain(drain_time_max);
    group.cancel();
    co_await group.join();
    co_await control.drain(drain_time_max);
    co_await store->close();
    if (ended) std::rethrow_exception(ended);
}

}  // namespace services::objects
