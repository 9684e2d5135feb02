#include "services/kube/kinds/keyed_data.hpp"

#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {

void check_frozen(Report& report, const json::object& object, const json::object& before, std::span<const std::string_view> members) {
    constexpr std::string_view detail = "field is immutable when `immutable` is set";
    if (!kubeclient::flag(before, "immutable")) return;
    if (!kubeclient::flag(object, "immutable")) report.forbidden(Path("immutable"), detail);
    for (const auto member : members)
        if (kubeclient::object_at(object, member) != kubeclient::object_at(before, member))
            report.forbidden(Path(std::string(member)), detail);
}

std::size_t bytes_in_base64(std::string_view text) {
    while (text.ends_with('=')) text.remove_suffix(1);
    return text.size() * 3 / 4;
}

}  // namespace services::kube::kinds
