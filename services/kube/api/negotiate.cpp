#include "services/kube/api/negotiate.hpp"

#include <algorithm>
#include <map>
#include <ranges>

#include "services/kube/api/status.hpp"

namespace services::kube::api {
namespace {

constexpr std::string_view offered = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

std::string_view trimmed(std::string_view text) {
    while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
    while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
    return text;
}

struct Clause {
    std::string_view type;
    std::map<std::string_view, std::string_view> parameters;
};

std::vector<Clause> clauses_of(std::string_view accept) {
    std::vector<Clause> clauses;
    for (const auto part : std::views::split(accept, ',')) {
        Clause clause;
        for (const auto piece : std::views::split(std::string_view(part.begin(), part.end()), ';')) {
            const auto text = trimmed({piece.begin(), piece.end()});
            const auto equals = text.find('=');
            if (clause.type.empty()) clause.type = text;
            else if (equals != text.npos) clause.parameters[text.substr(0, equals)] = text.substr(equals + 1);
        }
        if (!clause.type.empty()) clauses.push_back(std::move(clause));
    }
    return clauses;
}

}  // namespace

std::string media_of(const Accepted& accepted) { return accepted.is_yaml ? "application/yaml" : "application/json"; }

Accepted negotiate(const http::Request& request, bool is_list, bool has_forms) {
    Accepted accepted;
    const auto header = request.headers.get("Accept");
    const auto clauses = clauses_of(header);
    if (clauses.empty()) return accepted;
    bool is_any_known = false;
    for (const auto& clause : clauses) {
        const bool is_yaml = clause.type == "application/yaml";
        const bool is_json = clause.type == "application/json" || clause.type == "*/*" || clause.type == "application/*";
        is_any_known |= is_json || is_yaml || clause.type == "application/vnd.kubernetes.protobuf";
        if (!is_json && !is_yaml) continue;
        accepted.is_yaml = is_yaml;
        const auto as = clause.parameters.find("as");
        if (as == clause.parameters.end()) return accepted;
        const auto group = clause.parameters.find("g"), version = clause.parameters.find("v");
        if (!has_forms || group == clause.parameters.end() || group->second != "meta.k8s.io" || version == clause.parameters.end()) continue;
        if (version->second != "v1" && version->second != "v1beta1") continue;
        if (as->second == "Table") accepted.form = Accepted::Form::table;
        else if (as->second == (is_list ? "PartialObjectMetadataList" : "PartialObjectMetadata")) accepted.form = Accepted::Form::partial;
        else continue;
        accepted.version = version->second;
        return accepted;
    }
    // A type that the routes themselves do not know is refused before any handler, in other words.
    if (!is_any_known)
        throw StatusError(Status{406, "NotAcceptable", "406: Not Acceptable\n\nAvailable representations: " + std::string(offered), json::object(), {}});
    throw StatusError(not_acceptable(offered));
}

}  // namespace services::kube::api
