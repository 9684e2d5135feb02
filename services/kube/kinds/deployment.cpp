// Deployment: the rules beside its row in the table.
#include "services/kube/kinds/pod_spec_defaults.hpp"
#include "services/kube/kinds/rules.hpp"

namespace services::kube::kinds {

const Rules& deployment_rules() {
    static constexpr Rules rules{};
    return rules;
}

}  // namespace services::kube::kinds
