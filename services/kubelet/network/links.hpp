// What the pod network does to the kernel besides the rules: the box's own side once, and one routed veth per pod
// (the rules as tried are in the README of this folder). Blocking functions for the pool; no state.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace services::kubelet::network {

struct PodLink {
    std::string name;  // the box's end of the veth; the pod's is eth0
    std::string ip, gateway;
    std::filesystem::path netns;
};

// Gateway address on lo, the service range routed to lo, forwarding on. Returns what could not be done, as sentences.
std::vector<std::string> prepare_box(const std::string& gateway, const std::string& service_range);
// Makes what is missing of the pod's link. Throws Error.
void connect_pod(const PodLink& pod);
void disconnect_pod(const std::string& name);
// Links whose name begins with `prefix`.
std::vector<std::string> links_named(const std::string& prefix);
// The box's addresses: global ones, the default route's link first, IPv4 before IPv6; none of `pod_prefix`'s links, none
// on lo, and not the gateway.
std::vector<std::string> own_addresses(const std::string& pod_prefix, const std::string& gateway);
// Base chains of the forward hook that drop by policy, from `nft -j list chains`, as sentences; `own_table` is skipped.
std::vector<std::string> forwarding_refused(const std::string& chains_json, const std::string& own_table);
// Replaces `path` by `text` and returns when that is on the disk.
void write_durably(const std::filesystem::path& path, const std::string& text);

}  // namespace services::kubelet::network
