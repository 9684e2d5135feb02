// A form with boundary "xyz", whole and in pieces (the first byte says how large): the same fields, file and end. Its
// policy is read and checked.
#include <cstdint>
#include <cstdlib>

#include "services/codec/s3/post_form.hpp"
#include "services/codec/s3/signature.hpp"

namespace {

using namespace services::codec::s3;

struct Outcome {
    std::string data, end;
    Fields fields;
    bool operator==(const Outcome&) const = default;
};

Outcome parsed(std::string_view body, std::size_t piece) {
    FormParser parser("xyz");
    Outcome outcome;
    for (; !body.empty(); body.remove_prefix(std::min(piece, body.size()))) {
        const auto step = parser.feed(body.substr(0, piece));
        if (!step) return {"", std::string(step.error().code), {}};
        outcome.data += step->data;
    }
    if (const auto end = parser.at_end()) outcome.end = end->code;
    outcome.fields = parser.fields();
    return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
    const auto whole = parsed(body, body.size() + 1);
    if (whole.end != "MalformedPOSTRequest" && whole != parsed(body, std::size_t{1} + data[0])) std::abort();
    (void)form_boundary(body.substr(0, 200));
    (void)claim_of_form(whole.fields);
    for (const auto& [name, value] : whole.fields)
        if (name == "policy")
            if (const auto policy = post_policy(value)) (void)check_post_policy(*policy, whole.fields, "b", {});
    return 0;
}
