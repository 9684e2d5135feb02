#include "hal/base/log.hpp"

#include <memory>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace hal::log {
namespace {

spdlog::logger& logger() {
    static const std::shared_ptr<spdlog::logger> instance = [] {
        auto made = std::make_shared<spdlog::logger>("branchbox", std::make_shared<spdlog::sinks::stderr_sink_mt>());
        made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
        made->flush_on(spdlog::level::trace);
        return made;
    }();
    return *instance;
}

std::string& process_name() {
    static std::string name;
    return name;
}

spdlog::level::level_enum level_of(Level level) {
    switch (level) {
        case Level::debug: return spdlog::level::debug;
        case Level::info: return spdlog::level::info;
        case Level::warn: return spdlog::level::warn;
        case Level::error: return spdlog::level::err;
    }
    return spdlog::level::info;
}

}  // namespace

void set_level(Level level) { logger().set_level(level_of(level)); }

void set_process(std::string_view name) { process_name() = name; }

void write(Level level, std::string_view area, std::string_view message) {
    if (message.size() > line_bytes_max) message = message.substr(0, line_bytes_max);
    std::string text;
    text.reserve(message.size() + area.size() + 16);
    if (!process_name().empty()) text.append(process_name()).append("/");
    text.append(area).append(": ");
    // A line break inside a message would let foreign text forge a line of ours.
    for (char c : message) text.push_back(c == '\n' || c == '\r' ? ' ' : c);
    logger().log(level_of(level), spdlog::string_view_t(text.data(), text.size()));
}

}  // namespace hal::log
