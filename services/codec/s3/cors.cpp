#include "services/codec/s3/cors.hpp"

#include <algorithm>
#include <charconv>

#include "services/codec/s3/canonical.hpp"
#include "services/codec/s3/documents.hpp"
#include "services/codec/xml/writer.hpp"

namespace services::codec::s3 {

namespace {

constexpr std::size_t rules_max = 100;
constexpr std::size_t entries_max = 100;
constexpr std::string_view methods[] = {"GET", "PUT", "POST", "DELETE", "HEAD"};

bool has_one_star_at_most(std::string_view text) { return std::ranges::count(text, '*') <= 1; }

// `pattern` with one '*' at most.
bool covers(std::string_view pattern, std::string_view text) {
    const auto star = pattern.find('*');
    if (star == std::string_view::npos) return pattern == text;
    const auto before = pattern.substr(0, star), after = pattern.substr(star + 1);
    return text.size() >= before.size() + after.size() && text.starts_with(before) && text.ends_with(after);
}

std::vector<std::string> listed(std::string_view text) {
    std::vector<std::string> names;
    while (!text.empty()) {
        auto name = text.substr(0, text.find(','));
        text.remove_prefix(std::min(text.size(), name.size() + 1));
        while (name.starts_with(' ')) name.remove_prefix(1);
        while (name.ends_with(' ')) name.remove_suffix(1);
        if (!name.empty()) names.push_back(lower_case(name));
    }
    return names;
}

std::string joined(const std::vector<std::string>& values) {
    std::string text;
    for (const auto& value : values) {
        if (!text.empty()) text += ", ";
        text += value;
    }
    return text;
}

Expected<CorsRule> rule_of(xml::Element element) {
    CorsRule rule;
    for (auto field = element.first(); field; field = field.next()) {
        std::string text(field.text());
        if (field.name() == "ID") {
            if (text.size() > 255) return std::unexpected(malformed_xml());
            rule.id = text;
        } else if (field.name() == "AllowedOrigin") {
            if (!has_one_star_at_most(text))
                return refuse("InvalidRequest", 400, "AllowedOrigin \"" + text + "\" can not have more than one wildcard.");
            rule.origins.push_back(text);
        } else if (field.name() == "AllowedMethod") {
            if (!std::ranges::contains(methods, text))
                return refuse("InvalidRequest", 400, "Found unsupported HTTP method in CORS config. Unsupported method is " + text);
            rule.methods.push_back(text);
        } else if (field.name() == "AllowedHeader") {
            if (!has_one_star_at_most(text))
                return refuse("InvalidRequest", 400, "AllowedHeader \"" + text + "\" can not have more than one wildcard.");
            rule.headers.push_back(text);
        } else if (field.name() == "ExposeHeader") {
            if (text.contains('*'))
                return refuse("InvalidRequest", 400, "ExposeHeader \"" + text + "\" contains wildcard. We currently do not support wildcard for ExposeHeader.");
            rule.exposed.push_back(text);
        } else if (field.name() == "MaxAgeSeconds") {
            const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rule.max_age_seconds);
            if (error != std::errc() || end != text.data() + text.size() || rule.max_age_seconds < 0) return std::unexpected(malformed_xml());
        }
    }
    if (rule.origins.empty() || rule.methods.empty()) return std::unexpected(malformed_xml());
    if (std::max({rule.origins.size(), rule.methods.size(), rule.headers.size(), rule.exposed.size()}) > entries_max)
        return std::unexpected(malformed_xml());
    return rule;
}

}  // namespace

Expected<std::vector<CorsRule>> cors_rules(std::string body) {
    const auto document = xml_document(std::move(body), "CORSConfiguration");
    if (!document) return std::unexpected(document.error());
    std::vector<CorsRule> rules;
    for (auto element = document->root().first(); element; element = element.next()) {
        if (element.name() != "CORSRule") continue;
        auto rule = rule_of(element);
        if (!rule) return std::unexpected(std::move(rule.error()));
        rules.push_back(std::move(*rule));
        if (rules.size() > rules_max) return refuse("InvalidRequest", 400, "The number of CORS rules should not exceed allowed limit of 100 rules.");
    }
    if (rules.empty()) return std::unexpected(malformed_xml());
    return rules;
}

std::string cors_xml(const std::vector<CorsRule>& rules) {
    xml::Writer writer;
    writer.open("CORSConfiguration", "xmlns", "http://s3.amazonaws.com/doc/2006-03-01/");
    for (const auto& rule : rules) {
        writer.open("CORSRule");
        for (const auto& origin : rule.origins) writer.element("AllowedOrigin", origin);
        for (const auto& method : rule.methods) writer.element("AllowedMethod", method);
        for (const auto& header : rule.headers) writer.element("AllowedHeader", header);
        for (const auto& header : rule.exposed) writer.element("ExposeHeader", header);
        if (!rule.id.empty()) writer.element("ID", rule.id);
        if (rule.max_age_seconds >= 0) writer.element("MaxAgeSeconds", static_cast<std::uint64_t>(rule.max_age_seconds));
        writer.close();
    }
    writer.close();
    return writer.finish();
}

const CorsRule* cors_rule_for(const std::vector<CorsRule>& rules, std::string_view origin, std::string_view method, std::string_view request_headers) {
    const auto wanted = listed(request_headers);
    for (const auto& rule : rules) {
        if (!std::ranges::any_of(rule.origins, [&](const auto& pattern) { return covers(pattern, origin); })) continue;
        if (!std::ranges::contains(rule.methods, method)) continue;
        const bool allows_all = std::ranges::all_of(wanted, [&](const auto& name) {
            return std::ranges::any_of(rule.headers, [&](const auto& pattern) { return covers(lower_case(pattern), name); });
        });
        if (allows_all) return &rule;
    }
    return nullptr;
}

Fields cors_answer(const CorsRule& rule, std::string_view origin, std::string_view request_headers, bool is_preflight) {
    Fields answer;
    const bool is_any = std::ranges::contains(rule.origins, "*");
    answer.emplace_back("Access-Control-Allow-Origin", is_any ? "*" : origin);
    if (!is_any) answer.emplace_back("Access-Control-Allow-Credentials", "true");
    // Each where a browser reads it (Fetch standard); S3 sends some in both.
    if (!is_preflight && !rule.exposed.empty()) answer.emplace_back("Access-Control-Expose-Headers", joined(rule.exposed));
    if (is_preflight) {
        answer.emplace_back("Access-Control-Allow-Methods", joined(rule.methods));
        if (const auto headers = listed(request_headers); !headers.empty()) answer.emplace_back("Access-Control-Allow-Headers", joined(headers));
        if (rule.max_age_seconds >= 0) answer.emplace_back("Access-Control-Max-Age", std::to_string(rule.max_age_seconds));
    }
    answer.emplace_back("Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method");
    return answer;
}

}  // namespace services::codec::s3
