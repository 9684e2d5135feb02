#include "services/kube/api/selection.hpp"

#include <algorithm>
#include <format>

#include "services/kube/api/objects.hpp"
#include "services/kube/api/status.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::api {
namespace {

// fields.ParseSelector: terms joined by ",", with "\" before a sign that is meant as it stands.
std::vector<std::string> terms_of(std::string_view text) {
    std::vector<std::string> terms(1);
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 1 < text.size()) {
            terms.back() += text[i];
            terms.back() += text[++i];
        } else if (text[i] == ',') {
            terms.emplace_back();
        } else {
            terms.back() += text[i];
        }
    }
    std::erase_if(terms, [](const std::string& term) { return term.empty(); });
    return terms;
}

std::string unescaped(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) out += text[i] == '\\' && i + 1 < text.size() ? text[++i] : text[i];
    return out;
}

FieldRequirement requirement_of(const std::string& term, const std::string& whole) {
    for (std::size_t i = 0; i < term.size(); ++i) {
        if (term[i] == '\\') {
            ++i;
            continue;
        }
        const std::string_view rest = std::string_view(term).substr(i);
        for (const std::string_view sign : {"!=", "==", "="})
            if (rest.starts_with(sign)) return {term.substr(0, i), unescaped(rest.substr(sign.size())), sign == "!="};
    }
    throw StatusError(bad_request(std::format("invalid selector: '{}'; can't understand '{}'", whole, term)));
}

std::vector<FieldRequirement> field_requirements(const kinds::Kind& kind, const std::string& text) {
    std::vector<FieldRequirement> out;
    std::vector<std::string> known{"metadata.name", "metadata.namespace"};
    if (kind.selectable_fields)
        for (auto& [name, value] : kind.selectable_fields(json::object())) known.push_back(name);
    for (const auto& term : terms_of(text)) {
        auto requirement = requirement_of(term, text);
        if (!std::ranges::contains(known, requirement.field))
            throw StatusError(bad_request(kind.selectable_fields
                                              ? std::format("field label not supported: {}", requirement.field)
                                              : std::format("\"{}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
                                                            requirement.field)));
        out.push_back(std::move(requirement));
    }
    return out;
}

}  // namespace

bool Selection::matches(const kinds::Kind& kind, const json::object& object) const {
    if (!labels.is_empty() && !labels.matches(kubeclient::object_at(object, "metadata.labels"))) return false;
    if (fields.empty()) return true;
    const auto values = kind.selectable_fields ? kind.selectable_fields(object) : std::vector<std::pair<std::string, std::string>>();
    for (const auto& wanted : fields) {
        std::string value;
        if (wanted.field == "metadata.name") value = kubeclient::name_of(object);
        else if (wanted.field == "metadata.namespace") value = kubeclient::namespace_of(object);
        else if (const auto found = std::ranges::find(values, wanted.field, [](const auto& pair) { return pair.first; }); found != values.end())
            value = found->second;
        if ((value == wanted.value) == wanted.is_negated) return false;
    }
    return true;
}

Selection selection_of(const ResourceRequest& request) {
    Selection out;
    const auto key = key_of(*request.kind, request.name_space, request.name);
    out.scope = {key.resource, key.name_space, key.name};
    if (const auto text = request.query("labelSelector"); !text.empty()) {
        auto parsed = kubeclient::LabelSelector::parse(text);
        if (!parsed) throw StatusError(bad_request(parsed.error()));
        out.labels = *std::move(parsed);
    }
    out.fields = field_requirements(*request.kind, request.query("fieldSelector"));
    // One object by its name is a scope of the store; no other needs to be read.
    std::erase_if(out.fields, [&](const FieldRequirement& one) {
        if (one.is_negated || one.value.empty()) return false;
        if (one.field == "metadata.name" && (out.scope.name.empty() || out.scope.name == one.value)) {
            out.scope.name = one.value;
            return true;
        }
        if (one.field == "metadata.namespace" && request.kind->is_namespaced && out.scope.name_space.empty()) {
            out.scope.name_space = one.value;
            return true;
        }
        return false;
    });
    return out;
}

}  // namespace services::kube::api
