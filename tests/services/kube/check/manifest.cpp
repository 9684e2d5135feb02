#include "services/kube/check/manifest.hpp"

#include <catch2/catch_test_macros.hpp>

using services::kube::check::check_manifest;
using services::kube::check::is_manifest;

TEST_CASE("a manifest that the API server takes has no findings") {
    CHECK(check_manifest("# settings\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: prices}\ndata: {coffee: \"2.50\"}\n---\n\n").empty());
}

TEST_CASE("an unknown field is named with its place, and the nearest known one is the hint") {
    const auto findings = check_manifest(R"(apiVersion: v1
kind: ConfigMap
metadata: {name: first}
---
apiVersion: v1
kind: Pod
metadata: {name: till}
spec:
  containers:
  - name: till
    image: till:1
    env:
    - name: PASSWORD
      valueFrom:
        secretRef: {name: till, key: password}
)");
    REQUIRE(findings.size() == 1);
    CHECK(findings[0].line == 15);
    CHECK(findings[0].column == 9);
    CHECK(findings[0].message == "strict decoding error: unknown field \"spec.containers[0].env[0].valueFrom.secretRef\"");
    CHECK(findings[0].hint == "did you mean 'secretKeyRef'?");
}

TEST_CASE("a Secret's value that is not base64 is found though the server's error names no field") {
    const auto findings = check_manifest("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata:\n  good: cGFzcw==\n  bad: cGFz...\n");
    REQUIRE(findings.size() == 1);
    CHECK(findings[0].line == 6);
    CHECK(findings[0].message == "Secret in version \"v1\" cannot be handled as a Secret: illegal base64 data at input byte 4");
    CHECK(findings[0].hint.contains("stringData"));
}

TEST_CASE("what breaks a rule of its kind is said in the server's words at its line") {
    const auto findings = check_manifest("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: Prices\n");
    REQUIRE(findings.size() == 1);
    CHECK(findings[0].line == 4);
    CHECK(findings[0].message.starts_with("metadata.name: Invalid value: \"Prices\": a lowercase RFC 1123 subdomain must consist of"));
}

TEST_CASE("an unknown kind, a document without one and a broken text are told apart") {
    CHECK(check_manifest("apiVersion: example.com/v1\nkind: Till\n").at(0).message ==
          "no matches for kind \"Till\" in version \"example.com/v1\"");
    CHECK(check_manifest("metadata: {name: x}\n").at(0).message.starts_with("Object 'Kind' is missing"));
    CHECK(check_manifest("apiVersion: v1\nkind: [\n").size() == 1);
}

TEST_CASE("a manifest is told from the box's own configuration") {
    CHECK(is_manifest("# a comment\n---\napiVersion: v1\nkind: Pod\n"));
    CHECK_FALSE(is_manifest("apiVersion: branchbox/v1\nsite: berlin\n"));
    CHECK_FALSE(is_manifest(""));
}
