// What `branchbox status` shows: each process, backlogs towards upstreams, and what is wrong, as sentences.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "hal/base/clock.hpp"
#include "services/config/service.hpp"

namespace firmware::guard {

struct ProcessStatus {
    std::string service;
    pid_t pid = 0;             // 0: none at this moment
    std::uint64_t pss_kib = 0;
    unsigned restarts = 0;
    bool is_ready = false;
    hal::WallTime since{};     // of this process
};

struct Status {
    std::vector<ProcessStatus> processes;
    std::vector<services::config::Backlog> backlogs;
    std::vector<std::string> problems;
    [[nodiscard]] bool is_healthy() const;  // all ready, no problem
};

// {"processes":[{"service","pid","pss_kib","restarts","ready","since"}],
//  "backlogs":[{"upstream","class","count","bytes","oldest","empty_at"}],"problems":[]}
// empty_at: when it will all have gone, by the uplink's forecast, or null.
std::string to_json(const Status& status);
// Throws Error{corrupt} for anything but that.
Status status_of(const std::string& text);
// The list `backlogs` alone. What is no such list is none.
std::string backlogs_json(const std::vector<services::config::Backlog>& backlogs);
std::vector<services::config::Backlog> backlogs_of(std::string_view text);
// For a person: a table and the problems below it.
std::string to_text(const Status& status, hal::WallTime now);

// The process's share of memory (/proc/PID/smaps_rollup); 0 when it is gone or not ours to see.
std::uint64_t pss_kib(pid_t process);

// Asks the guard of `root`. Throws Error{unavailable} when none runs.
Status ask_status(const std::filesystem::path& root);

}  // namespace firmware::guard
