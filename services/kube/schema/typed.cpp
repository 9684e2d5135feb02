// From a parsed document to what the table says: decode_json, decode_yaml's second half, normalise.
//
// Follows sigs.k8s.io/json: wrong types are saved (the first one counts) and decoding goes on; the error of a type with
// its own reader (time, quantity, int-or-string) ends it. Unknown and duplicate fields are collected in document order,
// at most 100 of them.
#include <boost/json/parse.hpp>

#include <charconv>
#include <format>
#include <limits>
#include <set>

#include "services/kube/schema/assemble.hpp"
#include "services/kube/schema/node.hpp"
#include "services/kube/schema/values.hpp"

namespace services::kube::schema {

namespace {

constexpr std::size_t strict_errors_max = 100;

bool is_empty(const Field& field, const json::value& value) {
    if (value.is_null()) return true;
    if (field.shape() == Shape::list) return value.is_array() && value.get_array().empty();
    if (field.shape() == Shape::map) return value.is_object() && value.get_object().empty();
    if (field.is_pointer()) return false;
    switch (field.form()) {
        case Form::boolean: return value == false;
        case Form::int32:
        case Form::int64: return value == 0;
        case Form::floating: return value.is_double() ? value.get_double() == 0 : value == 0;
        case Form::string:
        case Form::bytes: return value.is_string() && value.get_string().empty();
        default: return false;
    }
}

// strconv.Quote for a field path.
std::string go_quote(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') (out += '\\') += c;
        else if (c == '\n') out += "\\n";
        else if (c == '\t') out += "\\t";
        else if (c == '\r') out += "\\r";
        else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) out += std::format("\\x{:02x}", c);
        else out += c;
    }
    return out + "\"";
}

class Converter {
public:
    explicit Converter(bool with_strict) : with_strict_(with_strict) {}

    json::object object(const Type& type, const Node& node) {
        Assembly out(type);
        const Deeper deeper(depth_);
        if (depth_ > type_nesting_max) {
            end("exceeded max depth");
            return std::move(out).finish();
        }
        const auto outer_struct = struct_;
        const auto path_size = path_.size();
        const auto names_size = names_.size();
        std::vector<bool> seen(type.fields().size());
        for (const Node& member : node.children) {
            if (ended_) break;
            const Field* field = type.find(member.key);
            if (field == nullptr) {
                strict(unknown_, "unknown field", member.key);
                continue;
            }
            const auto index = static_cast<std::size_t>(field - type.fields().data());
            if (seen[index]) strict(duplicate_, "duplicate field", member.key);
            seen[index] = true;
            push_key(member.key);
            (names_ += names_.empty() ? "" : ".") += member.key;
            struct_ = type.go_name().substr(type.go_name().rfind('.') + 1);
            store(*field, member, out.at(*field));
            path_.resize(path_size);
            names_.resize(names_size);
            struct_ = outer_struct;
        }
        return std::move(out).finish();
    }

    std::string error;  // the one Go returns
    std::vector<std::string> unknown_, duplicate_, strict_;

    void save_type_error(std::string_view found, std::string_view wanted) {
        if (!saved_.empty() || ended_) return;
        saved_ = type_error(found, wanted);
    }
    std::string take_error() { return ended_ ? error : saved_; }

private:
    struct Deeper {
        explicit Deeper(std::size_t& depth) : depth_(depth) { ++depth_; }
        ~Deeper() { --depth_; }
        Deeper(const Deeper&) = delete;
        Deeper& operator=(const Deeper&) = delete;
        std::size_t& depth_;
    };
    std::size_t depth_ = 0;
    bool with_strict_, ended_ = false;
    std::string saved_, path_, names_;
    std::string_view struct_;
    std::set<std::string> said_;

    [[nodiscard]] std::string type_error(std::string_view found, std::string_view wanted) const {
        if (names_.empty()) return std::format("json: cannot unmarshal {} into Go value of type {}", found, wanted);
        return std::format("json: cannot unmarshal {} into Go struct field {}.{} of type {}", found, struct_, names_, wanted);
    }
    void end(std::string text) {
        if (!ended_) error = std::move(text);
        ended_ = true;
    }
    void strict(std::vector<std::string>& into, std::string_view what, std::string_view key) {
        if (!with_strict_ || strict_.size() >= strict_errors_max) return;
        std::string text = std::format("{} {}", what, go_quote(path_.empty() ? std::string(key) : path_ + "." + std::string(key)));
        if (!said_.insert(text).second) return;
        strict_.push_back(text);
        into.push_back(std::move(text));
    }
    void push_key(std::string_view key) { (path_ += path_.empty() ? "" : ".") += key; }

    static std::string found_name(const Node& node) {
        switch (node.kind) {
            case Node::Kind::boolean: return "bool";
            case Node::Kind::string: return "string";
            case Node::Kind::number: return "number";
            case Node::Kind::array: return "array";
            case Node::Kind::object: return "object";
            case Node::Kind::null: break;
        }
        return "null";
    }

    void store(const Field& field, const Node& node, std::optional<json::value>& out) {
        if (field.shape() == Shape::single) return store_element(field, node, out);
        if (node.kind == Node::Kind::null) {
            out = nullptr;
            return;
        }
        const bool is_list = field.shape() == Shape::list;
        if (node.kind != (is_list ? Node::Kind::array : Node::Kind::object))
            return save_type_error(found_name(node), field.go_container());
        const auto path_size = path_.size();
        if (is_list) {
            json::array list;
            list.reserve(node.children.size());
            for (const Node& child : node.children) {
                if (ended_) break;
                path_ += std::format("[{}]", list.size());
                list.push_back(element(field, child));
                path_.resize(path_size);
            }
            // Go tells an empty list from none; a client that sends one here ends the tracking, which [{}] says as well.
            if (list.empty() && path_ == "metadata.managedFields") list.push_back(json::object());
            out = std::move(list);
            return;
        }
        json::object map;
        for (const Node& child : node.children) {
            if (ended_) break;
            if (map.contains(child.key)) strict(duplicate_, "duplicate field", child.key);
            push_key(child.key);
            map.insert_or_assign(child.key, field.is_map_of_lists() ? strings(field, child) : element(field, child));
            path_.resize(path_size);
        }
        out = std::move(map);
    }

    json::value strings(const Field& field, const Node& node) {
        if (node.kind == Node::Kind::null) return nullptr;
        json::array list;
        if (node.kind != Node::Kind::array) save_type_error(found_name(node), field.go_type());
        else
            for (const Node& child : node.children) list.push_back(element(field, child));
        return list;
    }

    json::value element(const Field& field, const Node& node) {
        std::optional<json::value> out;
        store_element(field, node, out);
        return out ? *std::move(out) : zero_of(field);
    }

    void store_text(const Text& text, std::optional<json::value>& out) {
        if (text) out = json::value(*text);
        else end(text.error());
    }

    void store_element(const Field& field, const Node& node, std::optional<json::value>& out) {
        if (node.kind == Node::Kind::null) {
            if (field.is_pointer() || field.form() == Form::bytes || field.form() == Form::raw) out = nullptr;
            else if (field.form() == Form::quantity || field.form() == Form::time || field.form() == Form::micro_time) out = zero_of(field);
            return;
        }
        switch (field.form()) {
            case Form::object:
                if (node.kind != Node::Kind::object) return save_type_error(found_name(node), field.go_type());
                out = object(*field.type(), node);
                return;
            case Form::boolean:
                if (node.kind != Node::Kind::boolean) return save_type_error(found_name(node), field.go_type());
                out = node.truth;
                return;
            case Form::string:
                if (node.kind != Node::Kind::string) return save_type_error(found_name(node), field.go_type());
                out = json::value(node.text);
                return;
            case Form::int32:
            case Form::int64: return store_integer(field, node, out, field.go_type(), false);
            case Form::floating:
                if (node.kind != Node::Kind::number) return save_type_error(found_name(node), field.go_type());
                out = value_from_node(node);
                return;
            case Form::bytes: {
                if (node.kind != Node::Kind::string) return save_type_error(found_name(node), field.go_type());
                const auto bytes = read_base64(node.text);
                if (bytes) out = json::value(write_base64(*bytes));
                else if (saved_.empty()) saved_ = bytes.error();
                return;
            }
            case Form::quantity: {
                std::string text = node.kind == Node::Kind::string ? node.text : text_of(node);
                const auto first = text.find_first_not_of(" \t\r\n");
                text = first == text.npos ? "" : text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
                return store_text(read_quantity(text), out);
            }
            case Form::int_or_string:
                if (node.kind == Node::Kind::string) out = json::value(node.text);
                else store_integer(field, node, out, "int32", true);
                return;
            case Form::time:
            case Form::micro_time:
            case Form::duration:
                if (node.kind != Node::Kind::string) return end(type_error(found_name(node), "string"));
                return store_text(field.form() == Form::time         ? read_time(node.text)
                                  : field.form() == Form::micro_time ? read_micro_time(node.text)
                                                                     : read_duration(node.text),
                                  out);
            case Form::raw:
                if (is_deeper_than(node, value_nesting_max)) return end("exceeded max depth");
                out = value_from_node(node);
                return;
        }
    }

    void store_integer(const Field& field, const Node& node, std::optional<json::value>& out, std::string_view wanted, bool ends) {
        const auto fail = [&](const std::string& found) {
            if (ends) end(type_error(found, wanted));
            else save_type_error(found, wanted);
        };
        if (node.kind != Node::Kind::number) return fail(found_name(node));
        std::int64_t value = 0;
        const char* stop = node.text.data() + node.text.size();
        const auto [to, code] = std::from_chars(node.text.data(), stop, value);
        const bool is_narrow = field.form() != Form::int64;
        if (code != std::errc{} || to != stop || (is_narrow && (value < INT32_MIN || value > INT32_MAX))) return fail("number " + node.text);
        out = value;
    }
};

std::expected<Decoded, DecodeError> decode(const Type& type, const Node& root) {
    Converter converter(true);
    if (root.kind != Node::Kind::object && root.kind != Node::Kind::null) {
        static constexpr std::string_view names[] = {"null", "bool", "number", "string", "array", "object"};
        converter.save_type_error(names[static_cast<std::size_t>(root.kind)], type.go_name());
        return std::unexpected(DecodeError{converter.take_error()});
    }
    Decoded out;
    out.object = converter.object(type, root);
    if (auto error = converter.take_error(); !error.empty()) return std::unexpected(DecodeError{std::move(error)});
    out.unknown_fields = std::move(converter.unknown_);
    out.duplicate_fields = std::move(converter.duplicate_);
    out.strict_errors = std::move(converter.strict_);
    return out;
}

}  // namespace

json::value zero_of(const Field& field) {
    switch (field.form()) {
        case Form::object: return Assembly(*field.type()).finish();
        case Form::boolean: return false;
        case Form::int32:
        case Form::int64:
        case Form::floating:
        case Form::int_or_string: return 0;
        case Form::string: return "";
        case Form::quantity: return "0";
        case Form::duration: return "0s";
        default: return nullptr;
    }
}

json::object Assembly::finish() && {
    const auto fields = type_.fields();
    std::vector<std::size_t> by_order(fields.size());
    for (std::size_t i = 0; i < fields.size(); ++i) by_order[fields[i].order()] = i;
    json::object out;
    out.reserve(fields.size() < 8 ? fields.size() : 8);
    for (const std::size_t index : by_order) {
        const Field& field = fields[index];
        if (field.name().empty()) continue;
        auto& slot = slots_[index];
        const bool is_single = field.shape() == Shape::single;
        const bool nullable = !is_single || field.is_pointer() || field.form() == Form::bytes || field.form() == Form::raw;
        // A struct's omitempty says nothing: it is written even when it is zero; omitzero drops it.
        const bool is_plain = is_single && !field.is_pointer() &&
                              (field.form() == Form::object || field.form() == Form::time || field.form() == Form::micro_time ||
                               field.form() == Form::quantity || field.form() == Form::int_or_string || field.form() == Form::duration);
        json::value value = slot ? *std::move(slot) : nullable ? json::value(nullptr) : zero_of(field);
        if (field.shape() == Shape::map && value.is_object()) sort_keys(value.get_object());
        if (field.omits_empty() && !is_plain && is_empty(field, value)) continue;
        if (field.omits_zero() && (value.is_null() || (value.is_object() && value.get_object().empty()))) continue;
        out.emplace(field.name(), std::move(value));
    }
    return out;
}

std::expected<Decoded, DecodeError> decode_json(const Type& type, std::string_view text) {
    const auto node = node_from_json(text);
    if (!node) return std::unexpected(node.error());
    return decode(type, *node);
}

std::expected<Decoded, DecodeError> decode_yaml(const Type& type, std::string_view text) {
    const auto node = node_from_yaml(text);
    if (!node) return std::unexpected(node.error());
    return decode(type, *node);
}

std::vector<DecodeError> normalise(const Type& type, json::object& object) {
    Converter converter(false);
    json::object out = converter.object(type, node_from_value(object));
    if (auto error = converter.take_error(); !error.empty()) return {DecodeError{std::move(error)}};
    object = std::move(out);
    return {};
}

void apply_schema_defaults(const Type& type, json::object& object) {
    for (const Field& field : type.fields()) {
        if (field.name().empty()) continue;
        auto* value = object.if_contains(field.name());
        if (value == nullptr || value->is_null()) {
            if (const auto text = field.schema_default(); !text.empty())
                object.insert_or_assign(field.name(), json::parse(text));
            continue;
        }
        if (field.form() != Form::object) continue;
        if (field.shape() == Shape::single && value->is_object()) apply_schema_defaults(*field.type(), value->get_object());
        if (field.shape() == Shape::list && value->is_array())
            for (auto& element : value->get_array())
                if (element.is_object()) apply_schema_defaults(*field.type(), element.get_object());
        if (field.shape() == Shape::map && value->is_object())
            for (auto& member : value->get_object())
                if (member.value().is_object()) apply_schema_defaults(*field.type(), member.value().get_object());
    }
}

}  // namespace services::kube::schema
