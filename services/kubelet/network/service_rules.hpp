// Services as nftables rules: what a kube-proxy computes. Pure functions, objects in, text out; no kernel here.
//
// service_ports() reads Services and their EndpointSlices; ruleset() turns them into chains, sets and map elements;
// transaction() writes the difference of two rulesets as nft text that applies whole or not at all. IPv4 (the pod range
// is); addresses of the other family are left out. Bounded: `services_max` ports, `endpoints_max` each.
//
// The table, for a Service default/web with cluster IP 10.43.7.1, port 80 and node port 30080:
//   map services   { 10.43.7.1 . tcp . 80 : goto service-default/web/tcp/80 }
//   map node_ports { tcp . 30080 : goto service-default/web/tcp/80 }
//   chain service-default/web/tcp/80 { numgen random mod 2 vmap { 0 : goto endpoint-..., 1 : goto endpoint-... } }
//   chain endpoint-default/web/tcp/80__10.42.0.5/8080 { ip saddr 10.42.0.5 meta mark set ...; dnat ip to 10.42.0.5:8080 }
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "services/kubeclient/object.hpp"
#include "services/kubelet/network/pod_network.hpp"

namespace services::kubelet::network {

inline constexpr std::size_t services_max = 4096;
inline constexpr std::size_t endpoints_max = 1000;
inline constexpr std::size_t affinity_clients_max = 65'535;  // per endpoint

struct ServiceEndpoint {
    std::string ip;
    std::uint16_t port = 0;
    bool is_ready = false;
    bool is_serving = false;
    bool is_terminating = false;
    bool is_local = false;  // on this node
    auto operator<=>(const ServiceEndpoint&) const = default;
};

struct ServicePort {
    std::string name;      // "default/web"
    std::string protocol;  // "tcp", "udp", "sctp"
    std::uint16_t port = 0;
    std::uint16_t node_port = 0;              // 0: none
    std::vector<std::string> addresses;       // cluster IPs
    std::vector<std::string> external_addresses;  // externalIPs and the load balancer's
    bool is_balanced = false;                 // a LoadBalancer with an ingress: on the box's own addresses
    std::vector<std::string> source_ranges;   // loadBalancerSourceRanges
    std::uint32_t affinity_seconds = 0;       // sessionAffinity ClientIP; 0: None
    bool external_is_local = false;           // externalTrafficPolicy Local
    bool internal_is_local = false;           // internalTrafficPolicy Local
    std::vector<ServiceEndpoint> endpoints;
};

// One entry per port; none for headless and ExternalName Services. `slices` are those of this Service.
std::vector<ServicePort> service_ports(const kubeclient::json::object& service,
                                       const std::vector<kubeclient::ObjectPtr>& slices, const std::string& node_name);

// The endpoints that traffic goes to: the ready ones, or where there are none, those that end but still serve (KEP-1669).
std::vector<ServiceEndpoint> usable(const std::vector<ServiceEndpoint>& endpoints, bool local_only);

struct PodPort {
    std::string pod_ip;
    HostPort port;
};

struct RuleInput {
    std::string table;
    std::string gateway = "10.42.0.1";
    std::string cluster_range = "10.42.0.0/16";
    std::string service_range = "10.43.0.0/16";
    std::vector<ServicePort> services;
    std::vector<FixedService> fixed;
    std::vector<PodPort> pod_ports;
};

struct Ruleset {
    struct Chain {
        std::string hook;  // "type nat hook output priority -100;", "" for a chain that is jumped to
        std::vector<std::string> rules;
        bool operator==(const Chain&) const = default;
    };
    struct Set {
        bool is_map = false;
        std::string definition;  // "type ipv4_addr; flags dynamic,timeout; timeout 10800s;"
        bool operator==(const Set&) const = default;
    };
    std::string table;
    std::map<std::string, Chain> chains;
    std::map<std::string, Set> sets;
    std::map<std::string, std::map<std::string, std::string>> elements;  // map -> key -> verdict
};

Ruleset ruleset(const RuleInput& input);
// What nft is given to turn `before` into `after`; "" when they are the same. With `before` empty the table is made anew.
std::string transaction(const Ruleset& before, const Ruleset& after);

}  // namespace services::kubelet::network
