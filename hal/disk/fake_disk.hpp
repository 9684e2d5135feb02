// A disk in memory for fault tests: it loses power and keeps of what was not synced any part that a real one might, tears
// writes at any byte, flips bits, fills up, and fails a sync as Linux does (the pages stay readable and are dropped).
//
// What it models: a file's synced content, and the writes since, in order. A pulled plug keeps for each file either
// nothing of them, all, the first few and a part of the next down to the byte, or each sector of 512 bytes as of some
// moment of its own (a sector is written whole: bytes in it that were synced before stay). Names are kept in order, as a
// journal does: a folder's changes since its last sync are lost from some point on. Every choice comes from the seed.
//
// For tests alone; may be used from several threads, like any Disk.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "hal/disk/disk.hpp"

namespace hal::disk {

class FakeDisk : public Disk {
public:
    explicit FakeDisk(std::uint64_t seed, std::uint64_t capacity_bytes = UINT64_MAX);

    std::unique_ptr<File> open(const std::filesystem::path& path, Mode mode, mode_t permissions = 0640) override;
    void rename(const std::filesystem::path& from, const std::filesystem::path& to) override;
    void link(const std::filesystem::path& from, const std::filesystem::path& to) override;
    bool remove(const std::filesystem::path& path) override;
    void make_folder(const std::filesystem::path& folder, mode_t permissions = 0750) override;
    std::vector<Entry> list(const std::filesystem::path& folder, std::size_t entries_max = 1'000'000) override;
    void sync_folder(const std::filesystem::path& folder) override;
    std::uint64_t free_bytes(const std::filesystem::path& path) override;

    // What a pulled plug takes of what was not synced; any: a choice for each file.
    enum class Loss { any, nothing, everything, torn, scattered };
    // The plug is pulled and put back: files that were open fail from now on, unsynced changes are lost in part.
    void crash(Loss loss = Loss::any);
    // kill -9: files that were open fail from now on, nothing is lost.
    void kill();
    // The power goes within the `operations`th change from now (1: the next write, allocation, truncation, rename, link,
    // removal or sync), which is done in part or not at all; all calls fail from then on until crash().
    void cut_power_after(std::uint64_t operations);
    [[nodiscard]] bool has_power() const;
    // The next `count` file syncs fail; any part of what they should have written reaches the disk, the rest never will.
    void fail_syncs(std::uint64_t count);
    // The next `count` writes fail with Error{io}, part of the bytes written.
    void fail_writes(std::uint64_t count);
    // Changes one bit of the stored file; false past its end.
    bool flip(const std::filesystem::path& path, std::uint64_t offset, unsigned bit);
    // Bytes that files may take in all.
    void set_capacity(std::uint64_t bytes);
    [[nodiscard]] std::uint64_t used_bytes() const;
    [[nodiscard]] std::uint64_t syncs() const;  // of files, that succeeded
    // The file as a reader sees it now, and a way to put one there (synced).
    [[nodiscard]] std::string content(const std::filesystem::path& path) const;
    void put(const std::filesystem::path& path, std::string content);

private:
    struct Change {  // of a file, since its last sync
        enum class Kind { write, grow, truncate } kind;
        std::uint64_t offset;  // of a write; else the new size
        std::string bytes;
    };
    struct Inode {
        std::string now;     // what readers see
        std::string synced;  // what is on the disk for certain
        std::vector<Change> changes;
    };
    using Names = std::map<std::string, std::shared_ptr<Inode>>;  // a folder has no inode; shared by names and open files
    struct NameChange {
        std::string folder;
        std::vector<std::pair<std::string, std::optional<std::shared_ptr<Inode>>>> names;  // empty: removed
    };
    class OpenFile;

    void step();  // throws when the power is or goes off
    std::uint64_t below(std::uint64_t bound);
    void note(const std::string& folder, std::vector<std::pair<std::string, std::optional<std::shared_ptr<Inode>>>> names);
    static void apply(std::string& content, const Change& change, std::uint64_t bytes_max = UINT64_MAX);
    void keep_some(Inode& inode, Loss loss);
    void scatter(Inode& inode);
    [[nodiscard]] std::uint64_t used() const;
    void write(Inode& inode, std::uint64_t offset, std::span<const std::string_view> parts);
    void resize(Inode& inode, std::uint64_t bytes, Change::Kind kind);
    void sync(Inode& inode);

    mutable std::mutex mutex_;  // log writers and readers call from their own threads
    std::mt19937_64 random_;
    std::uint64_t capacity_;
    Names names_;                  // now
    Names synced_names_;           // on the disk for certain
    std::deque<NameChange> name_changes_;  // since then, in order
    std::uint64_t generation_ = 0;  // files opened before the last crash are stale
    std::uint64_t operations_left_ = UINT64_MAX;
    bool has_power_ = true;
    std::uint64_t failing_syncs_ = 0;
    std::uint64_t failing_writes_ = 0;
    std::uint64_t syncs_ = 0;
};

}  // namespace hal::disk
