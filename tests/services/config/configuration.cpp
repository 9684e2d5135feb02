#include "services/config/configuration.hpp"

#include <catch2/catch_test_macros.hpp>

using services::config::nearest;
using services::config::parse_configuration;

TEST_CASE("a valid configuration has no problems and keeps its values") {
    const auto parsed = parse_configuration("config.yaml",
                                            "apiVersion: branchbox/v1\nsite: berlin-03\nkube:\n  node_monitor_grace_period: 24h\n"
                                            "  service_names_in: [voicehelper]\n");
    CHECK(parsed.problems.empty());
    CHECK(parsed.text("site", "") == "berlin-03");
    CHECK(parsed.section("kube").at("node_monitor_grace_period").as_string() == "24h");
}

TEST_CASE("an unknown key names its place and the key that was meant") {
    const auto parsed = parse_configuration("config.yaml", "apiVersion: branchbox/v1\nkueb:\n  a: 1\n");
    REQUIRE(parsed.problems.size() == 1);
    CHECK(parsed.problems[0].to_string() == "config.yaml:2:1: unknown key 'kueb', did you mean 'kube'?");
}

TEST_CASE("a value of the wrong form says what was found and what is needed") {
    const auto parsed = parse_configuration("c", "apiVersion: branchbox/v1\nsite: Berlin_03\n");
    REQUIRE(parsed.problems.size() == 1);
    CHECK(parsed.problems[0].to_string() ==
          "c:2:7: 'site' is 'Berlin_03', but must be a DNS label (a-z, 0-9, '-', at most 63 characters)");
}

TEST_CASE("text that is no YAML, another version and a missing version are each refused") {
    CHECK(parse_configuration("c", "a: [").problems.size() == 1);
    CHECK(parse_configuration("c", "apiVersion: branchbox/v2\n").problems.size() == 1);
    CHECK(parse_configuration("c", "site: a\n").problems.size() == 1);
}

TEST_CASE("nesting beyond the limit is refused before it is parsed") {
    CHECK(parse_configuration("c", std::string(100'000, '[')).problems.size() == 1);
}

TEST_CASE("a word near none of the known ones gets no hint") {
    CHECK(nearest("objets", {"objects", "queue"}) == "objects");
    CHECK(nearest("zebra", {"objects", "queue"}).empty());
}
