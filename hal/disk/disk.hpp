// What a store needs from a disk, as an interface: the system's files, or the fake disk of the fault tests
// (hal/disk/fake_disk.hpp), which tears, reorders, flips, fills up and fails.
//
// Everything blocks: called from a worker (hal/async/pool.hpp) or before the loop runs. Calls on different Files may run
// at once; calls on one File too, as long as they write to different places. Failures are hal::Error: not_found, exists,
// exhausted (full, over quota), io. Names are paths; nothing is cached here. What was written is durable after
// sync_data() of its file, a file's name after sync_folder() of its folder. A failed sync_data() must never be repeated
// in the hope that it helps: Linux has dropped the pages, and the next one succeeds without them.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hal::disk {

// An open file; closed when it goes.
class File {
public:
    File() = default;
    virtual ~File() = default;
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    // Reads up to `size` bytes at `offset`; fewer only at the end of the file.
    [[nodiscard]] virtual std::size_t read_at(std::uint64_t offset, char* into, std::size_t size) = 0;
    // Writes all parts, one after the other, at `offset`; the file grows as needed. After a failure any part of it may
    // have been written.
    virtual void write_at(std::uint64_t offset, std::span<const std::string_view> parts) = 0;
    // Everything written to this file so far (and its size) is on the disk.
    virtual void sync_data() = 0;
    // Reserves space so that the file has at least `bytes`, new ones reading as zeros. After Error{exhausted} what was there
    // is as it was, and some of the space may be taken.
    virtual void allocate(std::uint64_t bytes) = 0;
    virtual void truncate(std::uint64_t bytes) = 0;
    [[nodiscard]] virtual std::uint64_t size() = 0;
    // For send_file(); -1 where there is none (the fake disk). Valid while this lives.
    [[nodiscard]] virtual int descriptor() const { return -1; }
};

class Disk {
public:
    enum class Mode {
        read,    // must exist
        write,   // read and write, must exist
        create,  // read and write, must not exist
    };
    struct Entry {
        std::string name;
        bool is_folder = false;
        std::uint64_t bytes = 0;
    };

    Disk() = default;
    virtual ~Disk() = default;
    Disk(const Disk&) = delete;
    Disk& operator=(const Disk&) = delete;

    [[nodiscard]] virtual std::unique_ptr<File> open(const std::filesystem::path& path, Mode mode, mode_t permissions = 0640) = 0;
    // Replaces `to` at once, where there is one.
    virtual void rename(const std::filesystem::path& from, const std::filesystem::path& to) = 0;
    // A second name for the same file; Error{exists}.
    virtual void link(const std::filesystem::path& from, const std::filesystem::path& to) = 0;
    // A file, or an empty folder; false when there was none.
    virtual bool remove(const std::filesystem::path& path) = 0;
    // Makes `folder` and its parents; nothing when it is there.
    virtual void make_folder(const std::filesystem::path& folder, mode_t permissions = 0750) = 0;
    // Sorted by name. Error{not_found}; Error{exhausted} past `entries_max`.
    [[nodiscard]] virtual std::vector<Entry> list(const std::filesystem::path& folder, std::size_t entries_max = 1'000'000) = 0;
    // What was created, linked, renamed or removed in `folder` is on the disk.
    virtual void sync_folder(const std::filesystem::path& folder) = 0;
    // What an unprivileged process may still write on the file system of `path`.
    [[nodiscard]] virtual std::uint64_t free_bytes(const std::filesystem::path& path) = 0;
};

// The system's own; lives for the whole process.
Disk& system_disk();

}  // namespace hal::disk
