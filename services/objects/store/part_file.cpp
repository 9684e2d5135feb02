// A part file: the bytes, the CRC32C of each piece of 256 KiB (the last one may be shorter) as 4 bytes little-endian, and a
// footer of 24 bytes: "bbpart1\n", the count of bytes (8, little-endian), the size of a piece (4), the CRC32C of the
// checksums and the 20 bytes before it (4).
//
// "abc":  61 62 63 | b7 3f 4b 36 | 62 62 70 61 72 74 31 0a | 03 00 00 00 00 00 00 00 | 00 00 04 00 | check
#include "services/objects/store/part_file.hpp"

#include <array>
#include <cstring>

#include "hal/base/bytes.hpp"
#include "hal/base/error.hpp"
#include "hal/base/crc32c.hpp"

namespace services::objects::store {

namespace {

constexpr std::string_view magic = "bbpart1\n";
constexpr std::size_t footer_bytes = 24;
// Space is reserved in steps of this when the size is not known.
constexpr std::uint64_t reserve_step = 8 * 1024 * 1024;

void put_number(std::string& into, std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) into.push_back(static_cast<char>(value >> (8 * i)));
}

std::uint64_t number_at(std::string_view bytes, std::size_t at, int count) {
    std::uint64_t value = 0;
    for (int i = 0; i < count; ++i) value |= std::uint64_t{static_cast<unsigned char>(bytes[at + static_cast<std::size_t>(i)])} << (8 * i);
    return value;
}

}  // namespace

std::filesystem::path part_path(const std::filesystem::path& folder, std::uint64_t blob) {
    std::string name(8, 0);
    for (int i = 0; i < 8; ++i) name[static_cast<std::size_t>(i)] = static_cast<char>(blob >> (56 - 8 * i));
    name = hal::hex(name);
    return folder / "parts" / name.substr(0, 2) / name.substr(2);
}

std::optional<std::uint64_t> blob_of_name(std::string_view name) {
    const auto bytes = hal::hex_decoded(name);
    if (!bytes || bytes->size() != 8) return std::nullopt;
    std::uint64_t blob = 0;
    for (const char c : *bytes) blob = (blob << 8) | static_cast<unsigned char>(c);
    return blob;
}

PartWriter::PartWriter(hal::disk::Disk& disk, std::filesystem::path path, std::optional<std::uint64_t> bytes)
    : disk_(disk), path_(std::move(path)) {
    disk_.make_folder(path_.parent_path());
    file_ = disk_.open(path_, hal::disk::Disk::Mode::create);
    if (bytes) {
        file_->allocate(*bytes);
        reserved_ = *bytes;
    }
}

void PartWriter::write(std::string_view bytes) {
    if (bytes_ + bytes.size() > reserved_) {
        reserved_ = bytes_ + bytes.size() + reserve_step;
        file_->allocate(reserved_);
    }
    const std::array parts{bytes};
    file_->write_at(bytes_, parts);
    while (!bytes.empty()) {
        const auto fill = static_cast<std::size_t>(bytes_ % piece_bytes);
        const auto take = std::min(bytes.size(), piece_bytes - fill);
        check_ = hal::crc32c(bytes.substr(0, take), check_);
        bytes_ += take;
        bytes.remove_prefix(take);
        if (fill + take == piece_bytes) {
            checks_.push_back(check_);
            check_ = 0;
        }
    }
}

void PartWriter::finish() {
    if (bytes_ % piece_bytes != 0) checks_.push_back(check_);
    std::string tail;
    for (const auto check : checks_) put_number(tail, check, 4);
    tail += magic;
    put_number(tail, bytes_, 8);
    put_number(tail, piece_bytes, 4);
    put_number(tail, hal::crc32c(tail), 4);
    const std::array parts{std::string_view(tail)};
    file_->write_at(bytes_, parts);
    file_bytes_ = bytes_ + tail.size();
    file_->truncate(file_bytes_);
    file_->sync_data();
    disk_.sync_folder(path_.parent_path());
    file_.reset();
}

PartReader::PartReader(hal::disk::Disk& disk, const std::filesystem::path& path, std::uint64_t bytes)
    : file_(disk.open(path, hal::disk::Disk::Mode::read)), bytes_(bytes) {
    const auto count = static_cast<std::size_t>((bytes + piece_bytes - 1) / piece_bytes);
    std::string tail(count * 4 + footer_bytes, 0);
    const bool is_whole = file_->read_at(bytes, tail.data(), tail.size()) == tail.size();
    const auto footer = std::string_view(tail).substr(count * 4);
    if (!is_whole || !footer.starts_with(magic) || number_at(footer, 8, 8) != bytes || number_at(footer, 16, 4) != piece_bytes ||
        number_at(footer, 20, 4) != hal::crc32c(std::string_view(tail).substr(0, tail.size() - 4)))
        throw hal::Error(hal::Code::corrupt, path.string() + ": is no part file of " + std::to_string(bytes) + " bytes");
    checks_.resize(count);
    for (std::size_t i = 0; i < count; ++i) checks_[i] = static_cast<std::uint32_t>(number_at(tail, i * 4, 4));
}

bool PartReader::read_piece(std::size_t piece, std::string& into) {
    const auto offset = std::uint64_t{piece} * piece_bytes;
    read(offset, static_cast<std::size_t>(std::min<std::uint64_t>(piece_bytes, bytes_ - offset)), into);
    return hal::crc32c(into) == checks_.at(piece);
}

void PartReader::read(std::uint64_t offset, std::size_t size, std::string& into) {
    into.resize(size);
    if (file_->read_at(offset, into.data(), size) != size)
        throw hal::Error(hal::Code::corrupt, "a part file ends before byte " + std::to_string(offset + size));
}

}  // namespace services::objects::store
