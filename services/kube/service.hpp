// The API server's process: store, API, controllers and scheduler on one loop. The last two are clients of the API like any
// other, through its handler in this process.
//
// Listeners: "api" (TLS; client certificates are asked for), "control" (/healthz, /readyz, /metrics). Owns state.db in the
// data folder.
#pragma once

#include "hal/async/task.hpp"
#include "services/config/service.hpp"

namespace services::kube {

// Returns after `service.stopping` is set.
hal::async::Task<> run(config::Service& service);

}  // namespace services::kube
