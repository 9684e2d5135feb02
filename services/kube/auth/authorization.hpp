// Who may do what. Authorizer is the face that the API asks for every request; BuiltInAuthorizer is the fixed table for
// the box's own components and for what everybody may read. Rules that users write (RBAC) come as another Authorizer.
//
// Pure: no store, no clock.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "services/kube/auth/user.hpp"

namespace services::kube::auth {

// authorizer.Attributes: either a resource request or, when `path` is set, another path of the server.
struct Attributes {
    std::string verb;  // get list watch create update patch delete deletecollection; of a path: the method in lower case
    std::string group, resource, subresource, name_space, name;
    std::string path;
};

// A row of what a user may do, as SelfSubjectRulesReview shows it. "*" is all; "pods/log" a subresource; "/api/*" a prefix.
struct Rule {
    std::vector<std::string_view> verbs, groups, resources, paths;

    [[nodiscard]] bool allows(const Attributes& asked) const;
};

class Authorizer {
public:
    virtual ~Authorizer() = default;
    [[nodiscard]] virtual bool allows(const User& user, const Attributes& asked) const = 0;
    // The rules that hold for `user` in `name_space`.
    [[nodiscard]] virtual std::vector<Rule> rules_of(const User& user, std::string_view name_space) const = 0;
};

class BuiltInAuthorizer : public Authorizer {
public:
    [[nodiscard]] bool allows(const User& user, const Attributes& asked) const override;
    [[nodiscard]] std::vector<Rule> rules_of(const User& user, std::string_view name_space) const override;
};

// The real server's sentence: `pods is forbidden: User "x" cannot list resource "pods" in API group "" in the namespace
// "default"`, or `forbidden: User "x" cannot get path "/metrics"`.
std::string forbidden_message(const User& user, const Attributes& asked);

// What acting as `wanted` needs: the verb `impersonate` on the user or ServiceAccount, on each group, the uid and each extra.
std::vector<Attributes> impersonation_needs(const User& wanted);

}  // namespace services::kube::auth
