#include "services/kube/api/table.hpp"

#include <boost/json/serialize.hpp>

#include <array>

#include "services/kube/api/status.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::api {
namespace {

// rest.NewDefaultTableConvertor: what a kind without printers shows.
constexpr auto default_columns = std::to_array<kinds::Column>({
    {"Name", "string", "name", 0,
     "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to "
     "request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and "
     "configuration definition. Cannot be updated. More info: "
     "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"},
    {"Created At", "date", "", 0,
     "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in "
     "happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in "
     "UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: "
     "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"},
});

json::array default_cells(const json::object& object, hal::WallTime) {
    return {kubeclient::name_of(object), kubeclient::text(object, "metadata.creationTimestamp")};
}

std::string api_version(std::string_view version) { return "meta.k8s.io/" + std::string(version); }

json::object partial_object(const json::object& object, std::string_view version) {
    json::object partial{{"kind", "PartialObjectMetadata"}, {"apiVersion", api_version(version)}};
    const auto* metadata = object.if_contains("metadata");
    partial["metadata"] = metadata != nullptr ? *metadata : json::value(json::object{});
    return partial;
}

json::object whole_object(const schema::GroupVersionKind& gvk, const json::object& object) {
    json::object whole{{"kind", gvk.kind}, {"apiVersion", gvk.api_version()}};
    for (const auto& [key, value] : object) whole.insert_or_assign(key, value);
    return whole;
}

// A pod that has ended is marked, so that clients can leave its row out.
json::array row_conditions(const schema::GroupVersionKind& gvk, const json::object& object) {
    if (gvk.kind != "Pod" || !gvk.group.empty()) return {};
    const auto phase = kubeclient::text(object, "status.phase");
    if (phase != "Succeeded" && phase != "Failed") return {};
    const auto* message = phase == "Succeeded" ? "The pod has completed successfully." : "The pod failed.";
    return {json::object{{"type", "Completed"}, {"status", "True"}, {"reason", phase}, {"message", message}}};
}

std::string columns_text(const TableShape& shape) {
    json::array columns;
    for (const auto& column : shape.columns)
        columns.push_back(json::object{{"name", column.name},
                                       {"type", column.type},
                                       {"format", column.format},
                                       {"description", column.description},
                                       {"priority", column.priority}});
    return json::serialize(columns);
}

}  // namespace

Include included(std::string_view value) {
    if (value.empty() || value == "Metadata") return Include::metadata;
    if (value == "None") return Include::none;
    if (value == "Object") return Include::object;
    throw StatusError(bad_request("Unable to convert to Table as requested: includeObject: Invalid value: " +
                                  json::serialize(json::string(value)) + ": must be 'Metadata', 'Object', 'None', or empty"));
}

TableShape table_shape(const kinds::Kind& kind) {
    if (kind.cells == nullptr) return {default_columns, default_cells};
    return {kind.columns, kind.cells};
}

std::string table_head(const TableShape& shape, const TableForm& form, const json::object& metadata, bool with_columns) {
    return R"({"kind":"Table","apiVersion":")" + api_version(form.version) + R"(","metadata":)" + json::serialize(metadata) +
           R"(,"columnDefinitions":)" + (with_columns ? columns_text(shape) : "null") + R"(,"rows":[)";
}

std::string table_row(const TableShape& shape, const TableForm& form, const schema::GroupVersionKind& gvk, const json::object& object,
                      hal::WallTime now) {
    json::object row{{"cells", shape.cells(object, now)}};
    if (auto conditions = row_conditions(gvk, object); !conditions.empty()) row["conditions"] = std::move(conditions);
    switch (form.include) {
        case Include::none: row["object"] = nullptr; break;
        case Include::metadata: row["object"] = partial_object(object, form.version); break;
        case Include::object: row["object"] = whole_object(gvk, object); break;
    }
    return json::serialize(row);
}

std::string table_of(const TableShape& shape, const TableForm& form, const schema::GroupVersionKind& gvk, const json::object& object,
                     hal::WallTime now, bool with_columns) {
    json::object metadata;
    if (const auto revision = kubeclient::text(object, "metadata.resourceVersion"); !revision.empty()) metadata["resourceVersion"] = revision;
    return table_head(shape, form, metadata, with_columns) + table_row(shape, form, gvk, object, now) + std::string(table_tail);
}

std::string partial_of(const json::object& object, std::string_view version) { return json::serialize(partial_object(object, version)); }

}  // namespace services::kube::api
