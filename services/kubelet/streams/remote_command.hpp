// exec and attach over a WebSocket: v5.channel.k8s.io and v4. Each binary message begins with its channel: 0 standard input, 1
// output, 2 error, 3 the end as a Status, 4 the terminal's size as {"Width","Height"}; in v5 the message 255,N closes channel N.
//
// Owns the process for the session: a client that goes away ends an exec'ed process; an attached container goes on. What a process
// wrote before its end is sent before the Status, whatever its children still hold open. Socket and process are shared with nobody:
// they come out of an answer's callback, which must be copyable. Bounded by `piece_bytes_max` in flight per stream.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "services/http/websocket.hpp"
#include "services/kubelet/streams/streams.hpp"

namespace services::kubelet::streams {

inline constexpr std::size_t piece_bytes_max = 32 * 1024;

struct Channels {
    bool has_input = false, has_output = false, has_error = false;
    bool is_v5 = true;  // input ends by the message 255,0
};

// Runs to the end of the process or of the connection. `command` is named by the Status.
Task<> serve_process(std::shared_ptr<http::WebSocket> socket, std::shared_ptr<Process> process, std::string command, Channels channels);
Task<> serve_attachment(std::shared_ptr<http::WebSocket> socket, Descriptor packets, Channels channels,
                        std::function<void(unsigned columns, unsigned rows)> resize);

// The Status that ends an exec: success, or NonZeroExitCode with the code as its cause.
std::string exit_status(int code, const std::string& command);

}  // namespace services::kubelet::streams
