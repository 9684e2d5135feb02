// Bound UDP sockets as plain descriptors, for who passes them on or reads them by its own loop.
#pragma once

#include "hal/net/stream.hpp"

namespace hal::net {

// A bound socket, not blocking, closed on exec; the caller owns it. `before_address_exists` as Listener::bind. Throws
// Error{invalid} when the endpoint names no IP address, else by the system's answer.
int bind_datagram(const Endpoint& endpoint, bool before_address_exists = false);

// IP_FREEBIND on a socket that is not bound yet. Throws Error{io}.
void set_free_bind(int descriptor, bool is_ipv6);

}  // namespace hal::net
