#include "hal/net/netlink.hpp"

#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <fstream>

#include "hal/base/error.hpp"
#include "hal/net/netlink_message.hpp"

namespace hal::net {

using netlink::Descriptor;
using netlink::Message;

namespace {

Descriptor open_namespace(const std::filesystem::path& path) {
    Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.get() < 0) throw system_error("open the network namespace " + path.string());
    return fd;
}

Descriptor open_socket_in(const std::filesystem::path& path) {
    const auto here = open_namespace("/proc/thread-self/ns/net");
    const auto there = open_namespace(path);
    if (::setns(there.get(), CLONE_NEWNET) != 0) throw system_error("enter the network namespace " + path.string());
    // This thread must come back whatever happens: work for the box would else be done inside a pod.
    struct Return {
        int fd;
        ~Return() { HAL_REQUIRE(::setns(fd, CLONE_NEWNET) == 0); }
    } const back{here.get()};
    return netlink::open_socket(NETLINK_ROUTE);
}

std::uint32_t number(std::string_view value) {
    std::uint32_t result = 0;
    if (value.size() >= sizeof result) std::memcpy(&result, value.data(), sizeof result);
    return result;
}

std::string as_text(std::string_view value) { return std::string(value.substr(0, value.find('\0'))); }

}  // namespace

struct Netlink::State {
    Descriptor socket;
    std::uint32_t sequence = 0;

    int ask(Message& message, const std::function<void(std::uint16_t, std::string_view)>& each = nullptr) {
        return netlink::request(socket.get(), ++sequence, message, each);
    }
    void must(Message& message, const std::string& what, int allowed = 0) {
        const int failure = ask(message);
        if (failure != 0 && failure != allowed) throw system_error(what, failure);
    }
};

Netlink::Netlink() : state_(std::make_unique<State>()) { state_->socket = netlink::open_socket(NETLINK_ROUTE); }
Netlink::Netlink(const std::filesystem::path& netns) : state_(std::make_unique<State>()) {
    state_->socket = open_socket_in(netns);
}
Netlink::~Netlink() = default;

std::vector<Link> Netlink::links() {
    std::vector<Link> result;
    Message message(RTM_GETLINK, NLM_F_DUMP);
    message.put(ifinfomsg{});
    const int failure = state_->ask(message, [&](std::uint16_t type, std::string_view payload) {
        ifinfomsg info{};
        if (type != RTM_NEWLINK || !netlink::read_fixed(payload, info)) return;
        Link link{info.ifi_index, "", (info.ifi_flags & IFF_UP) != 0, (info.ifi_flags & IFF_LOOPBACK) != 0, (info.ifi_flags & IFF_RUNNING) != 0};
        netlink::for_attributes(payload, [&](std::uint16_t attribute, std::string_view value) {
            if (attribute == IFLA_IFNAME) link.name = as_text(value);
        });
        result.push_back(std::move(link));
    });
    if (failure != 0) throw system_error("list network links", failure);
    return result;
}

std::optional<Link> Netlink::find_link(std::string_view name) {
    for (auto& link : links())
        if (link.name == name) return link;
    return std::nullopt;
}

void Netlink::add_veth(const std::string& name, const std::string& peer_name, const std::filesystem::path& peer_netns,
                       int mtu) {
    if (name.size() > link_name_bytes_max || peer_name.size() > link_name_bytes_max)
        throw Error(Code::invalid, "link name " + name + " is longer than 15 bytes");
    const auto there = open_namespace(peer_netns);
    Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK);
    message.put(ifinfomsg{});
    message.text(IFLA_IFNAME, name);
    if (mtu > 0) message.attribute(IFLA_MTU, static_cast<std::uint32_t>(mtu));
    const auto info = message.begin(IFLA_LINKINFO);
    message.text(IFLA_INFO_KIND, "veth");
    const auto data = message.begin(IFLA_INFO_DATA);
    const auto peer = message.begin(VETH_INFO_PEER);
    message.put(ifinfomsg{});
    message.text(IFLA_IFNAME, peer_name);
    if (mtu > 0) message.attribute(IFLA_MTU, static_cast<std::uint32_t>(mtu));
    message.attribute(IFLA_NET_NS_FD, static_cast<std::uint32_t>(there.get()));
    message.end(peer);
    message.end(data);
    message.end(info);
    state_->must(message, "make the veth pair " + name);
}

void Netlink::set_up(int link) {
    Message message(RTM_NEWLINK, NLM_F_ACK);
    ifinfomsg info{};
    info.ifi_index = link;
    info.ifi_flags = IFF_UP;
    info.ifi_change = IFF_UP;
    message.put(info);
    state_->must(message, "set link " + std::to_string(link) + " up");
}

void Netlink::remove_link(const std::string& name) {
    Message message(RTM_DELLINK, NLM_F_ACK);
    message.put(ifinfomsg{});
    message.text(IFLA_IFNAME, name);
    state_->must(message, "remove link " + name, ENODEV);
}

std::vector<LinkAddress> Netlink::addresses() {
    std::vector<LinkAddress> result;
    Message message(RTM_GETADDR, NLM_F_DUMP);
    message.put(ifaddrmsg{});
    const int failure = state_->ask(message, [&](std::uint16_t type, std::string_view payload) {
        ifaddrmsg info{};
        if (type != RTM_NEWADDR || !netlink::read_fixed(payload, info)) return;
        LinkAddress address;
        address.link = static_cast<int>(info.ifa_index);
        address.prefix_bits = info.ifa_prefixlen;
        address.scope = static_cast<LinkAddress::Scope>(info.ifa_scope);
        address.is_temporary_or_tentative =
            info.ifa_family == AF_INET6 && (info.ifa_flags & (IFA_F_TEMPORARY | IFA_F_TENTATIVE | IFA_F_DADFAILED)) != 0;
        std::string_view local, peer;
        netlink::for_attributes(payload, [&](std::uint16_t attribute, std::string_view value) {
            if (attribute == IFA_LOCAL) local = value;
            if (attribute == IFA_ADDRESS) peer = value;
        });
        address.ip = netlink::address_text(local.empty() ? peer : local);
        if (!address.ip.empty()) result.push_back(std::move(address));
    });
    if (failure != 0) throw system_error("list addresses", failure);
    return result;
}

void Netlink::add_address(const LinkAddress& address) {
    const auto raw = netlink::raw_address(address.ip);
    Message message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK);
    ifaddrmsg info{};
    info.ifa_family = static_cast<std::uint8_t>(raw.family);
    info.ifa_prefixlen = static_cast<std::uint8_t>(address.prefix_bits);
    info.ifa_scope = static_cast<std::uint8_t>(address.scope);
    info.ifa_index = static_cast<std::uint32_t>(address.link);
    message.put(info);
    message.attribute(IFA_LOCAL, raw.bytes);
    message.attribute(IFA_ADDRESS, raw.bytes);
    state_->must(message, "add address " + address.ip, EEXIST);
}

std::vector<Route> Netlink::routes() {
    std::vector<Route> result;
    Message message(RTM_GETROUTE, NLM_F_DUMP);
    message.put(rtmsg{});
    const int failure = state_->ask(message, [&](std::uint16_t type, std::string_view payload) {
        rtmsg info{};
        if (type != RTM_NEWROUTE || !netlink::read_fixed(payload, info) || info.rtm_type != RTN_UNICAST) return;
        Route route;
        std::uint32_t table = info.rtm_table;
        route.prefix_bits = info.rtm_dst_len;
        route.is_ipv6 = info.rtm_family == AF_INET6;
        netlink::for_attributes(payload, [&](std::uint16_t attribute, std::string_view value) {
            switch (attribute) {
                case RTA_TABLE: table = number(value); break;
                case RTA_DST: route.destination = netlink::address_text(value); break;
                case RTA_GATEWAY: route.gateway = netlink::address_text(value); break;
                case RTA_PREFSRC: route.source = netlink::address_text(value); break;
                case RTA_OIF: route.link = static_cast<int>(number(value)); break;
                case RTA_PRIORITY: route.metric = number(value); break;
                default: break;
            }
        });
        if (table == RT_TABLE_MAIN) result.push_back(std::move(route));
    });
    if (failure != 0) throw system_error("list routes", failure);
    return result;
}

void Netlink::put_route(const Route& route) {
    Message message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK);
    rtmsg info{};
    info.rtm_family = route.is_ipv6 ? AF_INET6 : AF_INET;
    info.rtm_dst_len = static_cast<std::uint8_t>(route.prefix_bits);
    info.rtm_table = RT_TABLE_MAIN;
    info.rtm_protocol = RTPROT_STATIC;
    info.rtm_type = RTN_UNICAST;
    info.rtm_scope = route.gateway.empty() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    message.put(info);
    if (!route.destination.empty()) message.attribute(RTA_DST, netlink::raw_address(route.destination).bytes);
    if (!route.gateway.empty()) message.attribute(RTA_GATEWAY, netlink::raw_address(route.gateway).bytes);
    if (!route.source.empty()) message.attribute(RTA_PREFSRC, netlink::raw_address(route.source).bytes);
    if (route.metric != 0) message.attribute(RTA_PRIORITY, route.metric);
    message.attribute(RTA_OIF, static_cast<std::uint32_t>(route.link));
    state_->must(message, "add the route " + route.destination + "/" + std::to_string(route.prefix_bits));
}

namespace {

std::filesystem::path sysctl_path(std::string_view name) {
    std::string path(name);
    std::ranges::replace(path, '.', '/');
    return "/proc/sys/" + path;
}

}  // namespace

bool set_sysctl(std::string_view name, std::string_view value) {
    if (sysctl(name) == value) return true;
    std::ofstream file(sysctl_path(name));
    file << value << std::flush;
    return file.good();
}

std::optional<std::string> sysctl(std::string_view name) {
    std::ifstream file(sysctl_path(name));
    std::string value;
    if (!std::getline(file, value)) return std::nullopt;
    return value;
}

struct NetlinkWatch::State {
    boost::asio::posix::stream_descriptor socket;
    std::vector<char> buffer = std::vector<char>(32 * 1024);
};

NetlinkWatch::NetlinkWatch(async::Executor executor) {
    const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (fd < 0) throw system_error("netlink socket");
    state_ = std::make_unique<State>(State{boost::asio::posix::stream_descriptor(std::move(executor), fd)});
    sockaddr_nl groups{};
    groups.nl_family = AF_NETLINK;
    groups.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&groups), sizeof groups) != 0)
        throw system_error("subscribe to changes of links and addresses");
}

NetlinkWatch::~NetlinkWatch() = default;

async::Task<> NetlinkWatch::changed() {
    boost::system::error_code failure;
    co_await state_->socket.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                                       boost::asio::redirect_error(boost::asio::use_awaitable, failure));
    if (failure) throw Error(Code::cancelled, "cancelled while waiting for a change of addresses");
    // What changed is read anew by the caller: the messages only say that something did (so does ENOBUFS).
    while (::recv(state_->socket.native_handle(), state_->buffer.data(), state_->buffer.size(), 0) > 0 || errno == ENOBUFS) {
    }
}

}  // namespace hal::net
