// Brings one change upstream: reads what the store holds now, asks what is there already, sends what is missing and
// believes nothing but checksums. Small objects go in one PUT whose hashes the other side verifies; larger ones in parts of
// a size that depends on the object alone, so that a transfer that was cut goes on from the parts that are there.
//
// Reads each body twice (once to hash it, part by part, before the first byte leaves), so nothing of it is held in memory.
// Stateless between calls: what was sent is learnt from the other side.
#pragma once

#include "services/codec/s3/checksum.hpp"
#include "services/objects/replication/answer.hpp"
#include "services/objects/replication/line.hpp"
#include "services/objects/replication/settings.hpp"

namespace services::objects::replication {

inline constexpr std::uint64_t part_bytes_usual = 8 * 1024 * 1024;  // larger objects are sent in parts of this size
inline constexpr std::uint64_t part_bytes_min = 5 * 1024 * 1024;    // S3 takes no smaller ones
inline constexpr std::size_t answer_bytes_max = 2 * 1024 * 1024;    // a list of 1,000 parts or uploads

class Transfer {
public:
    Transfer(store::Store& store, Line& line, const Settings& settings, const hal::Clock& clock) : store_(store), line_(line), settings_(settings), clock_(clock) {}

    // `may_be_there`: an earlier attempt may have arrived though its answer did not. Throws hal::Error when the way was cut,
    // Error{corrupt} when the store cannot give the bytes.
    Task<Answer> bring(store::OutboxEntry entry, bool may_be_there);
    // Bytes of bodies that were taken, since the beginning.
    [[nodiscard]] std::uint64_t sent_bytes() const { return sent_bytes_; }

private:
    struct Parts;
    Task<Answer> bring_object(const store::OutboxEntry& entry, store::Reader reader, bool may_be_there);
    Task<Answer> bring_removal(const store::OutboxEntry& entry);
    Task<Answer> bring_whole(const store::OutboxEntry& entry, store::Reader& reader, const Parts& parts);
    Task<Answer> bring_parts(const store::OutboxEntry& entry, store::Reader& reader, const Parts& parts);
    Task<Parts> hash(store::Reader& reader);
    Task<bool> is_there(const store::OutboxEntry& entry, const store::Object& object, const Parts& parts);
    Task<std::string> find_upload(const store::OutboxEntry& entry);
    struct Said {
        Answer answer;
        http::Headers headers;
        std::string body;
    };
    // `sha256`: of the body, hex.
    Task<Said> ask(std::string method, std::string target, http::Headers headers, std::string sha256, std::unique_ptr<http::BodyReader> body = nullptr,
                   std::uint64_t body_bytes = 0);
    Task<Said> ask(std::string method, std::string target, std::string body = {});
    Task<Answer> make_bucket(const std::string& bucket);
    [[nodiscard]] std::string target_of(const store::OutboxEntry& entry) const;

    store::Store& store_;
    Line& line_;
    const Settings& settings_;
    const hal::Clock& clock_;
    codec::s3::SigningKeys keys_;
    std::uint64_t sent_bytes_ = 0;
};

}  // namespace services::objects::replication
