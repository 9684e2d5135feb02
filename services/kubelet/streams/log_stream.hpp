// A container's log as the body of an answer: from its end or beginning, and on while it grows (inotify), over the rotation of
// the file, until its container has ended.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "services/http/message.hpp"
#include "services/kubelet/streams/cri_log.hpp"

namespace services::kubelet::streams {

// `until_end`: returns when the container has ended; for follow alone. Throws Error{not_found} when there is no such file.
std::unique_ptr<http::BodyReader> read_log(hal::async::Executor executor, std::filesystem::path file, LogOptions options,
                                           std::function<hal::async::Task<>()> until_end);

}  // namespace services::kubelet::streams
