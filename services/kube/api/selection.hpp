// Which objects a list or a watch picks: the scope the store narrows by, and the label and field selectors that are
// matched on each object. Pure, but for the texts of its errors.
#pragma once

#include <string>
#include <vector>

#include "services/kube/api/api.hpp"
#include "services/kubeclient/selectors.hpp"

namespace services::kube::api {

struct FieldRequirement {
    std::string field, value;
    bool is_negated = false;
};

struct Selection {
    store::Scope scope;
    kubeclient::LabelSelector labels;
    std::vector<FieldRequirement> fields;
    // True when each object has to be read to know whether it belongs.
    [[nodiscard]] bool reads_objects() const { return !labels.is_empty() || !fields.empty(); }
    [[nodiscard]] bool matches(const kinds::Kind& kind, const json::object& object) const;
};

// StatusError 400 with the real texts.
Selection selection_of(const ResourceRequest& request);

}  // namespace services::kube::api
