// A set of field paths, as FieldsV1 writes it: a tree of path elements, each of which may itself be a member. The same
// tree holds the outcome of a comparison, where an element's marks say what became of it.
//
// Owns no knowledge of types (field_walk does). Bounded by `field_depth_max`; the width is that of the object.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace services::kube::schema {

namespace json = boost::json;

inline constexpr std::size_t field_depth_max = 200;

struct Element {
    // The order of kinds is the order in which FieldsV1 lists them.
    enum class Kind : std::uint8_t { field, key, value, index };
    Kind kind = Kind::field;
    std::string name;   // field
    json::value value;  // key: an object, its members sorted by name; value: a scalar; index: a number

    static Element field(std::string_view name) { return {Kind::field, std::string(name), nullptr}; }
    [[nodiscard]] std::string text() const;  // f:name  k:{"name":"x"}  v:"x"  i:0
    [[nodiscard]] std::string path() const;  // .name   [name="x"]      [="x"] [0]
    std::weak_ordering operator<=>(const Element& other) const;
    bool operator==(const Element& other) const { return (*this <=> other) == 0; }
};

using Marks = std::uint8_t;
inline constexpr Marks owned = 1;                              // in a set
inline constexpr Marks added = 1, modified = 2, removed = 4;   // in a comparison
inline constexpr Marks any_mark = 7;

struct FieldSet {
    struct Node;
    std::vector<Node> nodes;  // sorted by element; none without marks and children

    [[nodiscard]] bool empty() const { return nodes.empty(); }
    [[nodiscard]] bool has(const std::vector<Element>& path) const;
    void insert(const std::vector<Element>& path);
};
struct FieldSet::Node {
    Element element;
    Marks marks = 0;
    FieldSet children;
};

// Set algebra; of `right`, the members are those that bear one of `marks`. The result's members are `owned`.
FieldSet unite(FieldSet left, const FieldSet& right, Marks marks = any_mark);
FieldSet subtract(FieldSet left, const FieldSet& right, Marks marks = any_mark);
FieldSet intersect(FieldSet left, const FieldSet& right, Marks marks = any_mark);
// Drops `path` and all below it.
void erase_below(FieldSet& set, const std::vector<std::string_view>& path);
// Every member, in order.
void for_each_member(const FieldSet& set, const std::function<void(const std::vector<const Element*>&)>& visit);

json::object fields_v1(const FieldSet& set);
// Empty when it is no FieldsV1. Elements of unknown kinds are dropped, as the real reader does.
std::optional<FieldSet> read_fields_v1(const json::object& fields);

}  // namespace services::kube::schema
