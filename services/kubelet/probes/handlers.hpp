// One probe, carried out once: an HTTP request, a TCP connection, a command in the container. Texts are the kubelet's.
//
// Keeps nothing between two probes: each has its own connection, which ends with it. Bounded: `body_bytes_max` of an answer or a
// command's output are read, `redirects_max` redirects to the same host are followed, all of it within timeoutSeconds.
#pragma once

#include <boost/json/object.hpp>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "hal/async/task.hpp"

namespace services::kubelet::probes {

namespace json = boost::json;
using hal::async::Task;

inline constexpr std::size_t body_bytes_max = 10 * 1024;
inline constexpr int redirects_max = 10;

struct Outcome {
    enum class Kind { success, warning, failure, error } kind = Kind::success;
    std::string text;  // what an event says
};

struct Execution {
    int exit_code = 0;
    std::string output;  // standard output and error, at most body_bytes_max
    bool has_timed_out = false;
};
// Runs a command in the container `container` of pod `uid`, ended after `limit`. Throws Error when it cannot.
using Execute = std::function<Task<Execution>(std::string uid, std::string container, std::vector<std::string> command,
                                              std::chrono::steady_clock::duration limit)>;

struct Subject {
    std::string uid;
    json::object container;  // of the pod's spec
    std::string address;     // of the pod: what is probed unless the probe names a host
};

// Throws Error{cancelled} alone.
Task<Outcome> probe_once(json::object probe, Subject subject, Execute execute);

}  // namespace services::kubelet::probes
