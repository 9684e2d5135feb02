// What the configuration's section becomes, and which destination a request goes to.
#include <catch2/catch_test_macros.hpp>

#include <boost/json/parse.hpp>

#include "services/uplink/settings.hpp"

using namespace services::uplink;
using services::config::parse_url;

namespace {

Settings settings_of(std::string_view text, const std::map<std::string, std::string>& files = {}) {
    return read_settings(boost::json::parse(text).as_object(), files);
}

}  // namespace

TEST_CASE("a destination has the credentials that its section names, by the files that were handed over") {
    const auto settings = settings_of(R"({"objects":{"endpoint":"https://minio.hq:9000","user":"box","password_file":"/p"},
        "metrics":{"remote_write":"https://prom.hq/api/v1/write","bearer_token_file":"/t"},
        "logs":{"loki":"http://loki.hq:3100","client_cert_file":"/c","client_key_file":"/k"},"ca_file":"/ca"})",
                                      {{"upstream.objects.password_file", "secret\n"},
                                       {"upstream.metrics.bearer_token_file", "token\n"},
                                       {"upstream.logs.client_cert_file", "cert"},
                                       {"upstream.logs.client_key_file", "key"},
                                       {"upstream.ca_file", "roots"}});
    CHECK(settings.problems.empty());
    REQUIRE(settings.destinations.size() == 3);
    CHECK(settings.destinations[0].credentials.authorization == "Basic Ym94OnNlY3JldA==");
    CHECK(settings.destinations[1].credentials.authorization == "Bearer token");
    CHECK(settings.destinations[2].credentials.key_pem == "key");
    CHECK(settings.destinations[2].credentials.ca_pem == "roots");
}

TEST_CASE("what does not fit together is told and left out") {
    CHECK(settings_of(R"({"objects":{"endpoint":"minio"}})").problems.size() == 1);
    CHECK(settings_of(R"({"objects":{"endpoint":"https://a","client_cert_file":"/c"}})", {{"upstream.objects.client_cert_file", "c"}}).problems.size() == 1);
    CHECK(settings_of(R"({"objects":{"endpoint":"https://a","user":"b","password_file":"/gone"}})").problems.size() == 1);
    CHECK(settings_of(R"({"metrics":{"remote_write":"https://a","bearer_token_file":"/t"}})", {{"upstream.metrics.bearer_token_file", "a\r\nX: y"}}).problems.size() == 1);
    CHECK(settings_of(R"({"proxy":{"url":"https://proxy"}})").problems.size() == 1);
}

TEST_CASE("a request goes to the destination of its origin with the longest path before its own, and nowhere else") {
    const auto settings = settings_of(R"({"metrics":{"remote_write":"https://hq/prom/api/v1/write"},"logs":{"loki":"https://hq/loki"},
        "queue":{"uri":"amqps://rabbit.hq"}})");
    const auto to = [&](std::string_view text) -> std::string {
        const auto url = parse_url(text);
        const auto* found = url ? destination_for(settings.destinations, *url) : nullptr;
        return found ? found->name : "";
    };
    CHECK(to("https://hq/loki/api/v1/push") == "logs");
    CHECK(to("https://hq/prom/api/v1/write") == "metrics");
    CHECK(to("https://HQ:443/lokis") == "metrics");  // the first of the origin
    CHECK(to("http://hq/loki").empty());
    CHECK(to("https://hq:8443/loki").empty());
    CHECK(to("https://elsewhere/loki").empty());
    CHECK(destination_for(settings.destinations, services::config::HostPort{"rabbit.hq", 5671})->name == "queue");
    CHECK(destination_for(settings.destinations, services::config::HostPort{"rabbit.hq", 22}) == nullptr);
}

TEST_CASE("an address of another machine is read as it is written, or not at all") {
    const auto url = parse_url("HTTPS://Minio.HQ:9000/a%20b?c=d");
    REQUIRE(url);
    CHECK(url->host == "minio.hq");
    CHECK(url->port == 9000);
    CHECK(url->target == "/a%20b?c=d");
    CHECK(url->authority() == "minio.hq:9000");
    CHECK(parse_url("https://[2001:db8::1]")->authority() == "[2001:db8::1]");
    CHECK(parse_url("http://h")->target == "/");
    CHECK(parse_url("http://h?x")->target == "/?x");
    for (const auto* wrong : {"", "h", "ftp://h", "https://", "https://h:0", "https://h:65536", "https://h:", "https://u@h", "https://h/a b", "https://h/#f",
                              "https://::1", "https://[::1", "https://[h]", "https://h:1:2", "://h", "https:///x"})
        CHECK_FALSE(parse_url(wrong));
}

TEST_CASE("rates, amounts and times of the week are read with their units, or not at all") {
    using namespace services::config;
    CHECK(parse_rate("256kbit") == 256'000U);
    CHECK(parse_rate("1.5Mbit") == 1'500'000U);
    CHECK(parse_bytes("10GB") == 10'000'000'000U);
    CHECK(parse_bytes("1.5KiB") == 1536U);
    for (const auto* wrong : {"", "256", "kbit", "0kbit", "1.kbit", "1.2345kbit", "256 kbit", "256Kbit", "-1kbit", "9999999Gbit", "99999999999999kbit"}) CHECK_FALSE(parse_rate(wrong));
    CHECK_FALSE(parse_bytes("10gb"));
    CHECK(parse_duration("1h30m") == std::chrono::minutes(90));
    CHECK_FALSE(parse_duration("1d"));
    CHECK(parse_window("mon-fri,sun 08:00-18:00 1Mbit")->days == 0b1011111);
    CHECK(parse_window("fri-mon unlimited")->days == 0b1110001);
    CHECK(parse_window("22:00-00:00 1Mbit")->end_minute == 24 * 60);
    for (const auto* wrong : {"", "mon", "mon 1Mbit x", "08:00 1Mbit", "08:00-08:00 1Mbit", "24:00-01:00 1Mbit", "08:60-09:00 1Mbit", "8:00-9:00 1Mbit", "mo 1Mbit"})
        CHECK_FALSE(parse_window(wrong));
}

TEST_CASE("what is said on the socket reads back as it was") {
    using namespace client;
    const auto states = states_of(to_line({{"objects", true, std::chrono::milliseconds(250), "refused \"x\""}}));
    REQUIRE(states);
    CHECK((*states)[0].retry == std::chrono::milliseconds(250));
    CHECK((*states)[0].reason == "refused \"x\"");
    const Backlog backlog{"objects", Class::bulk, 3, 4096, hal::parse_rfc3339("2026-11-24T09:00:00Z")};
    const auto read = backlog_of(to_json(backlog));
    REQUIRE(read);
    CHECK(read->bytes == 4096);
    CHECK(read->oldest == backlog.oldest);
    CHECK_FALSE(backlog_of(R"({"upstream":"objects","class":"slow","count":1,"bytes":1,"oldest":"2026-11-24T09:00:00Z"})"));
    CHECK_FALSE(backlog_of(R"({"upstream":"objects","class":"bulk","count":-1,"bytes":1,"oldest":"2026-11-24T09:00:00Z"})"));
    CHECK_FALSE(states_of("[]"));
    CHECK(refusal_of("link-down")->status == 503);
}
