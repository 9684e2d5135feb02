#include "firmware/guard/host.hpp"

#include <signal.h>

#include <exception>
#include <memory>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "hal/base/log.hpp"

namespace firmware::guard {
namespace {

namespace asio = hal::async::asio;

constexpr std::size_t pool_threads = 2;

}  // namespace

void host(const ServiceRow& row, const std::filesystem::path& root, hal::ClockFloor clock_floor,
          const std::function<void(services::config::Service&)>& equip) {
    hal::log::set_process(row.name);
    asio::io_context loop(1);
    const hal::SystemClock clock(clock_floor);
    hal::async::Pool pool(pool_threads);
    hal::async::Event stopping(loop.get_executor()), reloading(loop.get_executor());

    services::config::Service service;
    service.name = row.name;
    service.root = std::filesystem::absolute(root);
    service.executor = loop.get_executor();
    service.clock = &clock;
    service.pool = &pool;
    service.stopping = &stopping;
    service.reloading = &reloading;
    equip(service);

    asio::signal_set ends(loop, SIGINT, SIGTERM), reloads(loop, SIGHUP);
    ends.async_wait([&](const boost::system::error_code& failure, int) {
        if (!failure) stopping.set();
    });
    const std::function<void()> await_reload = [&] {
        reloads.async_wait([&](const boost::system::error_code& failure, int) {
            if (failure) return;
            reloading.set();
            await_reload();
        });
    };
    await_reload();

    // A failure before the service is up must end the process with it; a TaskGroup would only log it.
    std::exception_ptr failure;
    auto run = [](const ServiceRow& which, services::config::Service& with, std::exception_ptr& told, std::function<void()> after) -> hal::async::Task<> {
        try {
            co_await which.run(with);
        } catch (...) {
            told = std::current_exception();
        }
        after();
    };
    hal::async::TaskGroup group(loop.get_executor(), "host", 1);
    group.spawn(std::string(row.name), run(row, service, failure, [&] {
                    ends.cancel();
                    reloads.cancel();
                }));
    loop.run();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace firmware::guard
