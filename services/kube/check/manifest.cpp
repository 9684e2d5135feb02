#include "services/kube/check/manifest.hpp"

#include <boost/json/serialize.hpp>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>

#include "services/config/configuration.hpp"
#include "services/kube/kinds/kind.hpp"
#include "services/kube/schema/schema.hpp"

namespace services::kube::check {
namespace {

namespace json = boost::json;

struct Document {
    std::string text;
    std::size_t line = 0;  // lines before it
};

// Documents are split as kubectl splits them, at lines that begin with `---`.
std::vector<Document> split(std::string_view text) {
    std::vector<Document> documents(1);
    std::size_t line = 0;
    for (std::size_t from = 0; from < text.size(); ++line) {
        const auto end = std::min(text.find('\n', from), text.size());
        const auto one = text.substr(from, end - from);
        from = end + 1;
        if (one.starts_with("---")) {
            documents.push_back({"", line + 1});
            if (documents.size() > documents_max) break;
            continue;
        }
        documents.back().text.append(one).push_back('\n');
    }
    return documents;
}

bool says_nothing(const std::string& text) {
    bool in_comment = false;
    for (const char c : text) {
        if (c == '\n') in_comment = false;
        else if (c == '#') in_comment = true;
        else if (!in_comment && c != ' ' && c != '\t' && c != '\r') return false;
    }
    return true;
}

std::optional<schema::GroupVersionKind> kind_of(const json::value& document) {
    const auto* object = document.if_object();
    if (!object) return std::nullopt;
    const auto* version = object->if_contains("apiVersion");
    const auto* kind = object->if_contains("kind");
    if (!version || !version->is_string() || !kind || !kind->is_string()) return std::nullopt;
    const std::string whole(version->get_string());
    const auto slash = whole.find('/');
    schema::GroupVersionKind found;
    found.group = slash == whole.npos ? "" : whole.substr(0, slash);
    found.version = slash == whole.npos ? whole : whole.substr(slash + 1);
    found.kind = kind->get_string();
    return found;
}

// One step of a path such as spec.containers[0].env: a name, an index or a key in brackets.
struct Step {
    std::string name;
    bool is_in_brackets = false;
};

std::vector<Step> steps_of(std::string_view path) {
    std::vector<Step> steps;
    for (std::size_t at = 0; at < path.size();) {
        if (path[at] == '.') {
            ++at;
        } else if (path[at] == '[') {
            const auto end = std::min(path.find(']', at), path.size());
            steps.push_back({std::string(path.substr(at + 1, end - at - 1)), true});
            at = std::min(end + 1, path.size());
        } else {
            const auto end = std::min(path.find_first_of(".[", at), path.size());
            steps.push_back({std::string(path.substr(at, end - at)), false});
            at = end;
        }
    }
    return steps;
}

// Follows a path in the file and in the schema as far as both go.
struct Place {
    YAML::Mark mark = YAML::Mark::null_mark();
    const schema::Type* parent = nullptr;  // the type that should have the last name
};

Place place_of(const YAML::Node& root, const schema::Type& type, std::string_view path) {
    Place place{root.Mark(), nullptr};
    YAML::Node node(root);
    const schema::Type* at = &type;
    for (const auto& step : steps_of(path)) {
        place.parent = step.is_in_brackets ? place.parent : at;
        std::size_t index = 0;
        const auto* text = step.name.data();
        const bool is_index = step.is_in_brackets && std::from_chars(text, text + step.name.size(), index).ptr == text + step.name.size();
        bool found = false;
        if (is_index && node.IsSequence() && index < node.size()) {
            node.reset(node[index]);
            place.mark = node.Mark();
            found = true;
        } else if (node.IsMap()) {
            for (const auto& member : node)
                if (member.first.IsScalar() && member.first.Scalar() == step.name) {
                    place.mark = member.first.Mark();
                    const YAML::Node next = member.second;
                    node.reset(next);
                    found = true;
                    break;
                }
        }
        if (!found) break;
        if (!step.is_in_brackets) {
            const auto* field = at ? at->find(step.name) : nullptr;
            at = field && field->form() == schema::Form::object ? field->type() : nullptr;
        }
    }
    return place;
}

std::string hint_for_unknown(const schema::Type* parent, std::string_view path) {
    if (!parent) return "";
    std::vector<std::string> known;
    for (const auto& field : parent->fields())
        if (!field.name().empty()) known.emplace_back(field.name());
    const auto steps = steps_of(path);
    const auto near = steps.empty() ? "" : config::nearest(steps.back().name, known);
    return near.empty() ? "" : "did you mean '" + near + "'?";
}

// What `unknown field "spec.foo"` names.
std::string_view named_field(std::string_view text) {
    const auto from = text.find('"');
    return from == text.npos ? std::string_view() : text.substr(from + 1, text.rfind('"') - from - 1);
}

class DocumentCheck {
public:
    DocumentCheck(const Document& document, std::vector<Finding>& findings) : document_(document), findings_(findings) {}
    void run();

private:
    void add(const YAML::Mark& mark, std::string message, std::string hint = "") {
        const bool is_known = !mark.is_null();
        findings_.push_back({document_.line + (is_known ? static_cast<std::size_t>(mark.line) : 0) + 1,
                             is_known ? static_cast<std::size_t>(mark.column) + 1 : 1, std::move(message), std::move(hint)});
    }
    void add_undecodable(const schema::Type& type, const schema::GroupVersionKind& kind, const std::string& why);
    void validate(const schema::Type& type, const schema::GroupVersionKind& gvk, json::object object);

    const Document& document_;
    std::vector<Finding>& findings_;
    YAML::Node root_;
};

void DocumentCheck::run() {
    const auto parsed = schema::parse_yaml(document_.text);
    if (!parsed) {
        findings_.push_back({document_.line + std::max<std::size_t>(parsed.error().line, 1), std::max<std::size_t>(parsed.error().column, 1),
                             parsed.error().message, ""});
        return;
    }
    try {
        root_ = YAML::Load(document_.text);
    } catch (const YAML::Exception& failure) {
        return add(failure.mark, failure.msg);
    }
    const auto kind = kind_of(*parsed);
    if (!kind) return add(root_.Mark(), "Object 'Kind' is missing in the document", "each document begins with apiVersion and kind");
    const auto* type = schema::type_of(*kind);
    const auto version = kind->group.empty() ? kind->version : kind->group + "/" + kind->version;
    if (!type) return add(root_.Mark(), "no matches for kind \"" + kind->kind + "\" in version \"" + version + "\"");
    auto decoded = schema::decode_yaml(*type, document_.text);
    if (!decoded) return add_undecodable(*type, *kind, decoded.error().message);
    for (const auto& error : decoded->strict_errors) {
        const auto path = named_field(error);
        const auto place = place_of(root_, *type, path);
        add(place.mark, "strict decoding error: " + error, error.starts_with("unknown") ? hint_for_unknown(place.parent, path) : "");
    }
    if (decoded->strict_errors.empty()) validate(*type, *kind, std::move(decoded->object));
}

void DocumentCheck::add_undecodable(const schema::Type& type, const schema::GroupVersionKind& kind, const std::string& why) {
    const auto version = kind.group.empty() ? kind.version : kind.group + "/" + kind.version;
    const auto message = kind.kind + " in version \"" + version + "\" cannot be handled as a " + kind.kind + ": " + why;
    if (!why.contains("illegal base64")) return add(root_.Mark(), message);
    // The error names no field: look for the values that are meant.
    for (const auto& member : root_["data"]) {
        const auto one = schema::decode_json(type, json::serialize(json::object{{"data", {{"value", member.second.IsScalar() ? member.second.Scalar() : ""}}}}));
        if (one) continue;
        return add(member.second.Mark(), message,
                   "values under data are base64; write the plain text under stringData instead, or encode it (printf %s TEXT | base64)");
    }
    add(root_.Mark(), message);
}

void DocumentCheck::validate(const schema::Type& type, const schema::GroupVersionKind& gvk, json::object object) {
    const auto* kind = kinds::find_kind(gvk);
    if (!kind) return;
    if (kind->is_namespaced) {
        auto& metadata = object["metadata"];
        if (!metadata.is_object()) metadata.emplace_object();
        if (!metadata.get_object().contains("namespace")) metadata.get_object()["namespace"] = "default";
    }
    schema::apply_schema_defaults(type, object);
    if (kind->apply_defaults) kind->apply_defaults(object);
    if (kind->prepare_create) kind->prepare_create(object);
    auto causes = kinds::validate_metadata(*kind, object);
    if (kind->validate) std::ranges::copy(kind->validate(object), std::back_inserter(causes));
    for (const auto& cause : causes) {
        const auto place = place_of(root_, type, cause.field);
        add(place.mark, cause.field + ": " + cause.message);
    }
}

}  // namespace

bool is_manifest(std::string_view text) {
    for (const auto& document : split(text)) {
        if (says_nothing(document.text)) continue;
        const auto parsed = schema::parse_yaml(document.text);
        if (!parsed) return document.text.contains("apiVersion:") && document.text.contains("kind:");
        return kind_of(*parsed).has_value();
    }
    return false;
}

std::vector<Finding> check_manifest(std::string_view text) {
    if (text.size() > manifest_bytes_max) return {{0, 0, "the file has more than " + std::to_string(manifest_bytes_max) + " bytes", ""}};
    std::vector<Finding> findings;
    const auto documents = split(text);
    if (documents.size() > documents_max) return {{0, 0, "the file has more than " + std::to_string(documents_max) + " documents", ""}};
    for (const auto& document : documents)
        if (!says_nothing(document.text)) DocumentCheck(document, findings).run();
    return findings;
}

}  // namespace services::kube::check
