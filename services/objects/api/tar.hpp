// Reads a tar stream as it arrives: ustar, with the long names of pax and GNU. Pure and incremental; data are views of the
// input. Bounded: extended headers 64 KiB. Only regular files matter here; everything else is passed over.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace services::objects::api {

inline constexpr std::size_t tar_extension_bytes_max = 64 * 1024;

class TarReader {
public:
    struct Step {
        std::size_t consumed = 0;
        std::string_view data;     // of the file that is open
        bool file_began = false;   // name() and file_bytes() are of a new file
        bool file_ended = false;
    };
    // Takes a prefix of `input`, which is not empty. An error is a sentence.
    std::expected<Step, std::string> feed(std::string_view input);
    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] std::uint64_t file_bytes() const { return bytes_; }
    // The end may be two empty blocks or nothing at all, but never the middle of a file.
    [[nodiscard]] bool may_end() const { return state_ == State::header && block_.empty(); }

private:
    enum class State { header, extension, file, padding };
    std::expected<Step, std::string> on_header(std::size_t consumed);
    void on_extension();

    State state_ = State::header;
    std::string block_;       // of the header or extension that is not whole yet
    char extension_ = 0;      // 'x', 'L', or another that is passed over
    std::uint64_t left_ = 0;
    std::uint64_t padding_ = 0;
    std::string name_, next_name_;
    std::uint64_t bytes_ = 0;
    std::uint64_t next_bytes_ = 0;
    bool has_next_bytes_ = false;
    bool is_file_ = false;
};

}  // namespace services::objects::api
