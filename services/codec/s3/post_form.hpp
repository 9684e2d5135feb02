// Uploads from a browser's form: an incremental multipart/form-data parser and the policy that the form must satisfy
// (S3 "Browser-Based Uploads Using POST").
//
// Pure and incremental: any split of the input gives the same output. Fields before the file are gathered, the file's
// bytes pass through, what follows the file is ignored, as S3 does. Bounded: 20 KiB of policy within 1 MiB of fields, 100
// fields, part headers 8 KiB.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hal/base/clock.hpp"
#include "services/codec/s3/refusal.hpp"

namespace services::codec::s3 {

inline constexpr std::size_t form_bytes_max = 1024 * 1024;
inline constexpr std::size_t form_fields_max = 100;
inline constexpr std::size_t form_header_bytes_max = 8 * 1024;

// The boundary of a content-type "multipart/form-data; boundary=..."; MalformedPOSTRequest otherwise.
Expected<std::string> form_boundary(std::string_view content_type);

class FormParser {
public:
    explicit FormParser(std::string_view boundary);

    struct Step {
        std::string data;      // bytes of the file
        bool file_began = false; // the fields are complete, with this step or before
    };
    // Takes all of `input`.
    Expected<Step> feed(std::string_view input);
    [[nodiscard]] bool is_done() const { return state_ == State::epilogue; }
    [[nodiscard]] bool file_began() const { return file_began_; }
    // What to answer when the input ends: nothing when done.
    [[nodiscard]] std::optional<Refusal> at_end() const;
    // Names in lower case, as sent before the file. "file" itself is not among them; ${filename} in "key" is replaced.
    [[nodiscard]] const Fields& fields() const { return fields_; }
    [[nodiscard]] std::string_view value(std::string_view name) const;  // "" when absent
    [[nodiscard]] const std::string& file_name() const { return file_name_; }
    [[nodiscard]] const std::string& file_content_type() const { return file_content_type_; }

private:
    enum class State { preamble, after_boundary, headers, value, file, epilogue };
    Expected<bool> step(std::string& data);
    Expected<void> on_headers(std::string_view headers);

    std::string delimiter_;  // "\r\n--boundary"
    State state_ = State::preamble;
    std::string buffer_;
    std::size_t searched_ = 0;  // of the buffer, for what the state looks for
    std::string name_;
    std::size_t bytes_ = 0;  // of fields
    Fields fields_;
    std::string file_name_;
    std::string file_content_type_;
    bool file_began_ = false;
};

// The decoded and checked policy of a form.
struct PostPolicy {
    struct Condition {
        bool is_prefix;     // starts-with, else eq
        std::string field;  // lower case, without "$"
        std::string value;
    };
    hal::WallTime expiration{};
    std::vector<Condition> conditions;
    std::optional<std::pair<std::uint64_t, std::uint64_t>> length_range;  // bytes, both included
};
// `base64` is the form's field "policy". MalformedPOSTRequest or InvalidPolicyDocument.
Expected<PostPolicy> post_policy(std::string_view base64);
// Every condition holds and every field is named by one (AccessDenied). `bucket` from the path counts as a field.
Expected<void> check_post_policy(const PostPolicy& policy, const Fields& fields, std::string_view bucket, hal::WallTime now);
// EntityTooSmall or EntityTooLarge.
Expected<void> check_post_length(const PostPolicy& policy, std::uint64_t bytes);

}  // namespace services::codec::s3
