// Server-side apply: merge, prune, conflict, own; as apimachinery's field managers stack it up.
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <format>

#include "services/kube/schema/assemble.hpp"
#include "services/kube/schema/field_walk.hpp"
#include "services/kube/schema/managers.hpp"
#include "services/kube/schema/node.hpp"
#include "services/kube/schema/structured_merge.hpp"

namespace services::kube::schema {

namespace {

constexpr std::string_view last_applied_key = "kubectl.kubernetes.io/last-applied-configuration";
constexpr std::size_t annotations_bytes_max = 256 * 1024;

struct Conflict {
    const Manager* manager;
    FieldSet fields;
};

std::string text_in(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}
const json::object* metadata_of(const json::object& object) {
    const auto* metadata = object.if_contains("metadata");
    return metadata == nullptr ? nullptr : metadata->if_object();
}

// "apps/v1, Kind=Deployment"; the core group is empty.
std::string group_version_kind(const json::object& object) {
    const std::string api_version = text_in(object, "apiVersion");
    return std::format("{}{}, Kind={}", api_version.contains('/') ? "" : "/", api_version, text_in(object, "kind"));
}

// "namespace/name; apps/v1, Kind=Deployment"
std::string named(const json::object& object) {
    const auto* metadata = metadata_of(object);
    return std::format("{}/{}; {}", metadata == nullptr ? "" : text_in(*metadata, "namespace"),
                       metadata == nullptr ? "" : text_in(*metadata, "name"), group_version_kind(object));
}

std::string printed(const Manager& manager) {
    std::string out = json::serialize(json::string(manager.name));
    if (!manager.subresource.empty()) out += std::format(" with subresource {}", json::serialize(json::string(manager.subresource)));
    if (!manager.is_applier()) out += " using " + manager.api_version;
    return out;
}

ApplyError error_of(std::vector<Conflict> conflicts) {
    std::ranges::sort(conflicts, {}, [](const Conflict& c) { return printed(*c.manager); });
    ApplyError out;
    out.is_conflict = true;
    std::string listed;
    for (const auto& conflict : conflicts) {
        const std::string manager = printed(*conflict.manager);
        listed += std::format("{}conflicts with {}:", listed.empty() ? "" : "\n", manager);
        for_each_member(conflict.fields, [&](const std::vector<const Element*>& path) {
            std::string field;
            for (const auto* element : path) field += element->path();
            listed += "\n- " + field;
            out.conflicts.push_back({"conflict with " + manager, std::move(field)});
        });
    }
    if (out.conflicts.size() == 1)
        out.message = std::format("Apply failed with 1 conflict: {}: {}", out.conflicts[0].message, out.conflicts[0].field);
    else out.message = std::format("Apply failed with {} conflicts: {}", out.conflicts.size(), listed);
    return out;
}

// What this manager applied last and no longer states goes, unless somebody else owns it or nobody ever applied it.
json::object prune(const Type& type, json::object merged, const Managers& managers, const FieldSet& last) {
    if (last.empty()) return merged;
    const auto fields = [&](const json::object& object) { return with_named_fields(type, field_set_of(type, object).value_or(FieldSet{})); };
    FieldSet owned_by_any;
    for (const auto& manager : managers) owned_by_any = unite(std::move(owned_by_any), manager.set);
    const FieldSet last_named = with_named_fields(type, last), merged_set = fields(merged);
    json::object pruned = without_items(type, merged, last_named);
    const FieldSet kept = unite(fields(pruned), with_named_fields(type, std::move(owned_by_any)));
    pruned = without_items(type, merged, subtract(merged_set, kept));
    return without_items(type, merged, intersect(subtract(merged_set, fields(pruned)), last_named));
}

struct Outcome {
    json::object object;
    Managers managers;
    std::vector<Conflict> conflicts;  // of managers in `before`
};

Outcome merge_for(const Type& type, const json::object& live, const json::object& config, const Managers& before, const Manager& self,
                  const Tracking& tracking, bool force) {
    Outcome out;
    out.managers = before;
    FieldSet last;
    if (const auto* previous = find_same(out.managers, self)) last = previous->set;
    std::erase_if(out.managers, [&](const Manager& manager) { return manager.is_same_as(self); });
    Manager applier = self;
    applier.set = field_set_of(type, config).value_or(FieldSet{});
    erase_reset_fields(type, tracking, applier.set);

    out.managers.push_back(applier);
    out.object = prune(type, merge_configuration(type, live, config), out.managers, last);
    out.managers.pop_back();

    auto changes = compare(type, live, out.object).value_or(FieldSet{});
    erase_reset_fields(type, tracking, changes);
    if (!force)
        for (const auto& manager : before) {
            if (manager.is_same_as(self)) continue;
            if (auto fields = intersect(manager.set, changes, added | modified); !fields.empty())
                out.conflicts.push_back({&manager, std::move(fields)});
        }
    if (!out.conflicts.empty()) return out;
    for (Manager& manager : out.managers) manager.set = subtract(std::move(manager.set), changes);
    applier.set = without_stripped(std::move(applier.set));
    out.managers.push_back(std::move(applier));
    std::erase_if(out.managers, [](const Manager& manager) { return manager.set.empty(); });
    return out;
}

const std::string* last_applied_of(const json::object& object, std::string& out) {
    const auto* metadata = metadata_of(object);
    const auto* annotations = metadata == nullptr ? nullptr : metadata->if_contains("annotations");
    if (annotations == nullptr || !annotations->is_object()) return nullptr;
    out = text_in(annotations->get_object(), last_applied_key);
    return out.empty() ? nullptr : &out;
}

// What kubectl's client-side apply set and nobody changed since: kubectl may take that over.
FieldSet allowed_by_last_applied(const Type& type, const json::object& live, const Tracking& tracking) {
    std::string text;
    if (last_applied_of(live, text) == nullptr) return {};
    const auto parsed = parse_json(text);
    if (!parsed || !parsed->is_object() || text_in(parsed->get_object(), "apiVersion") != tracking.api_version) return {};
    const auto& last = parsed->get_object();
    if (!configuration_error(type, last).empty()) return {};
    auto stated = field_set_of(type, last);
    const auto changes = compare(type, last, live);
    if (!stated || !changes) return {};
    return subtract(*std::move(stated), *changes);
}

// Go's JSON of the configuration: keys sorted, <, > and & escaped, a newline at the end.
std::string sorted_text(const json::value& value) {
    if (const auto* object = value.if_object()) {
        std::vector<std::string_view> keys;
        for (const auto& member : *object) keys.push_back(member.key());
        std::ranges::sort(keys);
        std::string out = "{";
        for (const auto key : keys) {
            if (out.size() > 1) out += ',';
            out += Element{Element::Kind::value, {}, json::string(key)}.text().substr(2) + ":" + sorted_text(object->at(key));
        }
        return out + "}";
    }
    if (const auto* array = value.if_array()) {
        std::string out = "[";
        for (const auto& item : *array) (out += out.size() == 1 ? "" : ",") += sorted_text(item);
        return out + "]";
    }
    return Element{Element::Kind::value, {}, value}.text().substr(2);
}

void refresh_last_applied(json::object& object, json::object config) {
    std::string text;
    if (last_applied_of(object, text) == nullptr) return;
    if (auto* metadata = config.if_contains("metadata"); metadata != nullptr && metadata->is_object()) {
        auto* annotations = metadata->get_object().if_contains("annotations");
        if (annotations != nullptr && annotations->is_object()) annotations->get_object().erase(last_applied_key);
        if (annotations != nullptr && annotations->is_object() && annotations->get_object().empty()) metadata->get_object().erase("annotations");
    }
    auto& annotations = object.at("metadata").at("annotations").as_object();
    annotations.insert_or_assign(last_applied_key, sorted_text(config) + "\n");
    std::size_t bytes = 0;
    for (const auto& member : annotations) bytes += member.key().size() + (member.value().is_string() ? member.value().get_string().size() : 0);
    if (bytes > annotations_bytes_max) annotations.erase(last_applied_key);
}

std::unexpected<ApplyError> refuse(std::string message, bool is_internal = false) {
    ApplyError error;
    error.message = std::move(message);
    error.is_internal = is_internal;
    return std::unexpected(std::move(error));
}

}  // namespace

std::expected<json::object, ApplyError> apply(const Type& type, const json::object* live, const json::object& config,
                                              const Tracking& tracking, bool force) {
    const std::string kind(type.name().substr(type.name().rfind('.') + 1));
    if (text_in(config, "apiVersion") != tracking.api_version || text_in(config, "kind") != kind)
        return refuse("invalid object type: " + group_version_kind(config));
    const auto* metadata = metadata_of(config);
    if (const auto* managed = metadata == nullptr ? nullptr : metadata->if_contains(managed_fields_key); managed != nullptr && !managed->is_null())
        return refuse("metadata.managedFields must be nil");
    if (auto error = configuration_error(type, config); !error.empty())
        return refuse(std::format("failed to create typed patch object ({}): {}", named(config), error), true);

    const json::object zero = Assembly(type).finish();
    json::object current = live == nullptr ? zero : *live;
    Managers before = live == nullptr ? Managers{} : read_managers(*live).value_or(Managers{});
    drop_managers(current);
    // A stored object may lack what its key says; the configuration does not.
    current.insert_or_assign("apiVersion", tracking.api_version);
    current.insert_or_assign("kind", kind);
    if (before.empty() && live != nullptr) {
        Tracking earlier = tracking;
        earlier.manager = "before-first-apply";
        earlier.operation = "Update";
        record_changes(type, zero, current, manager_from(earlier), earlier, before);
    }
    drop_unknown_versions(type, before);
    if (!compare(type, current, current)) return refuse("failed to create typed live object: a list has an element without its key", true);

    Tracking applying = tracking;
    applying.operation = "Apply";
    Manager self = manager_from(applying);
    const Manager* known = find_same(before, self);
    self.time = known == nullptr ? std::nullopt : known->time;
    Outcome outcome = merge_for(type, current, config, before, self, applying, force);
    if (!outcome.conflicts.empty() && tracking.manager == "kubectl") {
        // Moving from client-side to server-side apply: what the annotation vouches for is no conflict.
        const FieldSet allowed = allowed_by_last_applied(type, current, tracking);
        std::vector<Conflict> left;
        for (auto& conflict : outcome.conflicts)
            if (auto fields = subtract(conflict.fields, allowed); !fields.empty()) left.push_back({conflict.manager, std::move(fields)});
        outcome.conflicts = std::move(left);
        if (outcome.conflicts.empty()) outcome = merge_for(type, current, config, before, self, applying, true);
    }
    if (!outcome.conflicts.empty()) return std::unexpected(error_of(std::move(outcome.conflicts)));

    // Applying what is there already is no change and keeps the time.
    if (outcome.object != current)
        if (auto* applier = find_same(outcome.managers, self)) applier->time = tracking.time;
    if (tracking.manager == "kubectl") refresh_last_applied(outcome.object, config);
    if (const auto errors = normalise(type, outcome.object); !errors.empty())
        return refuse(std::format("failed to convert new typed object ({}) to object: {}", named(config), errors.front().message), true);
    write_managers(outcome.object, std::move(outcome.managers));
    return std::move(outcome.object);
}

}  // namespace services::kube::schema
