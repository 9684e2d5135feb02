#include "services/codec/s3/policy.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace services::codec::s3;

namespace {

using Values = std::vector<std::pair<std::string, std::vector<std::string>>>;

Policy identity(const std::string& statement) {
    auto policy = Policy::identity(R"({"Version":"2012-10-17","Statement":[)" + statement + "]}");
    INFO((policy ? std::string() : policy.error().message));
    REQUIRE(policy);
    return std::move(*policy);
}

Verdict asked(const Policy& policy, std::string_view action, std::string_view bucket, std::string_view key, const Values& values = {},
              std::string_view principal = "alice") {
    return policy.evaluate({action, bucket, key, principal, values});
}

std::string refused(const std::string& text, std::string_view bucket = {}) {
    const auto policy = bucket.empty() ? Policy::identity(text) : Policy::of_bucket(text, bucket);
    return policy ? "ok" : std::string(policy.error().code) + ": " + policy.error().message;
}

// True when a statement with this condition lets the request through.
bool holds(const std::string& condition, const Values& values) {
    const auto policy = identity(R"({"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::*","Condition":)" + condition + "}");
    return asked(policy, "s3:GetObject", "b", "k", values) == Verdict::allow;
}

}  // namespace

TEST_CASE("wildcards match runs and single characters without blowing up") {
    CHECK(wildcard_matches("*", ""));
    CHECK(wildcard_matches("a*b?d", "axxbcd"));
    CHECK_FALSE(wildcard_matches("a?", "a"));
    CHECK(wildcard_matches("", ""));
    CHECK_FALSE(wildcard_matches("", "a"));
    CHECK_FALSE(wildcard_matches(std::string(200, '*') + "b", std::string(1000, 'a')));
    CHECK_FALSE(wildcard_matches("*a*a*a*a*a*a*a*a*a*b", std::string(1000, 'a')));
}

TEST_CASE("actions and resources decide, an explicit Deny wins") {
    const auto policy = identity(
        R"({"Effect":"Allow","Action":["s3:Get*","s3:ListBucket"],"Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"]},)"
        R"({"Effect":"Deny","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/secret/*"})");
    CHECK(asked(policy, "s3:GetObject", "b", "k") == Verdict::allow);
    CHECK(asked(policy, "s3:GetObject", "b", "secret/k") == Verdict::deny);
    CHECK(asked(policy, "s3:PutObject", "b", "k") == Verdict::none);
    CHECK(asked(policy, "s3:ListBucket", "b", "") == Verdict::allow);
    CHECK(asked(policy, "s3:ListBucket", "bb", "") == Verdict::none);
    CHECK(asked(policy, "s3:GetObject", "c", "k") == Verdict::none);
}

TEST_CASE("who may read any version may read the latest; NotAction and NotResource exclude") {
    CHECK(asked(identity(R"({"Effect":"Allow","Action":"s3:GetObjectVersion","Resource":"arn:aws:s3:::*"})"), "s3:GetObject", "b", "k") == Verdict::allow);
    const auto policy = identity(R"({"Effect":"Allow","NotAction":"s3:Delete*","NotResource":"arn:aws:s3:::b/private/*"})");
    CHECK(asked(policy, "s3:PutObject", "b", "k") == Verdict::allow);
    CHECK(asked(policy, "s3:DeleteObject", "b", "k") == Verdict::none);
    CHECK(asked(policy, "s3:PutObject", "b", "private/k") == Verdict::none);
}

TEST_CASE("a variable stands for the user and never for a wildcard") {
    const auto policy = identity(R"({"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::home/${aws:username}/*"})");
    CHECK(asked(policy, "s3:GetObject", "home", "alice/k") == Verdict::allow);
    CHECK(asked(policy, "s3:GetObject", "home", "bob/k") == Verdict::none);
    CHECK(asked(policy, "s3:GetObject", "home", "bob/k", {}, "*") == Verdict::none);
    CHECK(asked(policy, "s3:GetObject", "home", "*/k", {}, "*") == Verdict::allow);
}

TEST_CASE("a bucket policy names principals, anonymous is '*' alone") {
    const auto text = [](const std::string& principal) {
        return R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":)" + principal +
               R"(,"Action":["s3:GetObject"],"Resource":["arn:aws:s3:::b/*"]}]})";
    };
    const auto everyone = Policy::of_bucket(text(R"({"AWS":["*"]})"), "b");
    REQUIRE(everyone);
    CHECK(asked(*everyone, "s3:GetObject", "b", "k", {}, "") == Verdict::allow);
    const auto bob = Policy::of_bucket(text(R"({"AWS":["arn:aws:iam::123456789012:user/bob"]})"), "b");
    REQUIRE(bob);
    CHECK(asked(*bob, "s3:GetObject", "b", "k", {}, "bob") == Verdict::allow);
    CHECK(asked(*bob, "s3:GetObject", "b", "k", {}, "alice") == Verdict::none);
    CHECK(asked(*bob, "s3:GetObject", "b", "k", {}, "") == Verdict::none);
    CHECK(refused(text("\"*\""), "b") == "ok");
    CHECK(refused(text("\"bob\""), "b") == "MalformedPolicy: invalid principal");
    CHECK(refused(text("\"*\""), "c") == "MalformedPolicy: bucket name does not match");
}

TEST_CASE("strings, numbers, dates, networks and absence are conditions") {
    CHECK(holds(R"({"StringEquals":{"s3:prefix":["a","b"]}})", {{"s3:prefix", {"b"}}}));
    CHECK_FALSE(holds(R"({"StringEquals":{"s3:prefix":["a","b"]}})", {{"s3:prefix", {"c"}}}));
    CHECK_FALSE(holds(R"({"StringEquals":{"s3:prefix":"a"}})", {}));
    CHECK(holds(R"({"StringNotEquals":{"s3:prefix":"a"}})", {}));
    CHECK(holds(R"({"StringEqualsIfExists":{"s3:prefix":"a"}})", {}));
    CHECK_FALSE(holds(R"({"StringEqualsIfExists":{"s3:prefix":"a"}})", {{"s3:prefix", {"b"}}}));
    CHECK(holds(R"({"StringEqualsIgnoreCase":{"aws:Referer":"HTTP://X"}})", {{"aws:referer", {"http://x"}}}));
    CHECK(holds(R"({"StringLike":{"aws:Referer":"http://*.example/*"}})", {{"aws:Referer", {"http://a.example/b"}}}));
    CHECK_FALSE(holds(R"({"StringNotLike":{"aws:Referer":"http://*"}})", {{"aws:Referer", {"http://a"}}}));
    CHECK(holds(R"({"NumericLessThanEquals":{"s3:max-keys":"10"}})", {{"s3:max-keys", {"10"}}}));
    CHECK_FALSE(holds(R"({"NumericLessThan":{"s3:max-keys":10}})", {{"s3:max-keys", {"10"}}}));
    CHECK(holds(R"({"DateGreaterThan":{"aws:CurrentTime":"2026-01-01T00:00:00Z"}})", {{"aws:CurrentTime", {"2026-01-02T00:00:00Z"}}}));
    CHECK(holds(R"({"Bool":{"aws:SecureTransport":"true"}})", {{"aws:SecureTransport", {"true"}}}));
    CHECK_FALSE(holds(R"({"Bool":{"aws:SecureTransport":true}})", {{"aws:SecureTransport", {"false"}}}));
    CHECK(holds(R"({"IpAddress":{"aws:SourceIp":["10.0.0.0/8","fd00::/8"]}})", {{"aws:SourceIp", {"10.255.0.1"}}}));
    CHECK(holds(R"({"IpAddress":{"aws:SourceIp":["10.0.0.0/8","fd00::/8"]}})", {{"aws:SourceIp", {"fd12::1"}}}));
    CHECK(holds(R"({"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}})", {{"aws:SourceIp", {"::ffff:10.1.2.3"}}}));
    CHECK_FALSE(holds(R"({"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}})", {{"aws:SourceIp", {"11.0.0.1"}}}));
    CHECK(holds(R"({"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}})", {{"aws:SourceIp", {"11.0.0.1"}}}));
    CHECK(holds(R"({"Null":{"s3:x-amz-acl":"true"}})", {}));
    CHECK_FALSE(holds(R"({"Null":{"s3:x-amz-acl":"true"}})", {{"s3:x-amz-acl", {"private"}}}));
    CHECK(holds(R"({"StringEquals":{"aws:username":"alice"}})", {{"aws:username", {"alice"}}}));
    CHECK(holds(R"({"StringEquals":{"s3:prefix":"${aws:username}/"}})", {{"s3:prefix", {"alice/"}}}));
}

TEST_CASE("sets of values are compared by all or by any") {
    const Values two = {{"s3:RequestObjectTagKeys", {"a", "b"}}};
    CHECK(holds(R"({"ForAllValues:StringEquals":{"s3:RequestObjectTagKeys":["a","b","c"]}})", two));
    CHECK_FALSE(holds(R"({"ForAllValues:StringEquals":{"s3:RequestObjectTagKeys":["a"]}})", two));
    CHECK(holds(R"({"ForAllValues:StringEquals":{"s3:RequestObjectTagKeys":["a"]}})", {}));
    CHECK(holds(R"({"ForAnyValue:StringEquals":{"s3:RequestObjectTagKeys":["b"]}})", two));
    CHECK_FALSE(holds(R"({"ForAnyValue:StringEquals":{"s3:RequestObjectTagKeys":["c"]}})", two));
    CHECK_FALSE(holds(R"({"ForAnyValue:StringEquals":{"s3:RequestObjectTagKeys":["c"]}})", {}));
}

TEST_CASE("what is malformed is refused, saying what") {
    CHECK(refused("{").starts_with("MalformedPolicy"));
    CHECK(refused("[]").starts_with("MalformedPolicy"));
    CHECK(refused("{}") == "ok");
    CHECK(refused(R"({"Version":"2011-01-01","Statement":[]})") == "MalformedPolicy: invalid Version '2011-01-01'");
    CHECK(refused(R"({"Statements":[]})") == "MalformedPolicy: json: unknown field \"Statements\"");
    const auto statement = [](const std::string& text) { return refused(R"({"Version":"2012-10-17","Statement":[{)" + text + "}]}"); };
    CHECK(statement(R"("Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*")") == "ok");
    CHECK(statement(R"("Effect":"Maybe","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*")") == "MalformedPolicy: invalid Effect 'Maybe'");
    CHECK(statement(R"("Effect":"Allow","Action":"s3:Nothing","Resource":"arn:aws:s3:::b/*")") == "MalformedPolicy: unsupported action 's3:Nothing'");
    CHECK(statement(R"("Effect":"Allow","Action":"s3:GetObject","Resource":"b/*")") == "MalformedPolicy: invalid resource 'b/*'");
    CHECK(statement(R"("Effect":"Allow","Action":"s3:GetObject","Resource":[])") == "MalformedPolicy: Resource must not be empty");
    CHECK(statement(R"("Effect":"Allow","Action":"s3:GetObject")") == "MalformedPolicy: Resource must not be empty");
    CHECK(statement(R"("Effect":"Allow","Resource":"arn:aws:s3:::b/*")") == "MalformedPolicy: Action must not be empty");
    CHECK(statement(R"("Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::b/x/*")").contains("unsupported Resource found"));
    CHECK(statement(R"("Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b")").contains("unsupported Resource found"));
    CHECK(statement(R"("Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*")").contains("Principal"));
    CHECK(statement(R"("Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*","Condition":{"Like":{"a:b":"c"}})")
              .contains("invalid condition operator 'Like'"));
    CHECK(statement(R"("Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/33"}})")
              .contains("invalid value"));
    CHECK(refused(std::string(policy_bytes_max + 1, ' ')).starts_with("MalformedPolicy"));
    CHECK(refused(std::string(5000, '[')).starts_with("MalformedPolicy"));
}

TEST_CASE("MinIO's canned policies are well-formed and do what they say") {
    CHECK(canned_policies().size() == 5);
    for (const auto& canned : canned_policies()) CHECK(Policy::identity(canned.json));
    const auto find = [](std::string_view name) {
        for (const auto& canned : canned_policies())
            if (canned.name == name) return std::move(*Policy::identity(canned.json));
        FAIL("no such policy");
        return std::move(*Policy::identity("{}"));
    };
    CHECK(asked(find("readonly"), "s3:GetObject", "b", "k") == Verdict::allow);
    CHECK(asked(find("readonly"), "s3:PutObject", "b", "k") == Verdict::none);
    CHECK(asked(find("readwrite"), "s3:ListAllMyBuckets", "", "") == Verdict::allow);
    CHECK(asked(find("readwrite"), "admin:ServerInfo", "", "") == Verdict::none);
    CHECK(asked(find("consoleAdmin"), "admin:ServerInfo", "", "") == Verdict::allow);
    CHECK(asked(find("diagnostics"), "admin:ServerInfo", "", "") == Verdict::allow);
    CHECK(asked(find("writeonly"), "s3:GetObject", "b", "k") == Verdict::none);
}
