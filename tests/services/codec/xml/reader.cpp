#include "services/codec/xml/reader.hpp"

#include <catch2/catch_test_macros.hpp>

using services::codec::xml::Document;
using services::codec::xml::Limits;

namespace {

// The text of the root, or "refused".
std::string text_of(std::string text) {
    const auto document = Document::parse(std::move(text));
    return document ? std::string(document->root().text()) : "refused";
}

}  // namespace

TEST_CASE("elements, attributes, entities and CDATA are read") {
    const auto document = Document::parse(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- c --><s3:Delete xmlns:s3=\"http://x/\">\n <Object><Key>a&amp;b&lt;&#x41;&#66;</Key></Object>\n"
        "<Object  a = 'x &quot;' ><Key><![CDATA[<&>]]> tail</Key><Empty/></Object ></s3:Delete>\n");
    REQUIRE(document);
    const auto root = document->root();
    CHECK(root.name() == "Delete");
    CHECK(root.attribute("s3") == "http://x/");
    CHECK(root.first().child_text("Key") == "a&b<AB");
    const auto second = root.first().next();
    CHECK(second.attribute("a") == "x \"");
    CHECK(second.child_text("Key") == "<&> tail");
    CHECK(second.child("Empty"));
    CHECK(second.child_text("Empty").empty());
    CHECK_FALSE(second.next());
    CHECK_FALSE(second.child("Other").child("Deeper"));
    CHECK(root.has_children());
}

TEST_CASE("text is kept as it is, line ends as XML says") {
    CHECK(text_of("<a> x\r\ny\rz </a>") == " x\ny\nz ");
    CHECK(text_of("<a>x<!-- c -->y<?p?>z</a>") == "xyz");
    CHECK(text_of("<a>&#13;&#10;</a>") == "\r\n");
    CHECK(text_of("<a>\xC3\xA4&#228;&#x1F600;</a>") == "\xC3\xA4\xC3\xA4\xF0\x9F\x98\x80");
    CHECK(text_of("<a>beside<b/>children</a>").empty());
    CHECK(text_of("\xEF\xBB\xBF<a>x</a>") == "x");
    CHECK(text_of("<a/>").empty());
}

TEST_CASE("a document type is refused, whatever it declares") {
    CHECK(text_of("<!DOCTYPE a [<!ENTITY b \"bb\">]><a>&b;</a>") == "refused");
    CHECK(text_of("<!DOCTYPE a><a>x</a>") == "refused");
    CHECK(text_of("<a>&b;</a>") == "refused");
}

TEST_CASE("what is not well-formed is refused") {
    for (const char* text :
         {"", " ", "x", "<", "<a", "<a>", "<a></b>", "<a></a", "<a></a>x", "<a/><b/>", "<a><b></a></b>", "<a b></a>", "<a b=c></a>", "<a b='c></a>",
          "<a b='<'></a>", "<a b='1' b='2'/>", "<a b='1'c='2'/>", "<a>&lt</a>", "<a>&#0;</a>", "<a>&#xD800;</a>", "<a>&#x110000;</a>", "<a>&;</a>",
          "<a>\x01</a>", "<a>\xff</a>", "<a>\xC0\xAF</a>", "<a>\xED\xA0\x80</a>", "<a><![CDATA[x]]</a>", "<a>]]></a>", "<a><!-- x</a>", "<1/>",
          "<?xml encoding='latin1'?><a/>", "<a><!ELEMENT b></a>", "</a>"})
        CHECK(text_of(text) == "refused");
}

TEST_CASE("depth, elements and attributes are bounded, the bound itself is accepted") {
    const auto nested = [](std::size_t depth) {
        std::string text;
        for (std::size_t i = 0; i < depth; ++i) text += "<a>";
        for (std::size_t i = 0; i < depth; ++i) text += "</a>";
        return text;
    };
    Limits limits;
    limits.depth_max = 4;
    limits.elements_max = 5;
    limits.attributes_max = 2;
    CHECK(Document::parse(nested(4), limits));
    CHECK_FALSE(Document::parse(nested(5), limits));
    CHECK(Document::parse("<a><b/><b/><b/><b/></a>", limits));
    CHECK_FALSE(Document::parse("<a><b/><b/><b/><b/><b/></a>", limits));
    CHECK(Document::parse("<a b='' c=''/>", limits));
    CHECK_FALSE(Document::parse("<a b='' c='' d=''/>", limits));
}

TEST_CASE("elements stay valid when the document moves") {
    auto document = Document::parse("<a><b>text</b></a>");
    REQUIRE(document);
    const Document moved = std::move(*document);
    CHECK(moved.root().child_text("b") == "text");
}
