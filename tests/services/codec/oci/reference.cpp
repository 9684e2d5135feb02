#include "services/codec/oci/reference.hpp"

#include <catch2/catch_test_macros.hpp>

#include "hal/base/error.hpp"

using services::codec::oci::normalise_reference;

TEST_CASE("a reference is completed as Docker does") {
    const std::string digest = "sha256:" + std::string(64, 'a');
    CHECK(normalise_reference("redis") == "docker.io/library/redis:latest");
    CHECK(normalise_reference("redis:7.2-alpine") == "docker.io/library/redis:7.2-alpine");
    CHECK(normalise_reference("voicehelper/api-gateway") == "docker.io/voicehelper/api-gateway:latest");
    CHECK(normalise_reference("localhost/x") == "localhost/x:latest");
    CHECK(normalise_reference("host:5000/a/b:t") == "host:5000/a/b:t");
    CHECK(normalise_reference("index.docker.io/redis") == "docker.io/library/redis:latest");
    CHECK(normalise_reference("redis:7@" + digest) == "docker.io/library/redis@" + digest);
    CHECK(normalise_reference("a__b/c.d/e---f") == "docker.io/a__b/c.d/e---f:latest");
}

TEST_CASE("a reference that Docker refuses is refused with its text") {
    const auto refusal = [](std::string_view text) -> std::string {
        try {
            return "accepted as " + normalise_reference(text);
        } catch (const hal::Error& e) {
            return e.what();
        }
    };
    for (const auto* text : {"", ":tag", "a..b", "a/", "/a", "a:", "a b", "-a", "a___b", "redis@sha256:12", "a:b@c", "h:x/a"}) {
        INFO(text);
        CHECK(refusal(text) == "invalid reference format");
    }
    CHECK(refusal("Redis") == "invalid reference format: repository name (library/Redis) must be lowercase");
    CHECK(refusal("a/" + std::string(250, 'b')) == "repository name must not be more than 255 characters");
    CHECK(refusal("a:" + std::string(129, 'b')) == "invalid reference format");
}
