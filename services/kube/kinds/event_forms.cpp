#include "services/kube/kinds/event_forms.hpp"

#include <array>
#include <string_view>
#include <utility>

#include "services/kube/schema/schema.hpp"

namespace services::kube::kinds {
namespace {

struct Names {
    std::string_view core, fresh;
};
constexpr auto renamed = std::to_array<Names>({
    {"involvedObject", "regarding"},
    {"message", "note"},
    {"source", "deprecatedSource"},
    {"firstTimestamp", "deprecatedFirstTimestamp"},
    {"lastTimestamp", "deprecatedLastTimestamp"},
    {"count", "deprecatedCount"},
    {"reportingComponent", "reportingController"},
});

json::object converted(const json::object& event, std::string_view Names::*from, std::string_view Names::*to,
                       const schema::GroupVersionKind& kind) {
    json::object out;
    for (const auto& [key, value] : event) {
        std::string_view name = key;
        for (const auto& names : renamed)
            if (names.*from == name) {
                name = names.*to;
                break;
            }
        out[name] = value;
    }
    if (out.contains("apiVersion")) out["apiVersion"] = kind.api_version();
    if (const auto* type = schema::type_of(kind)) schema::normalise(*type, out);
    return out;
}

}  // namespace

json::object to_core_event(const json::object& new_event) {
    static const schema::GroupVersionKind kind{"", "v1", "Event"};
    return converted(new_event, &Names::fresh, &Names::core, kind);
}

json::object to_new_event(const json::object& core_event) {
    static const schema::GroupVersionKind kind{"events.k8s.io", "v1", "Event"};
    return converted(core_event, &Names::core, &Names::fresh, kind);
}

}  // namespace services::kube::kinds
