// What a log shows is the same however its bytes are cut, within limitBytes, and its tail begins at a line.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

#include "services/kubelet/streams/cri_log.hpp"

namespace streams = services::kubelet::streams;

namespace {

std::string shown(std::string_view log, streams::LogOptions options, std::size_t piece) {
    streams::LogRenderer renderer(options);
    std::string out;
    for (std::size_t at = 0; at < log.size(); at += piece) renderer.add(log.substr(at, piece), out);
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    const std::string_view log(reinterpret_cast<const char*>(bytes), size);
    const streams::LogOptions plain, timed{.timestamps = true}, short_one{.bytes_max = 5};
    for (const auto& options : {plain, timed, short_one})
        if (shown(log, options, size + 1) != shown(log, options, 3)) std::abort();
    if (shown(log, short_one, size + 1).size() > 5) std::abort();
    streams::log_time(log.substr(0, log.find(' ')));

    static const int file = ::memfd_create("log", MFD_CLOEXEC);
    if (::ftruncate(file, 0) != 0 || ::pwrite(file, bytes, size, 0) != static_cast<ssize_t>(size)) std::abort();
    for (const std::int64_t lines : {0, 1, 3}) {
        const auto start = streams::tail_start(file, static_cast<std::int64_t>(size), lines);
        if (start < 0 || start > static_cast<std::int64_t>(size)) std::abort();
        if (lines > 0 && start > 0 && bytes[start - 1] != '\n') std::abort();
    }
    return 0;
}
