// Files of the bytes that are too large for the log: one for each part of an object, under DIR/parts/XX/, named by a random
// number and never changed once a record names it. A file that no record names is nothing: it is what an interrupted
// upload left, and is collected after an unclean end.
//
// Owns the format (part_file.cpp): the bytes as they are from offset 0, so that they can be sent from the file, and behind
// them a checksum for each piece of 256 KiB. Everything blocks and runs on a worker.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hal/disk/disk.hpp"

namespace services::objects::store {

inline constexpr std::size_t piece_bytes = 256 * 1024;

std::filesystem::path part_path(const std::filesystem::path& folder, std::uint64_t blob);
std::optional<std::uint64_t> blob_of_name(std::string_view name);

class PartWriter {
public:
    // Makes the file and its folder; reserves space when the size is known. Throws Error{exhausted|io}.
    PartWriter(hal::disk::Disk& disk, std::filesystem::path path, std::optional<std::uint64_t> bytes);
    void write(std::string_view bytes);
    // The file and its name are durable when this returns.
    void finish();
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
    // With the checksums behind them; 0 until finish().
    [[nodiscard]] std::uint64_t file_bytes() const { return file_bytes_; }

private:
    hal::disk::Disk& disk_;
    std::filesystem::path path_;
    std::unique_ptr<hal::disk::File> file_;
    std::uint64_t bytes_ = 0;
    std::uint64_t file_bytes_ = 0;
    std::uint64_t reserved_ = 0;
    std::uint32_t check_ = 0;       // of the piece that is being filled
    std::vector<std::uint32_t> checks_;
};

class PartReader {
public:
    // Reads the checksums. Throws Error{corrupt} when the file is not what its record says.
    PartReader(hal::disk::Disk& disk, const std::filesystem::path& path, std::uint64_t bytes);
    [[nodiscard]] std::size_t pieces() const { return checks_.size(); }
    // Reads a piece whole; false when it does not match its checksum.
    bool read_piece(std::size_t piece, std::string& into);
    void read(std::uint64_t offset, std::size_t size, std::string& into);
    [[nodiscard]] int descriptor() const { return file_->descriptor(); }
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

private:
    std::unique_ptr<hal::disk::File> file_;
    std::uint64_t bytes_;
    std::vector<std::uint32_t> checks_;
};

}  // namespace services::objects::store
