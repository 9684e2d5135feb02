#include "services/kube/api/addresses.hpp"

#include <boost/json/array.hpp>

#include <algorithm>
#include <charconv>
#include <format>
#include <map>
#include <set>

#include "hal/base/error.hpp"
#include "services/kube/api/address_families.hpp"
#include "services/kube/api/status.hpp"
#include "services/kube/kinds/report.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::api {
namespace {

using kubeclient::array_at;
using kubeclient::as_object;
using kubeclient::as_text;
using kubeclient::number;
using kubeclient::text;

constexpr std::size_t network_size = 65536;
constexpr std::string_view already_held = "provided IP is already allocated";

// The number of an address within 10.43.0.0/16; nothing for another network.
std::optional<std::size_t> offset_of(std::string_view address) {
    constexpr std::string_view prefix = "10.43.";
    if (!address.starts_with(prefix)) return std::nullopt;
    address.remove_prefix(prefix.size());
    const auto* end = address.data() + address.size();
    unsigned high = 0, low = 0;
    const auto [dot, first] = std::from_chars(address.data(), end, high);
    if (first != std::errc{} || dot == end || *dot != '.') return std::nullopt;
    const auto [last, second] = std::from_chars(dot + 1, end, low);
    if (second != std::errc{} || last != end || high > 255 || low > 255) return std::nullopt;
    return high * 256 + low;
}

std::string address_at(std::size_t offset) { return std::format("10.43.{}.{}", offset / 256, offset % 256); }

bool has_no_address(const json::object& service) {
    const auto& addresses = array_at(service, "spec.clusterIPs");
    return text(service, "spec.type") == "ExternalName" || (!addresses.empty() && as_text(addresses[0]) == "None");
}

bool opens_node_ports(const json::object& service) {
    const auto type = text(service, "spec.type");
    return type == "NodePort" || type == "LoadBalancer";
}

bool wants_node_ports(const json::object& service) {
    return text(service, "spec.type") == "NodePort" || kubeclient::flag(service, "spec.allocateLoadBalancerNodePorts", true);
}

bool needs_health_check(const json::object& service) {
    return text(service, "spec.type") == "LoadBalancer" && text(service, "spec.externalTrafficPolicy") == "Local";
}

std::vector<std::int64_t> node_ports_of(const json::object& service) {
    std::vector<std::int64_t> ports;
    for (const auto& port : array_at(service, "spec.ports"))
        if (const auto node_port = number(as_object(port), "nodePort"); node_port != 0) ports.push_back(node_port);
    return ports;
}

bool is_node_port(std::int64_t port) { return port >= Addresses::node_port_min && port <= Addresses::node_port_max; }

[[noreturn]] void refuse(const json::object& service, const kinds::Path& path, const kinds::Printed& value, std::string_view why) {
    static const schema::GroupVersionKind kind{"", "v1", "Service"};
    kinds::Report report;
    report.invalid(path, value, why);
    throw StatusError(invalid(kind, kubeclient::name_of(service), report.take()));
}

// Reserved addresses are held from the start, so nobody gets one by chance; only their owners may ask for them.
bool may_hold(const json::object& service, std::string_view address) {
    const auto name_space = kubeclient::namespace_of(service);
    if (address == Addresses::kubernetes_address) return name_space == "default" && kubeclient::name_of(service) == "kubernetes";
    return name_space == "kube-system";
}
bool is_reserved(std::string_view address) { return address == Addresses::kubernetes_address || address == Addresses::dns_address; }

}  // namespace

NumberPool::NumberPool(std::size_t size, std::size_t band_min, std::size_t band_max, std::size_t band_step)
    : held_(size), band_(size <= band_min ? 0 : std::clamp(size / band_step, band_min, band_max)) {}

bool NumberPool::take(std::size_t number) {
    if (held_[number]) return false;
    held_[number] = true;
    return true;
}

void NumberPool::release(std::size_t number) { held_[number] = false; }

std::optional<std::size_t> NumberPool::take_between(std::size_t begin, std::size_t end, std::size_t start) {
    for (std::size_t i = 0; i < end - begin; ++i) {
        const auto number = begin + (start + i) % (end - begin);
        if (take(number)) return number;
    }
    return std::nullopt;
}

std::optional<std::size_t> NumberPool::take_any(const std::function<std::size_t(std::size_t)>& random) {
    if (const auto upper = take_between(band_, held_.size(), random(held_.size() - band_))) return upper;
    return band_ == 0 ? std::nullopt : take_between(0, band_, random(band_));
}

struct Addresses::Write {
    json::object& service;
    const json::object* before;
    Reservation& reservation;
    bool is_dry_run;
    std::vector<std::int64_t> dry_ports = {};  // those that a dry run would have taken
    json::object& spec() { return service["spec"].as_object(); }
};

Addresses::Addresses(std::function<std::size_t(std::size_t bound)> random)
    : random_(std::move(random)),
      cluster_addresses_(network_size, 16, 256, 16),
      node_ports_(node_port_max - node_port_min + 1, 16, 128, 32) {
    for (const auto offset : {std::size_t{0}, network_size - 1, *offset_of(kubernetes_address), *offset_of(dns_address)})
        cluster_addresses_.take(offset);
}

Addresses::Reservation::Reservation(Reservation&& other) noexcept
    : addresses_(std::exchange(other.addresses_, nullptr)),
      taken_addresses_(std::move(other.taken_addresses_)),
      taken_ports_(std::move(other.taken_ports_)),
      freed_addresses_(std::move(other.freed_addresses_)),
      freed_ports_(std::move(other.freed_ports_)) {}

Addresses::Reservation::~Reservation() {
    if (addresses_ == nullptr) return;
    for (const auto offset : taken_addresses_) addresses_->cluster_addresses_.release(offset);
    for (const auto port : taken_ports_) addresses_->node_ports_.release(port);
}

void Addresses::Reservation::commit() {
    if (addresses_ == nullptr) return;
    for (const auto offset : freed_addresses_) addresses_->cluster_addresses_.release(offset);
    for (const auto port : freed_ports_) addresses_->node_ports_.release(port);
    addresses_ = nullptr;
}

Addresses::Reservation Addresses::allocate_create(json::object& service, bool is_dry_run) {
    Reservation reservation;
    reservation.addresses_ = this;
    set_address_families(service, nullptr);
    Write write{.service = service, .before = nullptr, .reservation = reservation, .is_dry_run = is_dry_run};
    take_cluster_address(write);
    if (opens_node_ports(service)) take_node_ports(write);
    if (needs_health_check(service)) take_health_check_port(write);
    if (is_dry_run) return {};
    return reservation;
}

Addresses::Reservation Addresses::allocate_update(json::object& service, const json::object& before, bool is_dry_run) {
    Reservation reservation;
    reservation.addresses_ = this;
    set_address_families(service, &before);
    Write write{.service = service, .before = &before, .reservation = reservation, .is_dry_run = is_dry_run};
    update_cluster_address(write);
    const auto let_go = [&](std::int64_t port) {
        if (is_node_port(port)) reservation.freed_ports_.push_back(static_cast<std::size_t>(port - node_port_min));
    };
    if (opens_node_ports(service)) update_node_ports(write);
    const auto now = node_ports_of(service);
    for (const auto port : node_ports_of(before))
        if (!std::ranges::contains(now, port)) let_go(port);
    if (!needs_health_check(before) && needs_health_check(service)) take_health_check_port(write);
    if (needs_health_check(before) && !needs_health_check(service)) let_go(number(before, "spec.healthCheckNodePort"));
    if (is_dry_run) return {};
    return reservation;
}

void Addresses::take_cluster_address(Write& write) {
    if (has_no_address(write.service)) return;
    auto& spec = write.spec();
    const json::array asked = array_at(spec, "clusterIPs");
    const auto wanted = std::string(asked.empty() ? std::string_view() : as_text(asked[0]));
    std::optional<std::size_t> offset;
    if (wanted.empty() && write.is_dry_run) {
        offset = 0;  // the network's own address, which nobody can have: the real server's sign for "to be chosen"
    } else if (wanted.empty()) {
        offset = cluster_addresses_.take_any(random_);
        if (!offset)
            throw StatusError(internal_error(std::format("failed to allocate a serviceIP for Service \"{}\": range is full", kubeclient::name_of(write.service))));
    } else {
        const auto fail = [&](const std::string& why) {
            refuse(write.service, kinds::Path("spec.clusterIPs"), asked, std::format("failed to allocate IP {}: {}", wanted, why));
        };
        offset = offset_of(wanted);
        const bool is_usable = offset && *offset != 0 && *offset != network_size - 1;
        // The real server words it in two ways: a dry run asks the first range, a write looks for the range of the address.
        if (!is_usable)
            fail(offset || write.is_dry_run ? std::format("the provided IP ({}) is not in the valid range. The range of valid IPs is {}", wanted, network)
                                            : "the provided network does not match the current range");
        // A dry run of the real server does not look whether the address is free.
        if (!write.is_dry_run && (is_reserved(wanted) ? !may_hold(write.service, wanted) : !cluster_addresses_.take(*offset)))
            fail(std::string(already_held));
    }
    const auto address = address_at(*offset);
    if (!is_reserved(address) && !write.is_dry_run) write.reservation.taken_addresses_.push_back(*offset);
    spec["clusterIP"] = address;
    spec["clusterIPs"] = json::array{json::value(address)};
}

void Addresses::update_cluster_address(Write& write) {
    const bool was_external = text(*write.before, "spec.type") == "ExternalName";
    const bool is_external = text(write.service, "spec.type") == "ExternalName";
    if (was_external && !is_external) return take_cluster_address(write);
    if (was_external || !is_external || has_no_address(*write.before)) return;
    for (const auto& address : array_at(*write.before, "spec.clusterIPs"))
        if (const auto offset = offset_of(as_text(address)); offset && !is_reserved(as_text(address)))
            write.reservation.freed_addresses_.push_back(*offset);
}

// A dry run takes nothing: ports beyond the range stand for those that a write would pick.
std::int64_t Addresses::any_port(Write& write) {
    if (write.is_dry_run) {
        const auto last = write.dry_ports.empty() ? node_port_max + 1 : std::ranges::max(write.dry_ports);
        return write.dry_ports.emplace_back(last + 1);
    }
    const auto number = node_ports_.take_any(random_);
    if (!number) throw StatusError(internal_error("failed to allocate a nodePort: range is full"));
    write.reservation.taken_ports_.push_back(*number);
    return static_cast<std::int64_t>(*number) + node_port_min;
}

// "" when the port is taken now, else why it cannot be. A dry run does not mind the range, as the real server's.
std::string Addresses::take_port(Write& write, std::int64_t port) {
    constexpr std::string_view held = "provided port is already allocated";
    const auto number = static_cast<std::size_t>(port - node_port_min);
    if (write.is_dry_run) {
        if ((is_node_port(port) && node_ports_.is_held(number)) || std::ranges::contains(write.dry_ports, port)) return std::string(held);
        write.dry_ports.push_back(port);
        return "";
    }
    if (!is_node_port(port)) return std::format("provided port is not in the valid range. The range of valid ports is {}-{}", node_port_min, node_port_max);
    if (!node_ports_.take(number)) return std::string(held);
    write.reservation.taken_ports_.push_back(number);
    return "";
}

void Addresses::named_port(Write& write, std::size_t index, std::int64_t port) {
    if (const auto why = take_port(write, port); !why.empty())
        refuse(write.service, kinds::Path("spec.ports").index(index).child("nodePort"), port, why);
}

// Ports of one number and several protocols (DNS over UDP and TCP) share a node port.
void Addresses::take_node_ports(Write& write) {
    if (!write.spec().contains("ports")) return;
    auto& ports = write.spec()["ports"].as_array();
    const auto asked_for = [&](std::int64_t port) -> std::int64_t {
        for (const auto& one : ports)
            if (number(as_object(one), "port") == port && number(as_object(one), "nodePort") != 0) return number(as_object(one), "nodePort");
        return 0;
    };
    std::map<std::int64_t, std::int64_t> node_port_of;
    for (std::size_t i = 0; i < ports.size(); ++i) {
        auto& port = ports[i].as_object();
        const auto own = number(port, "nodePort");
        if (own == 0 && !wants_node_ports(write.service)) continue;
        auto& shared = node_port_of[number(port, "port")];
        if (shared == 0) {
            shared = asked_for(number(port, "port"));
            if (shared != 0) named_port(write, i, shared);
            else shared = any_port(write);
            port["nodePort"] = shared;
        } else if (own == 0) {
            port["nodePort"] = shared;
        } else if (own != shared) {
            named_port(write, i, own);
        }
    }
}

void Addresses::update_node_ports(Write& write) {
    if (!write.spec().contains("ports")) return;
    const auto held = node_ports_of(*write.before);
    std::set<std::int64_t> taken;
    std::set<std::pair<std::string_view, std::int64_t>> seen;
    auto& ports = write.spec()["ports"].as_array();
    for (std::size_t i = 0; i < ports.size(); ++i) {
        auto& port = ports[i].as_object();
        auto node_port = number(port, "nodePort");
        if (node_port == 0 && !wants_node_ports(write.service)) continue;
        if (node_port == 0) {
            node_port = any_port(write);
            port["nodePort"] = node_port;
        } else if (!std::ranges::contains(held, node_port) && taken.insert(node_port).second) {
            named_port(write, i, node_port);
        }
        if (!seen.emplace(text(port, "protocol"), node_port).second)
            throw StatusError(internal_error(std::format("duplicate nodePort: {{{} {}}}", text(port, "protocol"), node_port)));
    }
}

void Addresses::take_health_check_port(Write& write) {
    const auto port = number(write.service, "spec.healthCheckNodePort");
    if (port == 0) {
        write.spec()["healthCheckNodePort"] = any_port(write);
        return;
    }
    if (const auto why = take_port(write, port); !why.empty())
        throw StatusError(internal_error(std::format("failed to allocate requested HealthCheck NodePort {}: {}", port, why)));
}

void Addresses::release(const json::object& service) {
    if (!has_no_address(service))
        for (const auto& address : array_at(service, "spec.clusterIPs"))
            if (const auto offset = offset_of(as_text(address)); offset && !is_reserved(as_text(address))) cluster_addresses_.release(*offset);
    auto ports = node_ports_of(service);
    ports.push_back(number(service, "spec.healthCheckNodePort"));
    for (const auto port : ports)
        if (is_node_port(port)) node_ports_.release(static_cast<std::size_t>(port - node_port_min));
}

void Addresses::adopt(const json::object& service) {
    if (!has_no_address(service))
        for (const auto& address : array_at(service, "spec.clusterIPs"))
            if (const auto offset = offset_of(as_text(address))) cluster_addresses_.take(*offset);
    auto ports = node_ports_of(service);
    ports.push_back(number(service, "spec.healthCheckNodePort"));
    for (const auto port : ports)
        if (is_node_port(port)) node_ports_.take(static_cast<std::size_t>(port - node_port_min));
}

}  // namespace services::kube::api
