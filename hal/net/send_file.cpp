// What a file's bytes need on their way to a stream: those in the page cache are taken on the loop, those on the disk are
// waited for by a worker.
#include "hal/net/send_file.hpp"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <vector>

#include "hal/async/pool.hpp"
#include "hal/base/error.hpp"

namespace hal::net {

namespace {

// What a stream that encrypts is given at once.
constexpr std::size_t piece_bytes = 64 * 1024;
// How far the kernel is asked to read ahead of what is sent.
constexpr std::uint64_t ahead_bytes = 4 * file_piece_bytes_max;
constexpr std::uint64_t page_bytes = 4096;

// Bytes that can be had without waiting for the disk; nullopt: none, or the file system cannot tell.
std::optional<std::size_t> read_cached(int descriptor, std::uint64_t offset, std::span<std::byte> into) {
    iovec part{into.data(), into.size()};
    ssize_t count = 0;
    do count = ::preadv2(descriptor, &part, 1, static_cast<off_t>(offset), RWF_NOWAIT);
    while (count < 0 && errno == EINTR);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EAGAIN && errno != EOPNOTSUPP) throw system_error("read a file");
    return std::nullopt;
}

std::size_t read_blocking(int descriptor, std::uint64_t offset, std::span<std::byte> into) {
    ssize_t count = 0;
    do count = ::pread(descriptor, into.data(), into.size(), static_cast<off_t>(offset));
    while (count < 0 && errno == EINTR);
    if (count < 0) throw system_error("read a file");
    return static_cast<std::size_t>(count);
}

}  // namespace

Error file_is_short(const FileRange& range) {
    return {Code::corrupt, "a file ends at " + std::to_string(range.offset) + ", " + std::to_string(range.bytes) + " bytes before what was to be sent"};
}

Task<std::size_t> read_range(FileRange& range, std::span<std::byte> into) {
    into = into.first(std::min<std::uint64_t>(into.size(), range.bytes));
    if (into.empty()) co_return 0;
    auto count = read_cached(range.descriptor, range.offset, into);
    if (!count) {
        // The worker has a buffer of its own: it may still read when who asked is gone.
        auto read = co_await async::offload(*range.pool, [range, size = into.size()] {
            std::vector<std::byte> bytes(size);
            bytes.resize(read_blocking(range.descriptor, range.offset, bytes));
            return bytes;
        });
        std::ranges::copy(read, into.begin());
        count = read.size();
    }
    if (*count == 0) throw file_is_short(range);
    range.offset += *count;
    range.bytes -= *count;
    co_return *count;
}

Task<> bring_into_memory(FileRange range) {
    if (range.bytes == 0) co_return;
    std::array<std::byte, 1> probe;
    if (read_cached(range.descriptor, range.offset, probe) && read_cached(range.descriptor, range.offset + range.bytes - 1, probe)) co_return;
    co_await async::offload(*range.pool, [range] {
        ::posix_fadvise(range.descriptor, static_cast<off_t>(range.offset), ahead_bytes, POSIX_FADV_WILLNEED);
        std::array<std::byte, 1> byte;
        for (std::uint64_t at = 0; at < range.bytes; at += page_bytes) read_blocking(range.descriptor, range.offset + at, byte);
        read_blocking(range.descriptor, range.offset + range.bytes - 1, byte);
    });
}

Task<> Stream::send_file(FileRange range) {
    std::vector<std::byte> piece(std::min<std::uint64_t>(piece_bytes, range.bytes));
    while (range.bytes > 0) {
        const auto count = co_await read_range(range, piece);
        co_await write(std::span(piece).first(count));
    }
}

}  // namespace hal::net
