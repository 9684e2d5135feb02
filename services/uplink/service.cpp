#include "services/uplink/service.hpp"

#include <boost/asio/this_coro.hpp>

#include <exception>

#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "hal/disk/file.hpp"
#include "services/http/server.hpp"
#include "services/uplink/uplink.hpp"

namespace services::uplink {

using hal::async::Task;

namespace {

constexpr auto area = "uplink";
constexpr std::chrono::seconds drain_time_max{2};
constexpr std::size_t usage_bytes_max = 4096;
constexpr std::size_t clients_max = 512;
// A service may take its time between the pieces of a body that waits for its turn.
constexpr std::chrono::seconds piece_time_max{600};

std::filesystem::path usage_file(const config::Service& service) { return service.data_folder() / "usage.json"; }

void restore_usage(const config::Service& service, Usage& usage) {
    try {
        const auto text = hal::disk::read_file(usage_file(service), usage_bytes_max);
        if (text && !usage.restore(*text)) hal::log::warn(area, "{}: is none of this version; counting starts anew", usage_file(service).string());
    } catch (const hal::Error& failure) {
        hal::log::warn(area, "{}", failure.what());
    }
}

void save_usage(const std::filesystem::path& file, const std::string& text) {
    std::filesystem::create_directories(file.parent_path());
    hal::disk::replace_file(file, text, 0600);
}

Task<> keep_usage(config::Service& service, Shaper& shaper) {
    for (;;) {
        co_await shaper.worth_saving().wait();
        shaper.worth_saving().clear();
        shaper.usage().saved();
        std::string problem;
        try {
            co_await hal::async::offload(*service.pool, [file = usage_file(service), text = shaper.usage().text()] { save_usage(file, text); });
        } catch (const std::exception& failure) {
            problem = failure.what();
        }
        if (!problem.empty()) hal::log::warn(area, "the counters of the line were not written: {}", problem);
    }
}

Task<http::Response> at_once(http::Response response) { co_return response; }

}  // namespace

Task<> run(config::Service& service) {
    const auto settings = read_settings(service.settings, service.credentials);
    for (const auto& problem : settings.problems) hal::log::error(area, "{}", problem);
    Uplink uplink(service, settings);
    const bool is_metered = settings.caps.day_bytes || settings.caps.month_bytes;
    if (is_metered) restore_usage(service, uplink.shaper().usage());

    http::Router router;
    router.add("GET", "/healthz", [](http::Request) { return at_once(http::text_response(200, "ok")); });
    router.add("GET", "/readyz", [](http::Request) { return at_once(http::text_response(200, "ok")); });
    router.add("GET", "/metrics", [&uplink](http::Request) { return at_once(http::text_response(200, uplink.metrics(), "text/plain; version=0.0.4; charset=utf-8")); });
    http::Server control(service.executor, router.handler());
    for (auto& listener : service.listeners["control"]) control.listen(std::move(listener));
    http::Limits limits;
    limits.connections_max = clients_max;
    limits.write_time_max = piece_time_max;
    http::Server proxy(service.executor, [&uplink](http::Request request) { return uplink.handle(std::move(request)); }, limits);
    for (auto& listener : service.listeners["proxy"]) proxy.listen(std::move(listener));

    hal::async::TaskGroup group(service.executor, area);
    if (!settings.destinations.empty()) {
        group.spawn("links", uplink.follow_links());
        group.spawn("backlogs", uplink.tell_backlogs());
    }
    if (is_metered) group.spawn("usage", keep_usage(service, uplink.shaper()));
    if (service.notify_ready) service.notify_ready();
    hal::log::info(area, "{} destinations{}", settings.destinations.size(), settings.destinations.empty() ? ": the box stands alone" : "");

    const auto ended = co_await config::until_stopped(service);
    group.cancel();
    co_await group.join();
    uplink.end_events();
    co_await proxy.drain(drain_time_max);
    co_await uplink.stop();
    co_await control.drain(drain_time_max);
    if (is_metered && uplink.shaper().usage().has_unsaved()) {
        try {
            save_usage(usage_file(service), uplink.shaper().usage().text());
        } catch (const std::exception& failure) {
            hal::log::warn(area, "the counters of the line were not written: {}", failure.what());
        }
    }
    if (ended) std::rethrow_exception(ended);
}

}  // namespace services::uplink
