// Reading of tar archives, plain, gzip or zstd, from a file or from within another archive, through libarchive: the one
// user of that library. Blocking. Bounded: entries by the caller, sizes by what it reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace services::kubelet::images {

struct TarEntry {
    std::string path;         // as written
    mode_t mode = 0;          // type and permission bits
    uid_t uid = 0;
    gid_t gid = 0;
    std::uint64_t size = 0;
    std::int64_t modified_seconds = 0;
    long modified_nanoseconds = 0;
    dev_t device = 0;         // of character and block devices
    std::string hard_link;    // path of the entry this one is another name of, "" if it is not
    std::string symbolic_link;
    std::vector<std::pair<std::string, std::string>> xattrs;
};

// Fills the span; returns how many bytes it did, 0 at the end.
using ByteSource = std::function<std::size_t(std::span<char>)>;

class TarReader {
public:
    // Both throw Error{corrupt} saying what libarchive found.
    static std::unique_ptr<TarReader> open_file(const std::string& path);
    // Uncompressed tar bytes.
    static std::unique_ptr<TarReader> open_source(ByteSource source);
    virtual ~TarReader() = default;
    virtual std::optional<TarEntry> next() = 0;
    // Bytes of the present entry; 0 at its end.
    virtual std::size_t read(std::span<char> into) = 0;
};

// The bytes of `source`, decompressed if they are gzip or zstd.
ByteSource decompressed(ByteSource source);

}  // namespace services::kubelet::images
