#include <catch2/catch_test_macros.hpp>

#include "services/kube/auth/authorization.hpp"

using namespace services::kube::auth;

namespace {

const BuiltInAuthorizer authorizer;

Attributes to(std::string verb, std::string group, std::string resource, std::string subresource = "") {
    return {std::move(verb), std::move(group), std::move(resource), std::move(subresource), "default", "", ""};
}
Attributes path(std::string path) { return {"get", "", "", "", "", "", std::move(path)}; }

const User admin{"system:admin", "", {"system:masters", "system:authenticated"}, {}};
const User node{"system:node:till", "", {"system:nodes", "system:authenticated"}, {}};
const User account{"system:serviceaccount:shop:till", "", {"system:serviceaccounts", "system:authenticated"}, {}};
const User nobody{"system:anonymous", "", {"system:unauthenticated"}, {}};

}  // namespace

TEST_CASE("system:masters may do everything") {
    CHECK(authorizer.allows(admin, to("delete", "apps", "deployments")));
    CHECK(authorizer.allows(admin, path("/metrics")));
}

TEST_CASE("a node keeps its pods' status but makes no Deployment; its name without its group is nothing") {
    CHECK(authorizer.allows(node, to("patch", "", "pods", "status")));
    CHECK(authorizer.allows(node, to("create", "", "serviceaccounts", "token")));
    CHECK_FALSE(authorizer.allows(node, to("create", "apps", "deployments")));
    CHECK_FALSE(authorizer.allows(node, to("create", "", "pods", "exec")));
    CHECK_FALSE(authorizer.allows({"system:node:till", "", {"system:authenticated"}, {}}, to("list", "", "pods")));
}

TEST_CASE("the scheduler binds pods; a name like its own does not") {
    CHECK(authorizer.allows({"system:kube-scheduler", "", {}, {}}, to("create", "", "pods", "binding")));
    CHECK_FALSE(authorizer.allows({"system:kube-scheduler2", "", {}, {}}, to("create", "", "pods", "binding")));
}

TEST_CASE("cluster DNS reads Services and no Secret") {
    const User dns{"system:coredns", "", {"branchbox:services", "system:authenticated"}, {}};
    CHECK(authorizer.allows(dns, to("watch", "discovery.k8s.io", "endpointslices")));
    CHECK_FALSE(authorizer.allows(dns, to("get", "", "secrets")));
    CHECK_FALSE(authorizer.allows(dns, to("update", "", "services")));
}

TEST_CASE("a ServiceAccount sees discovery and itself, anonymous only health and version") {
    CHECK(authorizer.allows(account, path("/apis/apps/v1")));
    CHECK(authorizer.allows(account, path("/openid/v1/jwks")));
    CHECK(authorizer.allows(account, to("create", "authorization.k8s.io", "selfsubjectaccessreviews")));
    CHECK_FALSE(authorizer.allows(account, to("list", "", "pods")));
    CHECK(authorizer.allows(nobody, path("/version")));
    CHECK(authorizer.allows(nobody, path("/livez")));
    CHECK_FALSE(authorizer.allows(nobody, path("/livez/ping")));
    CHECK_FALSE(authorizer.allows(nobody, path("/api")));
}

TEST_CASE("a refusal reads as the real server's") {
    const User ann{"ann", "", {}, {}};
    CHECK(forbidden_message(ann, {"list", "", "pods", "", "default", "", ""}) ==
          "pods is forbidden: User \"ann\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\"");
    CHECK(forbidden_message(ann, {"get", "", "pods", "log", "shop", "x", ""}) ==
          "pods \"x\" is forbidden: User \"ann\" cannot get resource \"pods/log\" in API group \"\" in the namespace \"shop\"");
    CHECK(forbidden_message(ann, {"list", "apps", "deployments", "", "", "", ""}) ==
          "deployments.apps is forbidden: User \"ann\" cannot list resource \"deployments\" in API group \"apps\" at the cluster scope");
    CHECK(forbidden_message(ann, path("/metrics")) == "forbidden: User \"ann\" cannot get path \"/metrics\"");
}

TEST_CASE("to act as a ServiceAccount of a group needs both") {
    const auto needs = impersonation_needs({"system:serviceaccount:shop:till", "", {"ops"}, {}});
    REQUIRE(needs.size() == 2);
    CHECK(needs[0].resource == "serviceaccounts");
    CHECK(needs[0].name_space == "shop");
    CHECK(needs[0].name == "till");
    CHECK(needs[1].resource == "groups");
}
