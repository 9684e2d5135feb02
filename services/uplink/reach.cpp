#include "services/uplink/reach.hpp"

#include <boost/asio/ip/address.hpp>

#include <algorithm>

namespace services::uplink {
namespace {

namespace ip = boost::asio::ip;

template <class Address>
bool same_network(const Address& a, const Address& b, int bits) {
    const auto left = a.to_bytes(), right = b.to_bytes();
    for (std::size_t i = 0; i < left.size() && bits > 0; ++i, bits -= 8) {
        const auto mask = static_cast<unsigned char>(bits >= 8 ? 0xff : 0xff << (8 - bits));
        if (((left[i] ^ right[i]) & mask) != 0) return false;
    }
    return true;
}

bool covers(const hal::net::Route& route, const ip::address& address) {
    if (route.is_ipv6 != address.is_v6()) return false;
    if (route.prefix_bits == 0) return true;
    boost::system::error_code failure;
    const auto network = ip::make_address(route.destination, failure);
    if (failure || network.is_v6() != address.is_v6()) return false;
    return address.is_v6() ? same_network(network.to_v6(), address.to_v6(), route.prefix_bits)
                           : same_network(network.to_v4(), address.to_v4(), route.prefix_bits);
}

}  // namespace

bool has_way(std::string_view host, const std::vector<hal::net::Link>& links, const std::vector<hal::net::Route>& routes) {
    boost::system::error_code failure;
    const auto address = ip::make_address(host, failure);
    if (host == "localhost" || (!failure && address.is_loopback())) return true;
    return std::ranges::any_of(routes, [&](const hal::net::Route& route) {
        if (failure ? route.prefix_bits != 0 : !covers(route, address)) return false;
        if (route.link == 0) return true;  // over several links at once: the kernel chooses
        return std::ranges::any_of(links, [&](const hal::net::Link& link) {
            return link.index == route.link && link.is_up && link.has_carrier && !link.is_loopback;
        });
    });
}

}  // namespace services::uplink
