#include "services/objects/replication/answer.hpp"

#include <algorithm>
#include <array>

#include "services/codec/xml/reader.hpp"

namespace services::objects::replication {
namespace {

struct Row {
    std::string_view code;
    Meaning meaning;
};
// What the code says better than the status.
constexpr auto rows = std::to_array<Row>({
    {"NoSuchBucket", Meaning::no_bucket},
    {"NoSuchKey", Meaning::absent},
    {"NoSuchVersion", Meaning::absent},
    {"NoSuchUpload", Meaning::absent},
    {"AccessDenied", Meaning::denied},
    {"AllAccessDisabled", Meaning::denied},
    {"QuotaExceeded", Meaning::bucket_full},
    {"XMinioAdminBucketQuotaExceeded", Meaning::bucket_full},
    // Whoever we are there, it is not about this object.
    {"InvalidAccessKeyId", Meaning::not_now},
    {"SignatureDoesNotMatch", Meaning::not_now},
    {"RequestTimeTooSkewed", Meaning::not_now},
    {"AuthorizationHeaderMalformed", Meaning::not_now},
    {"ExpiredToken", Meaning::not_now},
    {"InvalidTokenId", Meaning::not_now},
    {"SlowDown", Meaning::not_now},
    {"RequestTimeout", Meaning::not_now},
    {"OperationAborted", Meaning::not_now},
    {"ServiceUnavailable", Meaning::not_now},
    {"InternalError", Meaning::not_now},
    {"XMinioStorageFull", Meaning::not_now},
    {"XMinioServerNotInitialized", Meaning::not_now},
});

Meaning by_status(unsigned status) {
    if (status / 100 == 2) return Meaning::taken;
    if (status == 404) return Meaning::absent;
    if (status == 401 || status == 403) return Meaning::denied;
    if (status == 408 || status == 429 || status == 409 || (status / 100 == 5 && status != 501 && status != 505)) return Meaning::not_now;
    return Meaning::refused;
}

}  // namespace

Answer answer_of(unsigned status, std::string_view body) {
    const bool is_success = status / 100 == 2;
    if (is_success && !body.contains("<Error>")) return {};
    Answer answer{by_status(status), std::to_string(status)};
    const auto document = codec::xml::Document::parse(std::string(body));
    if (!document || document->root().name() != "Error") return is_success ? Answer{} : answer;
    const auto code = document->root().child_text("Code");
    if (is_success) answer.meaning = Meaning::not_now;
    if (const auto* row = std::ranges::find(rows, code, &Row::code); row != rows.end()) answer.meaning = row->meaning;
    if (!code.empty()) answer.reason += " " + std::string(code);
    if (const auto message = document->root().child_text("Message"); !message.empty()) answer.reason += ": " + std::string(message);
    return answer;
}

}  // namespace services::objects::replication
