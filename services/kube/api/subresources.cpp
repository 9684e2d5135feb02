#include "services/kube/api/subresources.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <optional>

#include "hal/base/error.hpp"
#include "services/kube/api/objects.hpp"
#include "services/kube/api/request.hpp"
#include "services/kube/api/status.hpp"
#include "services/kube/api/subresources_table.hpp"

namespace services::kube::api {
namespace {

constexpr int attempts_max = 8;

struct Row {
    std::string_view group, plural, subresource;
    Handler handler;
    bool is_streamed;  // the body is not read ahead, and a path may follow
};

constexpr Row subresources[] = {
    {"apps", "deployments", "scale", scale, false},
    {"apps", "replicasets", "scale", scale, false},
    {"", "pods", "binding", bind_pod, false},
    {"", "pods", "eviction", evict_pod, false},
    {"", "serviceaccounts", "token", request_token, false},
    {"", "namespaces", "finalize", finalize_namespace, false},
    {"", "pods", "log", pod_log, false},
    {"", "pods", "exec", pod_exec, true},
    {"", "pods", "attach", pod_attach, true},
    {"", "pods", "portforward", pod_port_forward, true},
    {"", "pods", "proxy", pod_proxy, true},
    {"", "nodes", "proxy", node_proxy, true},
    {"", "services", "proxy", service_proxy, true},
};

struct Review {
    std::string_view group, version, resource;
    Handler handler;
};

// Documents that need the signing key have only a path.
constexpr Review reviews[] = {
    {"", "", "/openid/v1/jwks", serve_key_set},
    {"", "", "/.well-known/openid-configuration", serve_openid_configuration},
    {"", "v1", "bindings", create_binding},
    {"authentication.k8s.io", "v1", "tokenreviews", review_token},
    {"authentication.k8s.io", "v1", "selfsubjectreviews", review_self},
    {"authorization.k8s.io", "v1", "selfsubjectaccessreviews", review_own_access},
    {"authorization.k8s.io", "v1", "subjectaccessreviews", review_access},
    {"authorization.k8s.io", "v1", "localsubjectaccessreviews", review_local_access},
    {"authorization.k8s.io", "v1", "selfsubjectrulesreviews", review_own_rules},
};

}  // namespace

Handler find_subresource(const kinds::Kind& kind, std::string_view subresource) {
    for (const auto& row : subresources)
        if (row.group == kind.gvk.group && row.plural == kind.plural && row.subresource == subresource) return row.handler;
    return nullptr;
}

bool is_streamed(std::string_view subresource) {
    return std::ranges::any_of(subresources, [&](const Row& row) { return row.subresource == subresource && row.is_streamed; });
}

Handler find_review(std::string_view group, std::string_view version, std::string_view resource) {
    for (const auto& row : reviews)
        if (row.group == group && row.version == version && row.resource == resource) return row.handler;
    return nullptr;
}

const kinds::Kind& core_kind(std::string_view plural) {
    const auto* kind = kinds::find("", "v1", plural);
    HAL_REQUIRE(kind != nullptr);
    return *kind;
}

Task<json::object> change_stored(Api& api, const ResourceRequest& request, const kinds::Kind& kind, std::string name_space,
                                 std::string name, std::function<void(json::object&)> change) {
    for (int attempt = 1;; ++attempt) {
        auto stored = co_await load_object(api, kind, name_space, name);
        change(stored.object);
        std::optional<StatusError> failure;
        try {
            co_return co_await store_object(api, request, kind, std::move(stored.object), stored.revision);
        } catch (const StatusError& error) {
            failure = error;
        }
        if (failure->status.reason != "Conflict" || attempt == attempts_max) throw *failure;
    }
}

void take_options(ResourceRequest& request, std::string_view options) {
    auto given = write_options(request.http, options);
    request.is_dry_run = given.is_dry_run;
    request.field_manager = std::move(given.field_manager);
}

json::object decode_created(ResourceRequest& request, const schema::GroupVersionKind& gvk) {
    take_options(request, "CreateOptions");
    return decode_body(request, gvk);
}

http::Response created_status() {
    return http::json_response(201, json::serialize(json::object{{"kind", "Status"},
                                                                 {"apiVersion", "v1"},
                                                                 {"metadata", json::object{}},
                                                                 {"status", "Success"},
                                                                 {"code", 201}}));
}

}  // namespace services::kube::api
