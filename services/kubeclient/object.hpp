// Thin views over Kubernetes objects, which stay JSON data: reading a field by its dotted path, metadata, owner
// references and conditions. Pure functions; no field is invented: what is absent reads as the fallback.
//
// A path names JSON fields ("status.podIP"), so keys with dots (labels, annotations) are read through label() and
// annotation(). Views returned live as long as the object.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "hal/base/clock.hpp"

namespace services::kubeclient {

namespace json = boost::json;

// An object as caches share it: never changed once there.
using ObjectPtr = std::shared_ptr<const json::object>;

const json::value* field(const json::object& object, std::string_view path);  // null when absent or JSON null
std::string_view text(const json::object& object, std::string_view path, std::string_view fallback = "");
std::int64_t number(const json::object& object, std::string_view path, std::int64_t fallback = 0);
bool flag(const json::object& object, std::string_view path, bool fallback = false);
const json::object& object_at(const json::object& object, std::string_view path);  // an empty one when absent
const json::array& array_at(const json::object& object, std::string_view path);    // an empty one when absent
// The object at `path`, made where missing.
json::object& make_object(json::object& object, std::string_view path);

std::string_view as_text(const json::value& value);  // "" when not a string
const json::object& as_object(const json::value& value);  // an empty one when not an object

std::string_view name_of(const json::object& object);
std::string_view namespace_of(const json::object& object);
std::string_view uid_of(const json::object& object);
std::string_view label(const json::object& object, std::string_view key);
std::string_view annotation(const json::object& object, std::string_view key);
bool is_deleting(const json::object& object);  // has a deletionTimestamp
bool has_finalizer(const json::object& object, std::string_view finalizer);
std::string key_of(const json::object& object);  // "namespace/name", or "name"
struct Key {
    std::string name_space, name;
};
Key split_key(std::string_view key);

// The owner reference with controller: true, or null.
const json::object* controller_of(const json::object& object);
// A reference to `owner` with controller and blockOwnerDeletion true.
json::object controller_reference(const json::object& owner, std::string_view api_version, std::string_view kind);

// status.conditions[type], or null.
const json::object* condition_of(const json::object& object, std::string_view type);
std::string_view condition_status(const json::object& object, std::string_view type);  // "" when absent
// Puts `condition` (type, status, reason, message ...) into `conditions`; lastTransitionTime is kept while the status
// stays and is `now` otherwise. False when nothing changed.
bool set_condition(json::array& conditions, json::object condition, hal::WallTime now);

// Pods, as every controller needs to know them.
bool is_pod_ready(const json::object& pod);
bool is_pod_finished(const json::object& pod);  // Succeeded or Failed
// Ready for at least `min_ready_seconds` (Deployment minReadySeconds).
bool is_pod_available(const json::object& pod, std::int64_t min_ready_seconds, hal::WallTime now);

}  // namespace services::kubeclient
