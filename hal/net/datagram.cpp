#include "hal/net/datagram.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hal/base/error.hpp"

namespace hal::net {

void set_free_bind(int descriptor, bool is_ipv6) {
    const int on = 1;
    if (::setsockopt(descriptor, is_ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, is_ipv6 ? IPV6_FREEBIND : IP_FREEBIND, &on, sizeof on) != 0)
        throw system_error("IP_FREEBIND");
}

int bind_datagram(const Endpoint& endpoint, bool before_address_exists) {
    sockaddr_storage storage{};
    socklen_t size = 0;
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    if (::inet_pton(AF_INET, endpoint.address.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(endpoint.port);
        size = sizeof(v4);
    } else if (::inet_pton(AF_INET6, endpoint.address.c_str(), &v6.sin6_addr) == 1) {
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(endpoint.port);
        size = sizeof(v6);
    } else {
        throw Error(Code::invalid, "bind " + endpoint.to_string() + ": an IP address is needed");
    }
    const int descriptor = ::socket(storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) throw system_error("socket");
    try {
        if (before_address_exists) set_free_bind(descriptor, storage.ss_family == AF_INET6);
        if (::bind(descriptor, reinterpret_cast<const sockaddr*>(&storage), size) != 0)
            throw system_error("bind udp " + endpoint.to_string());
    } catch (...) {
        ::close(descriptor);
        throw;
    }
    return descriptor;
}

}  // namespace hal::net
