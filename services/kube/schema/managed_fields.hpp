// Who owns which field: metadata.managedFields (FieldsV1: `f:name`, `k:{"name":"x"}`, `v:value`, `i:N`) for updates and
// for server-side apply. Pure functions over objects and the table; time comes in as text.
//
// Bounded: at most 10 entries of Update managers; older ones merge into `ancient-changes`.
#pragma once

#include <string>
#include <vector>

#include "services/kube/schema/schema.hpp"

namespace services::kube::schema {

inline constexpr std::size_t update_managers_max = 10;

struct Tracking {
    std::string manager;      // fieldManager, else the User-Agent up to the first '/'; see manager_of
    std::string operation = "Update";
    std::string subresource;  // "", "status", "scale"
    std::string time;         // RFC 3339, whole seconds
    std::string api_version;  // "apps/v1"
    bool has_status = false;  // the kind's status is a subresource: a main write does not own it, a status write owns only it
};

// The manager of a request: fieldManager, else what precedes '/' in the User-Agent, cut to 128 characters.
std::string manager_of(std::string_view field_manager, std::string_view user_agent);

// Sets object.metadata.managedFields for a create (`before` null) or update, as the real server does before admission:
// what differs from `before` belongs to this manager, others lose it. `object` without managedFields takes those of
// `before`; an explicit empty list (or [{}]) resets them. An entry whose set is unchanged keeps its time.
void track_update(const Type& type, json::object& object, const json::object* before, const Tracking& tracking);

struct ApplyConflict {
    std::string message;  // `conflict with "kubectl-client-side-apply" using apps/v1`
    std::string field;    // `.spec.replicas`
};
struct ApplyError {
    bool is_conflict = false;            // 409 with these conflicts; else 400 with `message`,
    bool is_internal = false;            // or 500, as the real server answers what does not fit the type
    std::string message;                 // the Status message
    std::vector<ApplyConflict> conflicts;  // details.causes, reason FieldManagerConflict
};
// Server-side apply of a configuration as it was sent (not normalised: it owns what it states): `live` (null: does not
// exist) merged with `config` for tracking.manager. Fields that this manager applied before and no longer states go, unless
// another manager owns them. The result is normalised and carries managedFields; new items still lack their defaults.
std::expected<json::object, ApplyError> apply(const Type& type, const json::object* live, const json::object& config,
                                              const Tracking& tracking, bool force);

}  // namespace services::kube::schema
