#include "services/objects/api/tar.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace services::objects::api {
namespace {

constexpr std::size_t block_bytes = 512;

std::string_view field(std::string_view block, std::size_t offset, std::size_t size) {
    const auto text = block.substr(offset, size);
    return text.substr(0, text.find('\0'));
}

// Octal text, or base 256 when the first bit is set (GNU).
std::optional<std::uint64_t> number(std::string_view block, std::size_t offset, std::size_t size) {
    const auto raw = block.substr(offset, size);
    std::uint64_t value = 0;
    if ((static_cast<unsigned char>(raw.front()) & 0x80) != 0) {
        for (std::size_t i = 1; i < raw.size(); ++i) {
            if (value >> 56) return std::nullopt;
            value = value << 8 | static_cast<unsigned char>(raw[i]);
        }
        return value;
    }
    for (const char c : raw) {
        if (c == ' ' || c == '\0') continue;
        if (c < '0' || c > '7' || value >> 60) return std::nullopt;
        value = value << 3 | static_cast<std::uint64_t>(c - '0');
    }
    return value;
}

bool checksum_holds(std::string_view block) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < block.size(); ++i) sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(block[i]);
    return number(block, 148, 8) == sum;
}

}  // namespace

std::expected<TarReader::Step, std::string> TarReader::on_header(std::size_t consumed) {
    Step step{consumed, {}, false, false};
    const std::string block = std::move(block_);
    block_.clear();
    if (std::ranges::all_of(block, [](char c) { return c == '\0'; })) return step;
    if (!checksum_holds(block)) return std::unexpected("archive/tar: invalid tar header");
    const auto size = number(block, 124, 12);
    if (!size) return std::unexpected("archive/tar: invalid tar header");
    const char type = block[156];
    left_ = *size;
    if (type == 'x' || type == 'L') {
        if (*size > tar_extension_bytes_max) return std::unexpected("archive/tar: header field too long");
        extension_ = type;
        padding_ = (block_bytes - left_ % block_bytes) % block_bytes;
        state_ = State::extension;
        return step;
    }
    if (has_next_bytes_) left_ = next_bytes_;
    is_file_ = type == '0' || type == '\0';
    name_ = field(block, 0, 100);
    if (block.substr(257, 5) == "ustar" && block[345] != '\0') name_ = std::string(field(block, 345, 155)) + "/" + name_;
    if (!next_name_.empty()) name_ = next_name_;
    next_name_.clear();
    has_next_bytes_ = false;
    // Links, folders and the like have no data, whatever their size says.
    if (!is_file_ && type != 'g' && type != 'K') left_ = 0;
    bytes_ = left_;
    padding_ = (block_bytes - left_ % block_bytes) % block_bytes;
    step.file_began = is_file_;
    state_ = State::file;
    if (left_ == 0) {
        step.file_ended = is_file_;
        state_ = State::header;
    }
    return step;
}

void TarReader::on_extension() {
    if (extension_ == 'L') {
        next_name_ = block_.substr(0, block_.find('\0'));
    } else {
        // "LENGTH KEY=VALUE\n" (POSIX pax)
        std::string_view rest = block_;
        while (!rest.empty()) {
            std::size_t length = 0;
            const auto [end, failure] = std::from_chars(rest.data(), rest.data() + rest.size(), length);
            const auto digits = static_cast<std::size_t>(end - rest.data());
            if (failure != std::errc{} || length <= digits + 1 || length > rest.size()) break;
            const auto record = rest.substr(digits + 1, length - digits - 2);
            const auto equals = record.find('=');
            if (equals != std::string_view::npos) {
                const auto value = record.substr(equals + 1);
                if (record.substr(0, equals) == "path") next_name_ = value;
                if (record.substr(0, equals) == "size") has_next_bytes_ = std::from_chars(value.data(), value.data() + value.size(), next_bytes_).ec == std::errc{};
            }
            rest.remove_prefix(length);
        }
    }
    block_.clear();
}

std::expected<TarReader::Step, std::string> TarReader::feed(std::string_view input) {
    switch (state_) {
        case State::header: {
            const auto taken = std::min(block_bytes - block_.size(), input.size());
            block_ += input.substr(0, taken);
            if (block_.size() < block_bytes) return Step{taken, {}, false, false};
            return on_header(taken);
        }
        case State::extension: {
            const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()));
            block_ += input.substr(0, taken);
            left_ -= taken;
            if (left_ == 0) {
                on_extension();
                state_ = padding_ > 0 ? State::padding : State::header;
            }
            return Step{taken, {}, false, false};
        }
        case State::file: {
            const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()));
            left_ -= taken;
            Step step{taken, is_file_ ? input.substr(0, taken) : std::string_view(), false, false};
            if (left_ == 0) {
                step.file_ended = is_file_;
                state_ = padding_ > 0 ? State::padding : State::header;
            }
            return step;
        }
        case State::padding: {
            const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(padding_, input.size()));
            padding_ -= taken;
            if (padding_ == 0) state_ = State::header;
            return Step{taken, {}, false, false};
        }
    }
    return std::unexpected("archive/tar: invalid state");
}

}  // namespace services::objects::api
