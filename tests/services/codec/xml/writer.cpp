#include "services/codec/xml/writer.hpp"

#include <catch2/catch_test_macros.hpp>

#include "services/codec/xml/reader.hpp"

using namespace services::codec::xml;

namespace {

std::string escaped(std::string_view text) {
    std::string result;
    append_escaped(result, text);
    return result;
}

}  // namespace

TEST_CASE("text is escaped as Go's encoding/xml escapes it") {
    CHECK(escaped("a<b>&\"'\t\n\r") == "a&lt;b&gt;&amp;&#34;&#39;&#x9;&#xA;&#xD;");
    CHECK(escaped("\xC3\xA4\xF0\x9F\x98\x80") == "\xC3\xA4\xF0\x9F\x98\x80");
    CHECK(escaped(std::string_view("a\0b\x01", 4)) == "a\xEF\xBF\xBD" "b\xEF\xBF\xBD");
    CHECK(escaped("\xff\xC3") == "\xEF\xBF\xBD\xEF\xBF\xBD");
    CHECK(escaped("\xED\xA0\x80") == "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST_CASE("what is written reads back, and may be taken in pieces") {
    Writer writer;
    writer.open("List", "xmlns", "http://x/\"");
    writer.element("Key", "a\nb\r&<c>");
    auto text = writer.take();
    CHECK(text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<List xmlns=\"http://x/&#34;\"><Key>"));
    writer.element("Size", std::uint64_t{18446744073709551615U});
    writer.element("IsTruncated", false);
    writer.element("MaxKeys", 1000);
    writer.close();
    text += writer.finish();
    const auto document = Document::parse(text);
    REQUIRE(document);
    CHECK(document->root().child_text("Key") == "a\nb\r&<c>");
    CHECK(document->root().child_text("Size") == "18446744073709551615");
    CHECK(document->root().child_text("IsTruncated") == "false");
    CHECK(document->root().child_text("MaxKeys") == "1000");
}
