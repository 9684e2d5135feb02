#include "services/discovery/service.hpp"

#include <boost/asio/this_coro.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <format>
#include <fstream>
#include <iterator>
#include <set>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "services/discovery/forwarder.hpp"
#include "services/discovery/server.hpp"
#include "services/discovery/zone.hpp"
#include "services/http/server.hpp"
#include "services/kubeclient/connection.hpp"
#include "services/kubeclient/informer.hpp"

namespace services::discovery {

namespace kc = kubeclient;
namespace log = hal::log;
using hal::async::Task;

namespace {

constexpr auto area = "discovery";
// A changed zone is written after this long, so that a roll-over is one write (kind to flash).
constexpr std::chrono::seconds snapshot_delay{30};
constexpr std::chrono::seconds drain_time_max{2};

struct Discovery {
    config::Service& service;
    Zone zone;
    hal::async::Event changed;
    bool is_synced = false, was_restored = false;

    explicit Discovery(config::Service& s) : service(s), changed(s.executor) {}

    std::filesystem::path file() const { return service.data_folder() / "zone.json"; }
    void restore();
    Task<> keep_snapshot();
    void save() const;
    Task<> follow(kc::Informer& services_informer, kc::Informer& slices);
    http::Response metrics(const ServerCounts& counts) const;
};

void Discovery::restore() {
    std::ifstream in(file());
    if (!in) return;
    try {
        zone.restore(std::string(std::istreambuf_iterator<char>(in), {}));
        zone.mark_whole();
        was_restored = true;
    } catch (const hal::Error& failure) {
        log::warn(area, "{}: {}", file().string(), failure.what());
    }
}

void Discovery::save() const {
    const auto aside = file().string() + ".new";
    std::filesystem::create_directories(file().parent_path());
    {
        std::ofstream out(aside, std::ios::trunc);
        out << zone.snapshot() << std::flush;
        if (!out) throw hal::Error(hal::Code::io, aside + " cannot be written");
    }
    const int fd = ::open(aside.c_str(), O_RDONLY | O_CLOEXEC);
    const bool synced = fd >= 0 && ::fsync(fd) == 0;
    if (fd >= 0) ::close(fd);
    if (!synced) throw hal::system_error("sync " + aside);
    std::filesystem::rename(aside, file());
}

Task<> Discovery::keep_snapshot() {
    for (;;) {
        co_await changed.wait();
        co_await hal::async::sleep_for(snapshot_delay);
        changed.clear();
        try {
            save();
        } catch (const std::exception& failure) {
            log::warn(area, "the zone's snapshot was not written: {}", failure.what());
        }
    }
}

Task<> Discovery::follow(kc::Informer& services_informer, kc::Informer& slices) {
    co_await services_informer.wait_synced();
    co_await slices.wait_synced();
    std::set<std::string> keys;
    services_informer.each([&](const kc::ObjectPtr& one) { keys.insert(kc::key_of(*one)); });
    zone.keep_services(keys);
    zone.mark_whole();
    is_synced = true;
    changed.set();
    log::info(area, "cluster DNS knows {} services", zone.size());
}

http::Response Discovery::metrics(const ServerCounts& counts) const {
    std::string text;
    const auto add = [&](std::string_view name, std::string_view type, std::uint64_t value) {
        text += std::format("# TYPE {0} {1}\n{0} {2}\n", name, type, value);
    };
    add("branchbox_dns_queries_total", "counter", counts.queries);
    add("branchbox_dns_cluster_answers_total", "counter", counts.cluster_answers);
    add("branchbox_dns_forwarded_total", "counter", counts.forwarded);
    add("branchbox_dns_forward_failures_total", "counter", counts.failures);
    add("branchbox_dns_malformed_total", "counter", counts.malformed);
    add("branchbox_dns_services", "gauge", zone.size());
    return http::text_response(200, std::move(text), "text/plain; version=0.0.4; charset=utf-8");
}

Task<http::Response> at_once(http::Response response) { co_return response; }

}  // namespace

Task<> run(config::Service& service) {
    Discovery discovery(service);
    discovery.restore();

    std::vector<hal::net::Endpoint> own{{"10.43.0.10", 53}, {"10.42.0.1", 53}};
    for (const auto& listener : service.listeners["dns"]) own.push_back(listener->local());
    Forwarder forwarder(service.executor, "/etc/resolv.conf", std::move(own));
    Server server(service.executor, discovery.zone, forwarder);
    for (const int descriptor : service.datagram_sockets["dns"]) server.listen_udp(descriptor);
    for (auto& listener : service.listeners["dns"]) server.listen_tcp(std::move(listener));

    kc::Connection connection(service);
    kc::Client client = connection.client();
    kc::Informer services(service.executor, client, kc::resources::services);
    kc::Informer slices(service.executor, client, kc::resources::endpoint_slices);
    const auto note = [&discovery](bool is_changed) {
        if (is_changed) discovery.changed.set();
    };
    services.add_handlers({[&](const kc::ObjectPtr& one) { note(discovery.zone.put_service(*one)); },
                           [&](const kc::ObjectPtr&, const kc::ObjectPtr& one) { note(discovery.zone.put_service(*one)); },
                           [&](const kc::ObjectPtr& one) { note(discovery.zone.remove_service(*one)); }});
    slices.add_handlers({[&](const kc::ObjectPtr& one) { note(discovery.zone.put_slice(*one)); },
                         [&](const kc::ObjectPtr&, const kc::ObjectPtr& one) { note(discovery.zone.put_slice(*one)); },
                         [&](const kc::ObjectPtr& one) { note(discovery.zone.remove_slice(*one)); }});

    http::Router router;
    router.add("GET", "/healthz", [](http::Request) { return at_once(http::text_response(200, "ok")); });
    router.add("GET", "/readyz", [&discovery](http::Request) {
        const bool is_ready = discovery.is_synced || discovery.was_restored;
        return at_once(is_ready ? http::text_response(200, "ok") : http::text_response(503, "the cluster's names are not known yet"));
    });
    router.add("GET", "/metrics", [&discovery, &server](http::Request) { return at_once(discovery.metrics(server.counts())); });
    http::Server control(service.executor, router.handler());
    for (auto& listener : service.listeners["control"]) control.listen(std::move(listener));

    hal::async::TaskGroup group(service.executor, area);
    group.spawn("services", services.run());
    group.spawn("endpoint slices", slices.run());
    group.spawn("first list", discovery.follow(services, slices));
    group.spawn("snapshot", discovery.keep_snapshot());
    // Names outside the cluster are answered from the first moment, those inside from the snapshot if there is one.
    if (service.notify_ready) service.notify_ready();

    const auto ended = co_await config::until_stopped(service);
    group.cancel();
    co_await group.join();
    co_await server.stop();
    co_await control.drain(drain_time_max);
    if (discovery.changed.is_set()) try {
            discovery.save();
        } catch (const std::exception& failure) {
            log::warn(area, "the zone's snapshot was not written: {}", failure.what());
        }
    if (ended) std::rethrow_exception(ended);
}

}  // namespace services::discovery
