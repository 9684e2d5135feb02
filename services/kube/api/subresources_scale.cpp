// deployments/scale and replicasets/scale: the one number of an object, as autoscaling/v1 Scale.
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "services/kube/api/decode.hpp"
#include "services/kube/api/objects.hpp"
#include "services/kube/api/status.hpp"
#include "services/kube/api/subresources_table.hpp"
#include "services/kube/kinds/report.hpp"
#include "services/kube/schema/patch.hpp"
#include "services/kubeclient/object.hpp"
#include "services/kubeclient/selectors.hpp"

namespace services::kube::api {
namespace {

const schema::GroupVersionKind scale_kind{"autoscaling", "v1", "Scale"};

json::object scale_of(const json::object& object) {
    json::object metadata;
    for (const auto* field : {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"})
        if (const auto* value = kubeclient::field(object, std::string("metadata.") + field)) metadata[field] = *value;
    json::object spec;
    if (const auto replicas = kubeclient::number(object, "spec.replicas", 1); replicas != 0) spec["replicas"] = replicas;
    json::object status{{"replicas", kubeclient::number(object, "status.replicas")}};
    if (const auto selector = kubeclient::LabelSelector::from_object(kubeclient::object_at(object, "spec.selector")).to_string(); !selector.empty())
        status["selector"] = selector;
    return {{"metadata", std::move(metadata)}, {"spec", std::move(spec)}, {"status", std::move(status)}};
}

json::object with_type(json::object scale) {
    json::object typed{{"kind", scale_kind.kind}, {"apiVersion", scale_kind.api_version()}};
    for (auto& member : scale) typed.emplace(member.key(), std::move(member.value()));
    return typed;
}

// A Scale has no lists, so a strategic merge patch is a merge patch.
json::object patched(const ResourceRequest& request, const json::object& scale, std::vector<std::string>& warnings) {
    const auto media = media_type(request.http);
    std::expected<json::object, schema::PatchError> result;
    if (media == "application/json-patch+json") result = schema::json_patch(with_type(scale), request.http.body);
    else if (media == "application/merge-patch+json" || media == "application/strategic-merge-patch+json")
        result = schema::json_merge_patch(with_type(scale), request.http.body);
    else throw StatusError(unsupported_patch());
    if (!result) {
        using Kind = schema::PatchError::Kind;
        const auto& [kind, message] = result.error();
        if (kind == Kind::malformed) throw StatusError(bad_request(message));
        if (kind == Kind::too_large) throw StatusError(too_large(message));
        if (kind == Kind::internal) throw StatusError(internal_error(message));
        throw StatusError(Status{422, "Invalid", message, {}, ""});
    }
    const auto text = json::serialize(*result);
    return decode_object(scale_kind, text, request.query("fieldValidation"), warnings, [&text] { return text; });
}

// What the client wants `object` to have, checked against what it says of the object.
void apply_scale(const kinds::Kind& kind, const json::object& scale, json::object& object) {
    const auto name = kubeclient::name_of(object);
    if (const auto given = kubeclient::name_of(scale); given != name)
        throw StatusError(bad_request("the name of the object (" + std::string(given) + ") does not match the name on the URL (" + std::string(name) + ")"));
    if (const std::string given(kubeclient::uid_of(scale)), uid(kubeclient::uid_of(object)); !given.empty() && given != uid)
        throw StatusError(conflict(kind, name, "Precondition failed: UID in precondition: " + given + ", UID in object meta: " + uid));
    if (const auto revision = kubeclient::text(scale, "metadata.resourceVersion"); !revision.empty())
        kubeclient::make_object(object, "metadata")["resourceVersion"] = revision;
    const auto replicas = kubeclient::number(scale, "spec.replicas");
    if (replicas < 0) {
        kinds::Report report;
        report.invalid(kinds::Path("spec.replicas"), replicas, "must be greater than or equal to 0");
        throw StatusError(invalid(scale_kind, name, report.take()));
    }
    object["spec"].as_object()["replicas"] = replicas;
}

}  // namespace

Task<http::Response> scale(Api& api, ResourceRequest& request) {
    const auto& kind = *request.kind;
    if (request.verb == "get") {
        const auto stored = co_await load_object(api, kind, request.name_space, request.name);
        co_return object_response(api, request, 200, scale_kind, scale_of(stored.object));
    }
    Change change;
    take_options(request, request.verb == "update" ? "UpdateOptions" : "PatchOptions");
    if (request.verb == "update") {
        change = [&kind, wanted = decode_body(request, scale_kind)](json::object& object) { apply_scale(kind, wanted, object); };
    } else {
        change = [&kind, &request](json::object& object) {
            std::vector<std::string> warnings;
            apply_scale(kind, patched(request, scale_of(object), warnings), object);
            request.warnings = std::move(warnings);
        };
    }
    const auto written = co_await modify_object(api, request, kind, request.name_space, request.name, std::move(change));
    co_return object_response(api, request, 200, scale_kind, scale_of(written));
}

}  // namespace services::kube::api
