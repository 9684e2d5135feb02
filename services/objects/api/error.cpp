#include "services/objects/api/error.hpp"

#include "services/codec/xml/writer.hpp"

namespace services::objects::api {
namespace {

struct ProblemRow {
    Problem problem;
    std::string_view code;
    unsigned status;
    std::string_view message;
};

using enum Problem;

// MinIO's sentences, which its clients' tests compare.
constexpr ProblemRow table[] = {
    {access_denied, "AccessDenied", 403, "Access Denied."},
    {bad_digest, "BadDigest", 400, "The Content-Md5 you specified did not match what we received."},
    {bucket_exists, "BucketAlreadyExists", 409, "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again."},
    {bucket_not_empty, "BucketNotEmpty", 409, "The bucket you tried to delete is not empty"},
    {bucket_owned, "BucketAlreadyOwnedByYou", 409, "Your previous request to create the named bucket succeeded and you already own it."},
    {bucket_state, "InvalidBucketState", 409, "The request is not valid with the current state of the bucket."},
    {checksum_mismatch, "XAmzContentChecksumMismatch", 400, "The provided 'x-amz-checksum' header does not match what was computed."},
    {copy_dest, "InvalidRequest", 400, "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes."},
    {copy_source, "InvalidArgument", 400, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey."},
    {delete_marker, "MethodNotAllowed", 405, "The specified method is not allowed against this resource."},
    {empty_body, "MissingRequestBodyError", 400, "Request Body is empty"},
    {entity_too_large, "EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed object size."},
    {entity_too_small, "EntityTooSmall", 400, "Your proposed upload is smaller than the minimum allowed object size."},
    {expected_bucket_owner, "AccessDenied", 403, "Access Denied."},
    {incomplete_body, "IncompleteBody", 400, "You did not provide the number of bytes specified by the Content-Length HTTP header."},
    {internal_error, "InternalError", 500, "We encountered an internal error, please try again."},
    {invalid_bucket_name, "InvalidBucketName", 400, "The specified bucket is not valid."},
    {invalid_checksum, "InvalidArgument", 400, "Invalid checksum provided."},
    {invalid_digest, "InvalidDigest", 400, "The Content-Md5 you specified is not valid."},
    {invalid_part, "InvalidPart", 400, "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."},
    {invalid_part_number, "InvalidPartNumber", 416, "The requested partnumber is not satisfiable"},
    {invalid_part_order, "InvalidPartOrder", 400, "The list of parts was not in ascending order. The parts list must be specified in order by part number."},
    {invalid_range, "InvalidRange", 416, "The requested range is not satisfiable"},
    {invalid_version_id, "InvalidArgument", 400, "Invalid version id specified"},
    {key_too_long, "KeyTooLongError", 400, "Your key is too long"},
    {malformed_xml, "MalformedXML", 400, "The XML you provided was not well-formed or did not validate against our published schema."},
    {max_message_length, "EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed object size."},
    {max_keys, "InvalidArgument", 400, "Argument maxKeys must be an integer between 0 and 2147483647"},
    {max_parts, "InvalidArgument", 400, "Argument max-parts must be an integer between 0 and 2147483647"},
    {max_uploads, "InvalidArgument", 400, "Argument max-uploads must be an integer between 0 and 2147483647"},
    {metadata_directive, "InvalidArgument", 400, "Unknown metadata directive."},
    {metadata_too_large, "MetadataTooLarge", 400, "Your metadata headers exceed the maximum allowed metadata size."},
    {method_not_allowed, "MethodNotAllowed", 405, "The specified method is not allowed against this resource."},
    {missing_content_length, "MissingContentLength", 411, "You must provide the Content-Length HTTP header."},
    {missing_md5, "MissingContentMD5", 400, "Missing required header for this request: Content-Md5."},
    {no_such_bucket, "NoSuchBucket", 404, "The specified bucket does not exist"},
    {no_such_cors, "NoSuchCORSConfiguration", 404, "The CORS configuration does not exist"},
    {no_such_encryption, "ServerSideEncryptionConfigurationNotFoundError", 404, "The server side encryption configuration was not found"},
    {no_such_key, "NoSuchKey", 404, "The specified key does not exist."},
    {no_such_lifecycle, "NoSuchLifecycleConfiguration", 404, "The lifecycle configuration does not exist"},
    {no_such_lock, "ObjectLockConfigurationNotFoundError", 404, "Object Lock configuration does not exist for this bucket"},
    {no_such_object_lock, "NoSuchObjectLockConfiguration", 404, "The specified object does not have a ObjectLock configuration"},
    {no_such_policy, "NoSuchBucketPolicy", 404, "The bucket policy does not exist"},
    {no_such_replication, "ReplicationConfigurationNotFoundError", 404, "The replication configuration was not found"},
    {no_such_tags, "NoSuchTagSet", 404, "The TagSet does not exist"},
    {no_such_upload, "NoSuchUpload", 404, "The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."},
    {no_such_version, "NoSuchVersion", 404, "The specified version does not exist."},
    {no_such_website, "NoSuchWebsiteConfiguration", 404, "The specified bucket does not have a website configuration"},
    {not_implemented, "NotImplemented", 501, "A header you provided implies functionality that is not implemented"},
    {not_modified, "NotModified", 304, ""},
    {object_name, "XMinioInvalidObjectName", 400, "Object name contains unsupported characters."},
    {part_number, "InvalidArgument", 400, "Part number must be an integer between 1 and 10000, inclusive"},
    {precondition_failed, "PreconditionFailed", 412, "At least one of the pre-conditions you specified did not hold"},
    {quota_exceeded, "XMinioAdminBucketQuotaExceeded", 400, "Bucket quota exceeded"},
    {request_timeout, "RequestTimeout", 400, "Your socket connection to the server was not read from or written to within the timeout period."},
    {service_unavailable, "ServiceUnavailable", 503, "Service is unable to handle request."},
    {slow_down, "SlowDown", 503, "Resource requested is unreadable, please reduce your request rate"},
    {storage_full, "XMinioStorageFull", 507, "Storage backend has reached its minimum free drive threshold. Please delete a few objects to proceed."},
    {tagging_directive, "InvalidArgument", 400, "Unknown tag directive."},
    {too_many_buckets, "TooManyBuckets", 400, "You have attempted to create more buckets than allowed"},
    {kms_not_configured, "NotImplemented", 501, "Server side encryption specified but KMS is not configured"},
    {sse_customer_insecure, "InvalidRequest", 400, "Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection."},
    {encryption_method, "InvalidArgument", 400, "Server Side Encryption with KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms"},
    {lock_not_enabled, "InvalidRequest", 400, "Bucket is missing ObjectLockConfiguration"},
};

}  // namespace

s3::Refusal refusal(Problem problem) {
    for (const auto& row : table)
        if (row.problem == problem) return {row.code, row.status, std::string(row.message)};
    return {"InternalError", 500, "We encountered an internal error, please try again."};
}

s3::Refusal refusal(store::Refusal of_store) {
    using store::Refusal;
    switch (of_store) {
        case Refusal::no_such_bucket: return refusal(no_such_bucket);
        case Refusal::bucket_exists: return refusal(bucket_owned);
        case Refusal::bucket_not_empty: return refusal(bucket_not_empty);
        case Refusal::too_many_buckets: return refusal(too_many_buckets);
        case Refusal::no_such_key: return refusal(no_such_key);
        case Refusal::no_such_version: return refusal(no_such_version);
        case Refusal::is_delete_marker: return refusal(delete_marker);
        case Refusal::precondition_failed: return refusal(precondition_failed);
        case Refusal::no_such_upload: return refusal(no_such_upload);
        case Refusal::invalid_part: return refusal(invalid_part);
        case Refusal::invalid_part_order: return refusal(invalid_part_order);
        case Refusal::entity_too_small: return refusal(entity_too_small);
        case Refusal::entity_too_large: return refusal(entity_too_large);
        case Refusal::storage_full: return refusal(storage_full);
        case Refusal::quota_exceeded: return refusal(quota_exceeded);
        case Refusal::too_many_uploads: return refusal(slow_down);
        case Refusal::evicted: return {"InvalidObjectState", 403, "The operation is not valid for the current state of the object."};
    }
    return refusal(internal_error);
}

s3::Refusal refusal(const hal::Error& failure) {
    using hal::Code;
    switch (failure.code()) {
        case Code::exhausted: return refusal(storage_full);
        case Code::too_large: return refusal(entity_too_large);
        case Code::invalid:
        case Code::unavailable: return refusal(incomplete_body);
        case Code::timed_out: return refusal(request_timeout);
        default: return refusal(internal_error);
    }
}

http::Response error_response(const s3::Refusal& why, const Place& place, bool is_head) {
    http::Response response;
    response.status = why.status;
    if (why.status == 304) return response;
    if (why.status == 503) response.headers.set("Retry-After", "10");
    if (is_head) {
        if (why.status == 412) return response;  // MinIO names all but this one
        response.headers.set("X-Minio-Error-Code", std::string(why.code));
        response.headers.set("X-Minio-Error-Desc", "\"" + why.message + "\"");
        return response;
    }
    services::codec::xml::Writer out;
    out.open("Error");
    out.element("Code", why.code);
    out.element("Message", why.message);
    if (!place.key.empty()) out.element("Key", place.key);
    if (!place.bucket.empty()) out.element("BucketName", place.bucket);
    out.element("Resource", place.resource);
    if (why.code == "AuthorizationHeaderMalformed" || why.code == "AuthorizationQueryParametersError" || why.code == "InvalidRegion")
        out.element("Region", place.region);
    out.element("RequestId", place.request_id);
    out.element("HostId", place.host_id);
    out.close();
    response.body = out.finish();
    response.headers.set("Content-Type", "application/xml");
    return response;
}

}  // namespace services::objects::api
