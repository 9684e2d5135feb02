// One service alone, in the foreground, without guard: binds its own listeners, makes its own credentials under the
// root, and runs until SIGINT or SIGTERM. For development and tests.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "firmware/guard/services.hpp"
#include "services/config/configuration.hpp"

namespace firmware::guard {

struct AloneOptions {
    std::filesystem::path root = "/";
    services::config::Configuration configuration;
    // "[PORTNAME=]ADDR:PORT": in place of both loopbacks. Without a name: the first port of the service.
    std::vector<std::string> listen;
    std::string api_server = "https://127.0.0.1:6443";
};

// Bound ports are written to ROOT/run/branchbox/NAME.ports, "PORTNAME ADDR:PORT" a line, once all are bound. Throws
// hal::Error for what cannot be bound, made or read.
void run_alone(const ServiceRow& row, AloneOptions options);

}  // namespace firmware::guard
