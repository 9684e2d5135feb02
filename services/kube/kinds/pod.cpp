// Pod: the rules beside its row in the table.
#include "services/kube/kinds/pod_spec_defaults.hpp"
#include "services/kube/kinds/rules.hpp"

namespace services::kube::kinds {

const Rules& pod_rules() {
    static constexpr Rules rules{.apply_defaults = default_pod};
    return rules;
}

}  // namespace services::kube::kinds
