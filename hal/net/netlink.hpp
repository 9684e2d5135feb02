// Links, addresses, routes and connection tracking of one network namespace, over the kernel's own sockets (rtnetlink,
// RFC 3549; ctnetlink): no `ip` program, no library.
//
// A Netlink belongs to the namespace it was opened in and may be used from any one thread at a time. Its calls block for
// as long as the kernel holds its network lock (a namespace that goes away can hold it for milliseconds), so a loop calls
// them through offload(). NetlinkWatch is the one that waits, and does so on the loop. Answers are bounded by
// `dump_bytes_max`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hal/async/task.hpp"

namespace hal::net {

inline constexpr std::size_t dump_bytes_max = 64 * 1024 * 1024;
inline constexpr std::size_t link_name_bytes_max = 15;  // IFNAMSIZ - 1

struct Link {
    int index = 0;
    std::string name;
    bool is_up = false;
    bool is_loopback = false;
    bool has_carrier = false;  // what it is connected to answers: the cable is in, the peer is up
};

struct LinkAddress {
    int link = 0;
    std::string ip;  // "10.42.0.1", "fe80::1"
    int prefix_bits = 0;
    enum class Scope : std::uint8_t { universe = 0, link = 253, host = 254 } scope = Scope::universe;
    bool is_temporary_or_tentative = false;  // IPv6: not (yet) an address to be known by
};

struct Route {
    std::string destination;  // "" with prefix_bits 0: the default route
    int prefix_bits = 0;
    int link = 0;
    std::string gateway;  // "": on link
    std::string source;   // preferred source, "": the kernel's choice
    std::uint32_t metric = 0;
    bool is_ipv6 = false;
};

class Netlink {
public:
    // In the caller's network namespace. Throws Error.
    Netlink();
    // In the namespace pinned at `netns` (the calling thread is there for a moment).
    explicit Netlink(const std::filesystem::path& netns);
    ~Netlink();
    Netlink(const Netlink&) = delete;
    Netlink& operator=(const Netlink&) = delete;

    std::vector<Link> links();
    std::optional<Link> find_link(std::string_view name);
    // A veth pair: `name` here, `peer_name` in the namespace at `peer_netns`. Throws Error{exists}.
    void add_veth(const std::string& name, const std::string& peer_name, const std::filesystem::path& peer_netns, int mtu = 0);
    void set_up(int link);
    // No error when there is none of that name (the veth's other end goes with it).
    void remove_link(const std::string& name);

    std::vector<LinkAddress> addresses();
    // No error when it is there already.
    void add_address(const LinkAddress& address);
    std::vector<Route> routes();  // of the main table
    // Adds, or replaces the route with the same destination and metric.
    void put_route(const Route& route);

private:
    struct State;
    std::unique_ptr<State> state_;
};

// Writes a sysctl of the caller's namespace, "net.ipv4.ip_forward". False when it cannot be written (a read-only /proc).
bool set_sysctl(std::string_view name, std::string_view value);
std::optional<std::string> sysctl(std::string_view name);

// Forgets each tracked UDP flow that `is_stale` names: the address and port the client sent to, and those that answer (the
// endpoint after DNAT). Returns how many. Needs CAP_NET_ADMIN.
struct TrackedFlow {
    std::string destination, replier;
    std::uint16_t destination_port = 0, replier_port = 0;
};
std::size_t forget_udp_flows(const std::function<bool(const TrackedFlow&)>& is_stale);

// Wakes when links, addresses or routes of the namespace change. Several changes may be told as one; a lost message (the
// socket's buffer ran over) is told as a change, so whoever reads the state again after each is never left behind.
class NetlinkWatch {
public:
    explicit NetlinkWatch(async::Executor executor);
    ~NetlinkWatch();
    async::Task<> changed();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace hal::net
