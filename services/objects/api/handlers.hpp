// The operations, each a function from a call to its answer, by the file that holds them. Called by the table in
// dispatch.cpp once the caller is known to be allowed the row's action.
#pragma once

#include "services/objects/api/call.hpp"

namespace services::objects::api {

using Handle = Task<Answer> (*)(Api&, Call&);
// Null for an operation that only answers 501.
Handle handle_of(Operation operation);

// buckets.cpp
Task<Answer> list_buckets(Api& api, Call& call);
Task<Answer> create_bucket(Api& api, Call& call);
Task<Answer> head_bucket(Api& api, Call& call);
Task<Answer> delete_bucket(Api& api, Call& call);
Task<Answer> get_location(Api& api, Call& call);
Task<Answer> fixed_answer(Api& api, Call& call);  // what MinIO answers to every bucket and object alike: ACL, logging, ...
// configuration.cpp
Task<Answer> get_configuration(Api& api, Call& call);
Task<Answer> put_configuration(Api& api, Call& call);
Task<Answer> delete_configuration(Api& api, Call& call);
Task<Answer> get_policy_status(Api& api, Call& call);
// lists.cpp
Task<Answer> list_v1(Api& api, Call& call);
Task<Answer> list_v2(Api& api, Call& call);
Task<Answer> list_versions(Api& api, Call& call);
Task<Answer> list_uploads(Api& api, Call& call);
Task<Answer> list_parts(Api& api, Call& call);
// read.cpp
Task<Answer> get_object(Api& api, Call& call);
Task<Answer> head_object(Api& api, Call& call);
Task<Answer> get_attributes(Api& api, Call& call);
// write.cpp
Task<Answer> put_object(Api& api, Call& call);
Task<Answer> delete_object(Api& api, Call& call);
Task<Answer> delete_objects(Api& api, Call& call);
Task<Answer> get_tagging(Api& api, Call& call);
Task<Answer> put_tagging(Api& api, Call& call);
Task<Answer> delete_tagging(Api& api, Call& call);
// copy.cpp
Task<Answer> copy_object(Api& api, Call& call);
Task<Answer> upload_part_copy(Api& api, Call& call);
// multipart.cpp
Task<Answer> create_upload(Api& api, Call& call);
Task<Answer> upload_part(Api& api, Call& call);
Task<Answer> complete_upload(Api& api, Call& call);
Task<Answer> abort_upload(Api& api, Call& call);
// post.cpp, snowball.cpp
Task<Answer> post_object(Api& api, Call& call);
Task<Answer> put_snowball(Api& api, Call& call);
// events.cpp
Task<Answer> listen(Api& api, Call& call);
// minio.cpp: everything below /minio/
Task<Answer> minio_surface(Api& api, Call& call);

// What the files share.
// Refuses keys that cannot be kept. Parts "." and ".." are just keys.
Expected<void> check_key(std::string_view key);
// Refuses a write that asks for encryption, as a MinIO without a key server does.
Expected<void> check_encryption(const Call& call);
// The headers of a version that GET, HEAD and PUT show.
void show_version(const store::Object& object, http::Response& response);
void show_checksums(const store::Fields& checksums, const std::string& type, http::Response& response);
// A change is done: tells listeners.
void tell(Api& api, const Call& call, std::string_view event_name, std::string_view bucket, const store::Object& object);

}  // namespace services::objects::api
