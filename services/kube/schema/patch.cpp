// Follows evanphx/json-patch v4, with which the real server patches: negative indices count from the end, replacing an
// absent member adds it, a merge into what is new drops nulls.
#include "services/kube/schema/patch.hpp"

#include <boost/json/serialize.hpp>

#include <charconv>
#include <format>
#include <optional>
#include <set>

#include "services/kube/schema/node.hpp"

namespace services::kube::schema {

namespace {

using Kind = PatchError::Kind;
using Failure = std::optional<std::string>;  // Go's error text

std::unexpected<PatchError> fail(Kind kind, std::string message) { return std::unexpected(PatchError{kind, std::move(message)}); }

std::string_view go_kind(const json::value& value) {
    if (value.is_object()) return "object";
    if (value.is_array()) return "array";
    if (value.is_string()) return "string";
    return value.is_bool() ? "bool" : "number";
}

// A pointer's reference token.
std::string unescape(std::string_view token) {
    std::string out;
    for (std::size_t i = 0; i < token.size(); ++i) {
        if (token[i] == '~' && i + 1 < token.size() && (token[i + 1] == '0' || token[i + 1] == '1')) out += token[++i] == '0' ? '~' : '/';
        else out += token[i];
    }
    return out;
}

struct Target {
    json::value* container;  // an object or an array
    std::string key;
};

std::expected<std::int64_t, std::string> index_of(std::string_view key) {
    std::string_view digits = key;
    if (digits.starts_with('+')) digits.remove_prefix(1);
    std::int64_t index = 0;
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    if (code == std::errc::result_out_of_range) return std::unexpected(std::format("strconv.Atoi: parsing \"{}\": value out of range", key));
    if (code != std::errc{} || end != digits.data() + digits.size() || (digits.size() != key.size() && digits.starts_with('-')))
        return std::unexpected(std::format("strconv.Atoi: parsing \"{}\": invalid syntax", key));
    return index;
}

std::string bad_index(std::int64_t index) { return std::format("Unable to access invalid index: {}: invalid index referenced", index); }

// The place in an array of `size`, counted from its end when negative.
std::expected<std::size_t, std::string> place_in(std::string_view key, std::size_t size) {
    const auto index = index_of(key);
    if (!index) return std::unexpected(index.error());
    const auto count = static_cast<std::int64_t>(size);
    if (*index >= count || *index < -count) return std::unexpected(bad_index(*index));
    return static_cast<std::size_t>(*index < 0 ? *index + count : *index);
}

// One patch under way.
class Patching {
public:
    explicit Patching(json::value& document) : document_(document) {}

    Failure apply(const json::object& operation) {
        for (const std::string_view name : {"path", "from"})
            if (std::string path; text(operation, name, path) != nullptr) touched_.insert(path.substr(0, path.rfind('/') + 1));
        const auto* op = operation.if_contains("op");
        const std::string kind(op != nullptr && op->is_string() ? std::string_view(op->get_string()) : "unknown");
        if (kind == "add") return add(operation);
        if (kind == "remove") return remove(operation);
        if (kind == "replace") return replace(operation);
        if (kind == "move") return move(operation);
        if (kind == "copy") return copy(operation);
        if (kind == "test") return test(operation);
        return "Unexpected kind: " + kind;
    }

    // The real library holds what it opens as a map and so writes it by its keys' order, which shows in messages.
    void sort_touched() {
        std::set<const json::value*> sorted;
        for (const auto& path : touched_) {
            json::value* at = &document_;
            for (std::string_view rest = path; at != nullptr && at->is_structured();) {
                if (sorted.insert(at).second && at->is_object()) sort_keys(at->get_object());
                const auto slash = rest.find('/');
                if (slash == rest.npos) break;
                rest.remove_prefix(slash + 1);
                const auto next = rest.find('/');
                if (next == rest.npos) break;
                at = child(*at, unescape(rest.substr(0, next)));
            }
        }
    }

private:
    json::value& document_;
    std::size_t copied_bytes_ = 0;
    std::set<std::string> touched_;  // paths of containers, with a slash at the end

    static const std::string* text(const json::object& operation, std::string_view name, std::string& out) {
        const auto* value = operation.if_contains(name);
        if (value == nullptr || !value->is_string()) return nullptr;
        out = value->get_string();
        return &out;
    }
    static json::value value_of(const json::object& operation) {
        const auto* value = operation.if_contains("value");
        return value == nullptr ? json::value() : *value;
    }

    std::optional<Target> find(std::string_view path) {
        const auto first = path.find('/');
        if (first == path.npos) return std::nullopt;
        json::value* at = &document_;
        path.remove_prefix(first + 1);  // what precedes the first slash is not looked at
        for (auto slash = path.find('/'); slash != path.npos; slash = path.find('/')) {
            at = child(*at, unescape(path.substr(0, slash)));
            path.remove_prefix(slash + 1);
            if (at == nullptr || !at->is_structured()) return std::nullopt;
        }
        return Target{at, unescape(path)};
    }

    static json::value* child(json::value& container, const std::string& key) {
        if (auto* object = container.if_object()) return object->if_contains(key);
        auto& array = container.get_array();
        const auto place = place_in(key, array.size());
        return place ? &array[*place] : nullptr;
    }

    // Null for an absent member, an error for a place outside of an array.
    static std::expected<json::value*, std::string> get(const Target& target) {
        if (auto* object = target.container->if_object()) return object->if_contains(target.key);
        auto& array = target.container->get_array();
        const auto place = place_in(target.key, array.size());
        if (!place) return std::unexpected(place.error());
        return &array[*place];
    }

    static Failure add_to(const Target& target, json::value value) {
        if (auto* object = target.container->if_object()) {
            object->insert_or_assign(target.key, std::move(value));
            return {};
        }
        auto& array = target.container->get_array();
        if (target.key == "-") {
            array.push_back(std::move(value));
            return {};
        }
        if (const auto index = index_of(target.key); !index)
            return std::format("value was not a proper array index: '{}': {}", target.key, index.error());
        const auto place = place_in(target.key, array.size() + 1);
        if (!place) return place.error();
        array.insert(array.begin() + *place, std::move(value));
        return {};
    }

    static Failure remove_from(const Target& target) {
        if (auto* object = target.container->if_object()) {
            if (object->erase(target.key) == 0) return std::format("Unable to remove nonexistent key: {}: missing value", target.key);
            return {};
        }
        auto& array = target.container->get_array();
        const auto place = place_in(target.key, array.size());
        if (!place) return place.error();
        array.erase(array.begin() + *place);
        return {};
    }

    Failure add(const json::object& operation) {
        std::string path;
        if (text(operation, "path", path) == nullptr) return "add operation failed to decode path: missing value";
        const auto target = find(path);
        if (!target) return std::format("add operation does not apply: doc is missing path: \"{}\": missing value", path);
        if (const auto error = add_to(*target, value_of(operation))) return std::format("error in add for path: '{}': {}", path, *error);
        return {};
    }

    Failure remove(const json::object& operation) {
        std::string path;
        if (text(operation, "path", path) == nullptr) return "remove operation failed to decode path: missing value";
        const auto target = find(path);
        if (!target) return std::format("remove operation does not apply: doc is missing path: \"{}\": missing value", path);
        if (const auto error = remove_from(*target)) return std::format("error in remove for path: '{}': {}", path, *error);
        return {};
    }

    static std::string no_field(std::string_view operation, std::string_view what, std::string_view text) {
        return std::format("{} operation failed to decode {}: {}: missing value", operation, what, text);
    }

    Failure replace(const json::object& operation) {
        std::string path;
        if (text(operation, "path", path) == nullptr) return no_field("replace", "path", "operation missing path field");
        if (path.empty()) {
            json::value value = value_of(operation);
            if (!value.is_structured()) return "replace operation value must be object or array: %!w(<nil>)";
            document_ = std::move(value);
            return {};
        }
        const auto target = find(path);
        if (!target) return std::format("replace operation does not apply: doc is missing path: {}: missing value", path);
        const auto found = get(*target);
        if (!found) return std::format("replace operation does not apply: doc is missing key: {}: missing value", path);
        if (*found != nullptr) **found = value_of(operation);
        else target->container->get_object().emplace(target->key, value_of(operation));
        return {};
    }

    Failure move(const json::object& operation) {
        std::string from, path;
        if (text(operation, "from", from) == nullptr) return no_field("move", "from", "operation, missing from field");
        const auto source = find(from);
        if (!source) return std::format("move operation does not apply: doc is missing from path: {}: missing value", from);
        const auto found = get(*source);
        if (!found) return std::format("error in move for path: '{}': {}", source->key, found.error());
        json::value value = *found == nullptr ? json::value() : **found;
        if (const auto error = remove_from(*source)) return std::format("error in move for path: '{}': {}", source->key, *error);
        if (text(operation, "path", path) == nullptr) return no_field("move", "path", "operation missing path field");
        const auto target = find(path);
        if (!target) return std::format("move operation does not apply: doc is missing destination path: {}: missing value", path);
        if (const auto error = add_to(*target, std::move(value))) return std::format("error in move for path: '{}': {}", path, *error);
        return {};
    }

    Failure copy(const json::object& operation) {
        std::string from, path;
        if (text(operation, "from", from) == nullptr) return no_field("copy", "from", "operation, missing from field");
        const auto source = find(from);
        if (!source) return std::format("copy operation does not apply: doc is missing from path: {}: missing value", from);
        const auto found = get(*source);
        if (!found) return std::format("error in copy for from: '{}': {}", from, found.error());
        if (text(operation, "path", path) == nullptr) return "copy operation failed to decode path: missing value";
        const auto target = find(path);
        if (!target) return std::format("copy operation does not apply: doc is missing destination path: {}: missing value", path);
        json::value value = *found == nullptr ? json::value() : **found;
        if (*found != nullptr) copied_bytes_ += json::serialize(value).size();
        if (copied_bytes_ > patch_copy_bytes_max)
            return std::format("Unable to complete the copy, the accumulated size increase of copy is {}, exceeding the limit {}",
                               copied_bytes_, patch_copy_bytes_max);
        if (const auto error = add_to(*target, std::move(value))) return std::format("error while adding value during copy: {}", *error);
        return {};
    }

    Failure test(const json::object& operation) {
        std::string path;
        if (text(operation, "path", path) == nullptr) return no_field("test", "path", "operation missing path field");
        const auto failed = [&] { return std::format("testing value {} failed: test failed", path); };
        const json::value wanted = value_of(operation);
        if (path.empty()) return document_ == wanted ? Failure{} : failed();
        const auto target = find(path);
        if (!target) return std::format("test operation does not apply: is missing path: {}: missing value", path);
        const auto found = get(*target);
        if (!found) return std::format("error in test for path: '{}': {}", path, found.error());
        return (*found == nullptr ? json::value() : **found) == wanted ? Failure{} : failed();
    }
};

bool is_deeper_than(const json::value& value, std::size_t depth) {
    if (!value.is_structured()) return false;
    if (depth == 0) return true;
    if (const auto* array = value.if_array()) {
        for (const auto& item : *array)
            if (is_deeper_than(item, depth - 1)) return true;
        return false;
    }
    for (const auto& member : value.get_object())
        if (is_deeper_than(member.value(), depth - 1)) return true;
    return false;
}

void prune_nulls(json::value& value) {
    if (auto* array = value.if_array()) {
        for (auto& item : *array) prune_nulls(item);
        return;
    }
    auto* object = value.if_object();
    if (object == nullptr) return;
    json::object out;
    for (auto& member : *object) {
        if (member.value().is_null()) continue;
        prune_nulls(member.value());
        out.emplace(member.key(), std::move(member.value()));
    }
    sort_keys(out);
    *object = std::move(out);
}

}  // namespace

std::expected<json::object, PatchError> json_patch(json::object current, std::string_view patch_text) {
    const auto patch = parse_json(patch_text);
    if (!patch) return fail(Kind::malformed, "error decoding patch: " + patch.error().message);
    const auto mistyped = [](const json::value& found, std::string_view wanted) {
        return fail(Kind::malformed, std::format("error decoding patch: json: cannot unmarshal {} into Go {}", go_kind(found), wanted));
    };
    if (!patch->is_array() && !patch->is_null()) return mistyped(*patch, "value of type []handlers.jsonPatchOp");
    static const json::array none;
    const auto& operations = patch->is_array() ? patch->get_array() : none;
    for (const auto& operation : operations) {
        if (operation.is_null()) continue;
        if (!operation.is_object()) return mistyped(operation, "value of type handlers.jsonPatchOp");
        for (const std::string_view name : {"op", "path", "from"}) {
            const auto* member = operation.get_object().if_contains(name);
            if (member != nullptr && !member->is_string() && !member->is_null())
                return mistyped(*member, std::format("struct field jsonPatchOp.{} of type string", name));
        }
    }
    if (operations.size() > patch_operations_max)
        return fail(Kind::too_large,
                    std::format("The allowed maximum operations in a JSON patch is {}, got {}", patch_operations_max, operations.size()));
    json::value document(std::move(current));
    Patching patching(document);
    static const json::object empty;
    for (const auto& operation : operations)
        if (const auto error = patching.apply(operation.is_object() ? operation.get_object() : empty)) return fail(Kind::unprocessable, *error);
    patching.sort_touched();
    if (!document.is_object()) return fail(Kind::unprocessable, "json: cannot unmarshal array into Go value of type map[string]interface {}");
    // Moves nest without growing; what follows walks the object recursively.
    if (is_deeper_than(document, value_nesting_max)) return fail(Kind::unprocessable, "exceeded max depth");
    return std::move(document.get_object());
}

std::expected<json::object, PatchError> json_merge_patch(json::object current, std::string_view patch_text) {
    const auto patch = parse_json(patch_text);
    if (!patch) return fail(Kind::malformed, "error decoding patch: " + patch.error().message);
    if (patch->is_null()) return fail(Kind::malformed, "Invalid JSON Patch");
    if (!patch->is_object())
        return fail(Kind::malformed, std::format("error decoding patch: json: cannot unmarshal {} into Go value of type {}", go_kind(*patch),
                                                 "map[string]interface {}"));
    json::value target(std::move(current));
    merge_into(target, *patch);
    return std::move(target.get_object());
}

void merge_into(json::value& target, const json::value& patch) {
    auto* object = target.if_object();
    if (object == nullptr || !patch.is_object()) {
        const bool is_new = object == nullptr;
        target = patch;
        if (is_new) prune_nulls(target);
        return;
    }
    for (const auto& member : patch.get_object()) {
        if (member.value().is_null()) {
            object->erase(member.key());
            continue;
        }
        auto* found = object->if_contains(member.key());
        if (found == nullptr) found = &object->emplace(member.key(), nullptr).first->value();
        merge_into(*found, member.value());
    }
    sort_keys(*object);
}

}  // namespace services::kube::schema
