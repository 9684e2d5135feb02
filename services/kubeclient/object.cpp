#include "services/kubeclient/object.hpp"

#include <chrono>

namespace services::kubeclient {

namespace {

const json::object no_object;
const json::array no_array;

std::string_view view(const json::string& text) { return {text.data(), text.size()}; }

}  // namespace

const json::value* field(const json::object& object, std::string_view path) {
    const json::object* at = &object;
    while (true) {
        const auto dot = path.find('.');
        const auto* value = at->if_contains(path.substr(0, dot));
        if (value == nullptr || value->is_null()) return nullptr;
        if (dot == std::string_view::npos) return value;
        at = value->if_object();
        if (at == nullptr) return nullptr;
        path.remove_prefix(dot + 1);
    }
}

std::string_view text(const json::object& object, std::string_view path, std::string_view fallback) {
    const auto* value = field(object, path);
    return value != nullptr && value->is_string() ? view(value->get_string()) : fallback;
}

std::int64_t number(const json::object& object, std::string_view path, std::int64_t fallback) {
    const auto* value = field(object, path);
    if (value == nullptr) return fallback;
    if (value->is_int64()) return value->get_int64();
    if (value->is_uint64()) return static_cast<std::int64_t>(value->get_uint64());
    if (value->is_double()) return static_cast<std::int64_t>(value->get_double());
    return fallback;
}

bool flag(const json::object& object, std::string_view path, bool fallback) {
    const auto* value = field(object, path);
    return value != nullptr && value->is_bool() ? value->get_bool() : fallback;
}

const json::object& object_at(const json::object& object, std::string_view path) {
    const auto* value = field(object, path);
    return value != nullptr && value->is_object() ? value->get_object() : no_object;
}

const json::array& array_at(const json::object& object, std::string_view path) {
    const auto* value = field(object, path);
    return value != nullptr && value->is_array() ? value->get_array() : no_array;
}

json::object& make_object(json::object& object, std::string_view path) {
    json::object* at = &object;
    while (true) {
        const auto dot = path.find('.');
        auto& value = (*at)[path.substr(0, dot)];
        if (!value.is_object()) value = json::object();
        at = &value.get_object();
        if (dot == std::string_view::npos) return *at;
        path.remove_prefix(dot + 1);
    }
}

std::string_view as_text(const json::value& value) { return value.is_string() ? view(value.get_string()) : std::string_view(); }
const json::object& as_object(const json::value& value) { return value.is_object() ? value.get_object() : no_object; }

std::string_view name_of(const json::object& object) { return text(object, "metadata.name"); }
std::string_view namespace_of(const json::object& object) { return text(object, "metadata.namespace"); }
std::string_view uid_of(const json::object& object) { return text(object, "metadata.uid"); }

std::string_view label(const json::object& object, std::string_view key) {
    const auto* value = object_at(object, "metadata.labels").if_contains(key);
    return value == nullptr ? std::string_view() : as_text(*value);
}

std::string_view annotation(const json::object& object, std::string_view key) {
    const auto* value = object_at(object, "metadata.annotations").if_contains(key);
    return value == nullptr ? std::string_view() : as_text(*value);
}

bool is_deleting(const json::object& object) { return field(object, "metadata.deletionTimestamp") != nullptr; }

bool has_finalizer(const json::object& object, std::string_view finalizer) {
    for (const auto& entry : array_at(object, "metadata.finalizers"))
        if (as_text(entry) == finalizer) return true;
    return false;
}

std::string key_of(const json::object& object) {
    const auto space = namespace_of(object);
    std::string key(space);
    if (!key.empty()) key += '/';
    key += name_of(object);
    return key;
}

Key split_key(std::string_view key) {
    const auto slash = key.find('/');
    if (slash == std::string_view::npos) return {"", std::string(key)};
    return {std::string(key.substr(0, slash)), std::string(key.substr(slash + 1))};
}

const json::object* controller_of(const json::object& object) {
    for (const auto& entry : array_at(object, "metadata.ownerReferences"))
        if (flag(as_object(entry), "controller")) return &entry.get_object();
    return nullptr;
}

json::object controller_reference(const json::object& owner, std::string_view api_version, std::string_view kind) {
    return {{"apiVersion", api_version}, {"kind", kind}, {"name", name_of(owner)}, {"uid", uid_of(owner)},
            {"controller", true}, {"blockOwnerDeletion", true}};
}

const json::object* condition_of(const json::object& object, std::string_view type) {
    for (const auto& entry : array_at(object, "status.conditions"))
        if (text(as_object(entry), "type") == type) return &entry.get_object();
    return nullptr;
}

std::string_view condition_status(const json::object& object, std::string_view type) {
    const auto* found = condition_of(object, type);
    return found == nullptr ? std::string_view() : text(*found, "status");
}

bool set_condition(json::array& conditions, json::object condition, hal::WallTime now) {
    const auto type = text(condition, "type");
    for (auto& entry : conditions) {
        if (text(as_object(entry), "type") != type) continue;
        const auto& before = entry.get_object();
        const bool is_same_status = text(before, "status") == text(condition, "status");
        const auto* since = before.if_contains("lastTransitionTime");
        condition["lastTransitionTime"] =
            is_same_status && since != nullptr && since->is_string() ? *since : json::value(hal::rfc3339(now));
        if (before == condition) return false;
        entry = std::move(condition);
        return true;
    }
    condition["lastTransitionTime"] = hal::rfc3339(now);
    conditions.emplace_back(std::move(condition));
    return true;
}

bool is_pod_ready(const json::object& pod) { return condition_status(pod, "Ready") == "True"; }

bool is_pod_finished(const json::object& pod) {
    const auto phase = text(pod, "status.phase");
    return phase == "Succeeded" || phase == "Failed";
}

bool is_pod_available(const json::object& pod, std::int64_t min_ready_seconds, hal::WallTime now) {
    const auto* ready = condition_of(pod, "Ready");
    if (ready == nullptr || text(*ready, "status") != "True") return false;
    if (min_ready_seconds <= 0) return true;
    const auto since = text(*ready, "lastTransitionTime");
    if (since.empty()) return false;
    const auto ready_since = hal::parse_rfc3339(std::string(since));
    // One that becomes ready only in the future was so before the clock was set back.
    return ready_since + std::chrono::seconds(min_ready_seconds) <= now || ready_since > now + std::chrono::seconds(1);
}

}  // namespace services::kubeclient
