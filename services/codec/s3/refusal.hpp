// Why a request or a document is refused, in S3's own words: what every parser of this folder returns instead of a
// value. The HTTP status and the element around it belong to whoever answers.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace services::codec::s3 {

struct Refusal {
    std::string_view code;  // "SignatureDoesNotMatch": always a literal
    unsigned status = 400;  // the HTTP status that S3 and MinIO answer with it
    std::string message;    // S3's sentence for it
};

template <class T>
using Expected = std::expected<T, Refusal>;

inline std::unexpected<Refusal> refuse(std::string_view code, unsigned status, std::string message) {
    return std::unexpected(Refusal{code, status, std::move(message)});
}

// Header and form fields, in order, as they came; names compare without regard to case.
using Fields = std::vector<std::pair<std::string, std::string>>;

}  // namespace services::codec::s3
