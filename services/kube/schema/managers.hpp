// The entries of metadata.managedFields, read into sets and written back: what track_update and apply share.
//
// Bounded: update_managers_max entries of updates.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "services/kube/schema/field_set.hpp"
#include "services/kube/schema/managed_fields.hpp"

namespace services::kube::schema {

struct Manager {
    std::string name, operation, api_version, subresource;
    std::optional<std::string> time;
    FieldSet set;

    [[nodiscard]] bool is_applier() const { return operation == "Apply"; }
    // An applier is one and the same in all versions.
    [[nodiscard]] bool is_same_as(const Manager& other) const {
        return name == other.name && operation == other.operation && subresource == other.subresource &&
               (is_applier() || api_version == other.api_version);
    }
};
using Managers = std::vector<Manager>;

inline constexpr std::string_view managed_fields_key = "managedFields";

// Of an object's metadata. Empty when an entry cannot be read.
std::optional<Managers> read_managers(const json::object& object);
// Sorted as the real server sorts them; without managers the key goes.
void write_managers(json::object& object, Managers managers);
void drop_managers(json::object& object);

Manager manager_from(const Tracking& tracking);
Manager* find_same(Managers& managers, const Manager& manager);

// What a write to this subresource never owns, for it is reset by the kind.
void erase_reset_fields(const Type& type, const Tracking& tracking, FieldSet& set);
// What no manager ever owns: name, uid, ...
FieldSet without_stripped(FieldSet set);
// Entries of group versions that do not have this kind go.
void drop_unknown_versions(const Type& type, Managers& managers);
// `self` made these changes: others lose what differs, `self` gains what was added or modified. False when the objects
// cannot be compared.
bool record_changes(const Type& type, const json::object& before, const json::object& after, const Manager& self,
                    const Tracking& tracking, Managers& managers);

}  // namespace services::kube::schema
