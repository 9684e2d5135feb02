// Labels, annotations and label selectors in any object (apimachinery's metav1 validation): used for metadata, templates,
// selectors and node selectors alike.
//
// Pure.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "services/kube/kinds/report.hpp"

namespace services::kube::kinds {

inline constexpr std::size_t annotations_bytes_max = 256 * 1024;

void check_labels(Report& report, const Path& path, const json::object& labels);
void check_annotations(Report& report, const Path& path, const json::object& annotations);
// A metav1.LabelSelector; null is valid.
void check_label_selector(Report& report, const Path& path, const json::value* selector);

}  // namespace services::kube::kinds
