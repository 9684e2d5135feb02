// The uplink process: the one door to headquarters. See client/wire.hpp for what its clients say.
//
// Listeners: "proxy" (the socket of the services), "control" (/healthz, /readyz, /metrics). Without destinations it answers
// and nothing else: no libcurl, no watch of the links, no timer. Keeps the counters of a metered line in usage.json of its
// data folder (usage.hpp), written when a hundredth of a cap was used and at its end.
#pragma once

#include "hal/async/task.hpp"
#include "services/config/service.hpp"

namespace services::uplink {

// Returns after `service.stopping` is set.
hal::async::Task<> run(config::Service& service);

}  // namespace services::uplink
