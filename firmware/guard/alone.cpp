#include "firmware/guard/alone.hpp"

#include <algorithm>

#include "firmware/guard/clock_floor.hpp"
#include "firmware/guard/host.hpp"
#include "firmware/guard/kubeconfig.hpp"
#include "hal/base/error.hpp"
#include "hal/base/log.hpp"
#include "hal/disk/file.hpp"
#include "hal/net/datagram.hpp"

namespace firmware::guard {
namespace {

using hal::net::Endpoint;

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
        if (port == row.ports.end() || !port->socket.empty())
            throw hal::Error(hal::Code::invalid, "--listen " + text + ": service " + std::string(row.name) + " has no port '" + name + "'");
        wanted.push_back({&*port, Endpoint::parse(equals == text.npos ? text : text.substr(equals + 1)), false});
        named.push_back(&*port);
    }
    for (const auto& port : row.ports) {
        if (std::ranges::find(named, &port) != named.end() || !port.socket.empty()) continue;
        wanted.push_back({&port, {"127.0.0.1", port.number}, false});
        wanted.push_back({&port, {"::1", port.number}, true});
    }
    return wanted;
}

void bind_one(const Wanted& wanted, services::config::Service& service, std::string& ports) {
    const std::string name(wanted.port->name);
    Endpoint endpoint = wanted.endpoint;
    if (wanted.port->has_tcp) {
        auto listener = hal::net::Listener::bind(service.executor, endpoint);
        endpoint = listener->local();  // a free port is the same for both protocols
        service.listeners[name].push_back(std::move(listener));
    }
    if (wanted.port->has_udp) service.datagram_sockets[name].push_back(hal::net::bind_datagram(endpoint));
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
    for (const auto& port : row.ports)
        if (!port.socket.empty())
            service.listeners[std::string(port.name)].push_back(
                hal::net::Listener::bind(service.executor, {service.run_folder() / port.socket, 0, true}));
    Endpoint control{service.run_folder() / (service.name + ".sock"), 0, true};
    service.listeners["control"].push_back(hal::net::Listener::bind(service.executor, control));
    hal::disk::replace_file(service.run_folder() / (service.name + ".ports"), ports);
}

}  // namespace

void run_alone(const ServiceRow& row, AloneOptions options) {
    host(row, options.root, read_clock_floor(options.root), [&](services::config::Service& service) {
        service.site = options.configuration.text("site", host_label());
        service.settings = settings_of(row, options.configuration);
        service.api_server = options.api_server;
        std::filesystem::create_directories(service.data_folder());
        std::filesystem::create_directories(service.run_folder());
        const auto authority = Authority::open(service.under_root("/var/lib/branchbox/credentials"), *service.clock);
        service.credentials =
            authority.credentials_for(row.identity(service.site), row.dns_names(service.site), row.own_addresses(), *service.clock);
        std::vector<std::string> problems;
        service.credentials.merge(files_of(row, service.settings, problems));
        for (const auto& problem : problems) hal::log::error("alone", "{}", problem);
        bind_all(row, options.listen, service);
        if (row.is_api_server)
            write_admin_kubeconfig(service.under_root("/etc/rancher/k3s/k3s.yaml"),
                                   "https://" + service.listeners.at("api").front()->local().to_string(), authority, *service.clock);
    });
}

}  // namespace firmware::guard
