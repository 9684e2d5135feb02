// An aws-chunked body: the first byte picks the form, the second the size of pieces. Whole and in pieces it must end the
// same way with the same bytes.
#include <cstdint>
#include <cstdlib>

#include "services/codec/s3/chunked.hpp"

namespace {

using namespace services::codec::s3;

struct Outcome {
    std::string data, end;
    Fields trailers;
    bool operator==(const Outcome&) const = default;
};

Outcome decoded(const Verified& verified, std::string_view body, std::size_t piece) {
    ChunkedDecoder decoder(verified, std::nullopt);
    Outcome outcome;
    while (!body.empty()) {
        auto input = body.substr(0, piece);
        body.remove_prefix(input.size());
        while (!input.empty()) {
            const auto step = decoder.feed(input);
            if (!step) {
                outcome.end = step.error().code;
                return outcome;
            }
            if (step->consumed == 0 || step->consumed > input.size()) std::abort();
            outcome.data += step->data;
            input.remove_prefix(step->consumed);
        }
    }
    if (const auto end = decoder.at_end()) outcome.end = end->code;
    outcome.trailers = decoder.trailers();
    return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    constexpr Payload forms[] = {Payload::streaming_signed, Payload::streaming_signed_trailer, Payload::streaming_unsigned_trailer};
    SigningKeys keys;
    const Scope scope{"20130524", "us-east-1", "s3"};
    Verified verified;
    verified.payload = forms[data[0] % 3];
    verified.scope = scope.text();
    verified.signing_key = keys.key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", scope);
    verified.time_text = "20130524T000000Z";
    verified.seed_signature = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
    const std::string_view body(reinterpret_cast<const char*>(data) + 2, size - 2);
    auto whole = decoded(verified, body, body.size() + 1);
    auto pieces = decoded(verified, body, std::size_t{1} + data[1]);
    // Which bytes came out before a refusal depends on the pieces.
    if (!whole.end.empty() && whole.end == pieces.end) return 0;
    if (whole != pieces) std::abort();
    return 0;
}
