#include "services/codec/xml/writer.hpp"

#include <utility>

#include "hal/base/error.hpp"

namespace services::codec::xml {

namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

// Bytes of the UTF-8 sequence at the front of `text`, 0 when it is none that XML may hold.
std::size_t sequence_bytes(std::string_view text) {
    const auto lead = static_cast<unsigned char>(text[0]);
    if (lead < 0x80) return 1;
    const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) return 0;
    const auto second = static_cast<unsigned char>(text[1]);
    // Overlong forms, surrogates, past U+10FFFF, U+FFFE and U+FFFF.
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) || (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f)) return 0;
    if (lead == 0xef && second == 0xbf && static_cast<unsigned char>(text[2]) >= 0xbe) return 0;
    return length;
}

std::string_view escape_of(char c) {
    switch (c) {
        case '"': return "&#34;";
        case '\'': return "&#39;";
        case '&': return "&amp;";
        case '<': return "&lt;";
        case '>': return "&gt;";
        case '\t': return "&#x9;";
        case '\n': return "&#xA;";
        case '\r': return "&#xD;";
        default: return static_cast<unsigned char>(c) < 0x20 ? replacement : std::string_view();
    }
}

}  // namespace

void append_escaped(std::string& to, std::string_view text) {
    while (!text.empty()) {
        if (const auto escape = escape_of(text[0]); !escape.empty()) {
            to += escape;
            text.remove_prefix(1);
        } else if (const auto bytes = sequence_bytes(text); bytes != 0) {
            to += text.substr(0, bytes);
            text.remove_prefix(bytes);
        } else {
            to += replacement;
            text.remove_prefix(1);
        }
    }
}

void Writer::open(std::string_view name) {
    text_ += '<';
    text_ += name;
    text_ += '>';
    open_.push_back(name);
}

void Writer::open(std::string_view name, std::string_view attribute, std::string_view value) {
    text_ += '<';
    text_ += name;
    text_ += ' ';
    text_ += attribute;
    text_ += "=\"";
    append_escaped(text_, value);
    text_ += "\">";
    open_.push_back(name);
}

void Writer::close() {
    HAL_REQUIRE(!open_.empty());
    text_ += "</";
    text_ += open_.back();
    text_ += '>';
    open_.pop_back();
}

void Writer::element(std::string_view name, std::string_view text) {
    open(name);
    append_escaped(text_, text);
    close();
}

void Writer::element(std::string_view name, std::uint64_t number) { element(name, std::string_view(std::to_string(number))); }
void Writer::element(std::string_view name, int number) { element(name, std::string_view(std::to_string(number))); }
void Writer::element(std::string_view name, bool value) { element(name, std::string_view(value ? "true" : "false")); }

std::string Writer::take() { return std::exchange(text_, std::string()); }

std::string Writer::finish() {
    HAL_REQUIRE(open_.empty());
    return take();
}

}  // namespace services::codec::xml
