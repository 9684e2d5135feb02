// The forms of values that more than a text stands for: rates, amounts of bytes, times of the week, addresses of other
// machines. `branchbox check` and the service that uses a value read it by the same function.
//
// Pure. A text is bounded by the configuration file's own limit. Each returns nothing when the text is not of the form.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace services::config {

// "256kbit", "1.5Mbit", "1Gbit" (decimal, a second): bits a second, 1 bit to 1 Tbit.
std::optional<std::uint64_t> parse_rate(std::string_view text);

// "500MB", "10GB" (decimal), "500MiB", "10GiB", "1024": bytes, at most 2^53.
std::optional<std::uint64_t> parse_bytes(std::string_view text);

// "50s", "10m", "1h30m", "250ms".
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

// "mon-fri 08:00-18:00 256kbit", "22:00-06:00 10Mbit", "sat,sun unlimited": days (all when none is named; those on which the
// window begins), times of local time (the whole day when none is named; an end at or before the start is on the next day),
// and the rate that holds then.
struct Window {
    std::uint8_t days = 0x7f;  // bit 0: Monday
    int begin_minute = 0;      // of the day, 0 to 1439
    int end_minute = 24 * 60;  // 1 to 1440
    std::optional<std::uint64_t> bits_per_second;  // none: unlimited
};
std::optional<Window> parse_window(std::string_view text);

// "https://minio.hq.example:9000/path". No user, no fragment; a host is a name, an IPv4 address or an IPv6 one in brackets.
struct Url {
    std::string scheme;  // lower case
    std::string host;    // lower case, without brackets
    std::uint16_t port = 0;  // the scheme's own when none is written
    std::string target;  // path and query as written, "/" when there is none
    // "host", "host:9000", "[::1]:9000": the port only where it is not the scheme's.
    [[nodiscard]] std::string authority() const;
};
std::optional<Url> parse_url(std::string_view text);
// "rabbit.hq:5671", "[::1]:5671".
struct HostPort {
    std::string host;
    std::uint16_t port = 0;
};
std::optional<HostPort> parse_host_port(std::string_view text);

}  // namespace services::config
