// What each service may do and use, as one table beside that of the services: system calls, files, ports, processor, disk.
// A further service is a further row; one that has none gets what every service has.
//
// The lists of calls are what strace saw over the tests of each service, and what the libraries do when something is rare or
// goes wrong. `seen` there and `seldom` here are kept apart, so that a list can be made again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "firmware/guard/services.hpp"
#include "hal/process/sandbox.hpp"

namespace firmware::guard {

struct Rights {
    std::string_view service;
    std::span<const std::string_view> calls = {};     // beyond those of every service
    std::span<const std::string_view> readable = {};  // files and folders of the machine, beyond those of every service
    bool loads_code = false;     // opens libraries while it runs
    bool has_datagrams = false;  // UDP sockets of its own
    bool has_netlink = false;    // hears of links and addresses
    bool calls_api_server = false;  // may connect to the API server's port
    bool connects_everywhere = false;
    std::span<const std::uint16_t> connects_to = {};  // TCP ports, beyond the API server's
    std::int64_t cpu_shares = 1024;  // against the other services, v1's scale
    int oom_score = -900;            // after every pod, before the guard
    // Of the data partition; 0: no share of its own. What a client is answered when it is used up.
    unsigned disk_percent = 0;
    std::string_view when_full = "";
};

const Rights& rights_of(const ServiceRow& row);

// What a service gives up. `api_port`: where the API server listens now.
hal::process::Sandbox sandbox_of(const ServiceRow& row, const std::filesystem::path& root, unsigned user, std::uint16_t api_port);

// The bytes of its share, of the file system that its data folder is on; 0: no share. Throws Error{io}.
std::int64_t disk_share(const ServiceRow& row, const std::filesystem::path& root);

}  // namespace firmware::guard
