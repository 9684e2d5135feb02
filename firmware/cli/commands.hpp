// The commands of the one executable, each a function from its arguments to an exit status. Parsing of the command line
// is main.cpp's; a command prints its result to standard output and what went wrong to standard error.
#pragma once

#include <string>
#include <vector>

namespace firmware::cli {

inline constexpr int exit_ok = 0;
inline constexpr int exit_failed = 1;  // the answer is no: a problem was found
inline constexpr int exit_usage = 2;   // the command line or a file name is wrong

// `branchbox version`: version, commit and the libraries it was built with.
int version();

// `branchbox check FILE...`: each problem on a line of its own, file:line:column first. Reads only.
int check(const std::vector<std::string>& files);

// `branchbox run`: the whole appliance, until SIGINT or SIGTERM.
struct RunArguments {
    std::string config;       // "": ROOT/etc/branchbox/config.yaml
    std::string root = "/";
    bool stops_pods = false;
};
int run(const RunArguments& arguments);

// `branchbox status`: what runs and what is wrong; exit_ok only if all is healthy.
int status(const std::string& root, bool as_json);

// `branchbox service NAME`: one service alone, without guard, until SIGINT or SIGTERM.
struct ServiceArguments {
    std::string name;
    std::string config;       // "": defaults
    std::string root = "/";
    std::vector<std::string> listen;
};
int service(const ServiceArguments& arguments);
std::string service_names();  // "discovery, kube"

}  // namespace firmware::cli
