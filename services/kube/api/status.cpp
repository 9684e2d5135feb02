#include "services/kube/api/status.hpp"

#include <boost/json/serialize.hpp>

#include <format>
#include <vector>

namespace services::kube::api {
namespace {

json::object details_of(const kinds::Kind& kind, std::string_view name) {
    json::object details;
    if (!name.empty()) details["name"] = name;
    if (!kind.gvk.group.empty()) details["group"] = kind.gvk.group;
    details["kind"] = kind.plural;
    return details;
}

}  // namespace

json::object status_object(const Status& status) {
    json::object metadata;
    if (!status.continue_token.empty()) metadata["continue"] = status.continue_token;
    json::object out{{"kind", "Status"}, {"apiVersion", "v1"}, {"metadata", std::move(metadata)}, {"status", "Failure"}, {"message", status.message}};
    if (!status.reason.empty()) out["reason"] = status.reason;
    if (status.details) out["details"] = *status.details;
    out["code"] = status.code;
    return out;
}

http::Response status_response(const Status& status) {
    auto response = http::json_response(status.code, json::serialize(status_object(status)) + "\n");
    if (status.details)
        if (const auto* seconds = status.details->if_contains("retryAfterSeconds"))
            response.headers.set("Retry-After", json::serialize(*seconds));
    return response;
}

http::Response success_response(json::object details) {
    return http::json_response(200, json::serialize(json::object{{"kind", "Status"},
                                                                 {"apiVersion", "v1"},
                                                                 {"metadata", json::object()},
                                                                 {"status", "Success"},
                                                                 {"details", std::move(details)}}) +
                                        "\n");
}

std::string resource_of(const kinds::Kind& kind) {
    return kind.gvk.group.empty() ? std::string(kind.plural) : std::format("{}.{}", kind.plural, kind.gvk.group);
}

Status not_found(const kinds::Kind& kind, std::string_view name) {
    return {404, "NotFound", std::format("{} \"{}\" not found", resource_of(kind), name), details_of(kind, name), {}};
}

Status already_exists(const kinds::Kind& kind, std::string_view name) {
    return {409, "AlreadyExists", std::format("{} \"{}\" already exists", resource_of(kind), name), details_of(kind, name), {}};
}

Status conflict(const kinds::Kind& kind, std::string_view name, std::string_view why) {
    return {409, "Conflict", std::format("Operation cannot be fulfilled on {} \"{}\": {}", resource_of(kind), name, why), details_of(kind, name), {}};
}

Status forbidden(const kinds::Kind& kind, std::string_view name, std::string_view why) {
    auto message = name.empty() ? std::format("{} is forbidden: {}", resource_of(kind), why)
                                : std::format("{} \"{}\" is forbidden: {}", resource_of(kind), name, why);
    return {403, "Forbidden", std::move(message), details_of(kind, name), {}};
}

Status invalid(const schema::GroupVersionKind& gvk, std::string_view name, const kinds::Causes& causes) {
    json::array list;
    std::vector<std::string> texts;  // an aggregate says each only once
    for (const auto& cause : causes) {
        list.push_back(json::object{{"reason", cause.reason}, {"message", cause.message}, {"field", cause.field}});
        auto text = cause.field + ": " + cause.message;
        if (std::ranges::find(texts, text) == texts.end()) texts.push_back(std::move(text));
    }
    std::string joined;
    for (const auto& text : texts) joined += (joined.empty() ? "" : ", ") + text;
    if (texts.size() > 1) joined = "[" + joined + "]";
    json::object details;
    if (!name.empty()) details["name"] = name;
    if (!gvk.group.empty()) details["group"] = gvk.group;
    if (!gvk.kind.empty()) details["kind"] = gvk.kind;
    details["causes"] = std::move(list);
    const auto qualified = gvk.group.empty() ? gvk.kind : gvk.kind + "." + gvk.group;
    return {422, "Invalid", std::format("{} \"{}\" is invalid: {}", qualified, name, joined), std::move(details), {}};
}

// An object in another form than it is stored in is refused under the name of the stored one.
Status invalid(const kinds::Kind& kind, std::string_view name, const kinds::Causes& causes) {
    return invalid(kind.stored_as ? *kind.stored_as : kind.gvk, name, kinds::without_repeats(causes));
}

Status bad_request(std::string message) { return {400, "BadRequest", std::move(message), {}, {}}; }

Status unauthorized() { return {401, "Unauthorized", "Unauthorized", {}, {}}; }

Status method_not_allowed() {
    return {405, "MethodNotAllowed", "the server does not allow this method on the requested resource", json::object(), {}};
}

Status unsupported_body() {
    return {415, "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, "
            "application/vnd.kubernetes.protobuf",
            {}, {}};
}

Status unsupported_patch() { return {415, "UnsupportedMediaType", "415: Unsupported Media Type", json::object(), {}}; }

Status not_acceptable(std::string_view offered) {
    return {406, "NotAcceptable", std::format("only the following media types are accepted: {}", offered), {}, {}};
}

Status too_many_requests(std::string message, unsigned retry_after_s) {
    return {429, "TooManyRequests", std::move(message), json::object{{"retryAfterSeconds", retry_after_s}}, {}};
}

Status unknown_path() { return {404, "NotFound", "the server could not find the requested resource", json::object(), {}}; }

Status expired(std::string message) { return {410, "Expired", std::move(message), {}, {}}; }

Status internal_error(std::string_view why) {
    return {500, "InternalError", std::format("Internal error occurred: {}", why),
            json::object{{"causes", json::array{json::object{{"message", why}}}}}, {}};
}

Status too_large(std::string message) { return {413, "RequestEntityTooLarge", std::move(message), {}, {}}; }

Status revision_too_large(std::int64_t asked, std::int64_t current) {
    return {504, "Timeout", std::format("Timeout: Too large resource version: {}, current: {}", asked, current),
            json::object{{"causes", json::array{json::object{{"reason", "ResourceVersionTooLarge"}, {"message", "Too large resource version"}}}},
                         {"retryAfterSeconds", 1}},
            {}};
}

Status status_of(const hal::Error& error) {
    switch (error.code()) {
        case hal::Code::gone: return expired(std::string("The resourceVersion for the provided list is too old: ") + error.what());
        case hal::Code::exhausted: return {507, "InsufficientStorage", std::string("etcdserver: mvcc: database space exceeded: ") + error.what(), {}, {}};
        case hal::Code::too_large: return too_large(std::string("Request entity too large: ") + error.what());
        case hal::Code::unavailable:
            return {503, "ServiceUnavailable", error.what(), json::object{{"retryAfterSeconds", 1}}, {}};
        case hal::Code::timed_out: return {504, "Timeout", std::string("Timeout: ") + error.what(), json::object{{"retryAfterSeconds", 1}}, {}};
        case hal::Code::invalid: return bad_request(error.what());
        default: return internal_error(error.what());
    }
}

}  // namespace services::kube::api
