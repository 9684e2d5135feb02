#include "services/kube/kinds/pod_spec_go_form.hpp"

#include <algorithm>
#include <cctype>
#include <vector>

#include "services/kube/kinds/pod_spec_go_types.hpp"
#include "services/kube/kinds/report.hpp"

namespace services::kube::kinds {

namespace {

std::string_view fields_of(std::string_view type) {
    const auto found = std::ranges::lower_bound(go_types, type, {}, &GoType::name);
    return found != go_types.end() && found->name == type ? found->fields : std::string_view();
}

// One field of a row: its name in Go, in JSON, and its kind.
struct GoField {
    std::string_view name, kind;
    std::string json_name;
};

GoField read_field(std::string_view& row) {
    const auto text = row.substr(0, row.find(' '));
    row.remove_prefix(std::min(row.size(), text.size() + 1));
    const auto colon = text.rfind(':');
    const auto name = text.substr(0, colon);
    GoField field{name.substr(0, name.find('=')), text.substr(colon + 1), {}};
    if (const auto equals = name.find('='); equals != std::string_view::npos) {
        field.json_name = name.substr(equals + 1);
    } else {
        field.json_name = name;
        field.json_name[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(name[0])));
    }
    return field;
}

json::value sorted(const json::value& value) {
    const auto* map = value.if_object();
    if (map == nullptr) return value;
    std::vector<std::string_view> keys;
    for (const auto& member : *map) keys.emplace_back(member.key());
    std::ranges::sort(keys);
    json::object out;
    for (const auto key : keys) out[key] = map->at(key);
    return out;
}

json::value field_form(const GoField& field, const json::value* value) {
    switch (field.kind.front()) {
        case 's': return value != nullptr ? *value : json::value("");
        case 'b': return value != nullptr ? *value : json::value(false);
        case '0': return value != nullptr ? *value : json::value(0);
        case 'q': return value != nullptr ? *value : json::value("0");
        case 'l': return go_selector(value);
        case 'n': return value != nullptr ? sorted(*value) : json::value(nullptr);
        case '[': return value != nullptr ? go_list_form(field.kind.substr(1), *value) : json::value(nullptr);
        case '*': return value != nullptr ? go_form(field.kind.substr(1), *value) : json::value(nullptr);
        default: return go_form(field.kind, value != nullptr ? *value : json::value(json::object()));
    }
}

void indent(std::string& out, const json::value& value, std::size_t depth) {
    const auto line = [&](std::size_t at) { out.append("\n").append(at, ' '); };
    if (const auto* map = value.if_object(); map != nullptr && !map->empty()) {
        out += '{';
        const char* separator = "";
        for (const auto& member : *map) {
            out += separator;
            line(depth + 1);
            out.append(go_json(json::value(member.key()))).append(": ");
            indent(out, member.value(), depth + 1);
            separator = ",";
        }
        line(depth);
        out += '}';
    } else if (const auto* list = value.if_array(); list != nullptr && !list->empty()) {
        out += '[';
        const char* separator = "";
        for (const auto& element : *list) {
            out += separator;
            line(depth + 1);
            indent(out, element, depth + 1);
            separator = ",";
        }
        line(depth);
        out += ']';
    } else {
        out += go_json(value);
    }
}

}  // namespace

json::value go_form(std::string_view type, const json::value& value) {
    const auto* object = value.if_object();
    if (object == nullptr) return nullptr;
    json::object out;
    auto row = fields_of(type);
    while (!row.empty()) {
        const auto field = read_field(row);
        const auto* member = object->if_contains(field.json_name);
        if (member != nullptr && member->is_null()) member = nullptr;
        if (field.kind == "o") {
            // Embedded: its own members stand beside the others.
            if (member != nullptr && member->is_object())
                for (const auto& inner : member->get_object()) out[inner.key()] = inner.value();
        } else {
            out[field.name] = field_form(field, member);
        }
    }
    return out;
}

json::value go_list_form(std::string_view type, const json::value& list) {
    if (!list.is_array()) return nullptr;
    json::array out;
    for (const auto& element : list.get_array()) out.push_back(go_form(type, element));
    return out;
}

json::value go_map(const json::value* map) {
    return map == nullptr || !map->is_object() || map->get_object().empty() ? json::value() : sorted(*map);
}

json::value go_selector(const json::value* selector) {
    if (selector == nullptr || !selector->is_object()) return nullptr;
    auto out = selector->get_object();
    if (auto* labels = out.if_contains("matchLabels")) *labels = sorted(*labels);
    return out;
}

std::string go_indented(const json::value& value) {
    std::string out;
    indent(out, value, 0);
    return out;
}

}  // namespace services::kube::kinds
