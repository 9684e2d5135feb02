#include "services/codec/s3/notification.hpp"

#include <boost/json/parse.hpp>
#include <catch2/catch_test_macros.hpp>

using namespace services::codec::s3;

namespace {

const std::vector<std::string> arns = {"arn:minio:sqs::primary:webhook"};

std::string configuration(const std::string& inner, const std::string& arn = arns[0]) {
    return "<QueueConfiguration><Id>1</Id><Queue>" + arn + "</Queue>" + inner + "</QueueConfiguration>";
}
Expected<std::vector<NotificationRule>> read(const std::string& inner) {
    return notification_rules("<NotificationConfiguration>" + inner + "</NotificationConfiguration>", arns);
}
std::string refused(const std::string& inner) {
    const auto rules = read(inner);
    return rules ? "ok" : std::string(rules.error().code) + ": " + rules.error().message;
}

}  // namespace

TEST_CASE("a rule covers its events, prefix and suffix") {
    const auto rules = read(configuration(
        "<Event>s3:ObjectCreated:*</Event><Event>s3:ObjectRemoved:Delete</Event><Filter><S3Key><FilterRule><Name>prefix</Name><Value>in/</Value>"
        "</FilterRule><FilterRule><Name>suffix</Name><Value>.wav</Value></FilterRule></S3Key></Filter>"));
    REQUIRE(rules);
    const auto& rule = rules->front();
    CHECK(rule.matches(event::created_put, "in/a.wav"));
    CHECK(rule.matches(event::removed_delete, "in/a.wav"));
    CHECK_FALSE(rule.matches(event::removed_marker, "in/a.wav"));
    CHECK_FALSE(rule.matches(event::created_put, "out/a.wav"));
    CHECK_FALSE(rule.matches(event::created_put, "in/a.mp3"));
    CHECK(notification_rules(notification_xml(*rules), arns)->front().suffix == ".wav");
    CHECK(event_matches("s3:BucketCreated:*", event::bucket_created));
}

TEST_CASE("an unknown event, target or filter is refused with S3's sentence") {
    CHECK(refused("") == "ok");
    CHECK(refused(configuration("<Event>s3:ObjectCreated:Put</Event>")) == "ok");
    CHECK(refused(configuration("<Event>s3:Nothing</Event>")) == "InvalidArgument: A specified event is not supported for notifications.");
    CHECK(refused(configuration("")).starts_with("MalformedXML"));
    CHECK(refused(configuration("<Event>s3:ObjectCreated:Put</Event>", "arn:x")).starts_with("InvalidArgument: A specified destination ARN"));
    CHECK(refused(configuration("<Event>s3:ObjectCreated:Put</Event><Filter><S3Key><FilterRule><Name>infix</Name></FilterRule></S3Key></Filter>"))
              .contains("either prefix or suffix"));
    CHECK(refused("<TopicConfiguration/>").starts_with("UnsupportedNotification"));
    const auto same = configuration("<Event>s3:ObjectCreated:Put</Event>");
    CHECK(refused(same + same).contains("overlap"));
}

TEST_CASE("a record is what MinIO sends") {
    EventRecord record;
    record.name = event::created_put;
    record.time = hal::WallTime(std::chrono::microseconds(1'700'000'000'123'456));
    record.bucket = "b";
    record.key = "dir/a b+c";
    record.bytes = 5;
    record.etag = "e";
    record.principal = "user";
    record.sequencer = "1A";
    record.metadata = {{"content-type", "text/plain"}};
    const auto value = boost::json::parse(webhook_json(record));
    CHECK(value.at("EventName") == "s3:ObjectCreated:Put");
    CHECK(value.at("Key") == "b/dir/a b+c");
    const auto& one = value.at("Records").at(0);
    CHECK(one.at("eventTime") == "2023-11-14T22:13:20.123Z");
    CHECK(one.at("s3").at("object").at("key") == "dir%2Fa+b%2Bc");
    CHECK(one.at("s3").at("object").at("size") == 5);
    CHECK(one.at("s3").at("bucket").at("arn") == "arn:aws:s3:::b");
    CHECK(one.at("userIdentity").at("principalId") == "user");
    CHECK(one.at("s3").at("object").at("userMetadata").at("content-type") == "text/plain");
    CHECK_FALSE(one.at("s3").at("object").as_object().contains("versionId"));
}
