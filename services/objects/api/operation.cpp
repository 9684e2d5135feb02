#include "services/objects/api/operation.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "services/objects/store/types.hpp"

namespace services::objects::api {
namespace {

using enum Operation;
using enum Scope;

// Read top-down: the first row that fits is the operation, so what needs a query stands before what needs none.
constexpr OperationRow table[] = {
    {get_attributes, object, "GET", "attributes", "", "s3:GetObjectAttributes", "GetObjectAttributes"},
    {list_parts, object, "GET", "uploadId", "", "s3:ListMultipartUploadParts", "ListObjectParts"},
    {get_object_acl, object, "GET", "acl", "", "s3:GetObjectAcl", "GetObjectACL"},
    {get_tagging, object, "GET", "tagging", "", "s3:GetObjectTagging", "GetObjectTagging"},
    {get_retention, object, "GET", "retention", "", "s3:GetObjectRetention", "GetObjectRetention"},
    {get_legal_hold, object, "GET", "legal-hold", "", "s3:GetObjectLegalHold", "GetObjectLegalHold"},
    {not_implemented, object, "GET", "torrent", "", "", "NotImplemented"},
    {get_object, object, "GET", "", "", "s3:GetObject", "GetObject"},
    {head_object, object, "HEAD", "", "", "s3:GetObject", "HeadObject"},
    {upload_part_copy, object, "PUT", "uploadId", "x-amz-copy-source", "s3:PutObject", "CopyObjectPart"},
    {upload_part, object, "PUT", "uploadId", "", "s3:PutObject", "PutObjectPart"},
    {put_object_acl, object, "PUT", "acl", "", "s3:PutObjectAcl", "PutObjectACL"},
    {put_tagging, object, "PUT", "tagging", "", "s3:PutObjectTagging", "PutObjectTagging"},
    {put_retention, object, "PUT", "retention", "", "s3:PutObjectRetention", "PutObjectRetention"},
    {put_legal_hold, object, "PUT", "legal-hold", "", "s3:PutObjectLegalHold", "PutObjectLegalHold"},
    {copy_object, object, "PUT", "", "x-amz-copy-source", "s3:PutObject", "CopyObject"},
    {put_snowball, object, "PUT", "", "x-amz-meta-snowball-auto-extract", "s3:PutObject", "PutObject"},
    {put_snowball, object, "PUT", "", "x-minio-extract", "s3:PutObject", "PutObject"},
    {not_implemented, object, "PUT", "", "x-amz-write-offset-bytes", "", "NotImplemented"},
    {put_object, object, "PUT", "", "", "s3:PutObject", "PutObject"},
    {create_upload, object, "POST", "uploads", "", "s3:PutObject", "NewMultipartUpload"},
    {complete_upload, object, "POST", "uploadId", "", "s3:PutObject", "CompleteMultipartUpload"},
    {select, object, "POST", "select", "", "s3:GetObject", "SelectObjectContent"},
    {restore, object, "POST", "restore", "", "s3:RestoreObject", "RestoreObject"},
    {abort_upload, object, "DELETE", "uploadId", "", "s3:AbortMultipartUpload", "AbortMultipartUpload"},
    {delete_tagging, object, "DELETE", "tagging", "", "s3:DeleteObjectTagging", "DeleteObjectTagging"},
    {not_implemented, object, "DELETE", "acl", "", "", "NotImplemented"},
    {delete_object, object, "DELETE", "", "", "s3:DeleteObject", "DeleteObject"},

    {get_location, bucket, "GET", "location", "", "s3:GetBucketLocation", "GetBucketLocation"},
    {get_policy, bucket, "GET", "policy", "", "s3:GetBucketPolicy", "GetBucketPolicy"},
    {get_policy_status, bucket, "GET", "policyStatus", "", "s3:GetBucketPolicyStatus", "GetBucketPolicyStatus"},
    {get_lifecycle, bucket, "GET", "lifecycle", "", "s3:GetLifecycleConfiguration", "GetBucketLifecycle"},
    {get_encryption, bucket, "GET", "encryption", "", "s3:GetEncryptionConfiguration", "GetBucketEncryption"},
    {get_object_lock, bucket, "GET", "object-lock", "", "s3:GetBucketObjectLockConfiguration", "GetBucketObjectLockConfig"},
    {get_replication, bucket, "GET", "replication", "", "s3:GetReplicationConfiguration", "GetBucketReplicationConfig"},
    {get_versioning, bucket, "GET", "versioning", "", "s3:GetBucketVersioning", "GetBucketVersioning"},
    {get_notification, bucket, "GET", "notification", "", "s3:GetBucketNotification", "GetBucketNotification"},
    {listen, bucket, "GET", "events", "", "s3:ListenBucketNotification", "ListenNotification"},
    {get_bucket_acl, bucket, "GET", "acl", "", "s3:GetBucketPolicy", "GetBucketACL"},
    {get_cors, bucket, "GET", "cors", "", "s3:GetBucketCORS", "GetBucketCors"},
    {get_website, bucket, "GET", "website", "", "s3:GetBucketPolicy", "GetBucketWebsite"},
    {get_accelerate, bucket, "GET", "accelerate", "", "s3:GetBucketPolicy", "GetBucketAccelerate"},
    {get_request_payment, bucket, "GET", "requestPayment", "", "s3:GetBucketPolicy", "GetBucketRequestPayment"},
    {get_logging, bucket, "GET", "logging", "", "s3:GetBucketPolicy", "GetBucketLogging"},
    {get_bucket_tagging, bucket, "GET", "tagging", "", "s3:GetBucketTagging", "GetBucketTagging"},
    {not_implemented, bucket, "GET", "inventory", "", "", "NotImplemented"},
    {not_implemented, bucket, "GET", "metrics", "", "", "NotImplemented"},
    {not_implemented, bucket, "GET", "publicAccessBlock", "", "", "NotImplemented"},
    {not_implemented, bucket, "GET", "ownershipControls", "", "", "NotImplemented"},
    {not_implemented, bucket, "GET", "intelligent-tiering", "", "", "NotImplemented"},
    {not_implemented, bucket, "GET", "analytics", "", "", "NotImplemented"},
    {list_uploads, bucket, "GET", "uploads", "", "s3:ListBucketMultipartUploads", "ListMultipartUploads"},
    {list_versions, bucket, "GET", "versions", "", "s3:ListBucketVersions", "ListObjectVersions"},
    {list_v2, bucket, "GET", "list-type=2", "", "s3:ListBucket", "ListObjectsV2"},
    {list_v1, bucket, "GET", "", "", "s3:ListBucket", "ListObjectsV1"},
    {head_bucket, bucket, "HEAD", "", "", "s3:ListBucket", "HeadBucket"},
    {put_policy, bucket, "PUT", "policy", "", "s3:PutBucketPolicy", "PutBucketPolicy"},
    {put_lifecycle, bucket, "PUT", "lifecycle", "", "s3:PutLifecycleConfiguration", "PutBucketLifecycle"},
    {put_encryption, bucket, "PUT", "encryption", "", "s3:PutEncryptionConfiguration", "PutBucketEncryption"},
    {put_object_lock, bucket, "PUT", "object-lock", "", "s3:PutBucketObjectLockConfiguration", "PutBucketObjectLockConfig"},
    {put_replication, bucket, "PUT", "replication", "", "s3:PutReplicationConfiguration", "PutBucketReplicationConfig"},
    {put_versioning, bucket, "PUT", "versioning", "", "s3:PutBucketVersioning", "PutBucketVersioning"},
    {put_notification, bucket, "PUT", "notification", "", "s3:PutBucketNotification", "PutBucketNotification"},
    {put_bucket_acl, bucket, "PUT", "acl", "", "s3:PutBucketPolicy", "PutBucketACL"},
    {put_cors, bucket, "PUT", "cors", "", "s3:PutBucketCORS", "PutBucketCors"},
    {put_bucket_tagging, bucket, "PUT", "tagging", "", "s3:PutBucketTagging", "PutBucketTagging"},
    {not_implemented, bucket, "PUT", "inventory", "", "", "NotImplemented"},
    {not_implemented, bucket, "PUT", "metrics", "", "", "NotImplemented"},
    {not_implemented, bucket, "PUT", "website", "", "", "NotImplemented"},
    {not_implemented, bucket, "PUT", "logging", "", "", "NotImplemented"},
    {not_implemented, bucket, "PUT", "accelerate", "", "", "NotImplemented"},
    {not_implemented, bucket, "PUT", "requestPayment", "", "", "NotImplemented"},
    {not_implemented, bucket, "PUT", "publicAccessBlock", "", "", "NotImplemented"},
    {not_implemented, bucket, "PUT", "ownershipControls", "", "", "NotImplemented"},
    {not_implemented, bucket, "PUT", "intelligent-tiering", "", "", "NotImplemented"},
    {not_implemented, bucket, "PUT", "analytics", "", "", "NotImplemented"},
    {create_bucket, bucket, "PUT", "", "", "s3:CreateBucket", "PutBucket"},
    {delete_objects, bucket, "POST", "delete", "", "", "DeleteMultipleObjects"},
    {post_object, bucket, "POST", "", "", "", "PostPolicyBucket"},
    {delete_policy, bucket, "DELETE", "policy", "", "s3:DeleteBucketPolicy", "DeleteBucketPolicy"},
    {delete_lifecycle, bucket, "DELETE", "lifecycle", "", "s3:PutLifecycleConfiguration", "DeleteBucketLifecycle"},
    {delete_encryption, bucket, "DELETE", "encryption", "", "s3:PutEncryptionConfiguration", "DeleteBucketEncryption"},
    {delete_replication, bucket, "DELETE", "replication", "", "s3:PutReplicationConfiguration", "DeleteBucketReplicationConfig"},
    {delete_bucket_tagging, bucket, "DELETE", "tagging", "", "s3:PutBucketTagging", "DeleteBucketTagging"},
    {delete_cors, bucket, "DELETE", "cors", "", "s3:DeleteBucketCORS", "DeleteBucketCors"},
    {delete_website, bucket, "DELETE", "website", "", "s3:PutBucketPolicy", "DeleteBucketWebsite"},
    {not_implemented, bucket, "DELETE", "inventory", "", "", "NotImplemented"},
    {not_implemented, bucket, "DELETE", "metrics", "", "", "NotImplemented"},
    {not_implemented, bucket, "DELETE", "publicAccessBlock", "", "", "NotImplemented"},
    {not_implemented, bucket, "DELETE", "ownershipControls", "", "", "NotImplemented"},
    {not_implemented, bucket, "DELETE", "intelligent-tiering", "", "", "NotImplemented"},
    {not_implemented, bucket, "DELETE", "analytics", "", "", "NotImplemented"},
    {delete_bucket, bucket, "DELETE", "", "", "s3:DeleteBucket", "DeleteBucket"},

    {listen_all, service, "GET", "events", "", "s3:ListenNotification", "ListenNotification"},
    {list_buckets, service, "GET", "", "", "s3:ListAllMyBuckets", "ListBuckets"},
    {sts, service, "POST", "", "", "", "STS"},
};

bool has_query(const http::Request& request, std::string_view wanted) {
    if (wanted.empty()) return true;
    const auto equals = wanted.find('=');
    const auto* value = request.query_value(wanted.substr(0, equals));
    return value && (equals == std::string_view::npos || *value == wanted.substr(equals + 1));
}

}  // namespace

Address address_of(std::string_view path) {
    Address address;
    if (path.starts_with('/')) path.remove_prefix(1);
    if (path.empty()) return address;
    const auto slash = path.find('/');
    address.bucket = path.substr(0, slash);
    address.scope = Scope::bucket;
    if (slash == std::string_view::npos || slash + 1 == path.size()) return address;
    address.key = path.substr(slash + 1);
    address.scope = Scope::object;
    return address;
}

const OperationRow* operation_of(const http::Request& request, const Address& address) {
    for (const auto& row : table)
        if (row.scope == address.scope && row.method == request.method && has_query(request, row.query) &&
            (row.header.empty() || request.headers.find(row.header)))
            return &row;
    return nullptr;
}

std::span<const OperationRow> operations() { return table; }

bool is_bucket_name(std::string_view name) {
    if (name.size() < 3 || name.size() > 63) return false;
    const auto is_alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
    if (!is_alphanumeric(name.front()) || !is_alphanumeric(name.back())) return false;
    if (!std::ranges::all_of(name, [&](char c) { return is_alphanumeric(c) || c == '.' || c == '-'; })) return false;
    if (name.contains("..") || name.contains(".-") || name.contains("-.") || name.starts_with("xn--")) return false;
    // Four numbers with dots between: an IPv4 address.
    return !(std::ranges::count(name, '.') == 3 && std::ranges::all_of(name, [](char c) { return c == '.' || (c >= '0' && c <= '9'); }));
}

bool is_utf8(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const auto lead = static_cast<unsigned char>(text[i]);
        const unsigned length = lead < 0x80 ? 1 : lead >= 0xc2 && lead < 0xe0 ? 2 : lead >= 0xe0 && lead < 0xf0 ? 3 : lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
        if (length == 0 || i + length > text.size()) return false;
        std::uint32_t value = length == 1 ? lead : lead & (0xffU >> (length + 1));
        for (unsigned n = 1; n < length; ++n) {
            const auto next = static_cast<unsigned char>(text[i + n]);
            if ((next & 0xc0) != 0x80) return false;
            value = value << 6 | (next & 0x3f);
        }
        constexpr std::array<std::uint32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
        if (value < least[length] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return false;
        i += length;
    }
    return true;
}

bool is_valid_key(std::string_view key) { return !key.empty() && key.size() <= store::key_bytes_max && is_utf8(key); }

}  // namespace services::objects::api
