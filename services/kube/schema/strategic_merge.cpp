#include "services/kube/schema/strategic_merge.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <format>
#include <set>
#include <unordered_map>

namespace services::kube::schema {

namespace {

constexpr std::string_view directive = "$patch", retain_keys = "$retainKeys", order_prefix = "$setElementOrder",
                           delete_prefix = "$deleteFromPrimitiveList";
using Kind = PatchError::Kind;
using Items = std::vector<json::value>;

// Crosses this file alone: an error deep in a merge ends it.
struct Refusal {
    PatchError error;
};
[[noreturn]] void refuse(Kind kind, std::string message) { throw Refusal{{kind, std::move(message)}}; }
[[noreturn]] void refuse_without_key(const json::value& item, std::string_view key) {
    refuse(Kind::internal, std::format("map: {} does not contain declared merge key: {}", go_print(item), key));
}

std::string_view go_type(const json::value& value) {
    if (value.is_object()) return "map[string]interface {}";
    if (value.is_array()) return "[]interface {}";
    if (value.is_string()) return "string";
    if (value.is_bool()) return "bool";
    if (value.is_double()) return "float64";
    return value.is_null() ? "%!s(<nil>)" : "int64";
}

const json::array& list_in(const json::value& value) {
    if (!value.is_array()) refuse(Kind::internal, std::format("expected a []interface {{}}, but received a {}", go_type(value)));
    return value.get_array();
}

// The list or struct below a type, as the patch's tags see it.
struct Below {
    const Type* type = nullptr;
    std::string_view merge_key;
    bool merges = false;
};
Below below(const Type* type, std::string_view name) {
    const Field* field = type == nullptr ? nullptr : type->find(name);
    if (field == nullptr) {
        const std::string_view go_name = type == nullptr ? "" : type->go_name().substr(type->go_name().rfind('.') + 1);
        refuse(Kind::internal, std::format("unable to find api field in struct {} for the json field {}", go_name,
                                           json::serialize(json::string(name))));
    }
    const std::string_view strategy = field->patch_strategy();
    const bool merges = strategy == "merge" || strategy.starts_with("merge,") || strategy.ends_with(",merge");
    return {field->form() == Form::object ? field->type() : nullptr, field->merge_key(), merges};
}

// What tells items of a list apart: the merge key's value, or a scalar itself.
std::string identity(const json::value& item, std::string_view merge_key) {
    if (merge_key.empty()) return json::serialize(item);
    const auto* object = item.if_object();
    const auto* value = object == nullptr ? nullptr : object->if_contains(merge_key);
    if (value == nullptr) refuse_without_key(item, merge_key);
    return json::serialize(*value);
}

// Each identity's first place in a list.
class Places {
public:
    template <class List>
    Places(const List& list, std::string_view merge_key) {
        for (std::size_t i = 0; i < list.size(); ++i) first_.try_emplace(identity(list[i], merge_key), i);
    }
    [[nodiscard]] std::ptrdiff_t of(const std::string& item) const {
        const auto found = first_.find(item);
        return found == first_.end() ? -1 : static_cast<std::ptrdiff_t>(found->second);
    }
    void add(std::string item, std::size_t at) { first_.try_emplace(std::move(item), at); }

private:
    std::unordered_map<std::string, std::size_t> first_;
};

void discard_nulls(json::value& value) {
    if (auto* array = value.if_array()) {
        for (auto& item : *array) discard_nulls(item);
    } else if (auto* object = value.if_object()) {
        json::object out;
        for (auto& member : *object) {
            if (member.value().is_null()) continue;
            discard_nulls(member.value());
            out.emplace(member.key(), std::move(member.value()));
        }
        *object = std::move(out);
    }
}

// False: the value is itself a directive, and goes.
bool remove_directives(json::value& value) {
    if (auto* array = value.if_array()) {
        json::array out;
        for (auto& item : *array)
            if (remove_directives(item)) out.push_back(std::move(item));
        *array = std::move(out);
    } else if (auto* object = value.if_object()) {
        if (object->contains(directive)) return false;
        json::object out;
        for (auto& member : *object)
            if (remove_directives(member.value())) out.emplace(member.key(), std::move(member.value()));
        *object = std::move(out);
    }
    return true;
}

// The patch's value where there is nothing to merge it with.
void take(json::object& original, std::string_view key, json::value value) {
    discard_nulls(value);
    if (remove_directives(value)) original.insert_or_assign(key, std::move(value));
    else original.erase(key);
}

// All items of one kind, and no list of lists. True: objects.
bool are_objects(std::initializer_list<const json::array*> lists) {
    std::optional<std::string_view> type;
    for (const auto* list : lists)
        for (const auto& item : *list) {
            if (!type) {
                type = go_type(item);
                if (item.is_array()) refuse(Kind::unprocessable, "lists of lists are not supported");
            } else if (*type != go_type(item)) {
                std::string text;
                for (const auto* each : lists) (text += text.empty() ? "" : " ") += go_print(*each);
                refuse(Kind::internal, std::format("list element types are not identical: [{}]", text));
            }
        }
    if (!type) refuse(Kind::internal, "no elements in any of the given slices");
    return type == "map[string]interface {}";
}

// The items named by the patch go in its order, those of the server alone between them in theirs.
json::array in_order(json::array merged, const Places& patch_order, const Places& server_order, std::string_view merge_key) {
    struct Item {
        json::value value;
        std::ptrdiff_t by_patch, by_server;
    };
    std::vector<Item> patched, others;
    for (auto& value : merged) {
        const std::string item = identity(value, merge_key);
        const auto by_patch = patch_order.of(item);
        (by_patch < 0 ? others : patched).push_back({std::move(value), by_patch, server_order.of(item)});
    }
    std::ranges::stable_sort(patched, {}, &Item::by_patch);
    std::ranges::stable_sort(others, {}, &Item::by_server);
    json::array out;
    out.reserve(patched.size() + others.size());
    auto left = others.begin();
    auto right = patched.begin();
    while (left != others.end() || right != patched.end()) {
        const bool takes_left = right == patched.end() || (left != others.end() && left->by_server >= 0 && left->by_server < right->by_server);
        out.push_back(std::move(takes_left ? left++->value : right++->value));
    }
    return out;
}

json::object merge_object(json::object original, json::object patch, const Type* type);

json::array merge_objects(json::array original, const json::array& patch, const Below& list) {
    if (list.merge_key.empty())
        refuse(Kind::internal, std::format("cannot merge lists without merge key for {}", list.type == nullptr ? "map" : "struct"));
    json::array wanted;
    std::set<std::string> deleted;
    bool replaces = false;
    for (const auto& value : patch) {
        const auto& item = value.get_object();
        const auto* what = item.if_contains(directive);
        if (what == nullptr) wanted.push_back(value);
        else if (*what == "delete") deleted.insert(identity(value, list.merge_key));
        else if (*what == "replace") replaces = true;
        else if (*what == "merge") refuse(Kind::internal, "merging lists cannot yet be specified in the patch");
        else refuse(Kind::internal, std::format("unknown patch type: {} in map: {}", go_print(*what), go_print(value)));
    }
    if (replaces) return wanted;
    if (!deleted.empty()) {
        json::array kept;
        for (auto& value : original) {
            const auto* object = value.if_object();
            const auto* key = object == nullptr ? nullptr : object->if_contains(list.merge_key);
            if (key == nullptr || !deleted.contains(json::serialize(*key))) kept.push_back(std::move(value));
        }
        original = std::move(kept);
    }
    const Places server_order(original, list.merge_key), patch_order(wanted, list.merge_key);
    Places places = server_order;
    for (auto& value : wanted) {
        const std::string item = identity(value, list.merge_key);
        if (const auto at = places.of(item); at >= 0) {
            auto& found = original[static_cast<std::size_t>(at)];
            found = merge_object(std::move(found.as_object()), value.get_object(), list.type);
        } else {
            places.add(item, original.size());
            original.push_back(value);
        }
    }
    return in_order(std::move(original), patch_order, server_order, list.merge_key);
}

json::array merge_scalars(const json::array& original, const json::array& patch) {
    std::set<std::string> seen;
    json::array merged;
    for (const auto* list : {&original, &patch})
        for (const auto& value : *list)
            if (seen.insert(identity(value, {})).second) merged.push_back(value);
    return in_order(std::move(merged), Places(patch, {}), Places(original, {}), {});
}

json::array merge_list(json::array original, const json::array& patch, const Below& list) {
    if (!list.merges) return patch;
    if (original.empty() && patch.empty()) return original;
    if (are_objects({&original, &patch})) return merge_objects(std::move(original), patch, list);
    return merge_scalars(original, patch);
}

json::array delete_from(const json::array& original, const json::array& patch) {
    const Places unwanted(patch, {});
    json::array out;
    for (const auto& value : original)
        if (unwanted.of(identity(value, {})) < 0) out.push_back(value);
    return out;
}

void apply_retain_keys(json::object& original, json::object& patch) {
    const auto* found = patch.if_contains(retain_keys);
    if (found == nullptr) return;
    const json::value keys = *found;
    patch.erase(retain_keys);
    const auto refuse_keys = [] { refuse(Kind::malformed, "invalid patch format of retainKeys"); };
    if (!keys.is_array()) refuse_keys();
    std::set<std::string, std::less<>> retained;
    for (const auto& key : keys.get_array())
        if (key.is_string()) retained.emplace(key.get_string());
    for (const auto& member : patch) {
        const std::string_view key = member.key();
        if (member.value().is_null() || key.starts_with(delete_prefix) || key.starts_with(order_prefix)) continue;
        if (!retained.contains(key)) refuse_keys();
    }
    json::object kept;
    for (auto& member : original)
        if (retained.contains(std::string_view(member.key()))) kept.emplace(member.key(), std::move(member.value()));
    original = std::move(kept);
}

// The patch's items must stand in the order that $setElementOrder gives.
void check_order(const json::array& patch, const json::array& order, std::string_view merge_key) {
    if (patch.empty() || order.empty()) return;
    std::size_t at = 0;
    for (const auto& item : patch) {
        const auto* object = item.if_object();
        if (!merge_key.empty() && object == nullptr)
            refuse(Kind::internal, std::format("expected a map[string]interface {{}}, but received a {}", go_type(item)));
        if (object != nullptr && object->contains(directive)) continue;
        const std::string wanted = identity(item, merge_key);
        while (at < order.size() && identity(order[at], merge_key) != wanted) ++at;
        if (at == order.size())
            refuse(Kind::internal, std::format("The order in patch list:\n{}\n doesn't match $setElementOrder list:\n{}\n", go_print(patch),
                                               go_print(order)));
        ++at;
    }
}

std::string key_after(std::string_view text, std::string_view prefix, std::string_view error) {
    if (text.size() <= prefix.size() || text[prefix.size()] != '/') refuse(Kind::malformed, std::string(error));
    return std::string(text.substr(prefix.size() + 1));
}

// $setElementOrder/x takes x with it.
void apply_element_orders(json::object& original, json::object& patch, const Type* type) {
    std::vector<std::string> keys;
    for (const auto& member : patch)
        if (std::string_view(member.key()).starts_with(order_prefix)) keys.emplace_back(member.key());
    for (const auto& directive_key : keys) {
        const json::value order_value = patch.at(directive_key);
        patch.erase(directive_key);
        const json::array& order = list_in(order_value);
        const std::string key = key_after(directive_key, order_prefix, "invalid patch format of setElementOrder list");
        auto* live = original.if_contains(key);
        const auto* wanted = patch.if_contains(key);
        const json::array server = live == nullptr ? json::array() : list_in(*live);
        const json::array items = wanted == nullptr ? json::array() : list_in(*wanted);
        const Below list = below(type, key);
        check_order(items, order, list.merge_key);
        if (live == nullptr && wanted == nullptr) continue;
        json::array merged;
        if (wanted == nullptr) {
            merged = server;
        } else if (live == nullptr) {
            json::value value = items;
            remove_directives(value);
            merged = std::move(value.get_array());
        } else {
            merged = merge_list(server, items, list);
        }
        are_objects({&server, &items});
        merged = in_order(std::move(merged), Places(order, list.merge_key), Places(server, list.merge_key), list.merge_key);
        original.insert_or_assign(key, std::move(merged));
        patch.erase(key);
    }
}

json::object merge_object(json::object original, json::object patch, const Type* type) {
    if (const auto* what = patch.if_contains(directive)) {
        if (*what == "replace") {
            patch.erase(directive);
            return patch;
        }
        if (*what == "delete") return {};
        refuse(Kind::internal, std::format("unknown patch type: {} in map: {}", go_print(*what), go_print(patch)));
    }
    apply_retain_keys(original, patch);
    apply_element_orders(original, patch, type);
    for (auto& member : patch) {
        std::string key(member.key());
        const bool deletes = key.starts_with(delete_prefix);
        if (deletes) key = key_after(key, delete_prefix, "invalid patch format of primitive list");
        json::value& value = member.value();
        if (value.is_null()) {
            original.erase(key);
            continue;
        }
        auto* live = original.if_contains(key);
        if (live == nullptr || go_type(*live) != go_type(value)) {
            if (!deletes) take(original, key, std::move(value));
            continue;
        }
        if (value.is_object()) {
            const Below place = below(type, key);
            *live = merge_object(std::move(live->get_object()), std::move(value.get_object()), place.type);
        } else if (value.is_array()) {
            const Below list = below(type, key);
            *live = deletes ? delete_from(live->get_array(), value.get_array())
                            : merge_list(std::move(live->get_array()), value.get_array(), list);
        } else {
            *live = std::move(value);
        }
    }
    return original;
}

}  // namespace

std::string go_print(const json::value& value) {
    if (value.is_string()) return std::string(value.get_string());
    if (value.is_null()) return "<nil>";
    if (const auto* array = value.if_array()) {
        std::string out = "[";
        for (const auto& item : *array) (out += out.size() == 1 ? "" : " ") += go_print(item);
        return out + "]";
    }
    if (const auto* object = value.if_object()) {
        std::vector<std::string_view> keys;
        for (const auto& member : *object) keys.push_back(member.key());
        std::ranges::sort(keys);
        std::string out = "map[";
        for (const auto key : keys) {
            if (out.size() > 4) out += ' ';
            (out += key) += ':';
            out += go_print(object->at(key));
        }
        return out + "]";
    }
    if (value.is_double()) return std::format("{}", value.get_double());
    return json::serialize(value);
}

std::expected<json::object, PatchError> strategic_merge(const Type& type, json::object current, const json::object& patch) {
    try {
        return merge_object(std::move(current), patch, &type);
    } catch (const Refusal& refusal) {
        return std::unexpected(refusal.error);
    }
}

}  // namespace services::kube::schema
