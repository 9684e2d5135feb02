#include "services/config/configuration.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <numeric>

#include <boost/json/array.hpp>

#include "hal/base/error.hpp"
#include "services/config/forms.hpp"
#include "services/config/settings.hpp"

namespace services::config {
namespace json = boost::json;
namespace {

const Setting* find_setting(std::string_view path) {
    const auto all = settings();
    const auto it = std::ranges::find(all, path, &Setting::path);
    return it == all.end() ? nullptr : &*it;
}

// Keys allowed directly below `section` ("" for the top).
std::vector<std::string> keys_below(std::string_view section) {
    std::vector<std::string> keys;
    const std::string prefix = section.empty() ? "" : std::string(section) + ".";
    for (const auto& setting : settings()) {
        if (!setting.path.starts_with(prefix)) continue;
        const auto rest = setting.path.substr(prefix.size());
        if (!rest.empty() && rest.find('.') == rest.npos) keys.emplace_back(rest);
    }
    return keys;
}

bool is_label(std::string_view text) {
    auto is_inner = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
    return !text.empty() && text.size() <= 63 && std::ranges::all_of(text, is_inner) && text.front() != '-' && text.back() != '-';
}

bool is_url(std::string_view text, std::string_view schemes) {
    const auto url = parse_url(text);
    return url && (schemes.empty() || ("|" + std::string(schemes) + "|").contains("|" + url->scheme + "|"));
}

bool fits(const Setting& setting, std::string_view text) {
    switch (setting.form) {
        case Form::label: return is_label(text);
        case Form::duration: return parse_duration(text).has_value();
        case Form::boolean: return text == "true" || text == "false";
        case Form::number: return !text.empty() && text.size() < 18 && std::ranges::all_of(text, [](unsigned char c) { return std::isdigit(c); });
        case Form::url: return is_url(text, setting.choices);
        case Form::rate: return parse_rate(text).has_value();
        case Form::bytes: return parse_bytes(text).has_value();
        case Form::file: return text.starts_with('/');
        default: return true;
    }
}

class Reader {
public:
    Reader(const std::string& file, Configuration& into) : file_(file), into_(into) {}

    json::object read_section(const YAML::Node& node, const std::string& path) {
        json::object section;
        for (const auto& pair : node) {
            if (!pair.first.IsScalar()) {
                report(pair.first, "a key must be text");
                continue;
            }
            const std::string key = pair.first.Scalar();
            const std::string full = path.empty() ? key : path + "." + key;
            const Setting* setting = find_setting(full);
            if (!setting) {
                const auto hint = nearest(key, keys_below(path));
                report(pair.first, "unknown key '" + key + "'" + (path.empty() ? "" : " in '" + path + "'") +
                                       (hint.empty() ? "" : ", did you mean '" + hint + "'?"));
                continue;
            }
            if (section.contains(key)) {
                report(pair.first, "key '" + key + "' stands twice");
                continue;
            }
            if (setting->form == Form::section) {
                if (pair.second.IsNull()) continue;
                if (!pair.second.IsMap()) {
                    wrong_form(pair.second, full, *setting);
                    continue;
                }
                section[key] = read_section(pair.second, full);
            } else if (auto value = read_value(pair.second, full, *setting)) {
                section[key] = std::move(*value);
            }
        }
        return section;
    }

    void report(const YAML::Node& node, std::string message) { report(node.Mark(), std::move(message)); }
    void report(const YAML::Mark& mark, std::string message) {
        Problem problem{file_, 0, 0, std::move(message)};
        if (!mark.is_null()) {
            problem.line = static_cast<std::size_t>(mark.line) + 1;
            problem.column = static_cast<std::size_t>(mark.column) + 1;
        }
        into_.problems.push_back(std::move(problem));
    }

private:
    std::optional<json::value> read_value(const YAML::Node& node, const std::string& path, const Setting& setting) {
        if (setting.form == Form::list || setting.form == Form::list_of_text || setting.form == Form::list_of_windows) {
            if (!node.IsSequence()) return wrong_form(node, path, setting);
            json::array list;
            for (const auto& item : node) {
                if (!item.IsScalar()) return wrong_form(item, path, setting);
                if (setting.form == Form::list_of_windows && !parse_window(item.Scalar()))
                    return wrong_form(item, path, {setting.path, Form::window, ""});
                list.emplace_back(item.Scalar());
            }
            return list;
        }
        if (!node.IsScalar()) return wrong_form(node, path, setting);
        const std::string text = node.Scalar();
        if (!fits(setting, text)) return wrong_form(node, path, setting);
        const bool is_choice = !setting.choices.empty() && setting.form != Form::url;
        if (is_choice && ("|" + std::string(setting.choices) + "|").find("|" + text + "|") == std::string::npos) {
            report(node, "'" + path + "' is '" + text + "', but must be '" + std::string(setting.choices) + "'");
            return std::nullopt;
        }
        if (setting.form == Form::boolean) return json::value(text == "true");
        if (setting.form == Form::number) return json::value(std::stoll(text));
        return json::value(text);
    }

    std::nullopt_t wrong_form(const YAML::Node& node, const std::string& path, const Setting& setting) {
        const std::string found = node.IsScalar() ? "'" + node.Scalar() + "'" : node.IsSequence() ? "a list" : node.IsMap() ? "a section" : "nothing";
        report(node, "'" + path + "' is " + found + ", but must be " + std::string(name_of(setting.form)) +
                         (setting.form == Form::url ? " (" + std::string(setting.choices) + ")" : ""));
        return std::nullopt;
    }

    const std::string& file_;
    Configuration& into_;
};

void merge(json::object& into, json::object from) {
    for (auto& [key, value] : from) {
        if (value.is_object() && into.contains(key) && into[key].is_object())
            merge(into[key].as_object(), std::move(value.as_object()));
        else
            into[key] = std::move(value);
    }
}

// yaml-cpp recurses as deep as the text nests; the text is measured before it is parsed.
bool nests_too_deep(const std::string& text) {
    int depth = 0;
    for (char c : text) {
        if (c == '[' || c == '{') ++depth;
        if (c == ']' || c == '}') --depth;
        if (depth > nesting_max) return true;
    }
    std::size_t indent = 0;
    bool at_start = true;
    for (char c : text) {
        if (c == '\n') {
            at_start = true;
            indent = 0;
        } else if (at_start && (c == ' ' || c == '-')) {
            if (++indent > 512) return true;
        } else {
            at_start = false;
        }
    }
    return false;
}

}  // namespace

std::string Problem::to_string() const {
    std::string where = file;
    if (line > 0) where += ":" + std::to_string(line) + ":" + std::to_string(column);
    return where + ": " + message;
}

json::object Configuration::section(std::string_view service) const {
    const auto* found = values.if_contains(service);
    return found && found->is_object() ? found->get_object() : json::object{};
}

std::string Configuration::text(std::string_view key, std::string_view otherwise) const {
    const auto* found = values.if_contains(key);
    return found && found->is_string() ? std::string(found->get_string()) : std::string(otherwise);
}

std::string nearest(std::string_view word, const std::vector<std::string>& known) {
    std::string best;
    std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
    for (const auto& candidate : known) {
        std::vector<std::size_t> row(candidate.size() + 1);
        std::iota(row.begin(), row.end(), 0);
        for (std::size_t i = 1; i <= word.size(); ++i) {
            std::size_t diagonal = row[0];
            row[0] = i;
            for (std::size_t k = 1; k <= candidate.size(); ++k) {
                const std::size_t above = row[k];
                row[k] = std::min({above + 1, row[k - 1] + 1, diagonal + (word[i - 1] == candidate[k - 1] ? 0 : 1)});
                diagonal = above;
            }
        }
        if (row.back() < best_distance) {
            best_distance = row.back();
            best = candidate;
        }
    }
    return best;
}

Configuration parse_configuration(const std::string& file, const std::string& text) {
    Configuration result;
    Reader reader(file, result);
    if (text.size() > file_bytes_max) {
        result.problems.push_back({file, 0, 0, "has more than the " + std::to_string(file_bytes_max) + " bytes that are read"});
        return result;
    }
    if (nests_too_deep(text)) {
        result.problems.push_back({file, 0, 0, "nests deeper than " + std::to_string(nesting_max) + " levels"});
        return result;
    }
    try {
        const YAML::Node node = YAML::Load(text);
        if (node.IsNull() || !node.IsDefined()) return result;
        if (!node.IsMap()) {
            reader.report(node, "must be a section (keys and values)");
            return result;
        }
        result.values = reader.read_section(node, "");
        if (!node["apiVersion"]) reader.report(node, "'apiVersion' is missing, but must be 'branchbox/v1'");
    } catch (const YAML::Exception& e) {
        reader.report(e.mark, "not YAML: " + e.msg);
    }
    return result;
}

Configuration read_configuration(const std::filesystem::path& file) {
    Configuration whole;
    std::vector<std::filesystem::path> files{file};
    const std::filesystem::path folder = file.string() + ".d";
    std::error_code ignored;
    if (std::filesystem::is_directory(folder, ignored)) {
        for (const auto& entry : std::filesystem::directory_iterator(folder))
            if (entry.path().extension() == ".yaml") files.push_back(entry.path());
        std::sort(files.begin() + 1, files.end());
    }
    for (const auto& each : files) {
        if (!std::filesystem::exists(each, ignored)) continue;
        std::ifstream in(each, std::ios::binary);
        std::string text(file_bytes_max + 1, '\0');
        in.read(text.data(), static_cast<std::streamsize>(text.size()));
        text.resize(static_cast<std::size_t>(in.gcount()));
        if (in.bad() || !in.is_open()) {
            whole.problems.push_back({each.string(), 0, 0, "cannot be read"});
            continue;
        }
        auto part = parse_configuration(each.string(), text);
        std::ranges::move(part.problems, std::back_inserter(whole.problems));
        merge(whole.values, std::move(part.values));
    }
    return whole;
}

}  // namespace services::config
