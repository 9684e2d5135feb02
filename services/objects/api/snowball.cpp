// A tar archive that is unpacked into objects on its way in (`x-amz-meta-snowball-auto-extract: true`, MinIO's extension).
#include "hal/base/bytes.hpp"
#include "services/codec/s3/checksum.hpp"
#include "services/objects/api/body.hpp"
#include "services/objects/api/counters.hpp"
#include "services/objects/api/events.hpp"
#include "services/objects/api/fields.hpp"
#include "services/objects/api/handlers.hpp"
#include "services/objects/api/tar.hpp"

namespace services::objects::api {
namespace {

bool is_true(const std::string* header) { return header && equal_ignoring_case(*header, "true"); }

// "./a//b" -> "a/b", as MinIO trims what archivers put before names.
std::string key_in(std::string_view prefix, std::string_view name) {
    while (name.starts_with("./")) name.remove_prefix(2);
    while (name.starts_with('/')) name.remove_prefix(1);
    std::string key(prefix);
    if (!key.empty() && !key.ends_with('/')) key += '/';
    return key += name;
}

}  // namespace

Task<Answer> put_snowball(Api& api, Call& call) {
    if (!is_true(call.header("x-amz-meta-snowball-auto-extract")) && !is_true(call.header("x-minio-extract"))) co_return co_await put_object(api, call);
    auto announced = announced_of(call, object_bytes_max);
    if (!announced) co_return std::unexpected(std::move(announced.error()));
    if (auto plain = check_encryption(call); !plain) co_return std::unexpected(std::move(plain.error()));
    const auto* prefix_header = call.header("x-amz-meta-minio-snowball-prefix");
    const auto prefix = prefix_header ? *prefix_header : std::string();
    const bool ignores_errors = is_true(call.header("x-amz-meta-minio-snowball-ignore-errors"));

    BodySource source(call, *announced);
    TarReader tar;
    s3::HasherSet whole;
    whole.add(s3::Checksum::md5);
    std::optional<store::Body> body;
    std::optional<s3::Hasher> hasher;
    for (;;) {
        auto piece = co_await source.next();
        if (!piece) co_return std::unexpected(std::move(piece.error()));
        if (piece->empty()) break;
        whole.update(*piece);
        for (auto rest = *piece; !rest.empty();) {
            auto step = tar.feed(rest);
            if (!step) co_return s3::refuse("InvalidArgument", 400, std::move(step.error()));
            rest.remove_prefix(step->consumed);
            if (step->file_began) {
                auto made = api.store.body({tar.file_bytes()});
                if (!made) co_return refused(made.error());
                body.emplace(std::move(*made));
                hasher.emplace(s3::Checksum::md5);
            }
            if (!step->data.empty()) {
                hasher->update(step->data);
                co_await body->write(step->data);
            }
            if (!step->file_ended) continue;
            store::PutRequest put;
            put.bucket = call.address.bucket;
            put.key = key_in(prefix, tar.name());
            if (auto valid = check_key(put.key); !valid) {
                if (!ignores_errors) co_return std::unexpected(std::move(valid.error()));
                continue;
            }
            if (auto allowed = api.require(call, "s3:PutObject", put.bucket, put.key); !allowed) co_return std::unexpected(std::move(allowed.error()));
            put.etag = hal::hex(hasher->digest());
            put.dispatches = api.dispatches(call, put.bucket, put.key, s3::event::created_put);
            api.counters().received += tar.file_bytes();
            auto stored = co_await api.store.put(std::move(put), std::move(*body));
            body.reset();
            if (!stored && !ignores_errors) co_return refused(stored.error());
            if (stored) tell(api, call, s3::event::created_put, call.address.bucket, *stored);
        }
    }
    if (!tar.may_end()) co_return s3::refuse("InvalidArgument", 400, "unexpected EOF");
    auto response = empty_response(200);
    response.headers.set("ETag", in_quotes(hal::hex(whole.digest(s3::Checksum::md5))));
    co_return response;
}

}  // namespace services::objects::api
