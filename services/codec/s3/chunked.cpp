#include "services/codec/s3/chunked.hpp"

#include <algorithm>
#include <charconv>

#include "hal/base/bytes.hpp"
#include "services/codec/s3/canonical.hpp"
#include "services/codec/s3/hmac.hpp"
#include "services/codec/s3/sentences.hpp"

namespace services::codec::s3 {

namespace {

constexpr std::size_t surplus_max = 4;  // some clients end with one empty line more

auto incomplete_body() {
    return refuse("IncompleteBody", 400, "You did not provide the number of bytes specified by the Content-Length HTTP header.");
}
auto malformed_chunk() { return refuse("IncompleteBody", 400, "The request body terminated unexpectedly"); }
auto malformed_trailer() {
    return refuse("MalformedTrailerError", 400,
                  "The request contained trailing data that was not well-formed or did not conform to our published schema.");
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

}  // namespace

ChunkedDecoder::ChunkedDecoder(const Verified& verified, std::optional<std::uint64_t> decoded_bytes)
    : payload_(verified.payload),
      key_(verified.signing_key),
      scope_(verified.scope),
      time_text_(verified.time_text),
      previous_signature_(verified.seed_signature),
      expected_(decoded_bytes) {}

Expected<ChunkedDecoder::Step> ChunkedDecoder::feed(std::string_view input) {
    if (state_ == State::data) {
        const auto data = input.substr(0, std::min<std::uint64_t>(left_, input.size()));
        left_ -= data.size();
        decoded_ += data.size();
        if (is_signed()) hasher_.update(data);
        if (left_ == 0) state_ = State::data_end;
        return Step{data.size(), data};
    }
    if (state_ == State::done) {
        const bool blank = std::ranges::all_of(input, [](char c) { return c == '\r' || c == '\n'; });
        surplus_ += input.size();
        if (!blank || surplus_ > surplus_max) return malformed_chunk();
        return Step{input.size(), {}};
    }
    // Every other state reads a line; each is short.
    const auto end = input.find('\n');
    const auto piece = input.substr(0, end);
    const auto bytes_max = state_ == State::trailers ? trailer_line_bytes_max : chunk_line_bytes_max;
    if (line_.size() + piece.size() > bytes_max) {
        if (state_ == State::trailers) return malformed_trailer();
        return malformed_chunk();
    }
    line_ += piece;
    if (end == std::string_view::npos) return Step{input.size(), {}};
    if (line_.ends_with('\r')) line_.pop_back();
    auto taken = on_line();
    line_.clear();
    if (!taken) return std::unexpected(std::move(taken.error()));
    return Step{end + 1, {}};
}

Expected<void> ChunkedDecoder::on_line() {
    switch (state_) {
        case State::chunk_line: return on_chunk_line();
        case State::data_end:
            if (!line_.empty()) return malformed_chunk();
            if (is_signed()) {
                auto checked = check_signature("AWS4-HMAC-SHA256-PAYLOAD\n", std::string(empty_sha256) + "\n" + hal::hex(hasher_.digest()),
                                               chunk_signature_);
                if (!checked) return checked;
                hasher_ = Hasher(Checksum::sha256);
            }
            state_ = State::chunk_line;
            return {};
        case State::trailers: return on_trailer_line();
        default:
            if (!line_.empty()) return malformed_chunk();
            state_ = State::done;
            return {};
    }
}

Expected<void> ChunkedDecoder::on_chunk_line() {
    const std::string_view line(line_);
    const auto size = line.substr(0, line.find(';'));
    const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), left_, 16);
    if (error != std::errc() || end != size.data() + size.size() || left_ > chunk_bytes_max) return malformed_chunk();
    if (is_signed()) {
        constexpr std::string_view name = ";chunk-signature=";
        const auto extension = line.substr(size.size());
        if (!extension.starts_with(name) || extension.size() != name.size() + 64) return malformed_chunk();
        chunk_signature_ = extension.substr(name.size());
    }
    if (expected_ && left_ > *expected_ - decoded_) return incomplete_body();
    if (left_ != 0) {
        state_ = State::data;
        return {};
    }
    return on_last_chunk();
}

Expected<void> ChunkedDecoder::on_last_chunk() {
    if (expected_ && decoded_ != *expected_) return incomplete_body();
    if (is_signed()) {
        auto checked = check_signature("AWS4-HMAC-SHA256-PAYLOAD\n", std::string(empty_sha256) + "\n" + std::string(empty_sha256), chunk_signature_);
        if (!checked) return checked;
    }
    state_ = has_trailer() ? State::trailers : State::end_line;
    return {};
}

Expected<void> ChunkedDecoder::on_trailer_line() {
    if (++lines_ > trailers_max) return malformed_trailer();
    if (line_.empty()) {
        // Some clients put an empty line before the signature.
        if (is_signed() && !has_trailer_signature_ && !trailers_.empty()) return {};
        if (is_signed() && !has_trailer_signature_) return signature_does_not_match();
        state_ = State::done;
        return {};
    }
    const std::string_view line(line_);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0 || has_trailer_signature_) return malformed_trailer();
    auto name = lower_case(trimmed(line.substr(0, colon)));
    const auto value = trimmed(line.substr(colon + 1));
    if (is_signed() && name == "x-amz-trailer-signature") {
        auto checked = check_signature("AWS4-HMAC-SHA256-TRAILER\n", sha256_hex(trailer_text_), value);
        has_trailer_signature_ = true;
        return checked;
    }
    trailer_text_ += name + ":" + std::string(value) + "\n";
    trailers_.emplace_back(std::move(name), value);
    return {};
}

Expected<void> ChunkedDecoder::check_signature(std::string_view algorithm, std::string_view hashes, std::string_view sent) {
    std::string text(algorithm);
    for (const std::string_view part : {std::string_view(time_text_), std::string_view(scope_), std::string_view(previous_signature_)}) {
        text += part;
        text += '\n';
    }
    text += hashes;
    previous_signature_ = hal::hex(hmac(Checksum::sha256, {reinterpret_cast<const char*>(key_.data()), key_.size()}, text));
    if (!hal::equal_secrets(previous_signature_, sent)) return signature_does_not_match();
    return {};
}

std::optional<Refusal> ChunkedDecoder::at_end() const {
    if (is_done()) return std::nullopt;
    return incomplete_body().error();
}

}  // namespace services::codec::s3
