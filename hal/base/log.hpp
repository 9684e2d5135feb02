// Log lines to standard error, one per event: time, level, area, message. What is written down is bounded per line
// (`line_bytes_max`); secrets are never logged. Safe from any thread.
#pragma once

#include <cstddef>
#include <format>
#include <string>
#include <string_view>
#include <utility>

namespace hal::log {

inline constexpr std::size_t line_bytes_max = 4096;

enum class Level { debug, info, warn, error };

// Lines below `level` are dropped; `info` until told otherwise.
void set_level(Level level);
// The process's name in each line, for example "kube".
void set_process(std::string_view name);
void write(Level level, std::string_view area, std::string_view message);

template <class... Args>
void debug(std::string_view area, std::format_string<Args...> format, Args&&... args) {
    write(Level::debug, area, std::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(std::string_view area, std::format_string<Args...> format, Args&&... args) {
    write(Level::info, area, std::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warn(std::string_view area, std::format_string<Args...> format, Args&&... args) {
    write(Level::warn, area, std::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(std::string_view area, std::format_string<Args...> format, Args&&... args) {
    write(Level::error, area, std::format(format, std::forward<Args>(args)...));
}

}  // namespace hal::log
