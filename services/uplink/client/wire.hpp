// What is said on the uplink's socket, /run/branchbox/uplink-proxy.sock. Shared by the uplink and its clients. Version 1.
//
//   METHOD http[s]://HOST[:PORT]/...     a request in absolute form: sent to that destination, if `upstream:` lists it.
//   CONNECT HOST:PORT                    an opaque tunnel to it.
//   GET /v1/events                       lines of JSON, each the whole state; the first at once, further ones when it changes:
//       {"destinations":[{"name":"objects","reachable":true,"retry_ms":0,"reason":""}]}
//     reachable: there is a way (link and route). retry_ms: how long the uplink backs off from now on; 0: ready.
//   PUT /v1/backlogs   {"upstream":"objects","class":"backlog","count":12,"bytes":123456,"oldest":"2026-01-01T00:00:00Z"}
//     answers {"seconds":1234} or {"seconds":null} (no telling); count 0 takes it back.
//
// A request's class is its header field `Branchbox-Class`; `bulk` without one. An answer that is the uplink's own and not
// the destination's carries `Branchbox-Uplink-Error`, one of the names below.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hal/base/clock.hpp"
#include "hal/base/error.hpp"

namespace services::uplink::client {

// In order of importance. Alerts go first; the others share what is left.
enum class Class : std::uint8_t { alerts, queue, metrics, logs, backlog, bulk };
inline constexpr std::array<std::string_view, 6> class_names{"alerts", "queue", "metrics", "logs", "backlog", "bulk"};
inline constexpr std::size_t class_count = class_names.size();
inline std::string_view name_of(Class which) { return class_names[static_cast<std::size_t>(which)]; }
std::optional<Class> class_of(std::string_view name);

inline constexpr std::string_view class_field = "Branchbox-Class";
inline constexpr std::string_view error_field = "Branchbox-Uplink-Error";
inline constexpr std::string_view events_path = "/v1/events";
inline constexpr std::string_view backlogs_path = "/v1/backlogs";
inline constexpr std::string_view socket_name = "uplink-proxy.sock";
inline constexpr std::size_t event_bytes_max = 64 * 1024;

// Why the uplink itself answered: its status, and what a client's caller is thrown.
struct Refusal {
    std::string_view name;
    unsigned status;
    hal::Code code;
};
inline constexpr Refusal refused_destination{"destination-not-allowed", 403, hal::Code::forbidden};
inline constexpr Refusal refused_request{"request-malformed", 400, hal::Code::invalid};
inline constexpr Refusal no_link{"link-down", 503, hal::Code::unavailable};
inline constexpr Refusal backing_off{"backing-off", 503, hal::Code::unavailable};
inline constexpr Refusal over_cap{"byte-cap-reached", 503, hal::Code::exhausted};
inline constexpr Refusal unreachable{"unreachable", 502, hal::Code::unavailable};
inline constexpr Refusal not_trusted{"tls-failed", 502, hal::Code::unauthenticated};
inline constexpr Refusal proxy_refused{"proxy-refused", 502, hal::Code::unauthenticated};
inline constexpr Refusal no_answer{"no-answer-in-time", 504, hal::Code::timed_out};
inline constexpr Refusal no_library{"libcurl-missing", 501, hal::Code::unsupported};
const Refusal* refusal_of(std::string_view name);

struct DestinationState {
    std::string name;
    bool is_reachable = false;
    std::chrono::milliseconds retry{0};
    std::string reason;  // of the last failure, "" when there was none since the last success
};
std::string to_line(const std::vector<DestinationState>& states);  // with the line's end
std::optional<std::vector<DestinationState>> states_of(std::string_view line);

struct Backlog {
    std::string upstream;
    Class urgency = Class::backlog;
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
    hal::WallTime oldest{};
};
std::string to_json(const Backlog& backlog);
std::optional<Backlog> backlog_of(std::string_view text);

}  // namespace services::uplink::client
