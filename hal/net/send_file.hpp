// What streams share that send files. Internal to hal/net.
#pragma once

#include "hal/base/error.hpp"
#include "hal/net/stream.hpp"

namespace hal::net {

// What is sent before others get their turn on the loop.
inline constexpr std::uint64_t file_piece_bytes_max = 256 * 1024;

// Returns when the range (at most file_piece_bytes_max) can be sent without waiting for the disk.
Task<> bring_into_memory(FileRange range);
Error file_is_short(const FileRange& range);

}  // namespace hal::net
