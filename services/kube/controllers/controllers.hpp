// The control loops of kube-controller-manager that the box runs: what makes a Deployment's pods, a Service's endpoints,
// a namespace's end. They are clients of the API like any other, as user system:kube-controller-manager, through its
// handler in the same process.
//
// Owns its caches (one informer per resource, shared by all loops) and its tasks; no object lives here alone, so a
// restart forgets nothing. Event-driven: timers exist only where the real loops have deadlines. Bounded by the informers'
// `objects_max` and by the named limits of each loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "hal/async/task.hpp"
#include "hal/base/clock.hpp"
#include "services/http/message.hpp"
#include "services/kube/controllers/box_services.hpp"

namespace services::kube::controllers {

// A port of the box's own services, which no LoadBalancer Service can have.
struct PortHolder {
    std::int64_t port;
    std::string protocol;  // "TCP"
    std::string name;      // "the Kubernetes API"
};
// Those of a box whose configuration moves none.
std::vector<PortHolder> usual_box_ports();

struct Context {
    hal::async::Executor executor;
    http::Handler api;
    const hal::Clock* clock = nullptr;
    std::string root_certificates;  // PEM, for kube-root-ca.crt
    std::string site;               // the box's name: the only node there is
    std::chrono::seconds node_monitor_grace_period{50};
    std::vector<PortHolder> box_ports = usual_box_ports();
    BoxServices box_services;
};

// Until cancelled; then every loop has ended.
hal::async::Task<> run(Context context);

}  // namespace services::kube::controllers
