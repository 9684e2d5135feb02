// Objects seen by structured merge: which values of a type are leaves, which lists are sets or keyed by their elements'
// fields, and what differs between two objects. The table's list and map types decide.
//
// Pure. Depth is that of the type, so it is bounded by the decoders.
#pragma once

#include <optional>
#include <string_view>

#include "services/kube/schema/field_set.hpp"
#include "services/kube/schema/schema.hpp"

namespace services::kube::schema {

// Where a value stands in the table.
struct Place {
    const Type* type = nullptr;    // of the object, or of the list's or map's elements
    const Field* field = nullptr;  // null: the root
    bool is_element = false;       // one element of the field's list or map

    enum class Structure { leaf, object, map, set, keyed };
    [[nodiscard]] Structure structure() const;
    [[nodiscard]] Place element() const { return {type, field, true}; }
    // Of an object or a map; empty when the table knows no such field.
    [[nodiscard]] std::optional<Place> member(std::string_view name) const;
};

// The path element of a set's or a keyed list's item; empty when it has none (an item without any key field).
std::optional<Element> element_of(const Place& list, const json::value& item);

// What became of each field from `before` to `after`. Empty when an item of a keyed list has no key.
std::optional<FieldSet> compare(const Type& type, const json::object& before, const json::object& after);
// The fields that `object` states.
std::optional<FieldSet> field_set_of(const Type& type, const json::object& object);

}  // namespace services::kube::schema
