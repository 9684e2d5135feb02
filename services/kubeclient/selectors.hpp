// Label selectors: the string form of queries (`a=b,c!=d,e in (f,g),!h`, apimachinery labels.Parse) and LabelSelector
// objects (matchLabels, matchExpressions). Node selector terms share the requirement form (Gt, Lt too).
//
// Pure values. An empty selector matches everything, an absent LabelSelector (null) nothing.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace services::kubeclient {

namespace json = boost::json;

struct Requirement {
    enum class Operator { in, not_in, exists, does_not_exist, greater, less } op = Operator::in;
    std::string key;
    std::vector<std::string> values;
    [[nodiscard]] bool matches(const json::object& labels) const;
};

class LabelSelector {
public:
    // Error: the text for the person who wrote the selector.
    static std::expected<LabelSelector, std::string> parse(std::string_view text);
    // A metav1.LabelSelector, or null (matches nothing). An unknown operator matches nothing.
    static LabelSelector from_object(const json::value* selector);
    static LabelSelector from_object(const json::object& selector);
    // A plain map, such as a Service's spec.selector.
    static LabelSelector from_map(const json::object& labels);
    static LabelSelector nothing();

    [[nodiscard]] bool matches(const json::object& labels) const;
    [[nodiscard]] bool is_empty() const { return !matches_nothing_ && requirements_.empty(); }
    [[nodiscard]] const std::vector<Requirement>& requirements() const { return requirements_; }
    // The query form, sorted by key.
    [[nodiscard]] std::string to_string() const;

private:
    std::vector<Requirement> requirements_;
    bool matches_nothing_ = false;
};

// Requirements of a NodeSelectorTerm's matchExpressions or matchFields.
std::vector<Requirement> requirements_of(const json::array& expressions);

}  // namespace services::kubeclient
