// The discovery process: cluster DNS for the pod network. Its own informers over the wire keep the zone; a snapshot of it
// in the data folder answers while the API server is away, and at a boot before it is there.
//
// Listeners: "dns" (TCP), datagram sockets "dns" (UDP), "control" (/healthz, /readyz, /metrics).
#pragma once

#include "hal/async/task.hpp"
#include "services/config/service.hpp"

namespace services::discovery {

// Returns after `service.stopping` is set.
hal::async::Task<> run(config::Service& service);

}  // namespace services::discovery
