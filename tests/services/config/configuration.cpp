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

TEST_CASE("what goes upstream is checked to the unit") {
    const auto problems_of = [](const std::string& lines) { return parse_configuration("c", "apiVersion: branchbox/v1\nupstream:\n" + lines).problems; };
    CHECK(problems_of("  budget:\n    rate: 2Mbit\n    schedule: ['mon-fri 08:00-18:00 256kbit', '22:00-06:00 unlimited']\n    caps: {month: 10GB}\n"
                      "    shares: {queue: 60}\n  objects: {endpoint: 'https://minio.hq:9000', user: box, password_file: /etc/branchbox/p}\n").empty());
    const auto rate = problems_of("  budget: {rate: 2Mb}\n");
    REQUIRE(rate.size() == 1);
    CHECK(rate[0].to_string() == "c:3:18: 'upstream.budget.rate' is '2Mb', but must be a rate such as 256kbit or 2Mbit (a second)");
    const auto window = problems_of("  budget: {schedule: ['25:00-26:00 1Mbit']}\n");
    REQUIRE(window.size() == 1);
    CHECK(window[0].column == 23);
    CHECK(problems_of("  proxy: {url: 'https://proxy.office:3128'}\n").size() == 1);
    CHECK(problems_of("  objects: {endpoint: minio.hq}\n").size() == 1);
    CHECK(problems_of("  objects: {password_file: secret}\n").size() == 1);
    const auto unknown = problems_of("  object: {endpoint: 'https://a'}\n");
    REQUIRE(unknown.size() == 1);
    CHECK(unknown[0].message == "unknown key 'object' in 'upstream', did you mean 'objects'?");
}
