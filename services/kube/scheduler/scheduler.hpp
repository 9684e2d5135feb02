// The scheduler: gives each pod without a node the node that fits it best (kube-scheduler's default profile), or says in
// the pod's PodScheduled condition why none does. A client of the API like any other, as user system:kube-scheduler,
// through its handler in the same process.
//
// Owns its caches (pods, nodes) and the queue of pods that wait. A pod that fits nowhere waits until a node or pod
// changes in a way that may help it, at least its back-off (1 s doubling to 10 s) and at most five minutes. It never
// preempts: a pod that needs room is told so and waits.
#pragma once

#include "hal/async/task.hpp"
#include "hal/base/clock.hpp"
#include "services/http/message.hpp"

namespace services::kube::scheduler {

struct Context {
    hal::async::Executor executor;
    http::Handler api;
    const hal::Clock* clock = nullptr;
    std::string site;  // in the Events' reportingInstance: default-scheduler-SITE
};

// Until cancelled.
hal::async::Task<> run(Context context);

}  // namespace services::kube::scheduler
