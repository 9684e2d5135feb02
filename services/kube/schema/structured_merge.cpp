#include "services/kube/schema/structured_merge.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <format>
#include <map>
#include <set>

#include "services/kube/schema/strategic_merge.hpp"

namespace services::kube::schema {

namespace {

using Structure = Place::Structure;

// What Go calls the type of a value held as interface{}.
std::string_view go_type(const json::value& value) {
    if (value.is_object()) return "map[string]interface {}";
    if (value.is_array()) return "[]interface {}";
    if (value.is_string()) return "string";
    if (value.is_bool()) return "bool";
    return value.is_double() ? "float64" : "int64";
}

class Validation {
public:
    std::vector<std::string> errors;

    void walk(const Place& place, const json::value& value, const std::string& path) {
        if (value.is_null()) return;
        switch (place.structure()) {
            case Structure::object: return object(place, value, path);
            case Structure::map:
                if (!value.is_object()) return add(path, "expected map, got &{" + go_print(value) + "}");
                for (const auto& member : value.get_object()) walk(place.element(), member.value(), path + "." + std::string(member.key()));
                return;
            case Structure::set:
            case Structure::keyed: return items(place, value, path);
            case Structure::leaf: return leaf(place, value, path);
        }
    }

    void object(const Place& place, const json::value& value, const std::string& path) {
        if (!value.is_object()) return add(path, "expected map, got &{" + go_print(value) + "}");
        for (const auto& member : value.get_object()) {
            const std::string below = path + "." + std::string(member.key());
            const auto found = Place{place.type, nullptr, false}.member(member.key());
            if (found) walk(*found, member.value(), below);
            else add(below, "field not declared in schema");
        }
    }

private:
    void add(const std::string& path, const std::string& text) { errors.push_back(path.empty() ? text : path + ": " + text); }

    void items(const Place& list, const json::value& value, const std::string& path) {
        if (!value.is_array()) return add(path, "expected list, got &{" + go_print(value) + "}");
        std::set<Element> seen;
        std::size_t index = 0;
        for (const auto& item : value.get_array()) {
            auto element = element_of(list, item);
            if (!element) add(path, std::format("element {}: {}", index, why_no_element(list, item)));
            ++index;
            if (!element) continue;
            const std::string below = path + element->path();
            if (!seen.insert(*element).second) add(path, "duplicate entries for key " + element->path());
            walk(list.element(), item, below);
        }
    }

    static std::string why_no_element(const Place& list, const json::value& item) {
        if (list.structure() == Structure::set) {
            if (item.is_object()) return "associative list without keys has an element that's a map type";
            return item.is_array() ? "not supported: associative list with lists as elements"
                                   : "associative list without keys has an element that's an explicit null";
        }
        if (item.is_null()) return "associative list with keys may not have a null element";
        if (!item.is_object()) return "associative list with keys may not have non-map elements";
        std::string keys(list.field->list_keys());
        for (std::size_t at = 0; (at = keys.find(',', at)) != std::string::npos; at += 3) keys.replace(at, 1, "\" \"");
        return std::format("associative list with keys has an element that omits all key fields [\"{}\"] "
                           "(and doesn't have default values for any key fields)", keys);
    }

    // An atomic list, map or object is checked inside too.
    void leaf(const Place& place, const json::value& value, const std::string& path) {
        if (place.field == nullptr) return;
        if (!place.is_element && place.field->shape() == Shape::list) {
            if (!value.is_array()) return add(path, "expected list, got &{" + go_print(value) + "}");
            std::size_t index = 0;
            for (const auto& item : value.get_array()) walk(place.element(), item, path + std::format("[{}]", index++));
            return;
        }
        if (!place.is_element && place.field->shape() == Shape::map) {
            if (!value.is_object()) return add(path, "expected map, got &{" + go_print(value) + "}");
            for (const auto& member : value.get_object()) walk(place.element(), member.value(), path + "." + std::string(member.key()));
            return;
        }
        if (place.type != nullptr) return object(place, value, path);
        if (place.field->is_map_of_lists()) return;
        switch (place.field->form()) {
            case Form::raw: return;
            case Form::boolean:
                if (!value.is_bool()) add(path, "expected boolean, got &{" + go_print(value) + "}");
                return;
            case Form::int32:
            case Form::int64:
            case Form::floating:
                if (!value.is_number()) add(path, std::format("expected numeric (int or float), got {}", go_type(value)));
                return;
            case Form::string:
            case Form::bytes:
                if (!value.is_string()) add(path, std::format("expected string, got &value.valueUnstructured{{Value:{}}}", json::serialize(value)));
                return;
            default:
                if (value.is_structured()) add(path, "expected any scalar, got &{" + go_print(value) + "}");
        }
    }
};

class Merge {
public:
    // Null pointers: absent. Empty: nothing comes of it.
    std::optional<json::value> walk(const Place& place, const json::value* live, const json::value* config) {
        switch (place.structure()) {
            case Structure::leaf: return leaf(live, config);
            case Structure::object:
            case Structure::map: {
                const auto *left = live == nullptr ? nullptr : live->if_object(), *right = config == nullptr ? nullptr : config->if_object();
                if ((left == nullptr || left->empty()) && (right == nullptr || right->empty())) return leaf(live, config);
                json::object out = members(place, left, right);
                if (out.empty()) return std::nullopt;
                return json::value(std::move(out));
            }
            case Structure::set:
            case Structure::keyed: {
                const auto *left = live == nullptr ? nullptr : live->if_array(), *right = config == nullptr ? nullptr : config->if_array();
                if ((left == nullptr || left->empty()) && (right == nullptr || right->empty())) return leaf(live, config);
                json::array out = items(place, left, right);
                if (out.empty()) return std::nullopt;
                return json::value(std::move(out));
            }
        }
        return std::nullopt;
    }

    json::object members(const Place& place, const json::object* live, const json::object* config) {
        json::object out;
        const auto visit = [&](std::string_view name, const json::value* left, const json::value* right) {
            if (auto merged = walk(place.member(name).value_or(Place{}), left, right)) out.emplace(name, *std::move(merged));
        };
        if (live != nullptr)
            for (const auto& member : *live) visit(member.key(), &member.value(), config == nullptr ? nullptr : config->if_contains(member.key()));
        if (config != nullptr)
            for (const auto& member : *config)
                if (live == nullptr || !live->contains(member.key())) visit(member.key(), nullptr, &member.value());
        return out;
    }

private:
    static std::optional<json::value> leaf(const json::value* live, const json::value* config) { return *(config != nullptr ? config : live); }

    // The configuration's items in its order, the live ones that it does not name as near as possible to where they stood.
    json::array items(const Place& list, const json::array* live, const json::array* config) {
        static const json::array none;
        const json::array &left = live == nullptr ? none : *live, &right = config == nullptr ? none : *config;
        std::vector<Element> left_keys, right_keys;
        std::map<Element, const json::value*> left_items, right_items;
        static const json::value ambiguous;
        // An item without a key cannot be merged; the walk that compares has refused such a live object before.
        for (const auto& item : right)
            if (auto element = element_of(list, item)) {
                right_items.try_emplace(*element, &item);
                right_keys.push_back(*std::move(element));
            }
        std::vector<const json::value*> left_at;
        for (const auto& item : left)
            if (auto element = element_of(list, item)) {
                if (const auto [at, is_new] = left_items.try_emplace(*element, &item); !is_new) at->second = &ambiguous;
                left_keys.push_back(*std::move(element));
                left_at.push_back(&item);
            }
        std::vector<const Element*> shared;
        for (const auto& key : right_keys)
            if (left_items.contains(key)) shared.push_back(&key);
        std::size_t next = 0;  // in shared
        std::set<Element> merged;
        json::array out;
        const auto put = [&](const json::value* l, const json::value* r) {
            if (auto item = walk(list.element(), l, r)) out.push_back(*std::move(item));
        };
        const auto find = [](const auto& map, const Element& key) {
            const auto found = map.find(key);
            return found == map.end() ? nullptr : found->second;
        };
        std::size_t l = 0, r = 0;
        while (l < left_keys.size() || r < right_keys.size()) {
            if (l < left_keys.size() && r < right_keys.size()) {
                const Element& key = left_keys[l];
                if (key == right_keys[r]) {
                    merged.insert(key);
                    put(find(left_items, key), find(right_items, key));
                    ++l, ++r, ++next;
                    continue;
                }
                if (right_items.contains(key) && next < shared.size() && *shared[next] != key) {
                    ++l;  // shared, but its turn comes later
                    continue;
                }
            }
            if (l < left_keys.size()) {
                const Element& key = left_keys[l];
                if (!right_items.contains(key)) {
                    put(left_at[l++], nullptr);
                    continue;
                }
                if (merged.contains(key)) ++l;
            }
            if (r < right_keys.size()) {
                const Element& key = right_keys[r];
                merged.insert(key);
                put(find(left_items, key), find(right_items, key));
                if (next < shared.size() && *shared[next] == key) ++next;
                ++r;
            }
        }
        return out;
    }
};

const FieldSet::Node* node_of(const FieldSet& set, const Element& element) {
    const auto found = std::ranges::lower_bound(set.nodes, element, {}, &FieldSet::Node::element);
    return found == set.nodes.end() || found->element != element ? nullptr : &*found;
}

json::value removed_from(const Place& place, const json::value& value, const FieldSet& unwanted);

json::object members_without(const Place& place, const json::object& object, const FieldSet& unwanted) {
    json::object out;
    for (const auto& member : object) {
        const auto* node = node_of(unwanted, Element::field(member.key()));
        if (node != nullptr && node->marks != 0) continue;
        if (node == nullptr) out.emplace(member.key(), member.value());
        else out.emplace(member.key(), removed_from(place.member(member.key()).value_or(Place{}), member.value(), node->children));
    }
    return out;
}

json::value removed_from(const Place& place, const json::value& value, const FieldSet& unwanted) {
    switch (place.structure()) {
        case Structure::leaf: return value.is_structured() ? json::value() : value;
        case Structure::object:
        case Structure::map: {
            if (!value.is_object()) return nullptr;
            auto out = members_without(place, value.get_object(), unwanted);
            return out.empty() ? json::value() : json::value(std::move(out));
        }
        case Structure::set:
        case Structure::keyed: break;
    }
    if (!value.is_array()) return nullptr;
    json::array out;
    for (const auto& item : value.get_array()) {
        const auto element = element_of(place, item);
        const auto* node = element ? node_of(unwanted, *element) : nullptr;
        if (node != nullptr && node->marks != 0) continue;
        out.push_back(node == nullptr ? item : removed_from(place.element(), item, node->children));
    }
    return out.empty() ? json::value() : json::value(std::move(out));
}

void name_fields(const Place& place, FieldSet& set) {
    for (auto& node : set.nodes) {
        std::optional<Place> below;
        if (node.element.kind == Element::Kind::field) below = place.member(node.element.name);
        else below = place.element();
        if (node.element.kind == Element::Kind::field && below && place.structure() != Structure::map && !node.children.empty()) node.marks = owned;
        name_fields(below.value_or(Place{}), node.children);
    }
}

}  // namespace

std::string configuration_error(const Type& type, const json::object& config) {
    Validation validation;
    validation.object({&type, nullptr, false}, json::value(config), "");
    if (validation.errors.size() < 2) return validation.errors.empty() ? std::string() : validation.errors.front();
    std::string out = "errors:";
    for (const auto& error : validation.errors) out += "\n  " + error;
    return out;
}

json::object merge_configuration(const Type& type, const json::object& live, const json::object& config) {
    return Merge().members({&type, nullptr, false}, &live, &config);
}

json::object without_items(const Type& type, const json::object& object, const FieldSet& unwanted) {
    return members_without({&type, nullptr, false}, object, unwanted);
}

FieldSet with_named_fields(const Type& type, FieldSet set) {
    name_fields({&type, nullptr, false}, set);
    return set;
}

}  // namespace services::kube::schema
