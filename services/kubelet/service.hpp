// The kubelet process: runs the pods that the API server binds to this box, registers it as a Node, keeps the pod network.
// Runs as root. While the API server is away it keeps running what it ran, and starts it again after a reboot.
//
// Listeners: "api" (10250, the kubelet API), "control" (/healthz, /readyz, /metrics).
#pragma once

#include "hal/async/task.hpp"
#include "services/config/service.hpp"

namespace services::kubelet {

// Returns after `service.stopping` is set; pods keep running unless `service.stops_pods`.
hal::async::Task<> run(config::Service& service);

}  // namespace services::kubelet
