#include "services/kubeclient/selectors.hpp"

#include <algorithm>
#include <charconv>

#include "services/kubeclient/object.hpp"

namespace services::kubeclient {

namespace {

std::optional<std::int64_t> whole(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

bool contains(const std::vector<std::string>& values, std::string_view value) {
    return std::ranges::find(values, value) != values.end();
}

// labels.Parse, without its lexer: the grammar is small enough to be read in place.
class Parser {
public:
    explicit Parser(std::string_view text) : rest_(text) {}

    std::expected<std::vector<Requirement>, std::string> parse() {
        std::vector<Requirement> found;
        skip_blanks();
        while (!rest_.empty()) {
            if (const auto sign = token(); !sign.empty() && sign != "!")
                return std::unexpected("found '" + sign + "', expected: !, identifier, or 'end of string'");
            auto requirement = one();
            if (!requirement) return std::unexpected("unable to parse requirement: " + requirement.error());
            found.push_back(std::move(*requirement));
            skip_blanks();
            if (rest_.empty()) break;
            if (!take(",")) return std::unexpected("found '" + (token().empty() ? word() : token()) + "', expected: ',' or 'end of string'");
            skip_blanks();
            if (rest_.empty()) return std::unexpected("found '', expected: identifier after ','");
        }
        return found;
    }

private:
    std::expected<Requirement, std::string> one() {
        Requirement requirement;
        if (take("!")) {
            skip_blanks();
            requirement.op = Requirement::Operator::does_not_exist;
            requirement.key = word();
            if (requirement.key.empty()) return std::unexpected("found '" + std::string(rest_.substr(0, 1)) + "', expected: identifier");
            return requirement;
        }
        requirement.key = word();
        skip_blanks();
        using Operator = Requirement::Operator;
        if (rest_.empty() || rest_.front() == ',') {
            requirement.op = Operator::exists;
            return requirement;
        }
        if (take("!=")) return value(std::move(requirement), Operator::not_in);
        if (take("==") || take("=")) return value(std::move(requirement), Operator::in);
        if (take(">")) return value(std::move(requirement), Operator::greater);
        if (take("<")) return value(std::move(requirement), Operator::less);
        const auto name = word();
        if (name == "in") return values(std::move(requirement), Operator::in);
        if (name == "notin") return values(std::move(requirement), Operator::not_in);
        return std::unexpected("found '" + (name.empty() ? std::string(rest_.substr(0, 1)) : name) +
                               "', expected: in, notin, =, ==, !=, gt, lt");
    }

    std::expected<Requirement, std::string> value(Requirement requirement, Requirement::Operator op) {
        skip_blanks();
        requirement.op = op;
        if (const auto sign = token(); !sign.empty() && sign != ",") return std::unexpected("found '" + sign + "', expected: identifier");
        requirement.values.push_back(word());  // may be empty: `a=` asks for the empty value
        if ((op == Requirement::Operator::greater || op == Requirement::Operator::less) && !whole(requirement.values[0]))
            return std::unexpected("for 'Gt', 'Lt' operators, the value must be an integer");
        return requirement;
    }

    std::expected<Requirement, std::string> values(Requirement requirement, Requirement::Operator op) {
        requirement.op = op;
        skip_blanks();
        if (!take("(")) return std::unexpected("found '" + word() + "' expected: '('");
        while (true) {
            skip_blanks();
            requirement.values.push_back(word());
            skip_blanks();
            if (take(")")) return requirement;
            if (!take(",")) return std::unexpected("found '" + std::string(rest_.substr(0, 1)) + "', expected: ',' or ')'");
        }
    }

    // The sign that comes next, as the real lexer cuts it; "" before a word or the end.
    [[nodiscard]] std::string token() const {
        for (const std::string_view sign : {"==", "!=", ",", "(", ")", "=", "!", ">", "<"})
            if (rest_.starts_with(sign)) return std::string(sign);
        return {};
    }
    std::string word() {
        const auto end = rest_.find_first_of(" \t\n,()=!<>");
        std::string found(rest_.substr(0, end));
        rest_.remove_prefix(found.size());
        return found;
    }
    bool take(std::string_view token) {
        if (!rest_.starts_with(token)) return false;
        rest_.remove_prefix(token.size());
        return true;
    }
    void skip_blanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\n"), rest_.size())); }

    std::string_view rest_;
};

std::optional<Requirement> requirement_of(const json::object& expression) {
    using Operator = Requirement::Operator;
    Requirement requirement{.op = Operator::in, .key = std::string(text(expression, "key")), .values = {}};
    for (const auto& entry : array_at(expression, "values")) requirement.values.emplace_back(as_text(entry));
    const auto name = text(expression, "operator");
    if (name == "In") requirement.op = Operator::in;
    else if (name == "NotIn") requirement.op = Operator::not_in;
    else if (name == "Exists") requirement.op = Operator::exists;
    else if (name == "DoesNotExist") requirement.op = Operator::does_not_exist;
    else if (name == "Gt") requirement.op = Operator::greater;
    else if (name == "Lt") requirement.op = Operator::less;
    else return std::nullopt;
    return requirement;
}

std::string text_of(const Requirement& requirement) {
    using Operator = Requirement::Operator;
    const auto& [op, key, values] = requirement;
    if (op == Operator::exists) return key;
    if (op == Operator::does_not_exist) return "!" + key;
    if (op == Operator::greater) return key + ">" + values.at(0);
    if (op == Operator::less) return key + "<" + values.at(0);
    if (values.size() == 1) return key + (op == Operator::in ? "=" : "!=") + values[0];
    auto sorted = values;
    std::ranges::sort(sorted);
    std::string found = key + (op == Operator::in ? " in (" : " notin (");
    for (std::size_t i = 0; i < sorted.size(); ++i) found += (i == 0 ? "" : ",") + sorted[i];
    return found + ")";
}

}  // namespace

bool Requirement::matches(const json::object& labels) const {
    const auto* found = labels.if_contains(key);
    const auto value = found == nullptr ? std::string_view() : as_text(*found);
    switch (op) {
        case Operator::in: return found != nullptr && contains(values, value);
        case Operator::not_in: return found == nullptr || !contains(values, value);
        case Operator::exists: return found != nullptr;
        case Operator::does_not_exist: return found == nullptr;
        case Operator::greater:
        case Operator::less: {
            if (found == nullptr || values.size() != 1) return false;
            const auto here = whole(value), bound = whole(values[0]);
            if (!here || !bound) return false;
            return op == Operator::greater ? *here > *bound : *here < *bound;
        }
    }
    return false;
}

std::expected<LabelSelector, std::string> LabelSelector::parse(std::string_view text) {
    auto requirements = Parser(text).parse();
    if (!requirements) return std::unexpected(requirements.error());
    LabelSelector selector;
    selector.requirements_ = std::move(*requirements);
    return selector;
}

LabelSelector LabelSelector::from_object(const json::value* selector) {
    if (selector == nullptr || !selector->is_object()) return nothing();
    return from_object(selector->get_object());
}

LabelSelector LabelSelector::from_object(const json::object& object) {
    auto selector = from_map(object_at(object, "matchLabels"));
    for (const auto& entry : array_at(object, "matchExpressions")) {
        auto requirement = requirement_of(as_object(entry));
        if (!requirement) return nothing();
        selector.requirements_.push_back(std::move(*requirement));
    }
    return selector;
}

LabelSelector LabelSelector::from_map(const json::object& labels) {
    LabelSelector selector;
    for (const auto& [key, value] : labels)
        selector.requirements_.push_back(
            {.op = Requirement::Operator::in, .key = std::string(std::string_view(key)), .values = {std::string(as_text(value))}});
    return selector;
}

LabelSelector LabelSelector::nothing() {
    LabelSelector selector;
    selector.matches_nothing_ = true;
    return selector;
}

bool LabelSelector::matches(const json::object& labels) const {
    if (matches_nothing_) return false;
    return std::ranges::all_of(requirements_, [&](const Requirement& requirement) { return requirement.matches(labels); });
}

std::string LabelSelector::to_string() const {
    auto sorted = requirements_;
    std::ranges::stable_sort(sorted, {}, &Requirement::key);
    std::string found;
    for (const auto& requirement : sorted) found += (found.empty() ? "" : ",") + text_of(requirement);
    return found;
}

std::vector<Requirement> requirements_of(const json::array& expressions) {
    std::vector<Requirement> found;
    for (const auto& entry : expressions) {
        // One that cannot be read must not widen the selection.
        auto requirement = requirement_of(as_object(entry));
        found.push_back(requirement ? std::move(*requirement)
                                    : Requirement{.op = Requirement::Operator::in, .key = "", .values = {}});
    }
    return found;
}

}  // namespace services::kubeclient
