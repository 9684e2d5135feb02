// serviceaccounts/token: a token for a ServiceAccount, bound to a Pod, Secret or Node when asked to. And the documents by
// which others verify such tokens (OpenID Connect Discovery 1.0).
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <chrono>

#include "hal/base/bytes.hpp"
#include "services/kube/api/objects.hpp"
#include "services/kube/api/status.hpp"
#include "services/kube/api/subresources_table.hpp"
#include "services/kube/auth/token.hpp"
#include "services/kube/kinds/report.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::api {
namespace {

using kubeclient::text;

const schema::GroupVersionKind token_kind{"authentication.k8s.io", "v1", "TokenRequest"};
constexpr std::int64_t expiration_seconds_default = 3600;
constexpr std::int64_t expiration_seconds_min = 600;
constexpr std::int64_t expiration_seconds_max = std::int64_t{1} << 32;

void refuse(kinds::Report& report, std::string_view name) {
    if (!report.is_empty()) throw StatusError(invalid(token_kind, name, report.take()));
}

StatusError other_uid(std::string resource, const std::string& name, const std::string& why) {
    auto message = "Operation cannot be fulfilled on " + resource + " \"" + name + "\": " + why;
    json::object details{{"name", name}};
    if (const auto dot = resource.find('.'); dot != std::string::npos) {
        details["group"] = resource.substr(dot + 1);
        resource.resize(dot);
    }
    details["kind"] = resource;
    return StatusError(Status{409, "Conflict", std::move(message), std::move(details), ""});
}

// Fills in what the body leaves out and checks what it states.
void complete(json::object& body, const ResourceRequest& request, const json::object& account) {
    kinds::Report report;
    const std::string name(kubeclient::name_of(body)), name_space(kubeclient::namespace_of(body)), uid(kubeclient::uid_of(body));
    if (!name.empty() && name != request.name)
        report.invalid(kinds::Path("metadata.name"), name, "must match the service account name if specified");
    else if (!name_space.empty() && name_space != request.name_space)
        report.invalid(kinds::Path("metadata.namespace"), name_space, "must match the service account namespace if specified");
    refuse(report, request.name);
    const std::string account_uid(kubeclient::uid_of(account));
    if (!uid.empty() && uid != account_uid)
        throw other_uid("TokenRequest.authentication.k8s.io", request.name,
                        "the UID in the token request (" + uid + ") does not match the UID of the service account (" + account_uid + ")");

    auto& metadata = kubeclient::make_object(body, "metadata");
    metadata["name"] = request.name;
    metadata["namespace"] = request.name_space;
    metadata["uid"] = account_uid;
    auto& spec = kubeclient::make_object(body, "spec");
    if (kubeclient::array_at(spec, "audiences").empty()) spec["audiences"] = json::array{json::value(auth::token_issuer)};
    if (kubeclient::field(spec, "expirationSeconds") == nullptr) spec["expirationSeconds"] = expiration_seconds_default;
    const auto seconds = kubeclient::number(spec, "expirationSeconds");
    if (seconds < expiration_seconds_min) report.invalid(kinds::Path("spec.expirationSeconds"), seconds, "may not specify a duration less than 10 minutes");
    if (seconds > expiration_seconds_max) report.invalid(kinds::Path("spec.expirationSeconds"), seconds, "may not specify a duration larger than 2^32 seconds");
    refuse(report, "");
}

auth::BoundObject bound(const json::object& object) { return {std::string(kubeclient::name_of(object)), std::string(kubeclient::uid_of(object))}; }

// Reads the object that the token shall end with, and for a Pod the Node it runs on.
Task<> bind(Api& api, const ResourceRequest& request, const json::object& reference, auth::Claims& claims) {
    const std::string kind(text(reference, "kind")), name(text(reference, "name")), uid(text(reference, "uid")), version(text(reference, "apiVersion"));
    const bool is_core = version.empty() || version == "v1";
    std::string found;
    if (is_core && kind == "Pod") {
        const auto pod = (co_await load_object(api, core_kind("pods"), request.name_space, name)).object;
        if (text(pod, "spec.serviceAccountName") != request.name)
            throw StatusError(bad_request("cannot bind token for serviceaccount \"" + request.name + "\" to pod running with different serviceaccount name."));
        claims.pod = bound(pod);
        found = claims.pod->uid;
        if (const std::string node(text(pod, "spec.nodeName")); !node.empty()) {
            claims.node = auth::BoundObject{node, ""};
            if (const auto stored = co_await find_object(api, core_kind("nodes"), "", node)) claims.node = bound(stored->object);
        }
    } else if (is_core && kind == "Secret") {
        claims.secret = bound((co_await load_object(api, core_kind("secrets"), request.name_space, name)).object);
        found = claims.secret->uid;
    } else if (is_core && kind == "Node") {
        claims.node = bound((co_await load_object(api, core_kind("nodes"), "", name)).object);
        found = claims.node->uid;
    } else {
        const auto slash = version.find('/');
        throw StatusError(bad_request("cannot bind token to object of type " + (slash == std::string::npos ? "/" + version : version) + ", Kind=" + kind));
    }
    if (!uid.empty() && uid != found)
        throw other_uid(kind, name, "the UID in the bound object reference (" + uid + ") does not match the UID in record. The object might have been deleted and then recreated");
}

http::Response public_document(std::string body, std::string content_type) {
    auto response = http::json_response(200, std::move(body));
    response.headers.set("Content-Type", std::move(content_type));
    response.headers.set("Cache-Control", "public, max-age=3600");
    return response;
}

}  // namespace

Task<http::Response> serve_key_set(Api& api, ResourceRequest&) { co_return public_document(api.tokens.key_set(), "application/jwk-set+json"); }

Task<http::Response> serve_openid_configuration(Api&, ResourceRequest& request) {
    co_return public_document(auth::Tokens::openid_configuration(request.http.peer.local.to_string()), "application/json");
}

Task<http::Response> request_token(Api& api, ResourceRequest& request) {
    auto body = decode_created(request, token_kind);
    const auto account = (co_await load_object(api, *request.kind, request.name_space, request.name)).object;
    complete(body, request, account);

    const auto now = std::chrono::floor<std::chrono::seconds>(api.clock.wall());
    const auto expires = now + std::chrono::seconds(kubeclient::number(body, "spec.expirationSeconds"));
    auth::Claims claims{.name_space = request.name_space,
                        .service_account = bound(account),
                        .pod = {},
                        .secret = {},
                        .node = {},
                        .audiences = {},
                        .issued = now,
                        .not_before = now,
                        .expires = expires,
                        .id = hal::random_uuid()};
    for (const auto& audience : kubeclient::array_at(body, "spec.audiences")) claims.audiences.emplace_back(kubeclient::as_text(audience));
    if (const auto* reference = kubeclient::field(body, "spec.boundObjectRef"))
        co_await bind(api, request, kubeclient::as_object(*reference), claims);

    body["metadata"].as_object()["creationTimestamp"] = hal::rfc3339(now);
    body["status"] = json::object{{"token", api.tokens.issue(claims)}, {"expirationTimestamp", hal::rfc3339(expires)}};
    if (const auto* type = schema::type_of(token_kind)) schema::normalise(*type, body);
    co_return object_response(api, request, 201, token_kind, std::move(body));
}

}  // namespace services::kube::api
