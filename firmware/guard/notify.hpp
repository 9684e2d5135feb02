// What systemd hears of the guard (sd_notify(3)): that it is ready, reads its configuration again, stops. One datagram to the
// socket that $NOTIFY_SOCKET names; without one (quick start, tests) nobody asks.
#pragma once

#include <string_view>

namespace firmware::guard {

// `state`: "READY=1", "STOPPING=1", ... a line each. Never waits and never fails: whoever does not read it has lost it.
void notify_systemd(std::string_view state);

}  // namespace firmware::guard
