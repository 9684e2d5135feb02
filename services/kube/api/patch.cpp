#include "services/kube/api/patch.hpp"

#include <boost/json/serialize.hpp>

#include <format>
#include <map>

#include "services/kube/api/decode.hpp"
#include "services/kube/api/request.hpp"
#include "services/kube/api/status.hpp"
#include "services/kube/api/write.hpp"
#include "services/kube/schema/managed_fields.hpp"
#include "services/kube/schema/patch.hpp"
#include "services/kube/schema/strategic_merge.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::api {
namespace {

using kubeclient::text;

constexpr unsigned attempts_max = 6;

enum class Form { json, merge, strategic, apply };

Form form_of(const http::Request& request) {
    const auto media = media_type(request);
    if (media == "application/json-patch+json") return Form::json;
    if (media == "application/merge-patch+json") return Form::merge;
    if (media == "application/strategic-merge-patch+json") return Form::strategic;
    if (media == "application/apply-patch+yaml") return Form::apply;
    throw StatusError(unsupported_patch());
}

[[noreturn]] void refuse(const schema::PatchError& error) {
    switch (error.kind) {
        case schema::PatchError::Kind::malformed: throw StatusError(bad_request(error.message));
        case schema::PatchError::Kind::too_large: throw StatusError(too_large(error.message));
        case schema::PatchError::Kind::internal: throw StatusError(Status{500, "", error.message, {}, {}});
        case schema::PatchError::Kind::unprocessable: break;
    }
    throw StatusError(Status{422, "Invalid", std::format("the server rejected our request due to an error in our request: {}", error.message), json::object(), {}});
}

json::object with_type(const kinds::Kind& kind, json::object object) {
    json::object out{{"kind", kind.gvk.kind}, {"apiVersion", kind.gvk.api_version()}};
    for (auto& member : object) out[member.key()] = std::move(member.value());
    return out;
}

json::object patched(const ResourceRequest& request, Form form, const json::object& current) {
    const auto& kind = *request.kind;
    auto typed = with_type(kind, current);
    std::expected<json::object, schema::PatchError> result;
    if (form == Form::json) {
        result = schema::json_patch(std::move(typed), request.http.body);
    } else if (form == Form::merge) {
        result = schema::json_merge_patch(std::move(typed), request.http.body);
    } else {
        const auto parsed = schema::parse_json(request.http.body);
        if (!parsed) throw StatusError(bad_request(parsed.error().message));
        if (!parsed->is_object())
            throw StatusError(bad_request(std::format("json: cannot unmarshal {} into Go value of type map[string]interface {{}}", json_type(*parsed))));
        result = schema::strategic_merge(*schema::type_of(kind.gvk), std::move(typed), parsed->get_object());
    }
    if (!result) refuse(result.error());
    return *std::move(result);
}

// What was patched as the real libraries hold it: their maps sort the members of what a patch touches.
json::object sorted_where_patched(const json::object& object, const json::value* patch) {
    std::map<std::string, json::value> members;
    for (const auto& member : object) {
        const auto* inner = patch && patch->is_object() ? patch->get_object().if_contains(member.key()) : nullptr;
        members[std::string(member.key())] =
            inner && inner->is_object() && member.value().is_object() ? json::value(sorted_where_patched(member.value().get_object(), inner)) : member.value();
    }
    json::object out;
    for (auto& [name, value] : members) out[name] = std::move(value);
    return out;
}

std::string shown_patch(Form form, const std::string& body, const json::object& result) {
    const auto patch = schema::parse_json(body);
    if (form == Form::strategic) return patch ? schema::go_print(*patch) : body;
    return json::serialize(sorted_where_patched(result, patch ? &*patch : nullptr));
}

// What an apply states, with its kind and name checked against the URL.
json::object applied_config(ResourceRequest& request) {
    const auto parsed = schema::parse_yaml(request.http.body);
    if (!parsed) throw StatusError(bad_request("error decoding patch: " + parsed.error().message));
    if (!parsed->is_object()) throw StatusError(bad_request("error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}"));
    return parsed->get_object();
}

[[noreturn]] void refuse(const schema::ApplyError& error) {
    if (!error.is_conflict) {
        // What is no object of the type is not told from a failure of the server's own.
        if (error.message.starts_with("failed to create typed")) throw StatusError(Status{500, "", error.message, {}, {}});
        throw StatusError(bad_request(error.message));
    }
    json::array causes;
    for (const auto& one : error.conflicts)
        causes.push_back(json::object{{"reason", "FieldManagerConflict"}, {"message", one.message}, {"field", one.field}});
    throw StatusError(Status{409, "Conflict", error.message, json::object{{"causes", std::move(causes)}}, {}});
}

struct Written {
    json::object object;
    bool is_created = false;
};

Task<Written> apply_once(Api& api, ResourceRequest& request, const json::object& config, bool is_forced) {
    const auto& kind = *request.kind;
    const auto& type = *schema::type_of(kind.gvk);
    auto before = co_await find_object(api, kind, request.name_space, request.name);
    if (!before && !request.subresource.empty()) throw StatusError(not_found(kind, request.name));
    auto tracking = tracking_of(api, request, kind);
    tracking.operation = "Apply";
    auto result = schema::apply(type, before ? &before->object : nullptr, config, tracking, is_forced);
    if (!result) refuse(result.error());
    auto object = *std::move(result);
    object.erase("kind");
    object.erase("apiVersion");
    if (before) co_return Written{co_await update_object(api, request, kind, *std::move(before), std::move(object), true), false};
    metadata_of(object)["name"] = request.name;
    co_return Written{co_await create_object(api, request, kind, std::move(object)), true};
}

Task<Written> patch_once(Api& api, ResourceRequest& request, Form form, std::string field_validation) {
    const auto& kind = *request.kind;
    auto before = co_await load_object(api, kind, request.name_space, request.name);
    const auto result = patched(request, form, before.object);
    auto object = decode_object(kind.gvk, json::serialize(result), field_validation, request.warnings,
                                [&] { return shown_patch(form, request.http.body, result); });
    if (const auto name = text(object, "metadata.name"); name != request.name)
        throw StatusError(bad_request(std::format("the name of the object ({}) does not match the name on the URL ({})", name, request.name)));
    if (const auto name_space = text(object, "metadata.namespace"); name_space != kubeclient::namespace_of(before.object))
        throw StatusError(bad_request("the namespace of the provided object does not match the namespace sent on the request"));
    co_return Written{co_await update_object(api, request, kind, std::move(before), std::move(object)), false};
}

// The patch states which version it is meant for, so another one is a conflict for its sender.
bool names_revision(const ResourceRequest& request, Form form) {
    if (form == Form::json) return request.http.body.contains("/metadata/resourceVersion");
    const auto parsed = form == Form::apply ? schema::parse_yaml(request.http.body) : schema::parse_json(request.http.body);
    return parsed && parsed->is_object() && !text(parsed->get_object(), "metadata.resourceVersion").empty();
}

}  // namespace

Task<http::Response> patch(Api& api, ResourceRequest& request) {
    const auto form = form_of(request.http);
    const auto options = write_options(request.http, "PatchOptions", form == Form::apply);
    request.is_dry_run = options.is_dry_run;
    request.field_manager = options.field_manager;
    json::object config;
    if (form == Form::apply) config = applied_config(request);
    const bool is_conditional = names_revision(request, form);
    const auto warnings = request.warnings;
    for (unsigned attempt = 1;; ++attempt) {
        request.warnings = warnings;  // without those of an attempt before this one
        try {
            auto written = form == Form::apply ? co_await apply_once(api, request, config, options.is_forced)
                                               : co_await patch_once(api, request, form, options.field_validation);
            co_return object_response(api, request, written.is_created ? 201 : 200, request.kind->gvk, std::move(written.object));
        } catch (const StatusError& failure) {
            const bool is_raced = failure.status.reason == "Conflict" && failure.status.message.contains("the object has been modified");
            if (!is_raced || is_conditional || attempt == attempts_max) throw;
        }
    }
}

}  // namespace services::kube::api
