// Names and addresses at both sides of each limit, and the causes and values as they print.
#include <catch2/catch_test_macros.hpp>

#include <boost/json/parse.hpp>

#include <limits>
#include <string>

#include "services/kube/kinds/names.hpp"
#include "services/kube/kinds/report.hpp"

using namespace services::kube::kinds;

namespace {

std::string only(const Messages& messages) {
    REQUIRE(messages.size() == 1);
    return messages.front();
}

}  // namespace

TEST_CASE("a label of a DNS name is at most 63 lower-case characters without dots") {
    CHECK(check_dns1123_label(std::string(63, 'a')).empty());
    CHECK(check_dns1123_label("0-a").empty());
    CHECK(only(check_dns1123_label(std::string(64, 'a'))) == "must be no more than 63 characters");
    CHECK(only(check_dns1123_label("a.b")) == "must not contain dots");
    for (const auto* bad : {"", "-a", "a-", "A", "a_b", "a b", "a..b"})
        CHECK(only(check_dns1123_label(bad)) ==
              "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an "
              "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')");
}

TEST_CASE("a DNS name is at most 253 characters of labels joined by dots") {
    CHECK(check_dns1123_subdomain(std::string(253, 'a')).empty());
    CHECK(check_dns1123_subdomain("a.0-b.c").empty());
    CHECK(only(check_dns1123_subdomain(std::string(254, 'a'))) == "must be no more than 253 characters");
    CHECK(only(check_dns1123_subdomain("a.-b")) ==
          "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an "
          "alphanumeric character (e.g. 'example.com', regex used for validation is "
          "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')");
    CHECK(check_dns1123_subdomain(std::string(254, '-')).size() == 2);
}

TEST_CASE("only the older DNS label must start with a letter, and only wildcards start with a star") {
    CHECK(check_dns1035_label("a0").empty());
    CHECK(check_dns1035_label("0a").size() == 1);
    CHECK(check_wildcard_dns1123_subdomain("*.bar.com").empty());
    for (const auto* bad : {"*", "*.*.bar.com", "*bar.com", "f*.bar.com"}) CHECK(check_wildcard_dns1123_subdomain(bad).size() == 1);
    CHECK(check_dns1123_subdomain_with_underscore("_a.b_c").empty());
    CHECK(check_dns1123_subdomain_with_underscore("a_").size() == 1);
}

TEST_CASE("a label key is a name with an optional domain before one slash") {
    CHECK(check_qualified_name("app").empty());
    CHECK(check_qualified_name("Example_.9").empty());
    CHECK(check_qualified_name("example.com/" + std::string(63, 'x')).empty());
    CHECK(only(check_qualified_name("example.com/" + std::string(64, 'x'))) == "name part must be no more than 63 bytes");
    CHECK(only(check_qualified_name("/x")) == "prefix part must be non-empty");
    CHECK(check_qualified_name("example.com/").size() == 2);
    CHECK(only(check_qualified_name("a/b/c")) ==
          "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
          "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
          "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')");
    CHECK(only(check_qualified_name("Upper/x")).starts_with("prefix part a lowercase RFC 1123 subdomain must consist of"));
}

TEST_CASE("label values may be empty and are counted in bytes") {
    CHECK(check_label_value("").empty());
    CHECK(check_label_value(std::string(63, 'v')).empty());
    CHECK(only(check_label_value(std::string(64, 'v'))) == "must be no more than 63 bytes");
    CHECK(only(check_label_value("-v")).starts_with("a valid label must be an empty string or consist of"));
}

TEST_CASE("port names have a letter, no double hyphen and at most 15 characters") {
    CHECK(check_port_name("http-metrics-01").empty());
    CHECK(only(check_port_name("http-metrics-012")) == "must be no more than 15 characters");
    CHECK(only(check_port_name("80")) == "must contain at least one letter (a-z)");
    CHECK(only(check_port_name("a--b")) == "must not contain consecutive hyphens");
    CHECK(only(check_port_name("a-")) == "must not begin or end with a hyphen");
    CHECK(check_port_name("").size() == 2);
}

TEST_CASE("numbers are refused just outside their range") {
    CHECK(check_port_number(1).empty());
    CHECK(check_port_number(65'535).empty());
    CHECK(only(check_port_number(0)) == "must be between 1 and 65535, inclusive");
    CHECK(only(check_port_number(65'536)) == "must be between 1 and 65535, inclusive");
    CHECK(check_user_id(std::numeric_limits<std::int32_t>::max()).empty());
    CHECK(only(check_user_id(-1)) == "must be between 0 and 2147483647, inclusive");
}

TEST_CASE("keys of ConfigMaps and names of variables may not climb") {
    CHECK(check_config_key(".a").empty());
    CHECK(only(check_config_key(".")) == "must not be '.'");
    CHECK(only(check_config_key("..")) == "must not be '..'");
    CHECK(only(check_config_key("..a")) == "must not start with '..'");
    CHECK(check_env_name("my.env-NAME_1").empty());
    CHECK(check_env_name("1a").size() == 1);
    CHECK(check_relaxed_env_name("1 a~").empty());
    CHECK(check_relaxed_env_name("a=b").size() == 1);
    CHECK(check_relaxed_env_name("\xc3\xa4").size() == 1);
    CHECK(only(check_relaxed_env_name("")) == "environment variable name must be non-empty");
}

TEST_CASE("addresses are read as leniently as the real server reads them, and written canonically") {
    CHECK(parse_address("10.0.0.1")->canonical == "10.0.0.1");
    CHECK(parse_address("010.002.003.004")->canonical == "10.2.3.4");
    CHECK(parse_address("010.002.003.004")->has_leading_zeros);
    CHECK(parse_address("2001:DB8:0:0:1:0:0:1")->canonical == "2001:db8::1:0:0:1");
    CHECK(parse_address("::")->canonical == "::");
    CHECK(parse_address("1::")->canonical == "1::");
    CHECK(parse_address("::ffff:1.2.3.4")->canonical == "1.2.3.4");
    CHECK(parse_address("::ffff:1.2.3.4")->is_mapped);
    CHECK(parse_address("1:2:3:4:5:6:7:8")->is_ipv6);
    CHECK(parse_address("1:0:3:4:5:6:7:8")->canonical == "1:0:3:4:5:6:7:8");
    for (const auto* bad : {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.-4", "1.2.3.+4", ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
                            "1:2:3:4:5:6:7::8:9", "fe80::1%eth0", "::1.2.3", "g::"})
        CHECK_FALSE(parse_address(bad));
}

TEST_CASE("networks know their length, their base and what lies beyond it") {
    CHECK(parse_network("10.1.2.3/8")->canonical == "10.0.0.0/8");
    CHECK(parse_network("10.1.2.3/8")->has_host_bits);
    CHECK_FALSE(parse_network("10.0.0.0/8")->has_host_bits);
    CHECK(parse_network("10.0.0.0/08")->has_leading_zeros);
    CHECK(parse_network("0.0.0.0/0")->prefix_bits == 0);
    CHECK(parse_network("2001:db8::/64")->canonical == "2001:db8::/64");
    CHECK(parse_network("::/128").has_value());
    for (const auto* bad : {"10.0.0.0", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "::/129", "/8"}) CHECK_FALSE(parse_network(bad));
}

TEST_CASE("causes print values as the real server's messages do") {
    Report report;
    const auto path = Path("spec").child("containers").index(2).child("env").key("a.b");
    report.invalid(path, "a\"b\n\x01\xff", "no");
    report.invalid(path, -3, "");
    report.invalid(path, nullptr, "no");
    report.invalid(path, boost::json::parse(R"({"A":"<&>","B":[1,true,null]})"), "no");
    report.not_supported(path, "x", {"b", "a"});
    report.too_long(path, 1);
    report.too_many(path, 3, 2);
    report.required(path);
    report.duplicate(path, "x");
    const auto causes = report.take();
    REQUIRE(causes.size() == 9);
    CHECK(causes[0].field == "spec.containers[2].env[a.b]");
    CHECK(causes[0].reason == "FieldValueInvalid");
    CHECK(causes[0].message == R"(Invalid value: "a\"b\n\x01\xff": no)");
    CHECK(causes[1].message == "Invalid value: -3");
    CHECK(causes[2].message == "Invalid value: null: no");
    CHECK(causes[3].message == R"(Invalid value: {"A":"\u003c\u0026\u003e","B":[1,true,null]}: no)");
    CHECK(causes[4].message == R"(Unsupported value: "x": supported values: "b", "a")");
    CHECK(causes[5].message == "Too long: may not be more than 1 byte");
    CHECK(causes[6].message == "Too many: 3: must have at most 2 items");
    CHECK(causes[7].message == "Required value");
    CHECK(causes[8].message == R"(Duplicate value: "x")");
    CHECK(report.is_empty());
}

TEST_CASE("declared causes come last, and what is said twice is said once") {
    Report report;
    report.declared()->required(Path("b"));
    report.required(Path("a"));
    report.required(Path("a"));
    const auto causes = report.take();
    REQUIRE(causes.size() == 2);
    CHECK(causes[0].field == "a");
    CHECK(causes[1].field == "b");
}
