// The aws-chunked body, decoded as it arrives: chunks whose signatures form a chain, unsigned chunks, and trailers that
// carry a checksum (S3 "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks").
//
// Pure and incremental: any split of the input gives the same output; decoded bytes are views of the input, never
// copied. A chunk's signature is known only at its end, so what came out counts only once is_done(). Bounded:
// chunk line 256 bytes, chunk 1 GiB, 16 trailer lines of 1 KiB.
//
//   400;chunk-signature=<64 hex>\r\n <1024 bytes> \r\n 0;chunk-signature=<hex>\r\n
//   x-amz-checksum-crc32:DUoRhQ==\r\n x-amz-trailer-signature:<hex>\r\n \r\n
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "services/codec/s3/checksum.hpp"
#include "services/codec/s3/refusal.hpp"
#include "services/codec/s3/signature.hpp"

namespace services::codec::s3 {

inline constexpr std::size_t chunk_line_bytes_max = 256;
inline constexpr std::uint64_t chunk_bytes_max = 1024ULL * 1024 * 1024;
inline constexpr std::size_t trailer_line_bytes_max = 1024;
inline constexpr std::size_t trailers_max = 16;

class ChunkedDecoder {
public:
    // `verified` says the form; `decoded_bytes` is x-amz-decoded-content-length where it was sent: more is refused at
    // once, less at the end (IncompleteBody).
    ChunkedDecoder(const Verified& verified, std::optional<std::uint64_t> decoded_bytes);

    struct Step {
        std::size_t consumed;   // of the input; feed the rest next
        std::string_view data;  // decoded bytes, part of the input; may be empty
    };
    // Takes a prefix of `input`, which is not empty. What follows the end is refused.
    Expected<Step> feed(std::string_view input);
    // The body came to its end in order (a last line end may be missing), every signature held, the length is as announced.
    [[nodiscard]] bool is_done() const { return state_ == State::done || state_ == State::end_line; }
    // What to answer when the input ends: nothing when done, else IncompleteBody.
    [[nodiscard]] std::optional<Refusal> at_end() const;
    // Trailer fields (names in lower case), complete once done.
    [[nodiscard]] const Fields& trailers() const { return trailers_; }
    [[nodiscard]] std::uint64_t decoded_bytes() const { return decoded_; }

private:
    enum class State { chunk_line, data, data_end, trailers, end_line, done };  // end_line: all is there but "\r\n"
    Expected<void> on_line();
    Expected<void> on_chunk_line();
    Expected<void> on_trailer_line();
    Expected<void> on_last_chunk();
    // Continues the chain over `hash` and compares with what was sent.
    Expected<void> check_signature(std::string_view algorithm, std::string_view hashes, std::string_view sent);
    [[nodiscard]] bool is_signed() const { return payload_ != Payload::streaming_unsigned_trailer; }
    [[nodiscard]] bool has_trailer() const { return payload_ != Payload::streaming_signed; }

    Payload payload_;
    SigningKeys::Key key_;
    std::string scope_;
    std::string time_text_;
    std::string previous_signature_;
    std::optional<std::uint64_t> expected_;
    State state_ = State::chunk_line;
    std::string line_;
    std::uint64_t left_ = 0;  // of the chunk
    std::uint64_t decoded_ = 0;
    std::string chunk_signature_;
    Hasher hasher_{Checksum::sha256};
    Fields trailers_;
    std::string trailer_text_;  // "name:value\n" of each, what the trailer's signature covers
    std::size_t lines_ = 0;     // of trailers
    std::size_t surplus_ = 0;   // line ends after the end
    bool has_trailer_signature_ = false;
};

}  // namespace services::codec::s3
