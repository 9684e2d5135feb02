// The process around one service: its loop, worker pool, clock and signals. The same whether the guard started it or a
// person did (alone.hpp); the two differ in where listeners and credentials come from.
#pragma once

#include <filesystem>
#include <functional>

#include "firmware/guard/services.hpp"

namespace firmware::guard {

// Runs `row` until SIGINT or SIGTERM (SIGHUP: reload). `equip` fills in the site, settings, listeners, credentials; name,
// root, executor, clock, pool and events are set when it is called. Throws what equip or the service throws.
void host(const ServiceRow& row, const std::filesystem::path& root, hal::ClockFloor clock_floor,
          const std::function<void(services::config::Service&)>& equip);

}  // namespace firmware::guard
