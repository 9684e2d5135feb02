// The bytes of an upload on their way in: taken off HTTP, freed of aws-chunked framing, hashed, compared with everything
// the client said about them, and put into the store's Body. Memory is bounded by `block_bytes` for each upload.
//
// Small bodies are hashed on the loop, blocks of larger ones on the pool while the store writes them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "services/codec/s3/checksum.hpp"
#include "services/codec/s3/chunked.hpp"
#include "services/objects/api/call.hpp"

namespace services::objects::api {

inline constexpr std::size_t block_bytes = 256 * 1024;

// What a client announced about its body, from the headers.
struct Announced {
    std::optional<std::uint64_t> bytes;               // decoded; nullopt: not known
    std::string md5;                                  // raw, "" without
    std::optional<s3::Checksum> algorithm;            // of the checksum that is sent, or asked for
    std::string checksum;                             // base64 from a header; "" when it comes as a trailer, or not at all
    bool checksum_in_trailer = false;
};
// InvalidDigest, InvalidArgument, MissingContentLength, EntityTooLarge.
Expected<Announced> announced_of(const Call& call, std::uint64_t bytes_max);

struct Received {
    std::uint64_t bytes = 0;
    std::string md5;           // raw
    store::Fields checksums;   // ("CRC32C", base64): verified, or computed because it was asked for
};

// Pieces of the decoded body. The view is valid until the next call; empty at the end, which is verified as such.
class BodySource {
public:
    BodySource(Call& call, const Announced& announced);
    Task<Expected<std::string_view>> next();
    [[nodiscard]] const s3::Fields& trailers() const;

private:
    Call& call_;
    std::optional<s3::ChunkedDecoder> decoder_;
    std::optional<std::uint64_t> expected_;
    std::uint64_t bytes_ = 0;
    std::string piece_;
    std::string_view rest_;
    bool has_ended_ = false;
};

// Reads the whole body of `call` into `into`. `default_algorithm`: computed when the client announces none.
Task<Expected<Received>> receive(Api& api, Call& call, Announced announced, store::Body& into,
                                 std::optional<s3::Checksum> default_algorithm = std::nullopt, std::uint64_t bytes_max = object_bytes_max);

}  // namespace services::objects::api
