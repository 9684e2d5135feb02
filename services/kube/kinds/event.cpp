// Events. Those of v1 obey the old rules alone; those of events.k8s.io/v1 obey them too, and stricter ones beside. All rules
// read the v1 form, as the real server's read its internal one, whose field names its messages show.
#include <array>
#include <format>
#include <span>
#include <string>

#include "services/kube/kinds/event_forms.hpp"
#include "services/kube/kinds/names.hpp"
#include "services/kube/kinds/report.hpp"
#include "services/kube/kinds/rules.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {
namespace {

using kubeclient::field;
using kubeclient::number;
using kubeclient::text;

constexpr std::size_t short_bytes_max = 128, note_bytes_max = 1024;

// Of an event that states no eventTime: the object it is about lives in the same namespace, or in none.
void check_old_namespace(Report& report, const json::object& event) {
    const auto own = text(event, "metadata.namespace"), involved = text(event, "involvedObject.namespace");
    const bool agrees = involved.empty() ? own.empty() || own == "default" : own == involved;
    if (!agrees) report.invalid(Path("involvedObject.namespace"), involved, "does not match event.namespace");
}

void check_length(Report& report, const Path& path, std::string_view value, std::size_t bytes_max) {
    if (value.size() > bytes_max) report.invalid(path, "", std::format("can have at most {} characters", bytes_max));
}

void check_timed(Report& report, const json::object& event, std::string_view controller_name) {
    const auto own = text(event, "metadata.namespace"), involved = text(event, "involvedObject.namespace");
    if (involved.empty() && own != "default" && own != "kube-system")
        report.invalid(Path("involvedObject.namespace"), involved, "does not match event.namespace");
    const auto controller = text(event, "reportingComponent");
    const Path path{std::string(controller_name)};
    if (controller.empty()) report.required(path);
    report.invalid(path, controller, check_qualified_name(controller));
    for (const auto* name : {"reportingInstance", "action", "reason"}) {
        if (text(event, name).empty()) report.required(Path(name));
        check_length(report, Path(name), text(event, name), short_bytes_max);
    }
    check_length(report, Path("message"), text(event, "message"), note_bytes_max);
}

void check_old_rules(Report& report, const json::object& event, std::string_view controller_name) {
    if (text(event, "eventTime").empty()) check_old_namespace(report, event);
    else check_timed(report, event, controller_name);
}

Causes validate(const json::object& object) {
    Report report;
    check_old_rules(report, object, "reportingComponent");
    return report.take();
}

Causes validate_update(const json::object& object, const json::object&) { return validate(object); }

void check_series(Report& report, const json::object& event) {
    if (field(event, "series") == nullptr) return;
    if (number(event, "series.count") < 2) report.invalid(Path("series.count"), "", "should be at least 2");
    if (text(event, "series.lastObservedTime").empty()) report.required(Path("series.lastObservedTime"));
}

void check_unset(Report& report, std::string_view name, bool is_set) {
    if (is_set) report.invalid(Path(std::string(name)), "", "needs to be unset");
}

Causes validate_new(const json::object& object) {
    Report report;
    const auto event = to_core_event(object);
    check_old_rules(report, event, "reportingController");
    check_series(report, event);
    if (text(event, "eventTime").empty()) report.required(Path("eventTime"));
    const auto type = text(event, "type");
    if (type != "Normal" && type != "Warning") report.invalid(Path("type"), "", std::format("has invalid value: {}", type));
    check_unset(report, "firstTimestamp", !text(event, "firstTimestamp").empty());
    check_unset(report, "lastTimestamp", !text(event, "lastTimestamp").empty());
    check_unset(report, "count", number(event, "count") != 0);
    check_unset(report, "source", !text(event, "source.component").empty() || !text(event, "source.host").empty());
    return report.take();
}

// A struct of the real server's internal types as its messages print it: every field under its Go name.
struct Printing {
    std::string_view name, go_name;
};
constexpr auto reference_fields = std::to_array<Printing>({{"kind", "Kind"},
                                                           {"namespace", "Namespace"},
                                                           {"name", "Name"},
                                                           {"uid", "UID"},
                                                           {"apiVersion", "APIVersion"},
                                                           {"resourceVersion", "ResourceVersion"},
                                                           {"fieldPath", "FieldPath"}});
constexpr auto source_fields = std::to_array<Printing>({{"component", "Component"}, {"host", "Host"}});

json::value printed(std::string_view name, const json::object& event) {
    const auto* value = event.if_contains(name);
    const auto laid_out = [&](std::span<const Printing> fields) {
        json::object out;
        for (const auto& [json_name, go_name] : fields)
            out[go_name] = value == nullptr ? std::string_view() : text(kubeclient::as_object(*value), json_name);
        return out;
    };
    if (name == "involvedObject") return laid_out(reference_fields);
    if (name == "source") return laid_out(source_fields);
    if (name == "related" && value != nullptr && !value->is_null()) return laid_out(reference_fields);
    if (value != nullptr) return *value;
    if (name == "count") return 0;
    const bool is_text = !name.ends_with("Timestamp") && name != "eventTime" && name != "related";
    return is_text ? json::value("") : json::value(nullptr);
}

Causes validate_new_update(const json::object& object, const json::object& before) {
    // The order in which the real server names what changed. reason stands there twice and is reported once.
    constexpr auto frozen = std::to_array<std::string_view>({"involvedObject", "reason", "message", "source", "firstTimestamp",
                                                             "lastTimestamp", "count", "type", "eventTime", "action", "related",
                                                             "reportingComponent", "reportingInstance"});
    Report report;
    const auto event = to_core_event(object), earlier = to_core_event(before);
    check_old_rules(report, event, "reportingController");
    const auto differs = [&](std::string_view name) { return printed(name, event) != printed(name, earlier); };
    if (differs("series")) check_series(report, event);
    for (const auto name : frozen)
        if (differs(name)) {
            const Path path(name == "reportingComponent" ? "reportingController" : std::string(name));
            report.invalid(path, printed(name, event), immutable_message);
        }
    return report.take();
}

}  // namespace

const Rules& event_rules() {
    static constexpr Rules rules{.validate = validate, .validate_update = validate_update};
    return rules;
}

const Rules& new_event_rules() {
    static constexpr Rules rules{.validate = validate_new, .validate_update = validate_new_update};
    return rules;
}

}  // namespace services::kube::kinds
