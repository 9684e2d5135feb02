// The CRI log format, one line per entry: `2026-11-24T09:00:00.123456789Z stdout F text`. A tag P says that the line goes on in
// the next entry of its stream; F ends it. Pure, for bytes that may be torn or wrong: a line that is none is skipped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hal/base/clock.hpp"

namespace services::kubelet::streams {

struct LogEntry {
    std::string_view time;  // as written
    bool is_error = false;  // stderr
    bool is_partial = false;
    std::string_view text;  // without the line's end
};
// `line` without its end.
std::optional<LogEntry> parse_log_line(std::string_view line);
// As Kubernetes shows it: nine digits, Z for UTC.
std::string shown_time(std::string_view written);
// RFC 3339 with up to nine digits of a fraction, to the microsecond; empty when it is none.
std::optional<hal::WallTime> log_time(std::string_view text);

struct LogOptions {
    bool follow = false, previous = false, timestamps = false;
    std::optional<std::int64_t> tail_lines = {};
    std::optional<hal::WallTime> since = {};
    std::optional<std::int64_t> bytes_max = {};  // limitBytes
    enum class Which { all, output, error } which = Which::all;
};

// Turns entries into what a client sees: selects, puts times before lines, joins partial ones. Feeds on pieces of the file.
class LogRenderer {
public:
    static constexpr std::size_t line_bytes_max = 256 * 1024;  // a longer one is cut into pieces (conmon writes 8 KiB at most)

    explicit LogRenderer(LogOptions options) : options_(options) {}
    // Appends to `out` what `piece` completes.
    void add(std::string_view piece, std::string& out);
    // limitBytes is reached.
    [[nodiscard]] bool is_full() const { return options_.bytes_max && sent_ >= *options_.bytes_max; }
    // Another file begins: an unfinished line will not be finished.
    void begin_file() { held_.clear(); }

private:
    void render(std::string_view line, std::string& out);
    void put(std::string_view bytes, std::string& out);

    LogOptions options_;
    std::string held_;
    std::int64_t sent_ = 0;
    bool is_within_line_ = false;
};

// Where the last `lines` lines of the open file begin, read backwards from `size` in blocks; 0 when it has fewer.
std::int64_t tail_start(int descriptor, std::int64_t size, std::int64_t lines);

}  // namespace services::kubelet::streams
