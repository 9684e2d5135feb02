#include "services/objects/api/body.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "hal/base/bytes.hpp"
#include "services/objects/api/fields.hpp"

namespace services::objects::api {
namespace {

// Up to here hashing costs less than a trip to the pool.
constexpr std::size_t hashed_on_loop_max = 32 * 1024;

Task<> hash_on(hal::async::Pool& pool, s3::HasherSet& hashers, std::string_view block) {
    co_await hal::async::offload(pool, [&hashers, block] { hashers.update(block); });
}

bool is_streaming(s3::Payload payload) {
    return payload == s3::Payload::streaming_signed || payload == s3::Payload::streaming_signed_trailer ||
           payload == s3::Payload::streaming_unsigned_trailer;
}

// What the client said against what came. `hashers` has seen every byte.
Expected<Received> compared(const Call& call, const Announced& announced, const s3::HasherSet& hashers, std::uint64_t bytes,
                            const s3::Fields& trailers, std::optional<s3::Checksum> algorithm) {
    Received received;
    received.bytes = bytes;
    received.md5 = hashers.digest(s3::Checksum::md5);
    if (!announced.md5.empty() && announced.md5 != received.md5) return refused(Problem::bad_digest);
    if (call.verified.payload == s3::Payload::sha256 && hal::hex(hashers.digest(s3::Checksum::sha256)) != call.verified.sha256)
        return std::unexpected(s3::payload_mismatch());
    if (!algorithm) return received;
    const auto& row = s3::row_of(*algorithm);
    auto sent = announced.checksum;
    if (announced.checksum_in_trailer)
        for (const auto& [name, value] : trailers)
            if (equal_ignoring_case(name, row.header)) sent = value;
    const auto computed = hal::base64(hashers.digest(*algorithm));
    if (announced.checksum_in_trailer && sent.empty()) return refused(Problem::invalid_checksum);
    if (!sent.empty() && sent != computed) return refused(Problem::checksum_mismatch);
    received.checksums.emplace_back(row.name, computed);
    return received;
}

}  // namespace

Expected<Announced> announced_of(const Call& call, std::uint64_t bytes_max) {
    Announced announced;
    const auto streaming = is_streaming(call.verified.payload);
    const auto* length = call.header(streaming && call.header("x-amz-decoded-content-length") ? "x-amz-decoded-content-length" : "content-length");
    if (length) {
        announced.bytes = number_of(trimmed(*length));
        if (!announced.bytes) return refused(Problem::missing_content_length);
        // The framing's own length says nothing about the object's.
        if (streaming && !call.header("x-amz-decoded-content-length")) announced.bytes.reset();
    } else if (!call.request.stream) {
        announced.bytes = 0;
    } else if (!call.header("transfer-encoding")) {
        return refused(Problem::missing_content_length);
    }
    if (announced.bytes && *announced.bytes > bytes_max) return refused(Problem::entity_too_large);
    if (const auto* md5 = call.header("content-md5")) {
        auto raw = s3::checksum_decoded(s3::Checksum::md5, trimmed(*md5));
        if (!raw) return refused(Problem::invalid_digest);
        announced.md5 = std::move(*raw);
    }
    for (const auto& row : s3::checksums()) {
        if (row.element.empty()) continue;
        const auto* value = call.header(row.header);
        if (!value || value->empty()) continue;
        if (announced.algorithm) return refused(Problem::invalid_checksum);  // one at most
        if (!s3::checksum_decoded(row.algorithm, trimmed(*value))) return refused(Problem::invalid_checksum);
        announced.algorithm = row.algorithm;
        announced.checksum = trimmed(*value);
    }
    if (const auto* trailer = call.header("x-amz-trailer"); trailer && !announced.algorithm) {
        const auto* row = s3::checksum_by_header(lower(trimmed(*trailer)));
        if (!row) return refused(Problem::invalid_checksum);
        announced.algorithm = row->algorithm;
        announced.checksum_in_trailer = true;
    }
    if (!announced.algorithm) {
        const auto* name = call.header("x-amz-sdk-checksum-algorithm");
        if (!name) name = call.header("x-amz-checksum-algorithm");
        if (const auto* row = name ? s3::checksum_by_name(trimmed(*name)) : nullptr) announced.algorithm = row->algorithm;
    }
    return announced;
}

BodySource::BodySource(Call& call, const Announced& announced) : call_(call), expected_(announced.bytes) {
    if (is_streaming(call.verified.payload)) decoder_.emplace(call.verified, announced.bytes);
}

const s3::Fields& BodySource::trailers() const {
    static const s3::Fields none;
    return decoder_ ? decoder_->trailers() : none;
}

Task<Expected<std::string_view>> BodySource::next() {
    for (;;) {
        if (rest_.empty() && !has_ended_) {
            piece_.clear();
            if (call_.request.stream) piece_ = co_await call_.request.stream->read();
            rest_ = piece_;
            has_ended_ = piece_.empty();
        }
        if (rest_.empty()) {
            if (decoder_)
                if (auto problem = decoder_->at_end()) co_return std::unexpected(std::move(*problem));
            if (expected_ && bytes_ != *expected_) co_return refused(Problem::incomplete_body);
            co_return std::string_view();
        }
        if (!decoder_) {
            bytes_ += rest_.size();
            if (expected_ && bytes_ > *expected_) co_return refused(Problem::incomplete_body);
            co_return std::exchange(rest_, {});
        }
        auto step = decoder_->feed(rest_);
        if (!step) co_return std::unexpected(std::move(step.error()));
        rest_.remove_prefix(step->consumed);
        bytes_ += step->data.size();
        if (!step->data.empty()) co_return step->data;
    }
}

Task<Expected<Received>> receive(Api& api, Call& call, Announced announced, store::Body& into, std::optional<s3::Checksum> default_algorithm,
                                 std::uint64_t bytes_max) {
    const auto algorithm = announced.algorithm ? announced.algorithm : default_algorithm;
    s3::HasherSet hashers;
    hashers.add(s3::Checksum::md5);
    if (call.verified.payload == s3::Payload::sha256) hashers.add(s3::Checksum::sha256);
    if (algorithm && !hashers.has(*algorithm)) hashers.add(*algorithm);

    BodySource source(call, announced);
    std::uint64_t bytes = 0;
    std::string block;
    if (announced.bytes) block.reserve(std::min<std::uint64_t>(*announced.bytes, block_bytes));
    for (bool has_more = true; has_more;) {
        while (block.size() < block_bytes) {
            auto piece = co_await source.next();
            if (!piece) co_return std::unexpected(std::move(piece.error()));
            if (piece->empty()) {
                has_more = false;
                break;
            }
            block += *piece;
        }
        bytes += block.size();
        if (bytes > bytes_max) co_return refused(Problem::entity_too_large);
        if (!has_more && bytes == block.size() && bytes <= hashed_on_loop_max) {
            hashers.update(block);
            into.adopt(std::move(block));
            break;
        }
        if (block.empty()) break;
        using namespace boost::asio::experimental::awaitable_operators;
        co_await (hash_on(api.pool, hashers, block) && into.write(block));
        block.clear();
    }
    co_return compared(call, announced, hashers, bytes, source.trailers(), algorithm);
}

Task<Expected<std::string>> read_document(Api&, Call& call, std::size_t bytes_max) {
    auto announced = announced_of(call, bytes_max);
    if (!announced) co_return std::unexpected(std::move(announced.error()));
    BodySource source(call, *announced);
    std::string text;
    for (;;) {
        auto piece = co_await source.next();
        if (!piece) co_return std::unexpected(std::move(piece.error()));
        if (piece->empty()) break;
        text += *piece;
        if (text.size() > bytes_max) co_return refused(Problem::entity_too_large);
    }
    s3::HasherSet hashers;
    hashers.add(s3::Checksum::md5);
    if (call.verified.payload == s3::Payload::sha256) hashers.add(s3::Checksum::sha256);
    // Computed only where it was sent: a document is not stored with its checksum.
    // In CompleteMultipartUpload it is the object's and says nothing about the document.
    const bool has_checksum = call.row && call.row->operation != Operation::complete_upload && announced->algorithm && (!announced->checksum.empty() || announced->checksum_in_trailer);
    if (has_checksum && !hashers.has(*announced->algorithm)) hashers.add(*announced->algorithm);
    hashers.update(text);
    auto verdict = compared(call, *announced, hashers, text.size(), source.trailers(), has_checksum ? announced->algorithm : std::nullopt);
    if (!verdict) co_return std::unexpected(std::move(verdict.error()));
    co_return text;
}

}  // namespace services::objects::api
