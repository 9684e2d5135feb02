#include "services/kubelet/streams/cri_log.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "hal/base/error.hpp"

namespace services::kubelet::streams {

namespace {

// The word before the next blank, taken from the front of `line`; empty when there is none.
std::string_view take_word(std::string_view& line) {
    const auto end = line.find(' ');
    if (end == std::string_view::npos) return {};
    const auto word = line.substr(0, end);
    line.remove_prefix(end + 1);
    return word;
}

}  // namespace

std::optional<LogEntry> parse_log_line(std::string_view line) {
    LogEntry entry;
    entry.time = take_word(line);
    const auto stream = take_word(line);
    // An empty text may come without its blank.
    const auto end = std::min(line.find(' '), line.size());
    const auto tags = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    if (entry.time.size() < 20 || (stream != "stdout" && stream != "stderr")) return std::nullopt;
    const auto tag = tags.substr(0, tags.find(':'));
    if (tag != "F" && tag != "P") return std::nullopt;
    entry.is_error = stream == "stderr";
    entry.is_partial = tag == "P";
    entry.text = line;
    return entry;
}

std::optional<hal::WallTime> log_time(std::string_view text) {
    // Fractions finer than a microsecond are cut: the clock knows none.
    std::string shortened(text);
    if (const auto dot = shortened.find('.'); dot != std::string::npos) {
        auto end = dot + 1;
        while (end < shortened.size() && shortened[end] >= '0' && shortened[end] <= '9') ++end;
        if (end - dot - 1 > 6) shortened.erase(dot + 7, end - dot - 7);
    }
    try {
        return hal::parse_rfc3339(shortened);
    } catch (const hal::Error&) {
        return std::nullopt;
    }
}

std::string shown_time(std::string_view written) {
    // conmon writes the zone as an offset; Kubernetes shows UTC as Z, and always nine digits.
    std::string_view seconds = written, fraction, zone;
    if (const auto end = written.find_first_of(".Z+-", 11); end != std::string_view::npos) {
        seconds = written.substr(0, end);
        const auto rest = written.substr(end);
        const auto digits = rest.starts_with('.') ? std::min(rest.find_first_not_of("0123456789", 1), rest.size()) : 0;
        fraction = digits > 0 ? rest.substr(1, digits - 1) : std::string_view{};
        zone = rest.substr(digits);
    }
    std::string out(seconds);
    out += '.';
    out += fraction.substr(0, 9);
    out.append(9 - std::min<std::size_t>(fraction.size(), 9), '0');
    return out.append(zone == "+00:00" ? "Z" : zone);
}

void LogRenderer::put(std::string_view bytes, std::string& out) {
    if (options_.bytes_max) bytes = bytes.substr(0, static_cast<std::size_t>(std::max<std::int64_t>(*options_.bytes_max - sent_, 0)));
    out += bytes;
    sent_ += static_cast<std::int64_t>(bytes.size());
}

void LogRenderer::render(std::string_view line, std::string& out) {
    const auto entry = parse_log_line(line);
    if (!entry) return;
    if (options_.which == LogOptions::Which::output && entry->is_error) return;
    if (options_.which == LogOptions::Which::error && !entry->is_error) return;
    if (options_.since) {
        const auto time = log_time(entry->time);
        if (!time || *time < *options_.since) return;
    }
    if (options_.timestamps && !is_within_line_) {
        put(shown_time(entry->time), out);
        put(" ", out);
    }
    put(entry->text, out);
    if (!entry->is_partial) put("\n", out);
    is_within_line_ = entry->is_partial;
}

void LogRenderer::add(std::string_view piece, std::string& out) {
    while (!piece.empty() && !is_full()) {
        const auto end = piece.find('\n');
        const auto part = piece.substr(0, end);
        if (end == std::string_view::npos) {
            if (held_.size() + part.size() <= line_bytes_max) held_ += part;
            return;
        }
        piece.remove_prefix(end + 1);
        if (held_.empty()) {
            render(part, out);
            continue;
        }
        held_ += part;
        render(held_, out);
        held_.clear();
    }
}

std::int64_t tail_start(int descriptor, std::int64_t size, std::int64_t lines) {
    if (lines <= 0) return size;
    std::array<char, 16 * 1024> block;
    // The end of the last line begins no further one.
    std::int64_t ends = lines + 1;
    for (auto at = size; at > 0;) {
        const auto count = std::min<std::int64_t>(at, block.size());
        at -= count;
        const auto read = ::pread(descriptor, block.data(), static_cast<std::size_t>(count), at);
        if (read != count) throw hal::system_error("read a log backwards");
        for (auto n = count; n-- > 0;) {
            if (block[static_cast<std::size_t>(n)] != '\n') {
                // A last line without an end is a line too.
                if (at + n == size - 1) --ends;
                continue;
            }
            if (--ends == 0) return at + n + 1;
        }
    }
    return 0;
}

}  // namespace services::kubelet::streams
