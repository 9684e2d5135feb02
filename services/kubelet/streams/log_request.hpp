// What `kubectl logs` asks of the kubelet, and which file it means. Pure; the texts are the kubelet's.
#pragma once

#include <expected>
#include <filesystem>
#include <optional>
#include <string>

#include "services/kubelet/streams/cri_log.hpp"
#include "services/kubelet/streams/handshake.hpp"
#include "services/kubelet/streams/streams.hpp"

namespace services::kubelet::streams {

// A parameter as a boolean: "1" and "true".
bool flag(const http::Request& request, std::string_view name);
// By either of its names: the kubelet's own, or the API's.
bool flag(const http::Request& request, std::string_view name, std::string_view other);

std::expected<LogOptions, Refusal> log_options(const http::Request& request, hal::WallTime now);

// The file meant, or the text why there is none.
std::expected<std::filesystem::path, std::string> log_file(const std::optional<ContainerFacts>& container, const std::string& name,
                                                           const std::string& pod, bool previous);

}  // namespace services::kubelet::streams
