#include "services/kube/kinds/names.hpp"

#include <algorithm>
#include <format>

namespace services::kube::kinds {
namespace {

constexpr std::string_view label_regex = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
constexpr std::string_view underscore_regex = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
constexpr std::string_view label_key_regex = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
constexpr std::size_t label_max = 63, subdomain_max = 253, port_name_max = 15;

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); }
bool is_lower_alphanumeric(char c) { return is_lower(c) || is_digit(c); }
bool is_alphanumeric(char c) { return is_letter(c) || is_digit(c); }
bool all_of(std::string_view text, auto&& predicate) { return !text.empty() && std::ranges::all_of(text, predicate); }

bool is_label(std::string_view text) {
    return all_of(text, [](char c) { return is_lower_alphanumeric(c) || c == '-'; }) && text.front() != '-' && text.back() != '-';
}

bool is_label_with_underscore(std::string_view text) {
    if (text.starts_with('_')) text.remove_prefix(1);
    return all_of(text, [](char c) { return is_lower_alphanumeric(c) || c == '-' || c == '_'; }) &&
           is_lower_alphanumeric(text.front()) && is_lower_alphanumeric(text.back());
}

bool is_dotted(std::string_view text, bool (*is_part)(std::string_view)) {
    while (true) {
        const auto dot = text.find('.');
        if (!is_part(text.substr(0, dot))) return false;
        if (dot == std::string_view::npos) return true;
        text.remove_prefix(dot + 1);
    }
}

bool is_label_key_name(std::string_view text) {
    return all_of(text, [](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; }) &&
           is_alphanumeric(text.front()) && is_alphanumeric(text.back());
}

std::string dotted_regex(std::string_view part) { return std::format("{0}(\\.{0})*", part); }
std::string max_bytes_message(std::size_t bytes) { return std::format("must be no more than {} bytes", bytes); }

void check_parent_prefix(std::string_view text, Messages& messages) {
    if (text == ".") messages.emplace_back("must not be '.'");
    else if (text == "..") messages.emplace_back("must not be '..'");
    else if (text.starts_with("..")) messages.emplace_back("must not start with '..'");
}

}  // namespace

std::string max_length_message(std::size_t characters) { return std::format("must be no more than {} characters", characters); }
std::string range_message(std::int64_t low, std::int64_t high) { return std::format("must be between {} and {}, inclusive", low, high); }

std::string regex_message(std::string_view message, std::string_view regex, std::initializer_list<std::string_view> examples) {
    std::string out(message);
    out += " (";
    for (const auto example : examples) out += std::format("{}'{}', ", out.ends_with('(') ? "e.g. " : " or ", example);
    out += std::format("regex used for validation is '{}')", regex);
    return out;
}

std::string mask_trailing_dash(std::string_view name) {
    // Two characters give way to one, as in the real server.
    if (name.size() > 1 && name.ends_with('-')) return std::string(name.substr(0, name.size() - 2)) + "a";
    return std::string(name);
}

Messages check_dns1123_label(std::string_view text) {
    Messages messages;
    if (text.size() > label_max) messages.push_back(max_length_message(label_max));
    if (is_label(text)) return messages;
    if (is_dotted(text, is_label)) messages.emplace_back("must not contain dots");
    else
        messages.push_back(regex_message("a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must "
                                         "start and end with an alphanumeric character",
                                         label_regex, {"my-name", "123-abc"}));
    return messages;
}

Messages check_dns1123_subdomain(std::string_view text) {
    Messages messages;
    if (text.size() > subdomain_max) messages.push_back(max_length_message(subdomain_max));
    if (!is_dotted(text, is_label))
        messages.push_back(regex_message("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
                                         "and must start and end with an alphanumeric character",
                                         dotted_regex(label_regex), {"example.com"}));
    return messages;
}

Messages check_dns1123_subdomain_with_underscore(std::string_view text) {
    Messages messages;
    if (text.size() > subdomain_max) messages.push_back(max_length_message(subdomain_max));
    if (!is_dotted(text, is_label_with_underscore))
        messages.push_back(regex_message("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or "
                                         "'.', and must start and end with an alphanumeric character",
                                         dotted_regex(underscore_regex), {"example.com"}));
    return messages;
}

Messages check_wildcard_dns1123_subdomain(std::string_view text) {
    Messages messages;
    if (text.size() > subdomain_max) messages.push_back(max_length_message(subdomain_max));
    if (!text.starts_with("*.") || !is_dotted(text.substr(2), is_label))
        messages.push_back(regex_message("a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must "
                                         "consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
                                         "\\*\\." + dotted_regex(label_regex), {"*.example.com"}));
    return messages;
}

Messages check_dns1035_label(std::string_view text) {
    Messages messages;
    if (text.size() > label_max) messages.push_back(max_length_message(label_max));
    if (!is_label(text) || !is_lower(text.front()))
        messages.push_back(regex_message("a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
                                         "alphabetic character, and end with an alphanumeric character",
                                         "[a-z]([-a-z0-9]*[a-z0-9])?", {"my-name", "abc-123"}));
    return messages;
}

Messages check_qualified_name(std::string_view text) {
    constexpr std::string_view rule =
        "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
    const auto fault = regex_message(rule, label_key_regex, {"MyName", "my.name", "123-abc"});
    Messages messages;
    const auto slash = text.find('/');
    auto name = text;
    if (slash != std::string_view::npos) {
        const auto prefix = text.substr(0, slash);
        name = text.substr(slash + 1);
        if (name.contains('/'))
            return {"a valid label key " + fault + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"};
        if (prefix.empty()) messages.push_back("prefix part " + std::string(empty_message));
        if (!prefix.empty() && prefix.size() > subdomain_max) messages.push_back("prefix part " + max_bytes_message(subdomain_max));
        if (!prefix.empty() && !is_dotted(prefix, is_label))
            messages.push_back("prefix part " + check_dns1123_subdomain(prefix).back());
    }
    if (name.empty()) messages.push_back("name part " + std::string(empty_message));
    else if (name.size() > label_max) messages.push_back("name part " + max_bytes_message(label_max));
    if (!is_label_key_name(name)) messages.push_back("name part " + fault);
    return messages;
}

Messages check_label_value(std::string_view text) {
    Messages messages;
    if (text.size() > label_max) messages.push_back(max_bytes_message(label_max));
    if (!text.empty() && !is_label_key_name(text))
        messages.push_back(regex_message("a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and "
                                         "must start and end with an alphanumeric character",
                                         std::format("({})?", label_key_regex), {"MyValue", "my_value", "12345"}));
    return messages;
}

Messages check_c_identifier(std::string_view text) {
    if (all_of(text, [](char c) { return is_alphanumeric(c) || c == '_'; }) && !is_digit(text.front())) return {};
    return {regex_message("a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric "
                          "characters or '_'",
                          "[A-Za-z_][A-Za-z0-9_]*", {"my_name", "MY_NAME", "MyName"})};
}

Messages check_env_name(std::string_view text) {
    Messages messages;
    if (!all_of(text, [](char c) { return is_alphanumeric(c) || c == '-' || c == '.' || c == '_'; }) || is_digit(text.front()))
        messages.push_back(regex_message("a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or "
                                         "'.', and must not start with a digit",
                                         "[-._a-zA-Z][-._a-zA-Z0-9]*", {"my.env-name", "MY_ENV.NAME", "MyEnvName1"}));
    check_parent_prefix(text, messages);
    return messages;
}

Messages check_relaxed_env_name(std::string_view text) {
    Messages messages;
    if (text.empty()) messages.push_back("environment variable name " + std::string(empty_message));
    if (std::ranges::any_of(text, [](char c) { return c < ' ' || c > '~' || c == '='; }))
        messages.emplace_back("a valid environment variable name must consist only of printable ASCII characters other than '='");
    return messages;
}

Messages check_config_key(std::string_view text) {
    Messages messages;
    if (text.size() > subdomain_max) messages.push_back(max_length_message(subdomain_max));
    if (!all_of(text, [](char c) { return is_alphanumeric(c) || c == '-' || c == '.' || c == '_'; }))
        messages.push_back(regex_message("a valid config key must consist of alphanumeric characters, '-', '_' or '.'", "[-._a-zA-Z0-9]+",
                                         {"key.name", "KEY_NAME", "key-name"}));
    check_parent_prefix(text, messages);
    return messages;
}

Messages check_http_header_name(std::string_view text) {
    if (all_of(text, [](char c) { return is_alphanumeric(c) || c == '-'; })) return {};
    return {regex_message("a valid HTTP header must consist of alphanumeric characters or '-'", "[-A-Za-z0-9]+", {"X-Header-Name"})};
}

Messages check_port_name(std::string_view text) {
    Messages messages;
    if (text.size() > port_name_max) messages.push_back(max_length_message(port_name_max));
    if (!all_of(text, [](char c) { return is_lower_alphanumeric(c) || c == '-'; }))
        messages.emplace_back("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    if (std::ranges::none_of(text, is_lower)) messages.emplace_back("must contain at least one letter (a-z)");
    if (text.contains("--")) messages.emplace_back("must not contain consecutive hyphens");
    if (text.starts_with('-') || text.ends_with('-')) messages.emplace_back("must not begin or end with a hyphen");
    return messages;
}

Messages check_in_range(std::int64_t value, std::int64_t low, std::int64_t high) {
    if (value >= low && value <= high) return {};
    return {range_message(low, high)};
}
Messages check_port_number(std::int64_t port) { return check_in_range(port, 1, 65'535); }
Messages check_user_id(std::int64_t id) { return check_in_range(id, 0, 2'147'483'647); }

Messages check_percent(std::string_view text) {
    if (text.ends_with('%') && all_of(text.substr(0, text.size() - 1), is_digit)) return {};
    return {regex_message("a valid percent string must be a numeric string followed by an ending '%'", "[0-9]+%", {"1%", "93%"})};
}

}  // namespace services::kube::kinds
