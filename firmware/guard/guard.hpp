// `branchbox run`: opens the listeners, hands each service its certificate and secrets, starts each as a child process of
// this executable, starts it again when it ends, and says how they are.
//
// Owns what outlives a service's process: bound sockets, the certificate authority, data folders. Knows no protocol but
// its own status socket: whoever connects to ROOT/run/branchbox/guard.sock (root alone) is written one JSON document and
// the connection ends. One thread. A death after ready is answered at once, one before with back-off (`restart_delay_min`
// doubling to `restart_delay_max`).
#pragma once

#include <chrono>
#include <filesystem>
#include <string>

namespace firmware::guard {

inline constexpr std::chrono::milliseconds restart_delay_min{100};
inline constexpr std::chrono::seconds restart_delay_max{10};
inline constexpr std::chrono::seconds stop_time_max{15};  // a service that takes longer to end is killed
inline constexpr std::chrono::seconds pods_stop_time_max{90};  // the one that ends its pods first

struct GuardOptions {
    std::filesystem::path root = "/";
    std::filesystem::path config;  // "": ROOT/etc/branchbox/config.yaml
    bool stops_pods = false;
};

// Until SIGINT or SIGTERM, or SIGQUIT, which ends the pods too. SIGHUP reads the configuration again; a service whose section changed is started anew. A
// configuration that does not hold is reported, and the last good one (at first: the defaults) runs. Throws hal::Error for
// what cannot be bound or made, Error{exists} when another guard has this root.
void run(const GuardOptions& options);

std::filesystem::path status_socket(const std::filesystem::path& root);

}  // namespace firmware::guard
