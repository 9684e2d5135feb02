#include "services/kube/kinds/labels.hpp"

#include <algorithm>
#include <cctype>
#include <string>

#include "services/kube/kinds/names.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {

namespace {

using kubeclient::array_at;
using kubeclient::as_object;
using kubeclient::as_text;
using kubeclient::object_at;
using kubeclient::text;

void check_requirement(Report& report, const Path& path, const json::object& requirement) {
    const auto op = text(requirement, "operator"), key = text(requirement, "key");
    const auto& values = array_at(requirement, "values");
    if (op == "In" || op == "NotIn") {
        if (values.empty()) report.required(path.child("values"), "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (op == "Exists" || op == "DoesNotExist") {
        if (!values.empty())
            report.forbidden(path.child("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else {
        report.invalid(path.child("operator"), json::value(op), "not a valid selector operator");
    }
    report.invalid(path.child("key"), json::value(key), check_qualified_name(key));
    std::size_t at = 0;
    for (const auto& value : values) report.invalid(path.child("values").index(at++), value, check_label_value(as_text(value)));
}

}  // namespace

void check_labels(Report& report, const Path& path, const json::object& labels) {
    for (const auto& label : labels) {
        const std::string_view key(label.key().data(), label.key().size());
        report.invalid(path, json::value(key), check_qualified_name(key));
        report.invalid(path, label.value(), check_label_value(as_text(label.value())));
    }
}

void check_annotations(Report& report, const Path& path, const json::object& annotations) {
    std::size_t bytes = 0;
    for (const auto& annotation : annotations) {
        const std::string_view key(annotation.key().data(), annotation.key().size());
        std::string lower(key);
        std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        report.invalid(path, json::value(key), check_qualified_name(lower));
        bytes += key.size() + as_text(annotation.value()).size();
    }
    if (bytes > annotations_bytes_max) report.too_long(path, annotations_bytes_max);
}

void check_label_selector(Report& report, const Path& path, const json::value* selector) {
    if (selector == nullptr) return;
    check_labels(report, path.child("matchLabels"), object_at(as_object(*selector), "matchLabels"));
    std::size_t at = 0;
    for (const auto& requirement : array_at(as_object(*selector), "matchExpressions"))
        check_requirement(report, path.child("matchExpressions").index(at++), as_object(requirement));
}

}  // namespace services::kube::kinds
