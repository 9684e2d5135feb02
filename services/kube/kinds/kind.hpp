// What no schema says about a kind, written by hand, one file per kind: defaults, validation, what create and update
// keep or drop, printer columns, and the names discovery shows. A table of these drives api/.
//
// Pure functions over JSON objects: no store, no clock but the argument, no I/O.
#pragma once

#include <boost/json/object.hpp>

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hal/base/clock.hpp"
#include "services/kube/schema/schema.hpp"

namespace services::kube::kinds {

namespace json = boost::json;

// One cause of an Invalid Status, field.Error of apimachinery: reason and text are the real ones.
struct Cause {
    std::string reason;   // FieldValueRequired, FieldValueInvalid, FieldValueNotSupported, FieldValueForbidden, ...
    std::string message;  // `Invalid value: "x": must ...` - without the field
    std::string field;    // spec.containers[0].name
};
using Causes = std::vector<Cause>;

enum class Verb { create, update };

struct Column {
    std::string_view name;
    std::string_view type;    // "string", "integer", "date"
    std::string_view format;  // "name" or ""
    int priority = 0;         // 0: always shown, 1: -o wide
    std::string_view description;
};

// A subresource that this kind serves beside the object.
struct Subresource {
    std::string_view name;                  // "status", "scale", "log", ...
    std::string_view verbs;                 // "get,patch,update"
    std::string_view response_kind;         // "" = the kind itself; else "autoscaling/v1/Scale" or, without a group, "PodExecOptions"

    // Of a part of the object that is written as status is: take the place of the kind's prepare_update and validate_update.
    void (*prepare)(json::object& object, const json::object& before) = nullptr;
    Causes (*validate)(const json::object& object, const json::object& before) = nullptr;
    // It is written with the object's own verbs, by these rules.
    [[nodiscard]] bool is_part() const { return prepare != nullptr; }
};

struct Kind {
    schema::GroupVersionKind gvk;
    std::string_view plural, singular, list_kind;
    std::string_view short_names = {};  // "po" or "deploy"; comma-separated
    std::string_view categories = {};   // "all"
    std::string_view verbs = "create,delete,deletecollection,get,list,patch,update,watch";
    bool is_namespaced = true;
    bool is_relaxed = false;        // Leases, Events: Durability::relaxed
    bool has_status = false;        // status is a subresource: spec updates drop status and the other way round
    bool has_generation = false;    // metadata.generation moves with spec
    std::span<const Subresource> subresources = {};
    std::span<const Column> columns = {};
    // Null when there is no such one.
    [[nodiscard]] const Subresource* find_subresource(std::string_view name) const;

    // All optional (null: nothing to do). `object` is decoded and normalised.
    void (*apply_defaults)(json::object& object) = nullptr;
    // Registry strategy PrepareForCreate / PrepareForUpdate: drops what the client may not set, carries over what it must not lose.
    void (*prepare_create)(json::object& object) = nullptr;
    void (*prepare_update)(json::object& object, const json::object& before) = nullptr;
    Causes (*validate)(const json::object& object) = nullptr;                          // create
    Causes (*validate_update)(const json::object& object, const json::object& before) = nullptr;
    Causes (*validate_status)(const json::object& object, const json::object& before) = nullptr;
    std::vector<std::string> (*warnings)(const json::object& object) = nullptr;        // Warning: 299
    // One cell per column, for a Table row; `now` for ages.
    json::array (*cells)(const json::object& object, hal::WallTime now) = nullptr;
    // Selectable fields beside metadata.name/namespace: field path -> value ("" when absent). Null: none.
    std::vector<std::pair<std::string, std::string>> (*selectable_fields)(const json::object& object) = nullptr;
    // A write of the status subresource, after spec has been put back: carries over what it must not lose.
    void (*prepare_status)(json::object& object, const json::object& before) = nullptr;
    // The warnings of an update where they differ from those of a creation. Null: `warnings`.
    std::vector<std::string> (*update_warnings)(const json::object& object, const json::object& before) = nullptr;

    // Whether an update says no more than that its object is still there: it is written as chatter is, relaxed.
    bool (*is_heartbeat)(const json::object& object, const json::object& before) = nullptr;

    std::string_view deprecation = {};  // a Warning (299) on every request for this kind, reads too, before others

    // Two kinds that are one object in two forms (Events of v1 and of events.k8s.io/v1): this one is kept as objects of
    // `stored_as`, and the two functions change the form, apiVersion included. Null: kept as it is.
    const schema::GroupVersionKind* stored_as = nullptr;
    json::object (*to_stored)(const json::object& object) = nullptr;
    json::object (*from_stored)(const json::object& object) = nullptr;
};

// Every kind served, in discovery order. find: null when not served.
std::span<const Kind> all();
const Kind* find(std::string_view group, std::string_view version, std::string_view plural);
const Kind* find_kind(const schema::GroupVersionKind& gvk);

// metadata rules common to all kinds (names, labels, annotations, finalizers, ownerReferences, immutable fields): ObjectMeta validation.
Causes validate_metadata(const Kind& kind, const json::object& object);
Causes validate_metadata_update(const Kind& kind, const json::object& object, const json::object& before);
// The causes of one answer, each once: those of metadata and of the kind are joined so.
Causes without_repeats(Causes causes);
// "3m5s", "2d", as kubectl's Table ages (duration.HumanDuration).
std::string human_duration(std::chrono::seconds age);

}  // namespace services::kube::kinds
