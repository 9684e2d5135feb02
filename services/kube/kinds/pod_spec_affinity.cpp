// Affinity of a PodSpec: to nodes, and to or away from other pods.
#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "services/kube/kinds/labels.hpp"
#include "services/kube/kinds/names.hpp"
#include "services/kube/kinds/pod_spec_checks.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {

namespace {

using kubeclient::array_at;
using kubeclient::as_object;
using kubeclient::as_text;
using kubeclient::field;
using kubeclient::number;
using kubeclient::object_at;
using kubeclient::text;

void check_weight(Report& report, const Path& path, const json::object& term) {
    if (const auto weight = number(term, "weight"); weight <= 0 || weight > 100)
        report.invalid(path.child("weight"), weight, "must be in the range 1-100");
}

// Values of preferences may be no label values: they only match nothing.
void check_label_requirement(Report& report, const Path& path, const json::object& requirement, bool is_preference) {
    const auto op = text(requirement, "operator"), key = text(requirement, "key");
    const auto& values = array_at(requirement, "values");
    if (op == "In" || op == "NotIn") {
        if (values.empty()) report.required(path.child("values"), "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (op == "Exists" || op == "DoesNotExist") {
        if (!values.empty())
            report.forbidden(path.child("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else if (op == "Gt" || op == "Lt") {
        if (values.size() != 1)
            report.required(path.child("values"), "must be specified single value when `operator` is 'Lt' or 'Gt'");
    } else {
        report.invalid(path.child("operator"), json::value(op), "not a valid selector operator");
    }
    report.invalid(path.child("key"), json::value(key), check_qualified_name(key));
    if (is_preference) return;
    std::size_t at = 0;
    for (const auto& value : values)
        report.invalid(path.child("values").index(at++), value, check_label_value(as_text(value)));
}

void check_field_requirement(Report& report, const Path& path, const json::object& requirement) {
    const auto op = text(requirement, "operator"), key = text(requirement, "key");
    const auto& values = array_at(requirement, "values");
    if (op == "In" || op == "NotIn") {
        if (values.size() != 1)
            report.required(path.child("values"), "must be only one value when `operator` is 'In' or 'NotIn' for node field selector");
    } else {
        report.invalid(path.child("operator"), json::value(op), "not a valid selector operator");
    }
    if (key != "metadata.name") return report.invalid(path.child("key"), json::value(key), "not a valid field selector key");
    std::size_t at = 0;
    for (const auto& value : values)
        report.invalid(path.child("values").index(at++), value, check_dns1123_subdomain(as_text(value)));
}

void check_node_term(Report& report, const Path& path, const json::object& term, bool is_preference) {
    std::size_t at = 0;
    for (const auto& requirement : array_at(term, "matchExpressions"))
        check_label_requirement(report, path.child("matchExpressions").index(at++), as_object(requirement), is_preference);
    at = 0;
    for (const auto& requirement : array_at(term, "matchFields"))
        check_field_requirement(report, path.child("matchFields").index(at++), as_object(requirement));
}

constexpr std::string_view required = "requiredDuringSchedulingIgnoredDuringExecution";
constexpr std::string_view preferred = "preferredDuringSchedulingIgnoredDuringExecution";

void check_node_affinity(Report& report, const Path& path, const json::object& affinity) {
    if (field(affinity, required) != nullptr) {
        const auto terms_path = path.child(required).child("nodeSelectorTerms");
        const auto& terms = array_at(object_at(affinity, required), "nodeSelectorTerms");
        if (terms.empty()) report.required(terms_path, "must have at least one node selector term");
        std::size_t at = 0;
        for (const auto& term : terms) check_node_term(report, terms_path.index(at++), as_object(term), false);
    }
    std::size_t at = 0;
    for (const auto& element : array_at(affinity, preferred)) {
        const auto& term = as_object(element);
        const auto term_path = path.child(preferred).index(at++);
        check_weight(report, term_path, term);
        check_node_term(report, term_path.child("preference"), object_at(term, "preference"), true);
    }
}

void check_pod_term(Report& report, const Path& path, const json::object& term) {
    for (const auto* name : {"labelSelector", "namespaceSelector"}) check_label_selector(report, path.child(name), field(term, name));
    for (const auto& name : array_at(term, "namespaces"))
        report.invalid(path.child("namespace"), name, check_dns1123_label(as_text(name)));
    check_label_keys(report, path, term);
    const auto topology = text(term, "topologyKey");
    if (topology.empty()) report.required(path.child("topologyKey"), "can not be empty");
    report.invalid(path.child("topologyKey"), json::value(topology), check_qualified_name(topology));
}

void check_pod_affinity(Report& report, const Path& path, const json::object& affinity) {
    std::size_t at = 0;
    for (const auto& term : array_at(affinity, required)) check_pod_term(report, path.child(required).index(at++), as_object(term));
    at = 0;
    for (const auto& term : array_at(affinity, preferred)) {
        const auto term_path = path.child(preferred).index(at++);
        check_weight(report, term_path, as_object(term));
        check_pod_term(report, term_path.child("podAffinityTerm"), object_at(as_object(term), "podAffinityTerm"));
    }
}

}  // namespace

void check_affinity(PodSpecCheck& check, const Path& path) {
    const auto& affinity = object_at(check.spec, "affinity");
    check_node_affinity(check.report, path.child("nodeAffinity"), object_at(affinity, "nodeAffinity"));
    for (const auto* name : {"podAffinity", "podAntiAffinity"})
        check_pod_affinity(check.report, path.child(name), object_at(affinity, name));
}

void check_label_keys(Report& report, const Path& path, const json::object& term) {
    const auto& matched = array_at(term, "matchLabelKeys");
    const auto& mismatched = array_at(term, "mismatchLabelKeys");
    const bool has_selector = field(term, "labelSelector") != nullptr;
    for (const auto* name : {"matchLabelKeys", "mismatchLabelKeys"}) {
        const auto& keys = array_at(term, name);
        if (keys.empty()) continue;
        if (!has_selector) {
            report.forbidden(path.child(name), "must not be specified when labelSelector is not set");
            continue;
        }
        std::size_t at = 0;
        for (const auto& key : keys) report.invalid(path.child(name).index(at++), key, check_qualified_name(as_text(key)));
    }
    // The selector holds by now what matchLabelKeys added to it, once per key; a key met twice was also written there.
    std::set<std::string_view> selected;
    for (const auto& label : object_at(term, "labelSelector.matchLabels"))
        selected.insert(std::string_view(label.key().data(), label.key().size()));
    std::map<std::string_view, std::size_t> places;  // of keys in matchLabelKeys, the last of equal ones
    for (std::size_t at = 0; at < matched.size(); ++at) places[as_text(matched[at])] = at;
    for (const auto& expression : array_at(term, "labelSelector.matchExpressions")) {
        const auto key = text(as_object(expression), "key");
        const auto own = places.find(key);
        if (!selected.insert(key).second && own != places.end())
            report.invalid(path.index(own->second), json::value(key), "exists in both matchLabelKeys and labelSelector");
    }
    std::set<std::string_view> unwanted;
    for (const auto& key : mismatched) unwanted.insert(as_text(key));
    std::size_t at = 0;
    for (const auto& key : matched) {
        const auto key_path = path.child("matchLabelKeys").index(at++);
        if (unwanted.contains(as_text(key)))
            report.invalid(key_path, key, "exists in both matchLabelKeys and mismatchLabelKeys");
    }
}

}  // namespace services::kube::kinds
