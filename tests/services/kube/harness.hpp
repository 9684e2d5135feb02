// Runs clients of the in-memory API on one loop until nothing is left to do or a condition holds.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <functional>

#include "memory_api.hpp"

namespace tests {

struct Loop {
    boost::asio::io_context context{1};
    hal::ManualClock clock{hal::parse_rfc3339("2026-11-24T09:00:00Z")};
    MemoryApi api{context.get_executor(), clock};

    // Runs until `holds`, at most ten seconds: the result.
    bool run_until(const std::function<bool()>& holds) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (!holds()) {
            if (std::chrono::steady_clock::now() > end) return false;
            context.restart();
            context.run_one_for(std::chrono::milliseconds(50));
        }
        return true;
    }
    // All that can be done without waiting.
    void settle() {
        context.restart();
        while (context.poll() > 0) context.restart();
    }
    // Cancels the group and runs it to its end.
    void stop(hal::async::TaskGroup& group) {
        group.cancel();
        run_until([&group] { return group.size() == 0; });
    }
};

}  // namespace tests
