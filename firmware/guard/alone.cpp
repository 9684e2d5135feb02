#include "firmware/guard/alone.hpp"

#include <netinet/in.h>
#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "firmware/guard/kubeconfig.hpp"
#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "hal/disk/file.hpp"

namespace firmware::guard {
namespace {

namespace asio = hal::async::asio;
using hal::net::Endpoint;

constexpr std::size_t pool_threads = 2;
constexpr std::size_t host_name_bytes_max = 64;  // HOST_NAME_MAX

struct Wanted {
    const Port* port;
    Endpoint endpoint;
    bool is_optional;  // the second loopback, on a machine without IPv6
};

std::vector<Wanted> wanted_of(const ServiceRow& row, const std::vector<std::string>& listen) {
    std::vector<Wanted> wanted;
    std::vector<const Port*> named;
    for (const auto& text : listen) {
        const auto equals = text.find('=');
        const std::string name = equals == text.npos ? std::string(row.ports.front().name) : text.substr(0, equals);
        const auto port = std::ranges::find(row.ports, name, &Port::name);
        if (port == row.ports.end())
            throw hal::Error(hal::Code::invalid, "--listen " + text + ": service " + std::string(row.name) + " has no port '" + name + "'");
        wanted.push_back({&*port, Endpoint::parse(equals == text.npos ? text : text.substr(equals + 1)), false});
        named.push_back(&*port);
    }
    for (const auto& port : row.ports) {
        if (std::ranges::find(named, &port) != named.end()) continue;
        wanted.push_back({&port, {"127.0.0.1", port.number}, false});
        wanted.push_back({&port, {"::1", port.number}, true});
    }
    return wanted;
}

// A bound UDP socket; the caller owns it.
int bind_datagram(const Endpoint& endpoint) {
    sockaddr_storage storage{};
    socklen_t size = 0;
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    if (::inet_pton(AF_INET, endpoint.address.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(endpoint.port);
        size = sizeof(v4);
    } else if (::inet_pton(AF_INET6, endpoint.address.c_str(), &v6.sin6_addr) == 1) {
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(endpoint.port);
        size = sizeof(v6);
    } else {
        throw hal::Error(hal::Code::invalid, "bind " + endpoint.to_string() + ": an IP address is needed");
    }
    const int descriptor = ::socket(storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) throw hal::system_error("socket");
    if (::bind(descriptor, reinterpret_cast<const sockaddr*>(&storage), size) != 0) {
        const auto failure = hal::system_error("bind udp " + endpoint.to_string());
        ::close(descriptor);
        throw failure;
    }
    return descriptor;
}

void bind_one(const Wanted& wanted, services::config::Service& service, std::string& ports) {
    const std::string name(wanted.port->name);
    Endpoint endpoint = wanted.endpoint;
    if (wanted.port->has_tcp) {
        auto listener = hal::net::Listener::bind(service.executor, endpoint);
        endpoint = listener->local();  // a free port is the same for both protocols
        service.listeners[name].push_back(std::move(listener));
    }
    if (wanted.port->has_udp) service.datagram_sockets[name].push_back(bind_datagram(endpoint));
    ports += name + " " + endpoint.to_string() + "\n";
}

void bind_all(const ServiceRow& row, const std::vector<std::string>& listen, services::config::Service& service) {
    std::string ports;
    for (const auto& wanted : wanted_of(row, listen)) {
        try {
            bind_one(wanted, service, ports);
        } catch (const hal::Error& failure) {
            if (!wanted.is_optional) throw;
            hal::log::warn("alone", "not listening on {}: {}", wanted.endpoint.to_string(), failure.what());
        }
    }
    Endpoint control{service.run_folder() / (service.name + ".sock"), 0, true};
    service.listeners["control"].push_back(hal::net::Listener::bind(service.executor, control));
    hal::disk::replace_file(service.run_folder() / (service.name + ".ports"), ports);
}

std::string host_label() {
    std::array<char, host_name_bytes_max + 1> name{};
    if (::gethostname(name.data(), host_name_bytes_max) != 0) return "box";
    std::string label(name.data());
    label.resize(std::min(label.find('.'), label.size()));
    for (char& c : label)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return label.empty() ? "box" : label;
}

}  // namespace

void run_alone(const ServiceRow& row, AloneOptions options) {
    hal::log::set_process(row.name);
    asio::io_context loop(1);
    hal::SystemClock clock;
    hal::async::Pool pool(pool_threads);
    hal::async::Event stopping(loop.get_executor()), reloading(loop.get_executor());

    services::config::Service service;
    service.name = row.name;
    service.root = std::filesystem::absolute(options.root);
    service.site = options.configuration.text("site", host_label());
    service.settings = options.configuration.section(row.name);
    service.executor = loop.get_executor();
    service.clock = &clock;
    service.pool = &pool;
    service.stopping = &stopping;
    service.reloading = &reloading;
    service.api_server = options.api_server;
    std::filesystem::create_directories(service.data_folder());
    std::filesystem::create_directories(service.run_folder());
    const auto authority = Authority::open(service.under_root("/var/lib/branchbox/credentials"), clock);
    service.credentials = authority.credentials_for(row.identity(service.site), row.dns_names(service.site), row.own_addresses(), clock);
    bind_all(row, options.listen, service);
    if (row.is_api_server)
        write_admin_kubeconfig(service.under_root("/etc/rancher/k3s/k3s.yaml"), "https://" + service.listeners.at("api").front()->local().to_string(),
                               authority, clock);

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
    hal::async::TaskGroup group(loop.get_executor(), "alone", 1);
    group.spawn(std::string(row.name), run(row, service, failure, [&] {
                    ends.cancel();
                    reloads.cancel();
                }));
    loop.run();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace firmware::guard
