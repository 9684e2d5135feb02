#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include <vector>

#include "hal/base/error.hpp"
#include "hal/net/netlink.hpp"
#include "hal/net/netlink_message.hpp"

namespace hal::net {

using netlink::Message;

namespace {

constexpr std::uint16_t conntrack(int type) { return static_cast<std::uint16_t>((NFNL_SUBSYS_CTNETLINK << 8) | type); }

struct Tuple {
    std::string source, destination;  // text
    std::uint16_t source_port = 0, destination_port = 0;
    int protocol = 0;
};

std::uint16_t port(std::string_view value) {
    std::uint16_t result = 0;
    if (value.size() == sizeof result) std::memcpy(&result, value.data(), sizeof result);
    return ntohs(result);
}

Tuple read_tuple(std::string_view bytes) {
    Tuple tuple;
    netlink::for_attributes(bytes, [&](std::uint16_t part, std::string_view inner) {
        netlink::for_attributes(inner, [&](std::uint16_t type, std::string_view value) {
            if (part == CTA_TUPLE_IP) {
                if (type == CTA_IP_V4_SRC || type == CTA_IP_V6_SRC) tuple.source = netlink::address_text(value);
                if (type == CTA_IP_V4_DST || type == CTA_IP_V6_DST) tuple.destination = netlink::address_text(value);
            } else if (part == CTA_TUPLE_PROTO) {
                if (type == CTA_PROTO_NUM && !value.empty()) tuple.protocol = static_cast<unsigned char>(value[0]);
                if (type == CTA_PROTO_SRC_PORT) tuple.source_port = port(value);
                if (type == CTA_PROTO_DST_PORT) tuple.destination_port = port(value);
            }
        });
    });
    return tuple;
}

}  // namespace

std::size_t forget_udp_flows(const std::function<bool(const TrackedFlow&)>& is_stale) {
    struct Stale {
        std::uint8_t family;
        std::string original;  // CTA_TUPLE_ORIG as the kernel gave it
    };
    std::vector<Stale> stale;
    const auto socket = netlink::open_socket(NETLINK_NETFILTER);
    std::uint32_t sequence = 1;
    Message dump(conntrack(IPCTNL_MSG_CT_GET), NLM_F_DUMP);
    dump.put(nfgenmsg{AF_UNSPEC, NFNETLINK_V0, 0});
    const int failure = netlink::request(socket.get(), sequence, dump, [&](std::uint16_t, std::string_view payload) {
        nfgenmsg info{};
        if (!netlink::read_fixed(payload, info)) return;
        Tuple original, reply;
        std::string_view raw;
        netlink::for_attributes(payload, [&](std::uint16_t type, std::string_view value) {
            if (type == CTA_TUPLE_ORIG) {
                original = read_tuple(value);
                raw = value;
            }
            if (type == CTA_TUPLE_REPLY) reply = read_tuple(value);
        });
        if (original.protocol != IPPROTO_UDP) return;
        if (is_stale({original.destination, reply.source, original.destination_port, reply.source_port}))
            stale.push_back({info.nfgen_family, std::string(raw)});
    });
    if (failure != 0) throw system_error("list tracked connections", failure);
    std::size_t forgotten = 0;
    for (const auto& flow : stale) {
        Message remove(conntrack(IPCTNL_MSG_CT_DELETE), NLM_F_ACK);
        remove.put(nfgenmsg{flow.family, NFNETLINK_V0, 0});
        remove.attribute(CTA_TUPLE_ORIG | NLA_F_NESTED, flow.original);
        // One that has expired meanwhile (ENOENT) is as good as removed.
        if (netlink::request(socket.get(), ++sequence, remove) == 0) ++forgotten;
    }
    return forgotten;
}

}  // namespace hal::net
