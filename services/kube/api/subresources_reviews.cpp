// Questions that are asked by creating them and never stored: who am I, what may I do, whose token is this.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>

#include "services/kube/api/objects.hpp"
#include "services/kube/api/status.hpp"
#include "services/kube/api/subresources_table.hpp"
#include "services/kube/auth/authentication.hpp"
#include "services/kube/auth/authorization.hpp"
#include "services/kube/kinds/report.hpp"
#include "services/kube/schema/managed_fields.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::api {
namespace {

using kubeclient::array_at;
using kubeclient::field;
using kubeclient::object_at;
using kubeclient::text;

schema::GroupVersionKind authentication_kind(std::string_view kind) { return {"authentication.k8s.io", "v1", std::string(kind)}; }
schema::GroupVersionKind authorization_kind(std::string_view kind) { return {"authorization.k8s.io", "v1", std::string(kind)}; }

json::array texts(const auto& words) {
    json::array list;
    for (const auto& word : words) list.emplace_back(std::string_view(word));
    return list;
}

json::object user_object(const auth::User& user) {
    json::object object{{"username", user.name}};
    if (!user.uid.empty()) object["uid"] = user.uid;
    if (!user.groups.empty()) object["groups"] = texts(user.groups);
    if (user.extra.empty()) return object;
    json::object extra;
    for (const auto& [key, values] : user.extra) extra[key] = texts(values);
    object["extra"] = std::move(extra);
    return object;
}

// The fields that the question set, owned by who asked, as the real server shows them.
void track(const Api& api, const ResourceRequest& request, const schema::GroupVersionKind& gvk, json::object& review) {
    const auto* type = schema::type_of(gvk);
    if (type == nullptr) return;
    schema::track_update(*type, review, nullptr,
                         {.manager = schema::manager_of(request.field_manager, request.http.headers.get("User-Agent")),
                          .operation = "Update",
                          .subresource = "",
                          .time = hal::rfc3339(api.clock.wall()),
                          .api_version = gvk.api_version(),
                          .has_status = false});
}

json::object decode_review(const Api& api, ResourceRequest& request, const schema::GroupVersionKind& gvk) {
    auto review = decode_created(request, gvk);
    kubeclient::make_object(review, "metadata");
    kubeclient::make_object(review, "spec");
    review.erase("status");
    track(api, request, gvk, review);
    return review;
}

// An Invalid answer of these kinds names no kind: the real server reads it where it is not set.
void refuse(kinds::Report& report) {
    if (report.is_empty()) return;
    auto status = invalid(authorization_kind(""), "", report.take());
    status.details->erase("kind");
    throw StatusError(std::move(status));
}

void check_access_spec(kinds::Report& report, const json::object& spec) {
    const auto* resource = field(spec, "resourceAttributes");
    const auto* path = field(spec, "nonResourceAttributes");
    if ((resource != nullptr) != (path != nullptr)) return;
    const auto shown = path == nullptr ? json::value(nullptr)
                                       : json::value(json::object{{"Path", text(path->as_object(), "path")}, {"Verb", text(path->as_object(), "verb")}});
    report.invalid(kinds::Path("spec"), shown, "exactly one of nonResourceAttributes or resourceAttributes must be specified");
}

auth::Attributes asked_in(const json::object& spec) {
    if (field(spec, "nonResourceAttributes") != nullptr) {
        const auto& asked = object_at(spec, "nonResourceAttributes");
        return {.verb = std::string(text(asked, "verb")), .group = "", .resource = "", .subresource = "", .name_space = "", .name = "",
                .path = std::string(text(asked, "path"))};
    }
    const auto& asked = object_at(spec, "resourceAttributes");
    const auto of = [&](std::string_view name) { return std::string(text(asked, name)); };
    return {.verb = of("verb"), .group = of("group"), .resource = of("resource"), .subresource = of("subresource"),
            .name_space = of("namespace"), .name = of("name"), .path = ""};
}

auth::User user_in(const json::object& spec) {
    auth::User user{std::string(text(spec, "user")), std::string(text(spec, "uid")), {}, {}};
    for (const auto& group : array_at(spec, "groups")) user.groups.emplace_back(kubeclient::as_text(group));
    for (const auto& [key, values] : object_at(spec, "extra"))
        if (values.is_array())
            for (const auto& value : values.get_array()) user.extra[std::string(key)].emplace_back(kubeclient::as_text(value));
    return user;
}

http::Response answered(const Api& api, const ResourceRequest& request, const schema::GroupVersionKind& gvk, json::object review) {
    if (const auto* type = schema::type_of(gvk)) schema::normalise(*type, review);
    return object_response(api, request, 201, gvk, std::move(review));
}

json::object verdict(const Api& api, const auth::User& user, const json::object& spec) {
    return {{"allowed", api.authorizer.allows(user, asked_in(spec))}};
}

Task<http::Response> review_of_another(Api& api, ResourceRequest& request, std::string kind) {
    const auto gvk = authorization_kind(kind);
    auto review = decode_review(api, request, gvk);
    const auto& spec = object_at(review, "spec");
    kinds::Report report;
    check_access_spec(report, spec);
    if (text(spec, "user").empty() && array_at(spec, "groups").empty())
        report.invalid(kinds::Path("spec.user"), "", "at least one of user or group must be specified");
    if (kind == "LocalSubjectAccessReview") {
        review["metadata"].as_object()["namespace"] = request.name_space;
        if (field(spec, "resourceAttributes") != nullptr && text(spec, "resourceAttributes.namespace") != request.name_space)
            report.invalid(kinds::Path("spec.resourceAttributes.namespace"), text(spec, "resourceAttributes.namespace"), "must match metadata.namespace");
        if (const auto* path = field(spec, "nonResourceAttributes"))
            report.invalid(kinds::Path("spec.nonResourceAttributes"), *path, "disallowed on this kind of request");
    }
    refuse(report);
    review["status"] = verdict(api, user_in(spec), spec);
    co_return answered(api, request, gvk, std::move(review));
}

}  // namespace

Task<http::Response> review_access(Api& api, ResourceRequest& request) { return review_of_another(api, request, "SubjectAccessReview"); }
Task<http::Response> review_local_access(Api& api, ResourceRequest& request) { return review_of_another(api, request, "LocalSubjectAccessReview"); }

Task<http::Response> review_own_access(Api& api, ResourceRequest& request) {
    const auto gvk = authorization_kind("SelfSubjectAccessReview");
    auto review = decode_review(api, request, gvk);
    const auto& spec = object_at(review, "spec");
    kinds::Report report;
    check_access_spec(report, spec);
    refuse(report);
    review["status"] = verdict(api, request.user, spec);
    co_return answered(api, request, gvk, std::move(review));
}

Task<http::Response> review_own_rules(Api& api, ResourceRequest& request) {
    const auto gvk = authorization_kind("SelfSubjectRulesReview");
    const auto asked = decode_created(request, gvk);
    const std::string name_space(text(asked, "spec.namespace"));
    if (name_space.empty()) throw StatusError(bad_request("no namespace on request"));
    json::array resource_rules, path_rules;
    for (const auto& rule : api.authorizer.rules_of(request.user, name_space)) {
        if (!rule.paths.empty()) path_rules.push_back(json::object{{"verbs", texts(rule.verbs)}, {"nonResourceURLs", texts(rule.paths)}});
        else resource_rules.push_back(json::object{{"verbs", texts(rule.verbs)}, {"apiGroups", texts(rule.groups)}, {"resources", texts(rule.resources)}});
    }
    co_return answered(api, request, gvk,
                       {{"metadata", json::object{}},
                        {"spec", json::object{}},
                        {"status", json::object{{"resourceRules", std::move(resource_rules)}, {"nonResourceRules", std::move(path_rules)}, {"incomplete", false}}}});
}

Task<http::Response> review_self(Api& api, ResourceRequest& request) {
    const auto gvk = authentication_kind("SelfSubjectReview");
    decode_created(request, gvk);
    co_return answered(api, request, gvk,
                       {{"metadata", json::object{{"creationTimestamp", hal::rfc3339(api.clock.wall())}}},
                        {"status", json::object{{"userInfo", user_object(request.user)}}}});
}

Task<http::Response> review_token(Api& api, ResourceRequest& request) {
    const auto gvk = authentication_kind("TokenReview");
    auto review = decode_review(api, request, gvk);
    const std::string token(text(review, "spec.token"));
    if (token.empty()) throw StatusError(bad_request("token is required for TokenReview in authentication"));
    std::vector<std::string> audiences;
    for (const auto& audience : array_at(review, "spec.audiences")) audiences.emplace_back(kubeclient::as_text(audience));
    const auto reviewed = co_await api.authenticator.review(token, std::move(audiences));
    json::object status;
    if (reviewed) status = {{"authenticated", true}, {"user", user_object(reviewed->user)}, {"audiences", texts(reviewed->audiences)}};
    else status = {{"user", json::object{}}, {"error", "invalid bearer token"}};
    review["status"] = std::move(status);
    co_return answered(api, request, gvk, std::move(review));
}

}  // namespace services::kube::api
