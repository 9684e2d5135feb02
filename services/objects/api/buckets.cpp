#include "services/codec/s3/documents.hpp"
#include "services/codec/xml/writer.hpp"
#include "services/objects/api/counters.hpp"
#include "services/objects/api/events.hpp"
#include "services/objects/api/fields.hpp"
#include "services/objects/api/handlers.hpp"

namespace services::objects::api {

namespace xml = services::codec::xml;

Task<Answer> list_buckets(Api& api, Call& call) {
    if (call.who.access_key.empty()) co_return refused(Problem::access_denied);
    const bool sees_all = api.require(call, "s3:ListAllMyBuckets", "", "").has_value();
    xml::Writer out;
    out.open("ListAllMyBucketsResult", "xmlns", xml_namespace);
    out.open("Owner");
    out.element("ID", owner_id);
    out.element("DisplayName", owner_name);
    out.close();
    out.open("Buckets");
    const auto prefix = call.query("prefix");
    bool sees_any = false;
    for (const auto* bucket : api.store.buckets()) {
        if (!bucket->name.starts_with(prefix)) continue;
        // Who may not list all sees those that it may use (MinIO's rule).
        if (!sees_all && !api.require(call, "s3:ListBucket", bucket->name, "") && !api.require(call, "s3:GetBucketLocation", bucket->name, "")) continue;
        sees_any = true;
        out.open("Bucket");
        out.element("Name", bucket->name);
        out.element("CreationDate", xml_date(bucket->created));
        out.close();
    }
    out.close();
    out.close();
    if (!sees_all && !sees_any) co_return refused(Problem::access_denied);
    co_return xml_response(out.finish());
}

Task<Answer> create_bucket(Api& api, Call& call) {
    const auto name = call.address.bucket;
    auto body = co_await read_document(api, call);
    if (!body) co_return std::unexpected(std::move(body.error()));
    auto location = s3::create_bucket_location(std::move(*body));
    if (!location) co_return std::unexpected(std::move(location.error()));
    if (!api.options.region.empty() && !location->empty() && *location != api.region())
        co_return s3::refuse("InvalidRegion", 400, "Region does not match.");
    if (const auto* lock = call.header("x-amz-bucket-object-lock-enabled"); lock && equal_ignoring_case(*lock, "true"))
        co_return refused(Problem::not_implemented);
    auto made = co_await api.store.create_bucket(name);
    if (!made) co_return refused(made.error());
    api.events().publish(call, s3::event::bucket_created, name, {});
    auto response = empty_response(200);
    response.headers.set("Location", "/" + name);
    co_return response;
}

Task<Answer> head_bucket(Api& api, Call&) {
    auto response = empty_response(200);
    response.headers.set("X-Amz-Bucket-Region", api.region());
    response.headers.set("Content-Type", "application/xml");
    co_return response;
}

Task<Answer> delete_bucket(Api& api, Call& call) {
    const auto name = call.address.bucket;
    const auto* force = call.header("x-minio-force-delete");
    const bool forces = force && equal_ignoring_case(*force, "true");
    if (forces)
        if (auto allowed = api.require(call, "s3:ForceDeleteBucket", name, ""); !allowed) co_return std::unexpected(std::move(allowed.error()));
    auto removed = co_await api.store.delete_bucket(name, forces);
    if (!removed) co_return refused(removed.error());
    api.forget_rules(name);
    api.events().publish(call, s3::event::bucket_removed, name, {});
    co_return empty_response(204);
}

Task<Answer> get_location(Api& api, Call&) {
    xml::Writer out;
    // The default region has no name here (S3 GetBucketLocation).
    if (api.options.region.empty() || api.region() == "us-east-1") {
        out.open("LocationConstraint", "xmlns", xml_namespace);
        out.close();
        co_return xml_response(out.finish());
    }
    co_return xml_response("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<LocationConstraint xmlns=\"" + std::string(xml_namespace) + "\">" + api.region() + "</LocationConstraint>");
}

namespace {

http::Response private_acl() {
    xml::Writer out;
    out.open("AccessControlPolicy", "xmlns", xml_namespace);
    out.open("Owner");
    out.element("ID", "");
    out.element("DisplayName", "");
    out.close();
    out.open("AccessControlList");
    out.open("Grant");
    out.open("Grantee", "xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance");
    out.element("ID", "");
    out.element("DisplayName", "");
    out.element("Type", "CanonicalUser");
    out.close();
    out.element("Permission", "FULL_CONTROL");
    out.close();
    out.close();
    out.close();
    auto text = out.finish();
    constexpr std::string_view grantee = "XMLSchema-instance\"";
    text.insert(text.find(grantee) + grantee.size(), " xsi:type=\"CanonicalUser\"");
    return xml_response(std::move(text));
}

http::Response element_alone(std::string_view name) {
    xml::Writer out;
    out.open(name, "xmlns", xml_namespace);
    out.close();
    return xml_response(out.finish());
}

// PUT ?acl: "private" is what everything is; grants are not for MinIO (nor here).
Task<Answer> put_acl(Api& api, Call& call) {
    auto body = co_await read_document(api, call);
    if (!body) co_return std::unexpected(std::move(body.error()));
    if (const auto* canned = call.header("x-amz-acl"); canned && !canned->empty()) {
        if (*canned != "private") co_return refused(Problem::not_implemented);
        co_return empty_response(200);
    }
    auto document = s3::xml_document(std::move(*body), "AccessControlPolicy");
    if (!document) co_return std::unexpected(std::move(document.error()));
    const auto grant = document->root().child("AccessControlList").child("Grant");
    if (!grant || grant.next() || grant.child_text("Permission") != "FULL_CONTROL") co_return refused(Problem::not_implemented);
    co_return empty_response(200);
}

}  // namespace

Task<Answer> fixed_answer(Api& api, Call& call) {
    using enum Operation;
    if (call.address.scope == Scope::object) {
        auto found = co_await api.store.stat(call.address.bucket, call.address.key, call.version());
        if (!found) co_return refused(found.error());
    }
    switch (call.row->operation) {
        case get_bucket_acl:
        case get_object_acl: co_return private_acl();
        case put_bucket_acl:
        case put_object_acl: co_return co_await put_acl(api, call);
        case get_object_lock: co_return refused(Problem::no_such_lock);
        case get_replication: co_return refused(Problem::no_such_replication);
        case put_replication:
        case put_object_lock: co_return refused(Problem::not_implemented);
        case delete_replication:
        case delete_website: co_return empty_response(204);
        case get_website: co_return refused(Problem::no_such_website);
        case get_accelerate: co_return element_alone("AccelerateConfiguration");
        case get_logging: co_return element_alone("BucketLoggingStatus");
        case get_request_payment: {
            xml::Writer out;
            out.open("RequestPaymentConfiguration", "xmlns", xml_namespace);
            out.element("Payer", "BucketOwner");
            out.close();
            co_return xml_response(out.finish());
        }
        case get_retention:
        case get_legal_hold:
        case put_retention:
        case put_legal_hold: co_return refused(Problem::lock_not_enabled);
        default: co_return refused(Problem::not_implemented);
    }
}

}  // namespace services::objects::api
