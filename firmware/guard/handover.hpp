// What the guard hands to a service's process: bound sockets and a sealed memory file, by the LISTEN_FDS convention
// (sd_listen_fds(3); names in LISTEN_FDNAMES). Names: the port's own ("api", "dns"), "dns.udp" for its UDP socket,
// "control", "context" for the memory file, "notify" for the pipe the service tells the guard by, "lock" for a file that
// is open as long as the service lives.
//
// The memory file is one JSON object: site, settings, api_server, credentials, and what the process gives up. It has no
// name in any file system, so keys are never on the disk. Both ends are one executable: it has no version.
//
// Lines of the pipe: "READY=1"; "PROBLEMS=" and a JSON list of sentences, "BACKLOGS=" and one of what waits to go upstream,
// each of which replaces the one before.
#pragma once

#include <boost/json/object.hpp>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/guard/services.hpp"
#include "hal/base/clock.hpp"
#include "hal/process/spawn.hpp"

namespace firmware::guard {

inline constexpr std::size_t context_bytes_max = 4 * 1024 * 1024;
inline constexpr std::size_t passed_sockets_max = 64;
inline constexpr std::string_view udp_suffix = ".udp";
inline constexpr std::string_view lock_name = "lock";

struct Context {
    std::string site;
    boost::json::object settings;
    std::string api_server;
    std::map<std::string, std::string> credentials;
    std::optional<unsigned> user;  // empty: stays root
    bool stops_pods = false;
    std::vector<unsigned> peer_users;
    std::int64_t disk_bytes_max = 0;
    std::vector<services::config::BoxPort> box_ports;
    int parent = 0;  // the guard's process number: the service ends with it
    hal::ClockFloor clock_floor;
};

// A socket's name and descriptor.
struct Passed {
    std::string name;
    int descriptor;
};

// Adds the sockets, the context and the pipe to `command`, which must live until it was spawned: the returned descriptor
// is the memory file's. Throws Error{io|exhausted}.
hal::process::Descriptor hand_over(hal::process::Command& command, const std::vector<Passed>& sockets, const Context& context, int notify);

// What this process was handed. Every descriptor closes on exec and is taken by run_handed().
struct Handover {
    std::vector<Passed> sockets;
    Context context;
    hal::process::Descriptor notify;
};
// Empty when this process was not started by a guard. Removes the variables from the environment. Throws Error{invalid}.
std::optional<Handover> take_over();

// Runs `row` with what was handed: gives up what the context says, before anything else.
void run_handed(const ServiceRow& row, const std::filesystem::path& root, Handover handover);

}  // namespace firmware::guard
