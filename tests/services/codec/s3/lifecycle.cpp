#include "services/codec/s3/lifecycle.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace services::codec::s3;
using namespace std::chrono_literals;
using std::chrono::days;

namespace {

constexpr hal::WallTime noon = std::chrono::sys_days(std::chrono::year(2026) / 3 / 1) + 12h;
constexpr hal::WallTime midnight = std::chrono::sys_days(std::chrono::year(2026) / 3 / 1);

std::vector<LifecycleRule> rules(const std::string& inner) {
    auto read = lifecycle_rules("<LifecycleConfiguration><Rule><ID>r</ID><Status>Enabled</Status>" + inner + "</Rule></LifecycleConfiguration>");
    REQUIRE(read);
    return std::move(*read);
}

std::string refused(const std::string& rule) {
    const auto read = lifecycle_rules("<LifecycleConfiguration>" + rule + "</LifecycleConfiguration>");
    return read ? "ok" : std::string(read.error().code);
}

VersionFacts object(std::string_view key = "logs/a", std::uint64_t bytes = 100) {
    VersionFacts facts;
    facts.key = key;
    facts.bytes = bytes;
    facts.modified = noon;
    return facts;
}

}  // namespace

TEST_CASE("an object expires at the first midnight after its days") {
    const auto read = rules("<Filter><Prefix>logs/</Prefix></Filter><Expiration><Days>2</Days></Expiration>");
    const auto due = midnight + days(3);
    CHECK(lifecycle_verdict(read, object(), due - 1us).action == LifecycleAction::none);
    CHECK(lifecycle_verdict(read, object(), due).action == LifecycleAction::expire);
    CHECK(lifecycle_verdict(read, object(), due).rule_id == "r");
    CHECK(lifecycle_verdict(read, object("log"), due).action == LifecycleAction::none);
    CHECK(expiration_header(read, object()) == "expiry-date=\"Wed, 04 Mar 2026 00:00:00 GMT\", rule-id=\"r\"");
    CHECK(expiration_header(read, object("x")).empty());
}

TEST_CASE("a date, a tag and a size decide too") {
    const auto by_date = rules("<Prefix></Prefix><Expiration><Date>2026-03-02T00:00:00Z</Date></Expiration>");
    CHECK(lifecycle_verdict(by_date, object(), midnight + days(1) - 1us).action == LifecycleAction::none);
    CHECK(lifecycle_verdict(by_date, object(), midnight + days(1)).action == LifecycleAction::expire);

    const auto by_tag = rules(
        "<Filter><And><Tag><Key>a</Key><Value>1</Value></Tag><ObjectSizeGreaterThan>99</ObjectSizeGreaterThan><ObjectSizeLessThan>101"
        "</ObjectSizeLessThan></And></Filter><Expiration><Days>1</Days></Expiration>");
    const Tags tags = {{"a", "1"}, {"b", "2"}};
    auto facts = object();
    const auto later = noon + days(30);
    CHECK(lifecycle_verdict(by_tag, facts, later).action == LifecycleAction::none);
    facts.tags = &tags;
    CHECK(lifecycle_verdict(by_tag, facts, later).action == LifecycleAction::expire);
    for (const std::uint64_t bytes : {99U, 101U}) {
        facts.bytes = bytes;
        CHECK(lifecycle_verdict(by_tag, facts, later).action == LifecycleAction::none);
    }
}

TEST_CASE("noncurrent versions expire by age once enough newer ones are there") {
    const auto read = rules(
        "<Filter/><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>2</NewerNoncurrentVersions>"
        "</NoncurrentVersionExpiration>");
    auto facts = object();
    const auto later = noon + days(30);
    CHECK(lifecycle_verdict(read, facts, later).action == LifecycleAction::none);
    facts.is_latest = false;
    facts.successor_modified = noon;
    facts.newer_noncurrent = 1;
    CHECK(lifecycle_verdict(read, facts, later).action == LifecycleAction::none);
    facts.newer_noncurrent = 2;
    CHECK(lifecycle_verdict(read, facts, later).action == LifecycleAction::expire_version);
    CHECK(lifecycle_verdict(read, facts, midnight + days(2) - 1us).action == LifecycleAction::none);
    CHECK(lifecycle_verdict(read, facts, midnight + days(2)).action == LifecycleAction::expire_version);
}

TEST_CASE("a delete marker goes once it stands alone") {
    const auto read = rules("<Filter/><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>");
    auto facts = object();
    facts.is_delete_marker = true;
    facts.versions = 2;
    CHECK(lifecycle_verdict(read, facts, noon).action == LifecycleAction::none);
    facts.versions = 1;
    CHECK(lifecycle_verdict(read, facts, noon).action == LifecycleAction::expire_delete_marker);
    facts.is_delete_marker = false;
    CHECK(lifecycle_verdict(read, facts, noon).action == LifecycleAction::none);
}

TEST_CASE("an upload is stale after its days, a disabled rule does nothing") {
    const std::string inner = "<Filter/><AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>";
    auto read = rules(inner);
    CHECK_FALSE(upload_is_stale(read, "k", noon, midnight + days(2) - 1us));
    CHECK(upload_is_stale(read, "k", noon, midnight + days(2)));
    read[0].is_enabled = false;
    CHECK_FALSE(upload_is_stale(read, "k", noon, midnight + days(2)));
}

TEST_CASE("a configuration reads back as written, and rules without an ID get one that stays") {
    const std::string text =
        "<LifecycleConfiguration><Rule><Status>Disabled</Status><Filter><And><Prefix>p</Prefix><Tag><Key>a</Key><Value>1</Value></Tag></And></Filter>"
        "<Expiration><Days>1</Days></Expiration><NoncurrentVersionExpiration><NoncurrentDays>3</NoncurrentDays></NoncurrentVersionExpiration></Rule>"
        "</LifecycleConfiguration>";
    const auto read = lifecycle_rules(text);
    REQUIRE(read);
    CHECK(read->front().id.size() == 20);
    const auto again = lifecycle_rules(lifecycle_xml(*read));
    REQUIRE(again);
    CHECK(lifecycle_xml(*again) == lifecycle_xml(*read));
    CHECK(again->front().tags == Tags{{"a", "1"}});
    CHECK(again->front().noncurrent_days == 3U);
}

TEST_CASE("what S3 refuses is refused") {
    const std::string expiration = "<Expiration><Days>1</Days></Expiration>";
    CHECK(refused("") == "InvalidRequest");
    CHECK(refused("<Rule><Status>Enabled</Status>" + expiration + "</Rule>") == "ok");
    CHECK(refused("<Rule>" + expiration + "</Rule>") == "InvalidRequest");
    CHECK(refused("<Rule><Status>On</Status>" + expiration + "</Rule>") == "InvalidRequest");
    CHECK(refused("<Rule><Status>Enabled</Status></Rule>") == "MalformedXML");
    CHECK(refused("<Rule><Status>Enabled</Status><Expiration><Days>0</Days></Expiration></Rule>") == "InvalidRequest");
    CHECK(refused("<Rule><Status>Enabled</Status><Expiration><Days>4294967295</Days></Expiration></Rule>") == "InvalidRequest");
    CHECK(refused("<Rule><Status>Enabled</Status><Expiration><Date>2026-03-02T00:00:01Z</Date></Expiration></Rule>") == "InvalidRequest");
    CHECK(refused("<Rule><Status>Enabled</Status><Expiration><Date>tomorrow</Date></Expiration></Rule>") == "InvalidRequest");
    CHECK(refused("<Rule><Status>Enabled</Status><Prefix/><Filter/>" + expiration + "</Rule>") == "MalformedXML");
    CHECK(refused("<Rule><Status>Enabled</Status><Filter><Prefix/><Tag><Key>a</Key></Tag></Filter>" + expiration + "</Rule>") == "MalformedXML");
    CHECK(refused("<Rule><Status>Enabled</Status><Transition><Days>1</Days></Transition></Rule>") == "TransitionStorageClassNotFoundError");
    const std::string same = "<Rule><ID>x</ID><Status>Enabled</Status>" + expiration + "</Rule>";
    CHECK(refused(same + same) == "InvalidRequest");
}
