#include "services/kubelet/streams/log_request.hpp"

#include <algorithm>
#include <charconv>
#include <format>

namespace services::kubelet::streams {

using http::Request;

namespace {

std::expected<std::optional<std::int64_t>, Refusal> whole_number(const Request& request, std::string_view name, std::int64_t least) {
    const auto* text = request.query_value(name);
    if (!text) return std::nullopt;
    std::int64_t value = 0;
    const auto read = std::from_chars(text->data(), text->data() + text->size(), value);
    if (read.ec != std::errc() || read.ptr != text->data() + text->size()) return std::unexpected(Refusal{400, R"({"message": "Unable to decode query."})"});
    if (value < least) return std::unexpected(Refusal{422, R"({"message": "Invalid request."})"});
    return value;
}

}  // namespace

bool flag(const Request& request, std::string_view name) {
    const auto* value = request.query_value(name);
    return value && (*value == "1" || *value == "true");
}

bool flag(const Request& request, std::string_view name, std::string_view other) { return flag(request, name) || flag(request, other); }

std::expected<LogOptions, Refusal> log_options(const Request& request, hal::WallTime now) {
    LogOptions options;
    options.follow = flag(request, "follow");
    options.previous = flag(request, "previous");
    options.timestamps = flag(request, "timestamps");
    const auto tail = whole_number(request, "tailLines", 0), bytes = whole_number(request, "limitBytes", 1), seconds = whole_number(request, "sinceSeconds", 1);
    for (const auto* one : {&tail, &bytes, &seconds})
        if (!*one) return std::unexpected(one->error());
    options.tail_lines = *tail;
    options.bytes_max = *bytes;
    if (*seconds) options.since = now - std::chrono::seconds(std::min<std::int64_t>(**seconds, std::int64_t{100} * 365 * 86400));
    if (const auto* text = request.query_value("sinceTime")) {
        options.since = log_time(*text);
        if (!options.since) return std::unexpected(Refusal{400, R"({"message": "Unable to decode query."})"});
    }
    const auto* which = request.query_value("stream");
    if (which && *which != "All" && *which != "Stdout" && *which != "Stderr") return std::unexpected(Refusal{400, std::format("invalid stream type \"{}\"", *which)});
    if (which) options.which = *which == "Stdout" ? LogOptions::Which::output : *which == "Stderr" ? LogOptions::Which::error : LogOptions::Which::all;
    return options;
}

std::expected<std::filesystem::path, std::string> log_file(const std::optional<ContainerFacts>& container, const std::string& name,
                                                           const std::string& pod, bool previous) {
    if (!container) return std::unexpected(std::format("container \"{}\" in pod \"{}\" is not available", name, pod));
    if (previous) {
        if (container->previous_log_file.empty())
            return std::unexpected(std::format("previous terminated container \"{}\" in pod \"{}\" not found", name, pod));
        return container->previous_log_file;
    }
    // Between two attempts: the last one's.
    if (!container->log_file.empty()) return container->log_file;
    const auto& reason = container->waiting_reason;
    if (reason == "ErrImagePull") return std::unexpected(std::format("container \"{}\" in pod \"{}\" is waiting to start: image can't be pulled", name, pod));
    if (reason == "ImagePullBackOff")
        return std::unexpected(std::format("container \"{}\" in pod \"{}\" is waiting to start: trying and failing to pull image", name, pod));
    if (reason.empty()) return std::unexpected(std::format("container \"{}\" in pod \"{}\" is waiting to start - no logs yet", name, pod));
    return std::unexpected(std::format("container \"{}\" in pod \"{}\" is waiting to start: {}", name, pod, reason));
}

}  // namespace services::kubelet::streams
