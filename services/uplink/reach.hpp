// Whether there is a way to a host, by what the kernel says of links and routes: a name needs a default route over a link that
// is up and has a carrier, an address any route that covers it; this machine itself is always there. Pure.
#pragma once

#include <string_view>
#include <vector>

#include "hal/net/netlink.hpp"

namespace services::uplink {

bool has_way(std::string_view host, const std::vector<hal::net::Link>& links, const std::vector<hal::net::Route>& routes);

}  // namespace services::uplink
