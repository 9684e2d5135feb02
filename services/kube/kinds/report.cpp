#include "services/kube/kinds/report.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <format>
#include <iterator>
#include <set>
#include <utility>

namespace services::kube::kinds {
namespace {

// Reads one UTF-8 character at `at`; false for bytes that are none.
bool read_character(std::string_view text, std::size_t at, std::uint32_t& character, std::size_t& length) {
    const auto lead = static_cast<unsigned char>(text[at]);
    length = lead < 0x80 ? 1 : lead >= 0xf0 && lead < 0xf5 ? 4 : lead >= 0xe0 && lead < 0xf0 ? 3 : lead >= 0xc2 && lead < 0xe0 ? 2 : 0;
    if (length == 0 || at + length > text.size()) return false;
    character = length == 1 ? lead : length == 2 ? lead & 0x1fU : length == 3 ? lead & 0x0fU : lead & 0x07U;
    for (std::size_t i = 1; i < length; ++i) {
        const auto next = static_cast<unsigned char>(text[at + i]);
        if ((next & 0xc0U) != 0x80) return false;
        character = (character << 6U) | (next & 0x3fU);
    }
    return true;
}

// Go's strconv.IsPrint as far as texts in API objects need it: control, format, surrogate and private characters and all
// blanks but the plain one are escaped.
bool is_printable(std::uint32_t c) {
    if (c < 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0xad) return false;
    if ((c >= 0x2000 && c <= 0x200f) || (c >= 0x2028 && c <= 0x202f) || (c >= 0x205f && c <= 0x206f)) return false;
    return c != 0x1680 && c != 0x3000 && c != 0xfeff && !(c >= 0xd800 && c <= 0xf8ff) && !(c >= 0xfff0 && c <= 0xfffb) && c < 0xe0000;
}

void append_json(std::string& out, const json::value& value);

void append_json_text(std::string& out, std::string_view text) {
    out += '"';
    for (const char c : text) {
        switch (c) {
            case '"': out += "\\\""; break;
            case '\\': out += "\\\\"; break;
            case '\n': out += "\\n"; break;
            case '\r': out += "\\r"; break;
            case '\t': out += "\\t"; break;
            case '\b': out += "\\b"; break;
            case '\f': out += "\\f"; break;
            case '<':
            case '>':
            case '&': out += std::format("\\u{:04x}", c); break;
            default:
                if (static_cast<unsigned char>(c) < 0x20) out += std::format("\\u{:04x}", c);
                else out += c;
        }
    }
    out += '"';
}

void append_json(std::string& out, const json::value& value) {
    if (const auto* text = value.if_string()) return append_json_text(out, *text);
    if (const auto* object = value.if_object()) {
        out += '{';
        bool is_first = true;
        for (const auto& [key, member] : *object) {
            if (!std::exchange(is_first, false)) out += ',';
            append_json_text(out, key);
            out += ':';
            append_json(out, member);
        }
        out += '}';
        return;
    }
    if (const auto* list = value.if_array()) {
        out += '[';
        bool is_first = true;
        for (const auto& element : *list) {
            if (!std::exchange(is_first, false)) out += ',';
            append_json(out, element);
        }
        out += ']';
        return;
    }
    if (value.is_double()) {
        out += std::format("{}", value.get_double());
        return;
    }
    out += json::serialize(value);
}

std::string counted(std::size_t count, std::string_view unit) {
    return std::format("{} {}{}", count, unit, count == 1 ? "" : "s");
}

}  // namespace

Printed::Printed(const json::value& value) : text_(value.is_string() ? go_quoted(value.get_string()) : go_json(value)) {}
Printed::Printed(const json::array& value) : Printed(json::value(value)) {}
Printed::Printed(const json::object& value) : Printed(json::value(value)) {}
Printed::Printed(TypedText value) : text_(go_json(json::value(value.text))) {}
std::string Printed::quoted(std::string_view text) { return go_quoted(text); }

Path Path::child(std::string_view name) const {
    return Path(text_.empty() ? std::string(name) : std::format("{}.{}", text_, name));
}
Path Path::index(std::size_t index) const { return Path(std::format("{}[{}]", text_, index)); }
Path Path::key(std::string_view key) const { return Path(std::format("{}[{}]", text_, key)); }

void Report::put(std::string_view reason, std::string_view words, const Path& path, std::string value, std::string_view detail) {
    std::string message(words);
    if (!value.empty()) (message += ": ") += value;
    if (!detail.empty()) (message += ": ") += detail;
    (is_declaring_ ? declared_ : causes_).push_back({std::string(reason), std::move(message), path.text()});
}

void Report::invalid(const Path& path, const Printed& value, std::string_view detail) {
    put("FieldValueInvalid", "Invalid value", path, value.text(), detail);
}

void Report::invalid(const Path& path, const Printed& value, std::span<const std::string> messages) {
    for (const auto& message : messages) invalid(path, value, message);
}

void Report::required(const Path& path, std::string_view detail) { put("FieldValueRequired", "Required value", path, {}, detail); }

void Report::not_supported(const Path& path, const Printed& value, std::initializer_list<std::string_view> supported) {
    not_supported(path, value, std::span(supported.begin(), supported.size()));
}

void Report::not_supported(const Path& path, const Printed& value, std::span<const std::string_view> supported) {
    std::string detail;
    for (const auto text : supported) detail += (detail.empty() ? "supported values: " : ", ") + go_quoted(text);
    put("FieldValueNotSupported", "Unsupported value", path, value.text(), detail);
}

void Report::forbidden(const Path& path, std::string_view detail) { put("FieldValueForbidden", "Forbidden", path, {}, detail); }

void Report::duplicate(const Path& path, const Printed& value) {
    put("FieldValueDuplicate", "Duplicate value", path, value.text(), {});
}

void Report::not_found(const Path& path, const Printed& value) {
    put("FieldValueNotFound", "Not found", path, value.text(), {});
}

void Report::too_long(const Path& path, std::size_t bytes_max) {
    put("FieldValueTooLong", "Too long", path, {}, "may not be more than " + counted(bytes_max, "byte"));
}

void Report::too_long_characters(const Path& path, std::size_t characters_max) {
    put("FieldValueTooLong", "Too long", path, {}, "may not be more than " + counted(characters_max, "character"));
}

void Report::too_many(const Path& path, std::size_t actual, std::size_t items_max) {
    put("FieldValueTooMany", "Too many", path, std::to_string(actual), "must have at most " + counted(items_max, "item"));
}

void Report::too_few(const Path& path, std::size_t actual, std::size_t items_min) {
    put("FieldValueTooFew", "Too few", path, std::to_string(actual), "must have at least " + counted(items_min, "item"));
}

void Report::type_invalid(const Path& path, const Printed& value, std::string_view detail) {
    put("FieldValueTypeInvalid", "Invalid value", path, value.text(), detail);
}

void Report::internal(const Path& path, std::string_view detail) { put("InternalError", "Internal error", path, {}, detail); }

Report::Declared Report::declared() { return Declared(*this); }

void Report::append(Causes causes) { std::ranges::move(causes, std::back_inserter(causes_)); }

Causes Report::take() {
    append(std::exchange(declared_, {}));
    return without_repeats(std::exchange(causes_, {}));
}

Causes without_repeats(Causes causes) {
    std::set<std::pair<std::string, std::string>> seen;
    std::erase_if(causes, [&](const Cause& cause) { return !seen.emplace(cause.field, cause.message).second; });
    return causes;
}

std::string go_quoted(std::string_view text) {
    std::string out = "\"";
    for (std::size_t at = 0; at < text.size();) {
        std::uint32_t character = 0;
        std::size_t length = 0;
        if (!read_character(text, at, character, length)) {
            out += std::format("\\x{:02x}", static_cast<unsigned char>(text[at++]));
            continue;
        }
        constexpr std::string_view named = "\a\b\f\n\r\t\v", letters = "abfnrtv";
        const auto which = character < 0x80 ? named.find(static_cast<char>(character)) : std::string_view::npos;
        if (character == '"' || character == '\\') (out += '\\') += static_cast<char>(character);
        else if (which != std::string_view::npos) (out += '\\') += letters[which];
        else if (is_printable(character)) out += text.substr(at, length);
        else if (character < 0x80) out += std::format("\\x{:02x}", character);
        else if (character < 0x10000) out += std::format("\\u{:04x}", character);
        else out += std::format("\\U{:08x}", character);
        at += length;
    }
    return out + "\"";
}

std::string go_json(const json::value& value) {
    std::string out;
    append_json(out, value);
    return out;
}

}  // namespace services::kube::kinds
