// The pod network of this box: one routed veth pair per pod, no bridge, no CNI plugin; and the rules that make Services
// reachable (what kube-proxy does elsewhere) in one nftables table.
//
// A pod's network namespace is made and pinned by its owner (pods/); here it gets `eth0` with an address out of the
// node's pod range, its gateway 10.42.0.1, and its host ports. Addresses are written down durably, so a pod keeps its
// address over restarts and reboots. Names of interfaces and of the table are derived from --root: two boxes' tests on
// one machine do not meet. Does not own pods, DNS, or any other table or route of the machine.
//
// Called from the loop's thread; kernel work runs on the pool. Bounded: `pods_max` addresses, `services_max` and
// `endpoints_max` in service_rules.hpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hal/async/pool.hpp"
#include "hal/async/task.hpp"
#include "services/kubeclient/client.hpp"

namespace services::kubelet::network {

using hal::async::Task;

struct HostPort {
    std::string protocol;  // "TCP", "UDP", "SCTP"
    std::uint16_t host_port = 0;
    std::uint16_t container_port = 0;
    std::string host_ip;  // "": every address of the box
};

struct PodAddress {
    std::string ip;       // "10.42.0.7"
    std::string gateway;  // "10.42.0.1": the box, as every pod sees it
};

// Traffic to `address:port` that goes to a listener of this box even while no Service object is known (the API server
// and cluster DNS at a boot without them). A Service with that cluster IP and port takes its place.
struct FixedService {
    std::string address;
    std::string protocol;
    std::uint16_t port = 0;
    std::string target_address;
    std::uint16_t target_port = 0;
};

struct Options {
    std::filesystem::path root = "/";
    std::filesystem::path data_folder;  // addresses.json lies here
    std::string node_name;
    std::string pod_range = "10.42.0.0/24";      // this node's pods; its first address is the gateway
    std::string cluster_range = "10.42.0.0/16";  // all pods: never masqueraded among each other
    std::string service_range = "10.43.0.0/16";
    std::vector<FixedService> fixed_services = {{"10.43.0.1", "TCP", 443, "10.42.0.1", 6443},
                                                {"10.43.0.10", "UDP", 53, "10.42.0.1", 53},
                                                {"10.43.0.10", "TCP", 53, "10.42.0.1", 53}};
    std::filesystem::path nft_program = "/usr/sbin/nft";
};

class PodNetwork {
public:
    PodNetwork(hal::async::Executor executor, hal::async::Pool& pool, Options options);
    ~PodNetwork();

    // Prepares the box: the gateway address (on lo, so that it is there before any pod), forwarding, the route of the
    // service range, the table with fixed services; reads the addresses given out before. Throws Error.
    Task<> start();

    // Gives the pod `uid` its interface and address. `netns` is the path of its pinned network namespace. Safe to call
    // again for a pod that has it already (adoption, a rebuilt namespace after a reboot): the address stays the same and
    // only what is missing is made. Throws Error{exhausted} when the range has no address left.
    Task<PodAddress> attach(std::string uid, std::filesystem::path netns, std::vector<HostPort> host_ports);
    // Removes interface, host ports and address. No error when it is not there.
    Task<> detach(std::string uid);
    // After a restart, once it is known which pods there are: whatever belongs to no pod of `uids` is released.
    Task<> keep_only(std::vector<std::string> uids);
    // The address that `uid` has or will have again; empty if none was given out.
    [[nodiscard]] std::optional<PodAddress> address_of(const std::string& uid) const;

    // Follows Services and EndpointSlices, the box's addresses, and what others do to forwarding; returns only when
    // cancelled. Start once, after start().
    Task<> run(std::shared_ptr<kubeclient::Client> client);  // shared with the kubelet's other informers

    // The box's own addresses, the one of the default route first (Node status InternalIP); none of the pod network's.
    [[nodiscard]] std::vector<std::string> box_addresses() const;
    // Called on the loop whenever box_addresses() or problems() is another than before.
    void on_change(std::function<void()> callback);
    // What keeps pods from being reached, for status and log: "table ip filter, chain FORWARD drops forwarded packets".
    [[nodiscard]] std::vector<std::string> problems() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace services::kubelet::network
