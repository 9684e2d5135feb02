#include "services/kubelet/network/service_rules.hpp"

#include <format>

namespace services::kubelet::network {

namespace {

// On a packet that must be masqueraded when it leaves; kube-proxy's bit, so that both mean the same to whoever looks.
constexpr std::string_view mark = "meta mark set meta mark or 0x4000";

struct Builder {
    const RuleInput& in;
    Ruleset out;

    void chain(const std::string& name, std::vector<std::string> rules, std::string hook = "") {
        out.chains[name] = {std::move(hook), std::move(rules)};
    }
    // The first to claim a key has it.
    void element(const std::string& map, std::string key, std::string verdict) {
        out.elements[map].emplace(std::move(key), std::move(verdict));
    }
    void base();
    void service(const ServicePort& port);
    std::vector<std::string> balance(const ServicePort& port, const std::vector<ServiceEndpoint>& endpoints);
    void destination(const std::string& name, const std::string& protocol, const std::string& ip, std::uint16_t port,
                     const std::string& affinity_set);
    void fixed(const FixedService& service);
    void pod_port(const PodPort& port);
};

// The network of "10.42.0.0/16" as a number and mask, to tell pods from others.
bool in_range(const std::string& ip, const std::string& range) {
    const auto value = [](const std::string& text) {
        std::uint32_t result = 0;
        std::size_t at = 0;
        for (int part = 0; part < 4; ++part) {
            std::uint32_t byte = 0;
            while (at < text.size() && text[at] >= '0' && text[at] <= '9')
                byte = byte * 10 + static_cast<std::uint32_t>(text[at++] - '0');
            ++at;
            result = result << 8 | (byte & 0xFF);
        }
        return result;
    };
    const auto slash = range.find('/');
    const int bits = slash == std::string::npos ? 32 : std::stoi(range.substr(slash + 1));
    const std::uint32_t netmask = bits == 0 ? 0 : ~std::uint32_t{0} << (32 - bits);
    return (value(ip) & netmask) == (value(range.substr(0, slash)) & netmask);
}

void Builder::base() {
    const std::string port_map = "type inet_proto . inet_service : verdict;";
    const std::string address_map = "type ipv4_addr . inet_proto . inet_service : verdict;";
    out.table = in.table;
    for (const auto* name : {"host_ports", "node_ports", "balancer_ports", "refused_ports"}) out.sets[name] = {true, port_map};
    for (const auto* name : {"services", "refused_addresses"}) out.sets[name] = {true, address_map};
    for (const auto& [name, set] : out.sets) out.elements[name];

    chain("prerouting", {"jump dispatch"}, "type nat hook prerouting priority dstnat; policy accept;");
    chain("output", {"jump dispatch"}, "type nat hook output priority -100; policy accept;");
    chain("dispatch", {
        "fib daddr type local meta l4proto . th dport vmap @host_ports",
        "ip daddr . meta l4proto . th dport vmap @services",
        "fib daddr type local meta l4proto . th dport vmap @node_ports",
        std::format("fib daddr type local ip daddr != {{ 127.0.0.0/8, {} }} meta l4proto . th dport vmap @balancer_ports",
                    in.gateway),
    });
    chain("postrouting", {
        "oifname \"lo\" accept",
        "meta mark & 0x4000 != 0 meta mark set meta mark and 0xffffbfff masquerade fully-random",
        std::format("ip saddr {0} ip daddr != {0} fib saddr type != local masquerade fully-random", in.cluster_range),
        std::format("ip daddr {} ct status dnat fib saddr type local masquerade fully-random", in.cluster_range),
    }, "type nat hook postrouting priority srcnat; policy accept;");

    // What reaches these was not taken to an endpoint by dispatch.
    chain("refuse", {"reject"});
    chain("refusals", {
        "ip daddr . meta l4proto . th dport vmap @refused_addresses",
        "fib daddr type local meta l4proto . th dport vmap @refused_ports",
        std::format("ip daddr {} reject", in.service_range),
    });
    chain("input_check", {"ct state new jump refusals"}, "type filter hook input priority -10; policy accept;");
    chain("forward_check", {"ct state new jump refusals"}, "type filter hook forward priority -10; policy accept;");
    chain("output_check", {"ct state new jump refusals"}, "type filter hook output priority -10; policy accept;");
}

void Builder::destination(const std::string& name, const std::string& protocol, const std::string& ip,
                          std::uint16_t port, const std::string& affinity_set) {
    std::vector<std::string> rules;
    // An endpoint outside the pod network answers to the box, not past it; a pod that reaches itself must see the box.
    rules.push_back(in_range(ip, in.cluster_range) ? std::format("ip saddr {} {}", ip, mark) : std::string(mark));
    if (!affinity_set.empty()) rules.push_back(std::format("update @{} {{ ip saddr }}", affinity_set));
    rules.push_back(std::format("meta l4proto {} dnat ip to {}:{}", protocol, ip, port));
    chain(name, std::move(rules));
}

std::vector<std::string> Builder::balance(const ServicePort& port, const std::vector<ServiceEndpoint>& endpoints) {
    std::vector<std::string> rules;
    std::string choice;
    for (std::size_t i = 0; i < endpoints.size(); ++i) {
        const auto& one = endpoints[i];
        const auto suffix = std::format("{}/{}/{}__{}/{}", port.name, port.protocol, port.port, one.ip, one.port);
        const auto name = "endpoint-" + suffix;
        std::string set;
        if (port.affinity_seconds != 0) {
            // The time-out is part of the name: a changed one is another set, with no client in it yet.
            set = std::format("affinity-{}s-{}", port.affinity_seconds, suffix);
            out.sets[set] = {false, std::format("type ipv4_addr; size {}; flags dynamic,timeout; timeout {}s;",
                                                affinity_clients_max, port.affinity_seconds)};
            rules.push_back(std::format("ip saddr @{} goto {}", set, name));
        }
        destination(name, port.protocol, one.ip, one.port, set);
        choice += std::format("{}{} : goto {}", i == 0 ? "" : ", ", i, name);
    }
    rules.push_back(std::format("numgen random mod {} vmap {{ {} }}", endpoints.size(), choice));
    return rules;
}

void Builder::service(const ServicePort& port) {
    const auto key = std::format("{} . {}", port.protocol, port.port);
    const auto node_key = std::format("{} . {}", port.protocol, port.node_port);
    const auto suffix = std::format("{}/{}/{}", port.name, port.protocol, port.port);
    const auto all = usable(port.endpoints, false);
    const auto local = usable(port.endpoints, true);
    const auto& inside = port.internal_is_local ? local : all;

    std::string cluster = "service-" + suffix;
    if (!all.empty()) chain(cluster, balance(port, all));
    std::string from_inside = cluster;
    if (port.internal_is_local && !local.empty() && local.size() != all.size()) {
        from_inside = "internal-" + suffix;
        chain(from_inside, balance(port, local));
    }
    for (const auto& address : port.addresses) {
        const auto full = std::format("{} . {}", address, key);
        if (!inside.empty())
            element("services", full, "goto " + from_inside);
        else if (!all.empty())
            element("refused_addresses", full, "drop");  // Local without a local endpoint: kube-proxy drops, too
        // Without any endpoint the service range's own reject answers.
    }

    // From outside. Clients on the box and in its pods count as inside (externalTrafficPolicy is about others).
    std::string outside = cluster;
    if (port.external_is_local && !all.empty() && local.size() != all.size()) {
        outside = "external-" + suffix;
        std::vector<std::string> rules{std::format("ip saddr {} goto {}", in.cluster_range, cluster),
                                       std::format("fib saddr type local goto {}", cluster)};
        if (local.empty())
            rules.emplace_back("drop");
        else
            for (auto& rule : balance(port, local)) rules.push_back(std::move(rule));
        chain(outside, std::move(rules));
    }
    const auto verdict = all.empty() ? std::string("goto refuse") : "goto " + outside;
    const auto ports_map = [&](const char* map) { return std::string(all.empty() ? "refused_ports" : map); };
    for (const auto& address : port.external_addresses)
        element(all.empty() ? "refused_addresses" : "services", std::format("{} . {}", address, key), verdict);
    if (port.node_port != 0) element(ports_map("node_ports"), node_key, verdict);
    if (port.is_balanced) {
        std::string balancer = verdict;
        if (!port.source_ranges.empty() && !all.empty()) {
            std::string ranges;
            for (const auto& range : port.source_ranges) ranges += (ranges.empty() ? "" : ", ") + range;
            balancer = "goto balancer-" + suffix;
            chain("balancer-" + suffix, {std::format("ip saddr {{ {} }} {}", ranges, verdict), "drop"});
        }
        element(ports_map("balancer_ports"), key, balancer);
    }
}

void Builder::fixed(const FixedService& service) {
    std::string protocol = service.protocol;
    for (auto& c : protocol) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const auto key = std::format("{} . {} . {}", service.address, protocol, service.port);
    if (out.elements["services"].contains(key)) return;
    const auto name = std::format("fixed-{}/{}/{}", service.address, protocol, service.port);
    chain(name, {std::format("meta l4proto {} dnat ip to {}:{}", protocol, service.target_address, service.target_port)});
    out.elements["refused_addresses"].erase(key);
    element("services", key, "goto " + name);
}

void Builder::pod_port(const PodPort& port) {
    std::string protocol = port.port.protocol.empty() ? "tcp" : port.port.protocol;
    for (auto& c : protocol) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const auto name = std::format("host-port-{}/{}__{}/{}", protocol, port.port.host_port, port.pod_ip, port.port.container_port);
    destination(name, protocol, port.pod_ip, port.port.container_port, "");
    const auto key = std::format("{} . {}", protocol, port.port.host_port);
    if (port.port.host_ip.empty() || port.port.host_ip == "0.0.0.0")
        element("host_ports", key, "goto " + name);
    else if (port.port.host_ip.find(':') == std::string::npos)
        element("services", std::format("{} . {}", port.port.host_ip, key), "goto " + name);
}

}  // namespace

Ruleset ruleset(const RuleInput& input) {
    Builder builder{input, {}};
    builder.base();
    for (const auto& port : input.pod_ports) builder.pod_port(port);
    std::size_t count = 0;
    for (const auto& port : input.services)
        if (++count <= services_max) builder.service(port);
    for (const auto& service : input.fixed) builder.fixed(service);
    return std::move(builder.out);
}

std::string transaction(const Ruleset& before, const Ruleset& after) {
    std::string text;
    const auto line = [&](const std::string& command) { text += command + "\n"; };
    const auto table = "inet " + after.table + " ";
    if (before.table.empty()) {
        line("add table inet " + after.table);
        line("delete table inet " + after.table);
        line("add table inet " + after.table);
    }
    // New names first, so that rules may speak of each other; what nothing speaks of any more goes last.
    for (const auto& [name, set] : after.sets)
        if (!before.sets.contains(name))
            line(std::format("add {} {}{} {{ {} }}", set.is_map ? "map" : "set", table, name, set.definition));
    for (const auto& [name, chain] : after.chains)
        if (!before.chains.contains(name))
            line(std::format("add chain {}{}{}", table, name, chain.hook.empty() ? "" : " { " + chain.hook + " }"));
    for (const auto& [name, chain] : after.chains) {
        const auto old = before.chains.find(name);
        if (old != before.chains.end() && old->second == chain) continue;
        if (old != before.chains.end()) line(std::format("flush chain {}{}", table, name));
        for (const auto& rule : chain.rules) line(std::format("add rule {}{} {}", table, name, rule));
    }
    static const std::map<std::string, std::string> none;
    for (const auto& [map, elements] : after.elements) {
        const auto found = before.elements.find(map);
        const auto& old = found == before.elements.end() ? none : found->second;
        for (const auto& [key, verdict] : old) {
            const auto now = elements.find(key);
            if (now == elements.end() || now->second != verdict)
                line(std::format("delete element {}{} {{ {} : {} }}", table, map, key, verdict));
        }
        for (const auto& [key, verdict] : elements) {
            const auto then = old.find(key);
            if (then == old.end() || then->second != verdict)
                line(std::format("add element {}{} {{ {} : {} }}", table, map, key, verdict));
        }
    }
    for (const auto& [name, chain] : before.chains)
        if (!after.chains.contains(name)) line(std::format("flush chain {}{}", table, name));
    for (const auto& [name, chain] : before.chains)
        if (!after.chains.contains(name)) line(std::format("delete chain {}{}", table, name));
    for (const auto& [name, set] : before.sets)
        if (!after.sets.contains(name)) line(std::format("delete set {}{}", table, name));
    return text;
}

}  // namespace services::kubelet::network
