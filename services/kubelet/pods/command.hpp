// A command in a container, run to its end: for probes and lifecycle hooks.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "services/kubelet/pods/runtime.hpp"
#include "services/kubelet/probes/handlers.hpp"

namespace services::kubelet::pods {

// Ended with SIGKILL after `limit`. Of its output `probes::body_bytes_max` are kept. Throws Error{not_found} when the
// container does not run.
Task<probes::Execution> run_command(Runtime& runtime, std::string id, std::vector<std::string> command,
                                    std::chrono::steady_clock::duration limit);

}  // namespace services::kubelet::pods
