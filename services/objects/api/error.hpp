// Why a request is refused, as S3 and MinIO say it: the table of codes with their sentence and HTTP status, what the
// store's refusals and failures mean in it, and the XML that carries it.
//
// Pure. Everything refused here has changed nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "hal/base/error.hpp"
#include "services/codec/s3/refusal.hpp"
#include "services/http/message.hpp"
#include "services/objects/store/types.hpp"

namespace services::objects::api {

namespace s3 = services::codec::s3;
using s3::Expected;

// An answer or why there is none.
using Answer = Expected<http::Response>;

// Refusals that several operations give, by code. The few codes that S3 uses with many sentences (InvalidArgument,
// InvalidRequest) take theirs from the caller.
enum class Problem : std::uint8_t {
    access_denied, bad_digest, bucket_exists, bucket_not_empty, bucket_owned, bucket_state, checksum_mismatch, copy_dest, copy_source, delete_marker,
    empty_body, entity_too_large, entity_too_small, expected_bucket_owner, incomplete_body, internal_error, invalid_bucket_name, invalid_checksum, invalid_digest, invalid_part,
    invalid_part_number, invalid_part_order, invalid_range, invalid_version_id, key_too_long, malformed_xml, max_message_length, max_keys, max_parts, max_uploads,
    metadata_directive, metadata_too_large, method_not_allowed, missing_content_length, missing_md5, no_such_bucket, no_such_cors, no_such_encryption,
    no_such_key, no_such_lifecycle, no_such_lock, no_such_object_lock, no_such_policy, no_such_replication, no_such_tags, no_such_upload, no_such_version,
    no_such_website, not_implemented, not_modified, object_name, part_number, precondition_failed, quota_exceeded, request_timeout, service_unavailable,
    slow_down, storage_full, tagging_directive, too_many_buckets, kms_not_configured, sse_customer_insecure, encryption_method, lock_not_enabled,
};

s3::Refusal refusal(Problem problem);
inline std::unexpected<s3::Refusal> refused(Problem problem) { return std::unexpected(refusal(problem)); }
inline std::unexpected<s3::Refusal> invalid_argument(std::string message) { return s3::refuse("InvalidArgument", 400, std::move(message)); }
inline std::unexpected<s3::Refusal> invalid_request(std::string message) { return s3::refuse("InvalidRequest", 400, std::move(message)); }

s3::Refusal refusal(store::Refusal of_store);
inline std::unexpected<s3::Refusal> refused(store::Refusal of_store) { return std::unexpected(refusal(of_store)); }
// A failure of the machine, or of the connection, in the middle of an operation.
s3::Refusal refusal(const hal::Error& failure);

// Where the error happened, for its XML.
struct Place {
    std::string_view bucket;
    std::string_view key;
    std::string_view resource;  // the path as sent
    std::string_view region;
    std::string_view request_id;
    std::string_view host_id;
};
// HEAD has no body: the code goes into MinIO's headers then.
http::Response error_response(const s3::Refusal& why, const Place& place, bool is_head);

}  // namespace services::objects::api
