// Kubernetes' protobuf: the envelope (`k8s\0`, runtime.Unknown: 1 TypeMeta{1 apiVersion, 2 kind}, 2 raw, 3 contentEncoding,
// 4 contentType) and messages by the table's field numbers. Fields without a number are skipped, as protobuf wants.
//
// An inlined Go struct is a message of its own on the wire: the table has it as a field without a JSON name.
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <protozero/pbf_reader.hpp>

#include <algorithm>
#include <bit>
#include <format>

#include "services/kube/schema/assemble.hpp"
#include "services/kube/schema/node.hpp"
#include "services/kube/schema/values.hpp"

namespace services::kube::schema {

namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;

struct Malformed {
    std::string message;
};

std::string_view bytes_of(pbf_reader& reader) {
    if (reader.wire_type() != pbf_wire_type::length_delimited) throw Malformed{"proto: wrong wireType"};
    const auto view = reader.get_view();
    return {view.data(), view.size()};
}

std::int64_t varint_of(pbf_reader& reader) {
    if (reader.wire_type() != pbf_wire_type::varint) throw Malformed{"proto: wrong wireType"};
    return reader.get_int64();
}

struct Decoder {
    std::size_t nodes = 0;
    // The text of the envelope's type, set on the outermost object.

    void message(const Type& type, Assembly& out, std::string_view raw, std::size_t depth, const Type& outer) {
        if (depth > type_nesting_max) throw Malformed{"proto: exceeded max depth"};
        pbf_reader reader(raw.data(), raw.size());
        while (reader.next()) {
            const Field* field = type.find_number(reader.tag());
            if (field == nullptr) {
                reader.skip();
                continue;
            }
            if (++nodes > nodes_max) throw Malformed{"proto: too many values"};
            if (field->name().empty()) {
                message(*field->type(), out, bytes_of(reader), depth + 1, outer);
                continue;
            }
            // `type` may be an inlined struct: its fields lie in the outer one under the same name.
            const Field* target = &type == &outer ? field : outer.find(field->name());
            if (target == nullptr) reader.skip();
            else store(*target, reader, out.at(*target), depth);
        }
    }

    json::object object(const Type& type, std::string_view raw, std::size_t depth) {
        Assembly out(type);
        message(type, out, raw, depth, type);
        return std::move(out).finish();
    }

    void store(const Field& field, pbf_reader& reader, std::optional<json::value>& out, std::size_t depth) {
        if (field.shape() == Shape::single) {
            out = element(field, reader, depth);
        } else if (field.shape() == Shape::list) {
            if (!out) out = json::array();
            json::array& list = out->get_array();
            const bool is_number = field.form() == Form::int32 || field.form() == Form::int64 || field.form() == Form::boolean;
            if (is_number && reader.wire_type() == pbf_wire_type::length_delimited) {
                for (const auto value : reader.get_packed_int64()) {
                    if (++nodes > nodes_max) throw Malformed{"proto: too many values"};
                    list.push_back(field.form() == Form::boolean ? json::value(value != 0) : json::value(value));
                }
            } else {
                list.push_back(element(field, reader, depth));
            }
        } else {
            if (!out) out = json::object();
            entry(field, bytes_of(reader), out->get_object(), depth);
        }
    }

    void entry(const Field& field, std::string_view raw, json::object& map, std::size_t depth) {
        pbf_reader reader(raw.data(), raw.size());
        std::string key;
        json::value value = field.is_map_of_lists() ? json::value(json::array()) : zero_of(field);
        if (field.form() == Form::bytes) value = "";
        while (reader.next()) {
            if (reader.tag() == 1) key = bytes_of(reader);
            else if (reader.tag() != 2) reader.skip();
            else if (!field.is_map_of_lists()) value = element(field, reader, depth);
            else {
                const std::string_view list = bytes_of(reader);
                pbf_reader items(list.data(), list.size());
                while (items.next())
                    if (items.tag() == 1) value.get_array().push_back(element(field, items, depth));
                    else items.skip();
            }
        }
        map.insert_or_assign(key, std::move(value));
    }

    static json::value text_or_throw(Text text) {
        if (!text) throw Malformed{text.error()};
        return json::value(*text);
    }

    json::value element(const Field& field, pbf_reader& reader, std::size_t depth) {
        switch (field.form()) {
            case Form::object: return object(*field.type(), bytes_of(reader), depth + 1);
            case Form::boolean: return varint_of(reader) != 0;
            case Form::int32: return static_cast<std::int32_t>(varint_of(reader));
            case Form::int64: return varint_of(reader);
            case Form::floating:
                if (reader.wire_type() != pbf_wire_type::fixed64) throw Malformed{"proto: wrong wireType"};
                return reader.get_double();
            case Form::string: return json::value(std::string(bytes_of(reader)));
            case Form::bytes: return json::value(write_base64(bytes_of(reader)));
            default: return wrapped(field, bytes_of(reader));
        }
    }

    // The forms that are small messages of their own.
    static json::value wrapped(const Field& field, std::string_view raw) {
        pbf_reader reader(raw.data(), raw.size());
        std::int64_t first = 0, second = 0;
        std::string text;
        // Numbers are 1 and 2, the text is the last of a form's members; a known member of another wire type is an error.
        const bool is_text = field.form() == Form::quantity || field.form() == Form::raw;
        const std::uint32_t text_tag = is_text ? 1 : field.form() == Form::int_or_string ? 3 : 0;
        const std::uint32_t numbers = is_text ? 0 : field.form() == Form::duration ? 1 : 2;
        while (reader.next()) {
            if (reader.tag() == text_tag) text = bytes_of(reader);
            else if (reader.tag() <= numbers) (reader.tag() == 1 ? first : second) = varint_of(reader);
            else reader.skip();
        }
        switch (field.form()) {
            case Form::quantity: return text.empty() ? json::value("0") : text_or_throw(read_quantity(text));
            case Form::int_or_string:
                return first == 1 ? json::value(text) : json::value(static_cast<std::int32_t>(second));
            case Form::time:
            case Form::micro_time:
                // Year 1 to 9999: what RFC 3339 can write. An empty message is Go's zero time, written as null.
                if (first < -62135596800 || first > 253402300799) throw Malformed{"Time.MarshalJSON: year outside of range [0,9999]"};
                if (raw.empty()) return nullptr;
                return json::value(field.form() == Form::time ? write_time(first) : write_micro_time(first, static_cast<std::int32_t>(second % 1'000'000'000 < 0 ? 0 : second % 1'000'000'000)));
            case Form::duration: return json::value(write_duration(first));
            default: {
                if (text.empty()) return nullptr;
                auto value = parse_json(text);
                if (!value) throw Malformed{value.error().message};
                return *std::move(value);
            }
        }
    }
};

// Writing, the other way round. Canonical order of fields: by number.
void put_varint(std::string& out, std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out += static_cast<char>(0x80 | (value & 0x7f));
    out += static_cast<char>(value);
}
void put_bytes(std::string& out, std::uint32_t number, std::string_view bytes) {
    put_varint(out, number << 3 | 2);
    put_varint(out, bytes.size());
    out += bytes;
}
void put_number(std::string& out, std::uint32_t number, std::int64_t value) {
    put_varint(out, std::uint64_t{number} << 3);
    put_varint(out, static_cast<std::uint64_t>(value));
}

std::string encode_message(const Type& type, const json::object& object);

void encode_time_like(std::string& out, Form form, std::string_view text) {
    if (form == Form::duration) return put_number(out, 1, nanoseconds_of(text));
    const auto [seconds, nanoseconds] = moment_of(text);
    put_number(out, 1, seconds);
    put_number(out, 2, form == Form::time ? 0 : nanoseconds);
}

std::int64_t integer_of(const json::value& value) { return value.is_int64() ? value.get_int64() : value.is_uint64() ? static_cast<std::int64_t>(value.get_uint64()) : 0; }

void encode_element(std::string& out, const Field& field, std::uint32_t number, const json::value& value) {
    switch (field.form()) {
        case Form::object:
            if (value.is_object()) put_bytes(out, number, encode_message(*field.type(), value.get_object()));
            return;
        case Form::boolean: return put_number(out, number, value == true ? 1 : 0);
        case Form::int32:
        case Form::int64: return put_number(out, number, integer_of(value));
        case Form::floating: {
            put_varint(out, number << 3 | 1);
            const auto bits = std::bit_cast<std::uint64_t>(value.is_double() ? value.get_double() : static_cast<double>(integer_of(value)));
            for (int i = 0; i < 64; i += 8) out += static_cast<char>(bits >> i & 0xff);
            return;
        }
        case Form::string:
            if (value.is_string()) put_bytes(out, number, value.get_string());
            return;
        case Form::bytes:
            if (value.is_string()) put_bytes(out, number, read_base64(value.get_string()).value_or(""));
            return;
        default: break;
    }
    std::string inner;
    if (field.form() == Form::quantity && value.is_string()) put_bytes(inner, 1, value.get_string());
    else if (field.form() == Form::int_or_string) {
        put_number(inner, 1, value.is_string() ? 1 : 0);
        put_number(inner, 2, integer_of(value));
        put_bytes(inner, 3, value.is_string() ? std::string_view(value.get_string()) : std::string_view());
    } else if (field.form() == Form::raw && !value.is_null()) put_bytes(inner, 1, json::serialize(value));
    else if (field.form() == Form::duration || field.form() == Form::time || field.form() == Form::micro_time) {
        if (value.is_string()) encode_time_like(inner, field.form(), value.get_string());
    }
    put_bytes(out, number, inner);
}

std::string encode_message(const Type& type, const json::object& object) {
    std::vector<const Field*> by_number;
    for (const Field& field : type.fields())
        if (field.number() != 0) by_number.push_back(&field);
    std::ranges::sort(by_number, {}, &Field::number);
    std::string out;
    for (const Field* field : by_number) {
        if (field->name().empty()) {
            put_bytes(out, field->number(), encode_message(*field->type(), object));
            continue;
        }
        const auto* value = object.if_contains(field->name());
        if (value == nullptr || value->is_null()) continue;
        if (field->shape() == Shape::single) encode_element(out, *field, field->number(), *value);
        else if (field->shape() == Shape::list && value->is_array())
            for (const auto& each : value->get_array()) encode_element(out, *field, field->number(), each);
        else if (field->shape() == Shape::map && value->is_object())
            for (const auto& member : value->get_object()) {
                std::string entry;
                put_bytes(entry, 1, member.key());
                if (field->is_map_of_lists()) {
                    std::string list;
                    if (member.value().is_array())
                        for (const auto& each : member.value().get_array()) encode_element(list, *field, 1, each);
                    put_bytes(entry, 2, list);
                } else {
                    encode_element(entry, *field, 2, member.value());
                }
                put_bytes(out, field->number(), entry);
            }
    }
    return out;
}

}  // namespace

std::expected<Enveloped, DecodeError> open_envelope(std::string_view body) {
    static constexpr std::string_view magic("k8s\0", 4);
    if (!body.starts_with(magic))
        return std::unexpected(DecodeError{"provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"});
    body.remove_prefix(4);
    Enveloped out;
    try {
        pbf_reader reader(body.data(), body.size());
        while (reader.next()) {
            if (reader.tag() == 1) {
                const std::string_view meta = bytes_of(reader);
                pbf_reader names(meta.data(), meta.size());
                while (names.next()) {
                    if (names.tag() == 1) {
                        const std::string_view text = bytes_of(names);
                        const auto slash = text.find('/');
                        out.kind.group = slash == text.npos ? "" : std::string(text.substr(0, slash));
                        out.kind.version = slash == text.npos ? text : text.substr(slash + 1);
                    } else if (names.tag() == 2) {
                        out.kind.kind = bytes_of(names);
                    } else {
                        names.skip();
                    }
                }
            } else if (reader.tag() == 2) {
                out.raw = bytes_of(reader);
            } else {
                reader.skip();
            }
        }
    } catch (const Malformed& failure) {
        return std::unexpected(DecodeError{failure.message});
    } catch (const protozero::exception& failure) {
        return std::unexpected(DecodeError{std::format("proto: {}", failure.what())});
    }
    return out;
}

std::expected<Decoded, DecodeError> decode_protobuf(const Type& type, std::string_view raw) {
    try {
        Decoded out;
        out.object = Decoder{}.object(type, raw, 0);
        return out;
    } catch (const Malformed& failure) {
        return std::unexpected(DecodeError{failure.message});
    } catch (const protozero::exception&) {
        return std::unexpected(DecodeError{"unexpected EOF"});
    }
}

std::string encode_protobuf(const GroupVersionKind& kind, const Type& type, const json::object& object) {
    std::string meta, out("k8s\0", 4);
    put_bytes(meta, 1, kind.api_version());
    put_bytes(meta, 2, kind.kind);
    put_bytes(out, 1, meta);
    put_bytes(out, 2, encode_message(type, object));
    put_bytes(out, 3, "");
    put_bytes(out, 4, "");
    return out;
}

}  // namespace services::kube::schema
