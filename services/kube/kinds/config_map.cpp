// ConfigMap: keys, size, and what `immutable` freezes.
#include <array>

#include "services/kube/kinds/keyed_data.hpp"
#include "services/kube/kinds/names.hpp"
#include "services/kube/kinds/rules.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {
namespace {

using kubeclient::object_at;

void check(Report& report, const json::object& object) {
    const auto& data = object_at(object, "data");
    const auto& binary = object_at(object, "binaryData");
    std::size_t size = 0;
    for (const auto& [key, value] : data) {
        const auto path = Path("data").key(key);
        report.invalid(path, key, check_config_key(key));
        if (binary.contains(key)) report.invalid(path, key, "duplicate of key present in binaryData");
        size += kubeclient::as_text(value).size();
    }
    for (const auto& [key, value] : binary) {
        report.invalid(Path("binaryData").key(key), key, check_config_key(key));
        size += bytes_in_base64(kubeclient::as_text(value));
    }
    if (size > data_bytes_max) report.too_long(Path(), data_bytes_max);
}

Causes validate(const json::object& object) {
    Report report;
    check(report, object);
    return report.take();
}

Causes validate_update(const json::object& object, const json::object& before) {
    Report report;
    check_frozen(report, object, before, std::to_array<std::string_view>({"data", "binaryData"}));
    check(report, object);
    return report.take();
}

}  // namespace

const Rules& config_map_rules() {
    static constexpr Rules rules{.validate = validate, .validate_update = validate_update};
    return rules;
}

}  // namespace services::kube::kinds
