#include "services/kube/schema/field_walk.hpp"

#include <boost/json/parse.hpp>

#include <algorithm>
#include <span>

namespace services::kube::schema {

namespace {

using Structure = Place::Structure;

const json::object* object_in(const json::value* value) { return value == nullptr ? nullptr : value->if_object(); }
const json::array* array_in(const json::value* value) { return value == nullptr ? nullptr : value->if_array(); }

// A list's items under their path elements, sorted; equal elements stay in their order.
struct Keyed {
    Element element;
    const json::value* item;
};
bool keyed_items(const Place& list, const json::array* items, std::vector<Keyed>& out) {
    if (items == nullptr) return true;
    out.reserve(items->size());
    for (const auto& item : *items) {
        auto element = element_of(list, item);
        if (!element) return false;
        out.push_back({*std::move(element), &item});
    }
    std::ranges::stable_sort(out, {}, &Keyed::element);
    return true;
}

std::size_t run_length(const std::vector<Keyed>& items, std::size_t at) {
    std::size_t end = at + 1;
    while (end < items.size() && items[end].element == items[at].element) ++end;
    return end - at;
}

class Comparison {
public:
    bool failed = false;

    // `before` and `after` as in the real library: null is a value, a null pointer is none.
    void walk(const Place& place, const json::value* before, const json::value* after, FieldSet::Node& out) {
        switch (place.structure()) {
            case Structure::leaf: return leaf(before, after, out);
            case Structure::object:
            case Structure::map: {
                const auto *left = object_in(before), *right = object_in(after);
                // Two empty ones are told apart from null as a leaf is.
                if ((left == nullptr || left->empty()) && (right == nullptr || right->empty())) return leaf(before, after, out);
                members(place, left, right, out.children);
                break;
            }
            case Structure::set:
            case Structure::keyed: {
                const auto *left = array_in(before), *right = array_in(after);
                if ((left == nullptr || left->empty()) && (right == nullptr || right->empty())) return leaf(before, after, out);
                items(place, left, right, out.children);
                break;
            }
        }
        if (before == nullptr) out.marks |= added;
        else if (after == nullptr) out.marks |= removed;
    }

    void members(const Place& place, const json::object* before, const json::object* after, FieldSet& out) {
        const auto visit = [&](std::string_view name, const json::value* left, const json::value* right) {
            add(place.member(name).value_or(Place{}), Element::field(name), left, right, out);
        };
        if (before != nullptr)
            for (const auto& member : *before)
                visit(member.key(), &member.value(), after == nullptr ? nullptr : after->if_contains(member.key()));
        if (after != nullptr)
            for (const auto& member : *after)
                if (before == nullptr || !before->contains(member.key())) visit(member.key(), nullptr, &member.value());
        std::ranges::sort(out.nodes, {}, &FieldSet::Node::element);
    }

private:
    static void leaf(const json::value* before, const json::value* after, FieldSet::Node& out) {
        if (before == nullptr) out.marks |= added;
        else if (after == nullptr) out.marks |= removed;
        else if (*before != *after) out.marks |= modified;
    }

    void add(const Place& place, Element element, const json::value* before, const json::value* after, FieldSet& out) {
        FieldSet::Node node{std::move(element), 0, {}};
        walk(place, before, after, node);
        if (node.marks != 0 || !node.children.empty()) out.nodes.push_back(std::move(node));
    }

    // Items that share a key are compared as one leaf.
    void items(const Place& list, const json::array* before, const json::array* after, FieldSet& out) {
        std::vector<Keyed> left, right;
        if (!keyed_items(list, before, left) || !keyed_items(list, after, right)) {
            failed = true;
            return;
        }
        std::size_t l = 0, r = 0;
        while (l < left.size() || r < right.size()) {
            const auto o = l == left.size()    ? std::weak_ordering::greater
                           : r == right.size() ? std::weak_ordering::less
                                               : left[l].element <=> right[r].element;
            const std::size_t lefts = o <= 0 ? run_length(left, l) : 0, rights = o >= 0 ? run_length(right, r) : 0;
            Element element = lefts != 0 ? left[l].element : right[r].element;
            if (lefts <= 1 && rights <= 1) {
                add(list.element(), std::move(element), lefts != 0 ? left[l].item : nullptr, rights != 0 ? right[r].item : nullptr, out);
            } else {
                FieldSet::Node node{std::move(element), 0, {}};
                if (lefts > 1 && rights > 1) {
                    const bool is_same = std::ranges::equal(std::span(left).subspan(l, lefts), std::span(right).subspan(r, rights), {},
                                                            [](const Keyed& one) -> const json::value& { return *one.item; },
                                                            [](const Keyed& one) -> const json::value& { return *one.item; });
                    if (!is_same) node.marks |= modified;
                } else if (lefts > 1) {
                    if (rights == 1) walk(list.element(), nullptr, right[r].item, node);
                    node.marks |= removed;
                } else {
                    if (lefts == 1) walk(list.element(), left[l].item, nullptr, node);
                    node.marks |= added;
                }
                if (node.marks != 0) out.nodes.push_back(std::move(node));
            }
            l += lefts;
            r += rights;
        }
    }
};

// ToFieldSet: what a configuration states.
class Statement {
public:
    bool failed = false;

    void walk(const Place& place, const json::value& value, FieldSet::Node& out) {
        switch (place.structure()) {
            case Structure::leaf: out.marks = owned; return;
            case Structure::object:
            case Structure::map:
                if (const auto* object = value.if_object()) members(place, *object, out.children);
                return;
            case Structure::set:
            case Structure::keyed:
                if (const auto* array = value.if_array()) items(place, *array, out.children);
                return;
        }
    }

    void members(const Place& place, const json::object& object, FieldSet& out) {
        for (const auto& member : object) {
            FieldSet::Node node{Element::field(member.key()), 0, {}};
            walk(place.member(member.key()).value_or(Place{}), member.value(), node);
            const auto* below = member.value().if_object();
            if (member.value().is_null() || (below != nullptr && below->empty()) || place.structure() == Structure::map) node.marks = owned;
            if (node.marks != 0 || !node.children.empty()) out.nodes.push_back(std::move(node));
        }
        std::ranges::sort(out.nodes, {}, &FieldSet::Node::element);
    }

private:
    void items(const Place& list, const json::array& array, FieldSet& out) {
        std::vector<Keyed> keyed;
        if (!keyed_items(list, &array, keyed)) {
            failed = true;
            return;
        }
        for (std::size_t i = 0, count = 0; i < keyed.size(); i += count) {
            count = run_length(keyed, i);
            FieldSet::Node node{keyed[i].element, 0, {}};
            if (count == 1) walk(list.element(), *keyed[i].item, node);
            node.marks = owned;
            out.nodes.push_back(std::move(node));
        }
    }
};

}  // namespace

Structure Place::structure() const {
    if (field == nullptr) return type == nullptr ? Structure::leaf : Structure::object;
    if (is_element || field->shape() == Shape::single) {
        if (type == nullptr || type->is_atomic() || (!is_element && field->is_atomic())) return Structure::leaf;
        return Structure::object;
    }
    if (field->shape() == Shape::map) return field->is_atomic() ? Structure::leaf : Structure::map;
    switch (field->list_type()) {
        case ListType::set: return Structure::set;
        case ListType::map: return Structure::keyed;
        case ListType::atomic: break;
    }
    return Structure::leaf;
}

std::optional<Place> Place::member(std::string_view name) const {
    if (structure() == Structure::map) return element();
    const Field* found = type == nullptr ? nullptr : type->find(name);
    if (found == nullptr) return std::nullopt;
    return Place{found->form() == Form::object ? found->type() : nullptr, found, false};
}

std::optional<Element> element_of(const Place& list, const json::value& item) {
    if (list.structure() == Structure::set) {
        if (item.is_null() || item.is_structured()) return std::nullopt;
        return Element{Element::Kind::value, {}, item};
    }
    const auto* object = item.if_object();
    if (object == nullptr) return std::nullopt;
    std::vector<std::string_view> names;
    for (std::string_view rest = list.field->list_keys(); !rest.empty();) {
        const auto comma = rest.find(',');
        names.push_back(rest.substr(0, comma));
        rest.remove_prefix(comma == rest.npos ? rest.size() : comma + 1);
    }
    std::ranges::sort(names);
    json::object key;
    for (const auto name : names) {
        if (const auto* value = object->if_contains(name)) {
            key.emplace(name, *value);
        } else if (const Field* field = list.type == nullptr ? nullptr : list.type->find(name);
                   field != nullptr && !field->schema_default().empty()) {
            key.emplace(name, json::parse(field->schema_default()));
        }
    }
    if (key.empty()) return std::nullopt;
    return Element{Element::Kind::key, {}, std::move(key)};
}

std::optional<FieldSet> compare(const Type& type, const json::object& before, const json::object& after) {
    Comparison comparison;
    FieldSet out;
    comparison.members({&type, nullptr, false}, &before, &after, out);
    if (comparison.failed) return std::nullopt;
    return out;
}

std::optional<FieldSet> field_set_of(const Type& type, const json::object& object) {
    Statement statement;
    FieldSet out;
    statement.members({&type, nullptr, false}, object, out);
    if (statement.failed) return std::nullopt;
    return out;
}

}  // namespace services::kube::schema
