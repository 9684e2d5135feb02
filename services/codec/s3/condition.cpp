#include "services/codec/s3/condition.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>

#include "hal/base/bytes.hpp"
#include "hal/base/clock.hpp"
#include "hal/base/error.hpp"
#include "services/codec/s3/canonical.hpp"

namespace services::codec::s3 {

namespace {

constexpr std::size_t values_max = 1000;
constexpr char16_t star = 0x100, question = 0x101;  // beside the 256 bytes that stand for themselves

struct Operator {
    std::string_view name;
    Compare compare;
    bool is_negated;
};
constexpr Operator operators[] = {
    {"StringEquals", Compare::string_equals, false},
    {"StringNotEquals", Compare::string_equals, true},
    {"StringEqualsIgnoreCase", Compare::string_equals_ignore_case, false},
    {"StringNotEqualsIgnoreCase", Compare::string_equals_ignore_case, true},
    {"StringLike", Compare::string_like, false},
    {"StringNotLike", Compare::string_like, true},
    {"ArnEquals", Compare::string_like, false},
    {"ArnLike", Compare::string_like, false},
    {"ArnNotEquals", Compare::string_like, true},
    {"ArnNotLike", Compare::string_like, true},
    {"BinaryEquals", Compare::binary_equals, false},
    {"NumericEquals", Compare::numeric_equals, false},
    {"NumericNotEquals", Compare::numeric_equals, true},
    {"NumericLessThan", Compare::numeric_less, false},
    {"NumericLessThanEquals", Compare::numeric_less_equal, false},
    {"NumericGreaterThan", Compare::numeric_greater, false},
    {"NumericGreaterThanEquals", Compare::numeric_greater_equal, false},
    {"DateEquals", Compare::date_equals, false},
    {"DateNotEquals", Compare::date_equals, true},
    {"DateLessThan", Compare::date_less, false},
    {"DateLessThanEquals", Compare::date_less_equal, false},
    {"DateGreaterThan", Compare::date_greater, false},
    {"DateGreaterThanEquals", Compare::date_greater_equal, false},
    {"Bool", Compare::boolean, false},
    {"IpAddress", Compare::ip_address, false},
    {"NotIpAddress", Compare::ip_address, true},
    {"Null", Compare::null, false},
};

const std::vector<std::string>* values_of(const Ask& ask, std::string_view lower_case_key) {
    for (const auto& [name, values] : ask.values)
        if (same_name(name, lower_case_key)) return &values;
    return nullptr;
}

// What ${name} stands for; nullopt: nothing known, and the text stays as it is (IAM).
std::optional<std::string> variable(std::string_view name, const Ask& ask) {
    if (name == "*" || name == "?" || name == "$") return std::string(name);
    const auto comma = name.find(',');  // ${key, 'default'}
    const auto key = lower_case(name.substr(0, comma));
    if (const auto* values = values_of(ask, key); values != nullptr && values->size() == 1) return values->front();
    if ((key == "aws:username" || key == "aws:userid") && !ask.principal.empty()) return std::string(ask.principal);
    if (comma != std::string_view::npos) {
        auto fallback = name.substr(comma + 1);
        while (fallback.starts_with(' ')) fallback.remove_prefix(1);
        if (fallback.size() >= 2 && fallback.starts_with('\'') && fallback.ends_with('\'')) return std::string(fallback.substr(1, fallback.size() - 2));
    }
    return std::nullopt;
}

// Calls `literal` for bytes of what variables stand for and `written` for bytes of the pattern itself.
template <class Written, class Literal>
void expand(std::string_view pattern, const Ask& ask, Written written, Literal literal) {
    while (!pattern.empty()) {
        if (pattern.starts_with("${")) {
            if (const auto end = pattern.find('}'); end != std::string_view::npos) {
                if (const auto value = variable(pattern.substr(2, end - 2), ask)) {
                    for (const char c : *value) literal(c);
                    pattern.remove_prefix(end + 1);
                    continue;
                }
            }
        }
        written(pattern.front());
        pattern.remove_prefix(1);
    }
}

std::string expanded(std::string_view text, const Ask& ask) {
    if (!text.contains("${")) return std::string(text);
    std::string result;
    const auto append = [&](char c) { result += c; };
    expand(text, ask, append, append);
    return result;
}

// Greedy with one point of return, the last star: time grows with pattern times text, never exponentially.
template <class Pattern>
bool matches(const Pattern& pattern, std::string_view text, char16_t star_code, char16_t question_code) {
    const auto code = [&](std::size_t at) {
        if constexpr (sizeof(pattern[0]) == 1)
            return static_cast<char16_t>(static_cast<unsigned char>(pattern[at]));
        else
            return static_cast<char16_t>(pattern[at]);
    };
    std::size_t p = 0, t = 0, return_p = std::string_view::npos, return_t = 0;
    while (t < text.size()) {
        if (p < pattern.size() && code(p) == star_code) {
            return_p = ++p;
            return_t = t;
        } else if (p < pattern.size() && (code(p) == question_code || code(p) == static_cast<unsigned char>(text[t]))) {
            ++p;
            ++t;
        } else if (return_p != std::string_view::npos) {
            p = return_p;
            t = ++return_t;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && code(p) == star_code) ++p;
    return p == pattern.size();
}

std::optional<double> number(const std::string& text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
    return value;
}

std::optional<hal::WallTime> date(const std::string& text) {
    try {
        return hal::parse_rfc3339(text);
    } catch (const hal::Error&) {
        return std::nullopt;
    }
}

struct Network {
    int family = 0;
    unsigned char bytes[16]{};
    unsigned bits = 0;
};

// "10.0.0.0/8", "::1". IPv4 in IPv6 (::ffff:1.2.3.4) counts as IPv4.
std::optional<Network> network(std::string_view text) {
    Network network;
    const auto slash = text.find('/');
    const std::string address(text.substr(0, slash));
    if (inet_pton(AF_INET, address.c_str(), network.bytes) == 1) {
        network.family = AF_INET;
        network.bits = 32;
    } else if (inet_pton(AF_INET6, address.c_str(), network.bytes) == 1) {
        network.family = AF_INET6;
        network.bits = 128;
        constexpr unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
        if (slash == std::string_view::npos && std::memcmp(network.bytes, mapped, sizeof(mapped)) == 0) {
            std::memmove(network.bytes, network.bytes + 12, 4);
            network.family = AF_INET;
            network.bits = 32;
        }
    } else {
        return std::nullopt;
    }
    if (slash == std::string_view::npos) return network;
    const auto length = text.substr(slash + 1);
    unsigned bits = 0;
    const auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), bits);
    if (error != std::errc() || end != length.data() + length.size() || bits > network.bits) return std::nullopt;
    network.bits = bits;
    return network;
}

bool contains(const Network& network, const Network& address) {
    if (network.family != address.family) return false;
    for (unsigned bit = 0; bit < network.bits; ++bit) {
        const auto mask = static_cast<unsigned char>(0x80U >> (bit % 8));
        if (((network.bytes[bit / 8] ^ address.bytes[bit / 8]) & mask) != 0) return false;
    }
    return true;
}

template <class Value>
bool ordered(Compare compare, Compare equals, const Value& asked, const Value& written) {
    switch (static_cast<int>(compare) - static_cast<int>(equals)) {
        case 0: return asked == written;
        case 1: return asked < written;
        case 2: return asked <= written;
        case 3: return asked > written;
        default: return asked >= written;
    }
}

// One value of the request against one of the policy.
bool fits(Compare compare, const std::string& asked, const std::string& written, const Ask& ask) {
    switch (compare) {
        case Compare::string_equals: return asked == expanded(written, ask);
        case Compare::string_equals_ignore_case: return lower_case(asked) == lower_case(expanded(written, ask));
        case Compare::string_like: return pattern_matches(written, asked, ask);
        case Compare::binary_equals: return asked == hal::base64_decoded(written).value_or("");
        case Compare::boolean: return lower_case(asked) == lower_case(written);
        case Compare::ip_address: {
            const auto inside = network(written), address = network(asked);
            return inside && address && contains(*inside, *address);
        }
        case Compare::null: return false;
        default: break;
    }
    if (compare >= Compare::date_equals) {
        const auto a = date(asked), b = date(written);
        return a && b && ordered(compare, Compare::date_equals, *a, *b);
    }
    const auto a = number(asked), b = number(written);
    return a && b && ordered(compare, Compare::numeric_equals, *a, *b);
}

std::optional<std::string> text_of(const boost::json::value& value) {
    if (const auto* text = value.if_string()) return std::string(*text);
    if (const auto* flag = value.if_bool()) return std::string(*flag ? "true" : "false");
    if (const auto* integer = value.if_int64()) return std::to_string(*integer);
    if (const auto* integer = value.if_uint64()) return std::to_string(*integer);
    return std::nullopt;
}

bool is_well_formed(Compare compare, const std::string& value) {
    if (compare == Compare::ip_address) return network(value).has_value();
    if (compare == Compare::null || compare == Compare::boolean) return lower_case(value) == "true" || lower_case(value) == "false";
    if (compare >= Compare::date_equals && compare <= Compare::date_greater_equal) return date(value).has_value();
    if (compare >= Compare::numeric_equals && compare <= Compare::numeric_greater_equal) return number(value).has_value();
    if (compare == Compare::binary_equals) return hal::base64_decoded(value).has_value();
    return true;
}

// "ForAllValues:StringNotLikeIfExists" taken apart; false when there is no such operator.
bool read_operator(std::string_view name, Condition& condition) {
    constexpr std::string_view all = "ForAllValues:", any = "ForAnyValue:", exists = "IfExists";
    if (name.starts_with(all)) {
        condition.quantifier = Quantifier::all_values;
        name.remove_prefix(all.size());
    } else if (name.starts_with(any)) {
        condition.quantifier = Quantifier::any_value;
        name.remove_prefix(any.size());
    }
    if (name.ends_with(exists)) {
        condition.if_exists = true;
        name.remove_suffix(exists.size());
    }
    const auto* found = std::ranges::find(operators, name, &Operator::name);
    if (found == std::end(operators)) return false;
    condition.compare = found->compare;
    condition.is_negated = found->is_negated;
    return condition.compare != Compare::null || (condition.quantifier == Quantifier::one && !condition.if_exists);
}

}  // namespace

bool wildcard_matches(std::string_view pattern, std::string_view text) { return matches(pattern, text, '*', '?'); }

bool pattern_matches(std::string_view pattern, std::string_view text, const Ask& ask) {
    if (!pattern.contains("${")) return wildcard_matches(pattern, text);
    std::u16string codes;
    expand(
        pattern, ask, [&](char c) { codes += c == '*' ? star : c == '?' ? question : static_cast<char16_t>(static_cast<unsigned char>(c)); },
        [&](char c) { codes += static_cast<char16_t>(static_cast<unsigned char>(c)); });
    return matches(codes, text, star, question);
}

bool Condition::holds(const Ask& ask) const {
    const auto* asked = values_of(ask, key);
    const bool is_there = asked != nullptr && !asked->empty();
    if (compare == Compare::null) return std::ranges::any_of(values, [&](const auto& v) { return (lower_case(v) == "true") != is_there; });
    if (!is_there) {
        if (if_exists || quantifier == Quantifier::all_values) return true;
        return quantifier == Quantifier::one && is_negated;
    }
    const auto one_fits = [&](const std::string& value) {
        return std::ranges::any_of(values, [&](const auto& written) { return fits(compare, value, written, ask); }) != is_negated;
    };
    // A negated operator over several values of one key holds when none of them is named.
    if (quantifier == Quantifier::all_values || (quantifier == Quantifier::one && is_negated)) return std::ranges::all_of(*asked, one_fits);
    return std::ranges::any_of(*asked, one_fits);
}

std::expected<std::vector<Condition>, std::string> read_conditions(const boost::json::value& value) {
    const auto* block = value.if_object();
    if (block == nullptr) return std::unexpected("invalid condition");
    std::vector<Condition> conditions;
    std::size_t count = 0;
    for (const auto& [name, keys] : *block) {
        Condition condition;
        if (!read_operator(name, condition)) return std::unexpected("invalid condition operator '" + std::string(name) + "'");
        if (!keys.is_object() || keys.get_object().empty()) return std::unexpected("invalid condition values for operator '" + std::string(name) + "'");
        for (const auto& [key, written] : keys.get_object()) {
            const std::string_view text = key;
            if (!text.contains(':') || text.starts_with(':') || text.ends_with(':')) return std::unexpected("invalid condition key '" + std::string(text) + "'");
            auto& added = conditions.emplace_back(condition);
            added.key = lower_case(text);
            const auto add = [&](const boost::json::value& one) {
                auto read = text_of(one);
                if (!read || !is_well_formed(added.compare, *read) || ++count > values_max) return false;
                added.values.push_back(std::move(*read));
                return true;
            };
            const auto* list = written.if_array();
            const bool is_good = list != nullptr ? !list->empty() && std::ranges::all_of(*list, add) : add(written);
            if (!is_good) return std::unexpected("invalid value of condition '" + std::string(name) + "' for key '" + std::string(text) + "'");
        }
    }
    return conditions;
}

}  // namespace services::codec::s3
