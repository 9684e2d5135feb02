// A parsed document before its types are known: keeps duplicate keys, their order and numbers as written. JSON, YAML and
// json::value all become this; typed.cpp turns it into what the table says.
//
// Bounded: nesting_max, nodes_max.
#pragma once

#include <boost/json/value.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "services/kube/schema/schema.hpp"

namespace services::kube::schema {

inline constexpr std::size_t nesting_max = 10'000;      // encoding/json's
inline constexpr std::size_t value_nesting_max = 1000;  // of YAML and of what becomes a json::value: who walks it recurses
inline constexpr std::size_t type_nesting_max = 500;    // of typed objects in each other: JSONSchemaProps alone nests itself
inline constexpr std::size_t nodes_max = 400'000;

struct Node {
    enum class Kind : std::uint8_t { null, boolean, number, string, array, object };
    Kind kind = Kind::null;
    bool truth = false;
    std::string key;             // of a member
    std::string text;            // string: decoded; number: as written
    std::vector<Node> children;  // elements or members
};

std::expected<Node, DecodeError> node_from_json(std::string_view text);
std::expected<Node, DecodeError> node_from_yaml(std::string_view text);
Node node_from_value(const json::value& value);
// As Go decodes into interface{} with PreserveInts: int64 where it fits, else double.
// Null stands for what lies deeper than value_nesting_max; ask is_deeper_than first where that matters.
json::value value_from_node(const Node& node, std::size_t depth = 0);
bool is_deeper_than(const Node& node, std::size_t levels);
// As Go writes a map: by its keys' order.
void sort_keys(json::object& object);
// The text again, compact (for what Go hands to UnmarshalJSON as bytes).
std::string text_of(const Node& node);

}  // namespace services::kube::schema
