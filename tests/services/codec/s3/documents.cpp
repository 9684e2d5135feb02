#include "services/codec/s3/documents.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>

#include "services/codec/s3/cors.hpp"
#include "services/codec/s3/tagging.hpp"

using namespace services::codec::s3;

namespace {

template <class T>
std::string code_of(const Expected<T>& value) {
    return value ? "ok" : std::string(value.error().code);
}

}  // namespace

TEST_CASE("a Delete names its objects and versions") {
    const auto request = delete_request(
        "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet><Object><Key>a</Key></Object><Object><Key>../b</Key>"
        "<VersionId>v</VersionId></Object></Delete>");
    REQUIRE(request);
    CHECK(request->is_quiet);
    REQUIRE(request->targets.size() == 2);
    CHECK(request->targets[1].key == "../b");
    CHECK(request->targets[1].version_id == "v");
    std::string many = "<Delete>";
    for (std::size_t i = 0; i < delete_objects_max; ++i) many += "<Object><Key>k</Key></Object>";
    CHECK(code_of(delete_request(many + "</Delete>")) == "ok");
    CHECK(code_of(delete_request(many + "<Object><Key>k</Key></Object></Delete>")) == "MalformedXML");
    CHECK(code_of(delete_request("<Delete></Delete>")) == "MalformedXML");
    CHECK(code_of(delete_request("<Delete><Object/></Delete>")) == "MalformedXML");
    CHECK(code_of(delete_request("<Other/>")) == "MalformedXML");
    CHECK(code_of(delete_request("")) == "MalformedXML");
}

TEST_CASE("a Complete lists its parts in rising order") {
    const auto parts = completed_parts(
        "<CompleteMultipartUpload><Part><ETag>\"abc\"</ETag><PartNumber>1</PartNumber></Part><Part><PartNumber>10000</PartNumber><ETag>d</ETag>"
        "<ChecksumCRC32C>yZRlqg==</ChecksumCRC32C></Part></CompleteMultipartUpload>");
    REQUIRE(parts);
    CHECK((*parts)[0].etag == "abc");
    CHECK((*parts)[1].number == 10000);
    CHECK((*parts)[1].checksum_algorithm == Checksum::crc32c);
    CHECK((*parts)[1].checksum == "yZRlqg==");
    const auto numbers = [](std::string a, std::string b) {
        return code_of(completed_parts("<CompleteMultipartUpload><Part><PartNumber>" + a + "</PartNumber></Part><Part><PartNumber>" + b +
                                       "</PartNumber></Part></CompleteMultipartUpload>"));
    };
    CHECK(numbers("1", "2") == "ok");
    CHECK(numbers("2", "1") == "InvalidPartOrder");
    CHECK(numbers("1", "1") == "InvalidPartOrder");
    CHECK(numbers("0", "1") == "InvalidArgument");
    CHECK(numbers("1", "10001") == "InvalidArgument");
    CHECK(numbers("1", "x") == "MalformedXML");
    CHECK(numbers("1", "-1") == "MalformedXML");
    CHECK(code_of(completed_parts("<CompleteMultipartUpload/>")) == "MalformedXML");
}

TEST_CASE("versioning, location and encryption are read and written") {
    CHECK(versioning_configuration(versioning_xml({Versioning::enabled, {}, false}))->status == Versioning::enabled);
    CHECK(versioning_configuration(versioning_xml({Versioning::suspended, {}, false}))->status == Versioning::suspended);
    CHECK(versioning_xml({}).ends_with("<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"></VersioningConfiguration>"));
    CHECK(code_of(versioning_configuration("<VersioningConfiguration><Status>On</Status></VersioningConfiguration>")) ==
          "IllegalVersioningConfigurationException");
    CHECK(create_bucket_location("\n")->empty());
    CHECK(*create_bucket_location("<CreateBucketConfiguration><LocationConstraint>eu</LocationConstraint></CreateBucketConfiguration>") == "eu");
    CHECK(code_of(create_bucket_location("<x")) == "MalformedXML");
    CHECK(bucket_encryption(bucket_encryption_xml({"AES256", ""}))->algorithm == "AES256");
    CHECK(bucket_encryption(bucket_encryption_xml({"aws:kms", "k"}))->kms_key_id == "k");
    CHECK(code_of(bucket_encryption(bucket_encryption_xml({"DES", ""}))) == "MalformedXML");
    CHECK(code_of(bucket_encryption("<ServerSideEncryptionConfiguration/>")) == "MalformedXML");
}

TEST_CASE("keys may be left out of versioning, by prefix and as folders") {
    const auto read = versioning_configuration(versioning_xml({Versioning::enabled, {"tmp/", "*/_work"}, true}));
    REQUIRE(read);
    CHECK(read->excludes("tmp/a"));
    CHECK(read->excludes("x/_work/b"));
    CHECK(read->excludes("folder/"));
    CHECK_FALSE(read->excludes("a/tmp"));
    CHECK_FALSE(VersioningConfiguration().excludes("folder/"));
    const std::string refusal = "IllegalVersioningConfigurationException";
    CHECK(code_of(versioning_configuration(versioning_xml({Versioning::suspended, {"tmp/"}, false}))) == refusal);
    CHECK(code_of(versioning_configuration(versioning_xml({Versioning::enabled, std::vector<std::string>(10, "a"), false}))) == "ok");
    CHECK(code_of(versioning_configuration(versioning_xml({Versioning::enabled, std::vector<std::string>(11, "a"), false}))) == refusal);
}

TEST_CASE("tags come sorted from XML and from the header, and keep S3's rules") {
    const auto tags = tags_from_xml("<Tagging><TagSet><Tag><Key>b</Key><Value>2</Value></Tag><Tag><Key>a</Key><Value></Value></Tag></TagSet></Tagging>", 10);
    REQUIRE(tags);
    CHECK(*tags == Tags{{"a", ""}, {"b", "2"}});
    CHECK(*tags_from_xml(tags_xml(*tags), 10) == *tags);
    CHECK(tags_header(*tags) == "a=&b=2");
    CHECK(*tags_from_header("b=2&a") == *tags);
    CHECK(*tags_from_header("") == Tags{});
    CHECK((*tags_from_header("k%20x=v+w"))[0] == std::pair<std::string, std::string>("k x", "v w"));
    CHECK(code_of(tags_from_header("a=1&a=2")) == "InvalidTag");
    CHECK(code_of(tags_from_header("=1")) == "InvalidTag");
    CHECK(code_of(tags_from_header("a=%zz")) == "InvalidArgument");
    CHECK(code_of(tags_from_header("a%3C=1")) == "InvalidTag");
    CHECK(code_of(tags_from_header(std::string(128, 'k') + "=" + std::string(256, 'v'))) == "ok");
    CHECK(code_of(tags_from_header(std::string(129, 'k') + "=")) == "InvalidTag");
    CHECK(code_of(tags_from_header("k=" + std::string(257, 'v'))) == "InvalidTag");
    CHECK(code_of(tags_from_header("a=&b=&c=&d=&e=&f=&g=&h=&i=&j=")) == "ok");
    CHECK(code_of(tags_from_header("a=&b=&c=&d=&e=&f=&g=&h=&i=&j=&k=")) == "BadRequest");
    CHECK(code_of(tags_from_xml("<Tagging/>", 10)) == "MalformedXML");
}

TEST_CASE("a cross-origin rule covers origin, method and each header") {
    const auto rules = cors_rules(
        "<CORSConfiguration><CORSRule><AllowedOrigin>https://*.example.com</AllowedOrigin><AllowedMethod>PUT</AllowedMethod><AllowedHeader>x-amz-*"
        "</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds></CORSRule><CORSRule><AllowedOrigin>*</AllowedOrigin>"
        "<AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>");
    REQUIRE(rules);
    const auto* put = cors_rule_for(*rules, "https://a.example.com", "PUT", "X-Amz-Date, x-amz-acl");
    REQUIRE(put == rules->data());
    CHECK(cors_rule_for(*rules, "https://a.example.com", "PUT", "content-type") == nullptr);
    CHECK(cors_rule_for(*rules, "https://example.org", "PUT", "") == nullptr);
    CHECK(cors_rule_for(*rules, "https://example.org", "GET", "") == &(*rules)[1]);
    const auto answer = cors_answer(*put, "https://a.example.com", "X-Amz-Date", true);
    CHECK(answer[0] == std::pair<std::string, std::string>("Access-Control-Allow-Origin", "https://a.example.com"));
    const auto has = [](const Fields& fields, std::string_view name) { return std::ranges::contains(fields, name, &Fields::value_type::first); };
    CHECK(has(answer, "Access-Control-Allow-Methods"));
    CHECK_FALSE(has(answer, "Access-Control-Expose-Headers"));
    const auto actual = cors_answer(*put, "https://a.example.com", "", false);
    CHECK(has(actual, "Access-Control-Expose-Headers"));
    CHECK_FALSE(has(actual, "Access-Control-Allow-Methods"));
    CHECK(cors_answer((*rules)[1], "https://b", "", false)[0].second == "*");
    CHECK_FALSE(has(cors_answer((*rules)[1], "https://b", "", false), "Access-Control-Allow-Credentials"));
    CHECK(cors_rules(cors_xml(*rules))->size() == 2);
    CHECK(code_of(cors_rules("<CORSConfiguration/>")) == "MalformedXML");
    CHECK(code_of(cors_rules("<CORSConfiguration><CORSRule><AllowedOrigin>**</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>")) ==
          "InvalidRequest");
    CHECK(code_of(cors_rules("<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>PATCH</AllowedMethod></CORSRule></CORSConfiguration>")) ==
          "InvalidRequest");
}
