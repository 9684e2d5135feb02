#include "services/objects/api/handlers.hpp"

namespace services::objects::api {

Handle handle_of(Operation operation) {
    using enum Operation;
    switch (operation) {
        case Operation::list_buckets: return api::list_buckets;
        case Operation::listen_all:
        case Operation::listen: return api::listen;
        case Operation::create_bucket: return api::create_bucket;
        case Operation::head_bucket: return api::head_bucket;
        case Operation::delete_bucket: return api::delete_bucket;
        case Operation::get_location: return api::get_location;
        case Operation::list_v1: return api::list_v1;
        case Operation::list_v2: return api::list_v2;
        case Operation::list_versions: return api::list_versions;
        case Operation::list_uploads: return api::list_uploads;
        case Operation::list_parts: return api::list_parts;
        case Operation::delete_objects: return api::delete_objects;
        case Operation::post_object: return api::post_object;
        case get_versioning:
        case get_policy:
        case get_lifecycle:
        case get_encryption:
        case get_bucket_tagging:
        case get_cors:
        case get_notification: return api::get_configuration;
        case put_versioning:
        case put_policy:
        case put_lifecycle:
        case put_encryption:
        case put_bucket_tagging:
        case put_cors:
        case put_notification: return api::put_configuration;
        case delete_policy:
        case delete_lifecycle:
        case delete_encryption:
        case delete_bucket_tagging:
        case delete_cors: return api::delete_configuration;
        case Operation::get_policy_status: return api::get_policy_status;
        case get_bucket_acl:
        case put_bucket_acl:
        case get_object_lock:
        case put_object_lock:
        case get_replication:
        case put_replication:
        case delete_replication:
        case get_accelerate:
        case get_request_payment:
        case get_logging:
        case get_website:
        case delete_website:
        case get_object_acl:
        case put_object_acl:
        case get_retention:
        case put_retention:
        case get_legal_hold:
        case put_legal_hold: return api::fixed_answer;
        case Operation::get_object: return api::get_object;
        case Operation::head_object: return api::head_object;
        case Operation::put_object: return api::put_object;
        case Operation::put_snowball: return api::put_snowball;
        case Operation::copy_object: return api::copy_object;
        case Operation::delete_object: return api::delete_object;
        case Operation::get_attributes: return api::get_attributes;
        case Operation::get_tagging: return api::get_tagging;
        case Operation::put_tagging: return api::put_tagging;
        case Operation::delete_tagging: return api::delete_tagging;
        case Operation::create_upload: return api::create_upload;
        case Operation::upload_part: return api::upload_part;
        case Operation::upload_part_copy: return api::upload_part_copy;
        case Operation::complete_upload: return api::complete_upload;
        case Operation::abort_upload: return api::abort_upload;
        case sts:
        case select:
        case restore:
        case not_implemented: return nullptr;
    }
    return nullptr;
}

}  // namespace services::objects::api
