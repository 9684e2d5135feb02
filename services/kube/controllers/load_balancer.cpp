#include "services/kube/controllers/load_balancer.hpp"

#include <algorithm>

namespace services::kube::controllers {

namespace {

// A class names another implementation.
bool is_ours(const json::object& service) {
    return text(service, "spec.type") == "LoadBalancer" && text(service, "spec.loadBalancerClass").empty() && !is_deleting(service);
}

bool is_earlier(const json::object& left, const json::object& right) {
    const auto created = text(left, "metadata.creationTimestamp"), other = text(right, "metadata.creationTimestamp");
    return created == other ? key_of(left) < key_of(right) : created < other;
}

std::string addresses_text(const json::array& ingress) {
    std::string found = "[";
    for (const auto& entry : ingress) found.append(found.size() > 1 ? " " : "").append(text(as_object(entry), "ip"));
    return found + "]";
}

}  // namespace

LoadBalancerController::LoadBalancerController(Environment& environment, std::vector<PortHolder> box_ports)
    : Controller(environment, "service-lb-controller"), services_(environment.informers.of(resources::services)),
      nodes_(environment.informers.of(resources::nodes)),
      events_(environment.executor, environment.client, environment.clock, "service-lb-controller"),
      box_ports_(std::move(box_ports)) {
    services_.add_handlers({.added = [this](const ObjectPtr& service) { queue_.add(key_of(*service)); },
                            .updated = [this](const ObjectPtr& before, const ObjectPtr& service) {
                                // Ports given up are another one's chance.
                                if (is_ours(*before) && object_at(*before, "spec") != object_at(*service, "spec")) add_all();
                                queue_.add(key_of(*service));
                            },
                            .deleted = [this](const ObjectPtr& service) {
                                told_.erase(key_of(*service));
                                if (text(*service, "spec.type") == "LoadBalancer") add_all();
                            }});
    nodes_.add_handlers({.added = [this](const ObjectPtr&) { add_all(); },
                         .updated = [this](const ObjectPtr& before, const ObjectPtr& node) {
                             if (array_at(*before, "status.addresses") != array_at(*node, "status.addresses")) add_all();
                         },
                         .deleted = [this](const ObjectPtr&) { add_all(); }});
}

void LoadBalancerController::start(hal::async::TaskGroup& group) {
    group.spawn("events of " + name(), events_.run());
    Controller::start(group);
}

void LoadBalancerController::add_all() {
    services_.each([this](const ObjectPtr& service) {
        if (is_ours(*service)) queue_.add(key_of(*service));
    });
}

// The node's addresses of the Service's families (IPv4 where it names none): at others nothing of it answers.
json::array LoadBalancerController::ingress(const json::object& service) const {
    const auto& families = array_at(service, "spec.ipFamilies");
    const auto is_served = [&](std::string_view address) {
        const std::string_view family = address.contains(':') ? "IPv6" : "IPv4";
        return families.empty() ? family == "IPv4" : std::ranges::any_of(families, [&](const json::value& one) { return as_text(one) == family; });
    };
    json::array found;
    nodes_.each([&](const ObjectPtr& node) {
        for (const auto& entry : array_at(*node, "status.addresses"))
            if (text(as_object(entry), "type") == "InternalIP" && is_served(text(as_object(entry), "address")))
                found.emplace_back(json::object{{"ip", text(as_object(entry), "address")}, {"ipMode", "VIP"}});
    });
    return found;
}

std::string LoadBalancerController::conflict_of(const json::object& service) const {
    for (const auto& entry : array_at(service, "spec.ports")) {
        const auto port = number(as_object(entry), "port");
        const auto protocol = text(as_object(entry), "protocol", "TCP");
        const auto held = "port " + std::to_string(port) + "/" + std::string(protocol) + " is held by ";
        for (const auto& holder : box_ports_)
            if (holder.port == port && protocol == holder.protocol) return held + holder.name;
        std::string other;
        services_.each([&](const ObjectPtr& known) {
            if (!is_ours(*known) || uid_of(*known) == uid_of(service) || !is_earlier(*known, service)) return;
            for (const auto& item : array_at(*known, "spec.ports"))
                if (number(as_object(item), "port") == port && text(as_object(item), "protocol", "TCP") == protocol)
                    other = key_of(*known);
        });
        if (!other.empty()) return held + "Service " + other;
    }
    return "";
}

Task<> LoadBalancerController::sync(std::string key) {
    const auto service = services_.find_key(key);
    if (!service || is_deleting(*service)) co_return;
    const auto& before = array_at(*service, "status.loadBalancer.ingress");
    json::array wanted;
    if (is_ours(*service)) {
        const auto conflict = conflict_of(*service);
        auto& told = told_[key];
        if (!conflict.empty() && conflict != told)
            events_.record(*service, "Warning", "PortConflict", conflict + "; the load balancer stays pending");
        told = conflict;
        if (conflict.empty()) wanted = ingress(*service);
    } else if (!text(*service, "spec.loadBalancerClass").empty()) {
        co_return;
    }
    const bool is_same = std::ranges::equal(before, wanted, [](const json::value& left, const json::value& right) {
        return text(as_object(left), "ip") == text(as_object(right), "ip");
    });
    if (is_same) co_return;
    auto changed = *service;
    json::object balancer;
    if (!wanted.empty()) balancer["ingress"] = wanted;
    make_object(changed, "status")["loadBalancer"] = std::move(balancer);
    co_await environment_.client.update_status(resources::services, std::string(namespace_of(*service)), std::move(changed));
    events_.record(*service, "Normal", "UpdatedLoadBalancer",
                   "Updated LoadBalancer with new IPs: " + addresses_text(before) + " -> " + addresses_text(wanted));
}

}  // namespace services::kube::controllers
