#include "services/kube/auth/authorization.hpp"

#include <algorithm>

namespace services::kube::auth {
namespace {

using Words = std::vector<std::string_view>;

const Words reads{"get", "list", "watch"};
const Words writes{"create", "delete", "patch", "update"};
const Words changes{"patch", "update"};

struct Grant {
    bool (*is_for)(const User& user);
    std::vector<Rule> rules;
};

// A node is one only with both: a name alone is not enough (the Node authorizer's DefaultNodeIdentifier).
bool is_node(const User& user) { return user.name.starts_with("system:node:") && user.is_in("system:nodes"); }

Rule on(Words verbs, Words groups, Words resources) { return {std::move(verbs), std::move(groups), std::move(resources), {}}; }
Rule at(Words paths) { return {{"get"}, {}, {}, std::move(paths)}; }

// From bootstrappolicy of the real server, less the kinds the box does not serve. A box has one node, so the Node
// authorizer's graph (only Secrets of the node's own pods) would allow the same. Made on first use and then kept.
const std::vector<Grant>& grants() {
    static const std::vector<Grant> table{
        {[](const User& user) { return user.is_in(group_masters); }, {on({"*"}, {"*"}, {"*"})}},
        {[](const User& user) { return user.is_in(group_authenticated); },
         {on({"create"}, {"authorization.k8s.io"}, {"selfsubjectaccessreviews", "selfsubjectrulesreviews"}),
          on({"create"}, {"authentication.k8s.io"}, {"selfsubjectreviews"})}},
        {[](const User& user) { return user.is_in(group_authenticated) || user.is_in(group_unauthenticated); },
         {at({"/healthz", "/livez", "/readyz", "/version", "/version/"})}},
        {[](const User& user) { return user.is_in(group_masters); }, {{{"*"}, {}, {}, {"*"}}}},
        {[](const User& user) { return user.is_in(group_authenticated); },
         {at({"/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version", "/version/"})}},
        {[](const User& user) { return user.is_in("system:serviceaccounts"); },
         {at({"/.well-known/openid-configuration", "/.well-known/openid-configuration/", "/openid/v1/jwks", "/openid/v1/jwks/"})}},
        {is_node,
         {on({"create"}, {"authentication.k8s.io"}, {"tokenreviews"}),
          on({"create"}, {"authorization.k8s.io"}, {"localsubjectaccessreviews", "subjectaccessreviews"}),
          on(reads, {""}, {"services", "nodes", "pods", "configmaps", "secrets", "endpoints", "serviceaccounts", "namespaces"}),
          on({"create", "patch", "update"}, {""}, {"nodes", "events"}),
          on({"create", "patch", "update"}, {"events.k8s.io"}, {"events"}),
          on(changes, {""}, {"nodes/status", "pods/status"}),
          on({"create", "delete"}, {""}, {"pods"}),
          on({"create"}, {""}, {"pods/eviction", "serviceaccounts/token"}),
          on({"get"}, {""}, {"persistentvolumeclaims", "persistentvolumes"}),
          on({"create", "delete", "get", "patch", "update"}, {"coordination.k8s.io"}, {"leases"}),
          on({"create", "get", "list", "watch"}, {"certificates.k8s.io"}, {"certificatesigningrequests"}),
          on(reads, {"discovery.k8s.io"}, {"endpointslices"}),
          on(reads, {"node.k8s.io"}, {"runtimeclasses"}),
          on(reads, {"networking.k8s.io"}, {"networkpolicies"})}},
        // One client for all control loops here, so it has what the real ones have together.
        {[](const User& user) { return user.name == "system:kube-controller-manager"; },
         {on(reads, {"*"}, {"*"}), on(writes, {"*"}, {"*"}), on({"deletecollection"}, {"*"}, {"*"})}},
        {[](const User& user) { return user.name == "system:kube-scheduler"; },
         {on(reads, {""}, {"namespaces", "nodes", "persistentvolumeclaims", "persistentvolumes", "pods", "replicationcontrollers", "services"}),
          on(reads, {"apps"}, {"replicasets", "statefulsets"}),
          on(reads, {"policy"}, {"poddisruptionbudgets"}),
          on(reads, {"storage.k8s.io"}, {"csidrivers", "csinodes", "csistoragecapacities", "storageclasses"}),
          on({"delete"}, {""}, {"pods"}),
          on({"create"}, {""}, {"bindings", "pods/binding"}),
          on(changes, {""}, {"pods/status"}),
          on({"create", "patch", "update"}, {"", "events.k8s.io"}, {"events"}),
          on({"create", "get", "list", "update", "watch"}, {"coordination.k8s.io"}, {"leases"})}},
        {[](const User& user) { return user.name == "system:coredns" || user.is_in("branchbox:services"); },
         {on(reads, {""}, {"endpoints", "namespaces", "nodes", "pods", "services"}),
          on(reads, {"discovery.k8s.io"}, {"endpointslices"})}},
    };
    return table;
}

bool names(const Words& words, std::string_view asked) {
    return std::ranges::any_of(words, [&](auto word) { return word == "*" || word == asked; });
}

bool covers_path(std::string_view pattern, std::string_view path) {
    if (!pattern.ends_with('*')) return pattern == path;
    pattern.remove_suffix(1);
    return path.starts_with(pattern);
}

std::string full_resource(const Attributes& asked) {
    return asked.subresource.empty() ? asked.resource : asked.resource + "/" + asked.subresource;
}

}  // namespace

bool Rule::allows(const Attributes& asked) const {
    if (!names(verbs, asked.verb)) return false;
    if (!asked.path.empty()) return std::ranges::any_of(paths, [&](auto pattern) { return covers_path(pattern, asked.path); });
    return names(groups, asked.group) && names(resources, full_resource(asked));
}

bool BuiltInAuthorizer::allows(const User& user, const Attributes& asked) const {
    return std::ranges::any_of(grants(), [&](const Grant& grant) {
        return grant.is_for(user) && std::ranges::any_of(grant.rules, [&](const Rule& rule) { return rule.allows(asked); });
    });
}

std::vector<Rule> BuiltInAuthorizer::rules_of(const User& user, std::string_view) const {
    std::vector<Rule> rules;
    for (const auto& grant : grants())
        if (grant.is_for(user)) rules.insert(rules.end(), grant.rules.begin(), grant.rules.end());
    return rules;
}

std::string forbidden_message(const User& user, const Attributes& asked) {
    const auto who = "User \"" + user.name + "\" cannot " + asked.verb;
    if (!asked.path.empty()) return "forbidden: " + who + " path \"" + asked.path + "\"";
    auto what = asked.group.empty() ? asked.resource : asked.resource + "." + asked.group;
    if (!asked.name.empty()) what += " \"" + asked.name + "\"";
    const auto where = asked.name_space.empty() ? std::string("at the cluster scope") : "in the namespace \"" + asked.name_space + "\"";
    return what + " is forbidden: " + who + " resource \"" + full_resource(asked) + "\" in API group \"" + asked.group + "\" " + where;
}

std::vector<Attributes> impersonation_needs(const User& wanted) {
    constexpr std::string_view service_account = "system:serviceaccount:";
    std::vector<Attributes> needs;
    Attributes whom{.verb = "impersonate", .group = "", .resource = "users", .subresource = "", .name_space = "", .name = wanted.name, .path = ""};
    const auto colon = wanted.name.rfind(':');
    if (wanted.name.starts_with(service_account) && colon > service_account.size()) {
        whom.resource = "serviceaccounts";
        whom.name_space = wanted.name.substr(service_account.size(), colon - service_account.size());
        whom.name = wanted.name.substr(colon + 1);
    }
    needs.push_back(std::move(whom));
    const auto need = [&](std::string group, std::string resource, std::string subresource, std::string name) {
        needs.push_back({"impersonate", std::move(group), std::move(resource), std::move(subresource), "", std::move(name), ""});
    };
    for (const auto& group : wanted.groups) need("", "groups", "", group);
    if (!wanted.uid.empty()) need("authentication.k8s.io", "uids", "", wanted.uid);
    for (const auto& [key, values] : wanted.extra)
        for (const auto& value : values) need("authentication.k8s.io", "userextras", key, value);
    return needs;
}

}  // namespace services::kube::auth
