#include "services/codec/s3/tagging.hpp"

#include <algorithm>

#include "services/codec/s3/documents.hpp"
#include "services/codec/s3/signature.hpp"
#include "services/codec/xml/writer.hpp"

namespace services::codec::s3 {

namespace {

constexpr std::size_t key_characters_max = 128;
constexpr std::size_t value_characters_max = 256;

std::size_t characters(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

// Letters, numbers and blanks of any script, and + - = . _ : / @ (S3 "Object tagging").
bool is_tag_text(std::string_view text) {
    return std::ranges::all_of(text, [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte >= 0x80 || (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z') ||
               std::string_view(" +-=._:/@").contains(c);
    });
}

Expected<void> add(Tags& tags, std::string key, std::string value, std::size_t tags_max) {
    if (key.empty() || characters(key) > key_characters_max || !is_tag_text(key))
        return refuse("InvalidTag", 400, "The TagKey you have provided is invalid");
    if (characters(value) > value_characters_max || !is_tag_text(value))
        return refuse("InvalidTag", 400, "The TagValue you have provided is invalid");
    if (std::ranges::contains(tags, key, &Tags::value_type::first))
        return refuse("InvalidTag", 400, "Cannot provide multiple Tags with the same key");
    if (tags.size() >= tags_max)
        return refuse("BadRequest", 400, (tags_max == object_tags_max ? "Object tags cannot be greater than " : "Tags cannot be more than ") + std::to_string(tags_max));
    tags.emplace_back(std::move(key), std::move(value));
    return {};
}

}  // namespace

Expected<Tags> tags_from_xml(std::string body, std::size_t tags_max) {
    const auto document = xml_document(std::move(body), "Tagging");
    if (!document) return std::unexpected(document.error());
    const auto set = document->root().child("TagSet");
    if (!set) return std::unexpected(malformed_xml());
    Tags tags;
    for (auto tag = set.first(); tag; tag = tag.next()) {
        if (tag.name() != "Tag" || !tag.child("Key") || !tag.child("Value")) return std::unexpected(malformed_xml());
        auto added = add(tags, std::string(tag.child_text("Key")), std::string(tag.child_text("Value")), tags_max);
        if (!added) return std::unexpected(std::move(added.error()));
    }
    std::ranges::sort(tags);
    return tags;
}

Expected<Tags> tags_from_header(std::string_view text) {
    Tags tags;
    while (!text.empty()) {
        const auto pair = text.substr(0, text.find('&'));
        text.remove_prefix(std::min(text.size(), pair.size() + 1));
        if (pair.empty()) continue;
        const auto equals = pair.find('=');
        auto key = uri_decoded(pair.substr(0, equals), true);
        auto value = uri_decoded(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), true);
        if (!key || !value)
            return refuse("InvalidArgument", 400, "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.");
        auto added = add(tags, std::move(*key), std::move(*value), object_tags_max);
        if (!added) return std::unexpected(std::move(added.error()));
    }
    std::ranges::sort(tags);
    return tags;
}

std::string tags_xml(const Tags& tags) {
    xml::Writer writer;
    writer.open("Tagging", "xmlns", "http://s3.amazonaws.com/doc/2006-03-01/");
    writer.open("TagSet");
    for (const auto& [key, value] : tags) {
        writer.open("Tag");
        writer.element("Key", key);
        writer.element("Value", value);
        writer.close();
    }
    writer.close();
    writer.close();
    return writer.finish();
}

std::string tags_header(const Tags& tags) {
    std::string text;
    for (const auto& [key, value] : tags) {
        if (!text.empty()) text += '&';
        text += uri_encoded(key, false) + "=" + uri_encoded(value, false);
    }
    return text;
}

}  // namespace services::codec::s3
