// The cluster's names (Kubernetes DNS-Based Service Discovery, schema 1.1.0) as answers. Holds what Services and
// EndpointSlices say and nothing else: no socket, no informer; used from one thread.
//
// Services: A, SRV for named ports, CNAME for ExternalName; headless Services: their endpoints by address and by host
// name; pods as a-b-c-d.NS.pod (any address in an existing namespace, as k3s has it); PTR for both. A name that is there
// with another type is NODATA, one that is not is NXDOMAIN, both with the zone's SOA. Bounded by services_max.
#pragma once

#include <boost/json/object.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "services/codec/dns/message.hpp"

namespace services::discovery {

inline constexpr std::size_t services_max = 20'000;
inline constexpr std::size_t answers_max = 1'000;

struct Endpoint {
    std::string ip, hostname;
    std::map<std::string, std::uint16_t> ports;  // "NAME/tcp"
};

struct ServiceNames {
    std::vector<std::string> cluster_ips;  // empty: headless
    std::string external_name;
    std::map<std::string, std::uint16_t> ports;  // "NAME/tcp", of the Service
    std::map<std::string, std::vector<Endpoint>> slices;  // by EndpointSlice; ready ones (or publishNotReadyAddresses)
};

class Zone {
public:
    explicit Zone(std::string domain = "cluster.local", std::uint32_t ttl = 5) : domain_(std::move(domain)), ttl_(ttl) {}

    // Objects as the API has them. False when nothing that is answered changed.
    bool put_service(const boost::json::object& service);
    bool remove_service(const boost::json::object& service);
    bool put_slice(const boost::json::object& slice);
    bool remove_slice(const boost::json::object& slice);
    // Forgets all but these ("ns/name"): after the first list, what was restored and is gone.
    bool keep_services(const std::set<std::string>& keys);

    // Fills answers, authority and code into `reply` and returns true if the question is this zone's to answer.
    // `turn` rotates the order of several addresses.
    bool answer(const codec::dns::Question& question, codec::dns::Message& reply, std::uint32_t turn = 0) const;

    // The whole zone as JSON, durable form: {"version":1,"services":{"ns/name":{...}}}; read back by restore().
    [[nodiscard]] std::string snapshot() const;
    void restore(const std::string& text);  // throws Error{corrupt}, and holds what it held before
    [[nodiscard]] std::size_t size() const { return services_.size(); }
    // Every Service of the cluster is in here (a first list, or a snapshot of one). Until then an absent name may exist:
    // whoever answers must not deny it, because clients keep an NXDOMAIN.
    void mark_whole() { is_whole_ = true; }
    [[nodiscard]] bool is_whole() const { return is_whole_; }

private:
    struct Lookup;
    using Key = std::pair<std::string, std::string>;  // namespace, name
    bool is_namespace(const std::string& name) const;
    std::string reverse(const std::string& ip) const;

    std::string domain_;
    std::uint32_t ttl_;
    bool is_whole_ = false;
    std::map<Key, ServiceNames> services_;
};

}  // namespace services::discovery
