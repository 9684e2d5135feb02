// The small files that the kubelet gives each container beside its volumes: /etc/hosts, /etc/resolv.conf, the host name.
// Pure texts.
#pragma once

#include <boost/json/object.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace services::kubelet::pods {

namespace json = boost::json;

struct ClusterNames {
    std::string dns_address = "10.43.0.10";
    std::string domain = "cluster.local";
};

// The pod's host name: spec.hostname or its name, at most 63 bytes; with spec.subdomain there is a full name too. A pod on
// the host's network has the host's.
std::string host_name_of(const json::object& pod, std::string_view node_name);
// "NAME.SUBDOMAIN.NS.svc.DOMAIN", or empty.
std::string full_name_of(const json::object& pod, std::string_view domain);

// `host_file`: the box's own /etc/hosts, for pods on its network.
std::string hosts_file(const json::object& pod, const std::vector<std::string>& addresses, std::string_view node_name,
                       std::string_view domain, std::string_view host_file);
// By spec.dnsPolicy and dnsConfig. `host_file`: the box's own resolv.conf.
std::string resolv_conf(const json::object& pod, const ClusterNames& names, std::string_view host_file);

}  // namespace services::kubelet::pods
