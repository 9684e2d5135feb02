// Service: defaults and what writes keep or drop. Addresses and node ports are the API's allocator's.
#include "services/kube/kinds/rules.hpp"

namespace services::kube::kinds {

const Rules& service_rules() {
    static constexpr Rules rules{};
    return rules;
}

}  // namespace services::kube::kinds
