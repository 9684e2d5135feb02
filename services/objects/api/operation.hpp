// The table of operations: which S3 call a request is, by method, what it addresses, query and headers; what it needs to
// be allowed; and the name that metrics and logs know it by.
//
// Pure. Owns no I/O and no rights: who may do what is decided by access/access.hpp with the action found here.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "services/http/message.hpp"

namespace services::objects::api {

enum class Scope : std::uint8_t { service, bucket, object };

enum class Operation : std::uint8_t {
    list_buckets, listen_all, sts,
    // buckets
    create_bucket, head_bucket, delete_bucket, get_location, list_v1, list_v2, list_versions, list_uploads, delete_objects, post_object,
    get_versioning, put_versioning, get_policy, put_policy, delete_policy, get_policy_status, get_lifecycle, put_lifecycle,
    delete_lifecycle, get_encryption, put_encryption, delete_encryption, get_bucket_tagging, put_bucket_tagging, delete_bucket_tagging,
    get_cors, put_cors, delete_cors, get_notification, put_notification, listen, get_bucket_acl, put_bucket_acl, get_object_lock,
    put_object_lock, get_replication, put_replication, delete_replication, get_accelerate, get_request_payment, get_logging,
    get_website, delete_website,
    // objects
    get_object, head_object, put_object, put_snowball, copy_object, delete_object, get_attributes, get_object_acl, put_object_acl,
    get_tagging, put_tagging, delete_tagging, get_retention, put_retention, get_legal_hold, put_legal_hold, select, restore,
    create_upload, upload_part, upload_part_copy, complete_upload, abort_upload, list_parts,
    // what neither MinIO nor this answers otherwise than by 501
    not_implemented,
};

struct OperationRow {
    Operation operation;
    Scope scope;
    std::string_view method;
    std::string_view query;   // must be there ("uploadId", "list-type=2"); "" for any
    std::string_view header;  // must be there, too; "" for any
    std::string_view action;  // "s3:GetObject"; "" when the operation asks for itself
    std::string_view name;    // "GetObject", as MinIO's metrics call it
};

// What a path addresses. `key` is decoded; "" for a bucket.
struct Address {
    Scope scope = Scope::service;
    std::string bucket;
    std::string key;
};

// From the decoded path ("/bucket/a key"): everything behind the second slash is the key, whatever it looks like.
Address address_of(std::string_view path);

// The operation of a request; null: MethodNotAllowed.
const OperationRow* operation_of(const http::Request& request, const Address& address);
std::span<const OperationRow> operations();

// S3's rules for new buckets (3 to 63 of a-z 0-9 . -, no IP address); `strict` as for creation.
bool is_bucket_name(std::string_view name);
// Non-empty UTF-8 of at most 1,024 bytes.
bool is_valid_key(std::string_view key);
bool is_utf8(std::string_view text);

}  // namespace services::objects::api
