#include "services/kube/schema/managed_fields.hpp"

#include <algorithm>
#include <array>
#include <tuple>

#include "services/kube/schema/assemble.hpp"
#include "services/kube/schema/field_walk.hpp"
#include "services/kube/schema/managers.hpp"

namespace services::kube::schema {

namespace {

constexpr std::size_t manager_bytes_max = 128;
constexpr std::string_view bucket_name = "ancient-changes";

// What a kind's strategy resets beyond the usual (a status write: spec; any other: status). By the type's name without
// "io.k8s.".
struct Reset {
    std::string_view type, subresource;
    std::vector<std::string_view> path;
};
const std::vector<Reset>& resets() {
    static const std::vector<Reset> table{
        {"api.core.v1.Pod", "status", {"metadata", "deletionTimestamp"}},
        {"api.core.v1.Pod", "status", {"metadata", "ownerReferences"}},
        {"api.apps.v1.Deployment", "status", {"metadata", "labels"}},
        {"api.networking.v1.ServiceCIDR", "status", {"metadata"}},
        {"api.storage.v1.VolumeAttachment", "status", {"metadata"}},
        {"api.admissionregistration.v1.ValidatingAdmissionPolicy", "status", {"metadata"}},
        {"api.flowcontrol.v1.FlowSchema", "status", {"metadata"}},
        {"api.flowcontrol.v1.PriorityLevelConfiguration", "status", {"metadata"}},
        {"api.resource.v1.ResourceClaim", "status", {"metadata"}},
        {"api.certificates.v1.CertificateSigningRequest", "", {"spec"}},
        {"api.certificates.v1.CertificateSigningRequest", "status", {"status", "conditions"}},
        {"api.certificates.v1.CertificateSigningRequest", "approval", {"spec"}},
        {"api.certificates.v1.CertificateSigningRequest", "approval", {"status", "certificate"}},
    };
    return table;
}

std::string text_of_member(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

const json::array* entries_of(const json::object& object) {
    const auto* metadata = object.if_contains("metadata");
    const auto* fields = metadata == nullptr || !metadata->is_object() ? nullptr : metadata->get_object().if_contains(managed_fields_key);
    return fields == nullptr ? nullptr : fields->if_array();
}

bool resets_managers(const json::object& object) {
    const auto* entries = entries_of(object);
    if (entries == nullptr) return false;
    return entries->empty() || (entries->size() == 1 && entries->front().is_object() && entries->front().get_object().empty());
}

bool has_uid(const json::object& object) {
    const auto* metadata = object.if_contains("metadata");
    return metadata != nullptr && metadata->is_object() && !text_of_member(metadata->get_object(), "uid").empty();
}

// The oldest updates beyond the limit become one entry for each version.
void cap_update_managers(Managers& managers) {
    std::vector<std::size_t> updaters;
    for (std::size_t i = 0; i < managers.size(); ++i)
        if (!managers[i].is_applier()) updaters.push_back(i);
    if (updaters.size() <= update_managers_max) return;
    std::ranges::sort(updaters, {}, [&](std::size_t i) {
        const Manager& m = managers[i];
        return std::tuple(m.time.value_or(""), std::string_view(m.name), std::string_view(m.api_version), std::string_view(m.subresource));
    });
    std::size_t length = updaters.size();
    std::vector<std::size_t> first_of_version;
    std::vector<bool> is_gone(managers.size());
    for (const std::size_t at : updaters) {
        if (length <= update_managers_max) break;
        Manager& merged = managers[at];
        const auto first = std::ranges::find_if(first_of_version, [&](std::size_t i) { return managers[i].api_version == merged.api_version; });
        if (first == first_of_version.end()) {
            first_of_version.push_back(at);
            continue;
        }
        // The first one becomes the bucket, unless an earlier write has left one.
        const Manager as_bucket{std::string(bucket_name), "Update", merged.api_version, "", {}, {}};
        std::size_t bucket = *first;
        for (std::size_t i = 0; i < managers.size(); ++i)
            if (!is_gone[i] && managers[i].is_same_as(as_bucket)) bucket = i;
        if (bucket == at) continue;
        managers[bucket].name = bucket_name;
        managers[bucket].subresource.clear();
        managers[bucket].set = unite(std::move(managers[bucket].set), merged.set);
        managers[bucket].time = merged.time;
        is_gone[at] = true;
        --length;
    }
    std::size_t i = 0;
    std::erase_if(managers, [&](const Manager&) { return is_gone[i++]; });
}

}  // namespace

std::string manager_of(std::string_view field_manager, std::string_view user_agent) {
    if (!field_manager.empty()) return std::string(field_manager);
    std::string out;
    const std::string_view name = user_agent.substr(0, user_agent.find('/'));
    for (std::size_t i = 0; i < name.size();) {
        const auto lead = static_cast<unsigned char>(name[i]);
        const std::size_t length = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
        const auto rune = name.substr(i, length);
        i += length;
        if (lead < 0x20 || lead == 0x7f || (lead >= 0x80 && lead < 0xc0)) continue;  // not printable
        if (out.size() + rune.size() > manager_bytes_max) break;
        out += rune;
    }
    return out;
}

std::optional<Managers> read_managers(const json::object& object) {
    Managers out;
    const auto* entries = entries_of(object);
    if (entries == nullptr) return out;
    for (const auto& value : *entries) {
        const auto* entry = value.if_object();
        if (entry == nullptr) return std::nullopt;
        Manager manager{text_of_member(*entry, "manager"), text_of_member(*entry, "operation"), text_of_member(*entry, "apiVersion"),
                        text_of_member(*entry, "subresource"), std::nullopt, {}};
        if (manager.operation != "Apply" && manager.operation != "Update") return std::nullopt;
        if (manager.api_version.empty() || text_of_member(*entry, "fieldsType") != "FieldsV1") return std::nullopt;
        if (auto time = text_of_member(*entry, "time"); !time.empty()) manager.time = std::move(time);
        if (const auto* fields = entry->if_contains("fieldsV1"); fields != nullptr && fields->is_object()) {
            auto set = read_fields_v1(fields->get_object());
            if (!set) return std::nullopt;
            manager.set = *std::move(set);
        }
        // As in a Go map, the last one of the same name counts.
        if (auto* same = find_same(out, manager)) *same = std::move(manager);
        else out.push_back(std::move(manager));
    }
    return out;
}

void drop_managers(json::object& object) {
    if (auto* metadata = object.if_contains("metadata"); metadata != nullptr && metadata->is_object())
        metadata->get_object().erase(managed_fields_key);
}

void write_managers(json::object& object, Managers managers) {
    std::ranges::sort(managers, {}, [](const Manager& m) {
        return std::tuple(std::string_view(m.operation), m.time.value_or(""), std::string_view(m.name), std::string_view(m.api_version),
                          std::string_view(m.subresource));
    });
    json::array entries;
    entries.reserve(managers.size());
    for (const Manager& manager : managers) {
        json::object entry;
        if (!manager.name.empty()) entry.emplace("manager", manager.name);
        entry.emplace("operation", manager.operation);
        entry.emplace("apiVersion", manager.api_version);
        if (manager.time) entry.emplace("time", *manager.time);
        entry.emplace("fieldsType", "FieldsV1");
        entry.emplace("fieldsV1", fields_v1(manager.set));
        if (!manager.subresource.empty()) entry.emplace("subresource", manager.subresource);
        entries.push_back(std::move(entry));
    }
    if (entries.empty()) return drop_managers(object);
    auto& metadata = object["metadata"];
    if (!metadata.is_object()) metadata.emplace_object();
    metadata.get_object().insert_or_assign(managed_fields_key, std::move(entries));
}

Manager manager_from(const Tracking& tracking) {
    // The real server loses the time of what a scale wrote: it looks it up among the entries that were there before.
    const bool has_time = tracking.subresource != "scale";
    return {tracking.manager.empty() ? "unknown" : tracking.manager, tracking.operation, tracking.api_version, tracking.subresource,
            has_time ? std::optional(tracking.time) : std::nullopt, {}};
}

Manager* find_same(Managers& managers, const Manager& manager) {
    const auto found = std::ranges::find_if(managers, [&](const Manager& other) { return other.is_same_as(manager); });
    return found == managers.end() ? nullptr : &*found;
}

void erase_reset_fields(const Type& type, const Tracking& tracking, FieldSet& set) {
    if (tracking.subresource == "status") erase_below(set, {"spec"});
    else if (tracking.has_status && tracking.subresource != "approval") erase_below(set, {"status"});
    const std::string_view name = type.name().starts_with("io.k8s.") ? type.name().substr(7) : type.name();
    for (const Reset& reset : resets())
        if (reset.type == name && reset.subresource == tracking.subresource) erase_below(set, reset.path);
}

FieldSet without_stripped(FieldSet set) {
    static const FieldSet stripped = [] {
        FieldSet out;
        for (const std::string_view name : {"apiVersion", "kind", "metadata"}) out.insert({Element::field(name)});
        for (const std::string_view name : {"name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation",
                                            "managedFields", "resourceVersion"})
            out.insert({Element::field("metadata"), Element::field(name)});
        return out;
    }();
    return subtract(std::move(set), stripped);
}

void drop_unknown_versions(const Type& type, Managers& managers) {
    const std::string kind(type.name().substr(type.name().rfind('.') + 1));
    std::erase_if(managers, [&](const Manager& manager) {
        const auto slash = manager.api_version.find('/');
        return slash == std::string::npos ? type_of({"", manager.api_version, kind}) == nullptr
                                          : type_of({manager.api_version.substr(0, slash), manager.api_version.substr(slash + 1), kind}) == nullptr;
    });
}

bool record_changes(const Type& type, const json::object& before, const json::object& after, const Manager& self,
                    const Tracking& tracking, Managers& managers) {
    auto changes = compare(type, before, after);
    if (!changes) return false;
    erase_reset_fields(type, tracking, *changes);
    for (Manager& manager : managers) manager.set = subtract(std::move(manager.set), *changes);
    std::erase_if(managers, [](const Manager& manager) { return manager.set.empty(); });
    FieldSet gained = without_stripped(unite({}, *changes, added | modified));
    if (gained.empty()) return true;  // nothing changed hands: times stay
    if (Manager* previous = find_same(managers, self)) {
        previous->set = unite(std::move(previous->set), gained);
        previous->time = self.time;
    } else {
        managers.push_back(self);
        managers.back().set = std::move(gained);
    }
    return true;
}

void track_update(const Type& type, json::object& object, const json::object* before, const Tracking& tracking) {
    // What the request says of managedFields counts for the main resource alone, and only if it says something.
    std::optional<Managers> stated;
    if (tracking.subresource.empty()) {
        if (resets_managers(object)) stated.emplace();
        else if ((stated = read_managers(object)); stated && stated->empty()) stated.reset();
    }
    Managers managers = stated                ? *std::move(stated)
                        : before != nullptr ? read_managers(*before).value_or(Managers{})
                                            : Managers{};
    drop_managers(object);
    // An object that nobody tracks stays untracked until somebody applies to it.
    if (managers.empty() && before != nullptr && has_uid(*before)) return;
    const json::object zero = before != nullptr ? json::object() : Assembly(type).finish();
    drop_unknown_versions(type, managers);
    if (!record_changes(type, before != nullptr ? *before : zero, object, manager_from(tracking), tracking, managers)) {
        // Incomparable objects keep what is known, as the real server does.
        const auto* entries = before == nullptr ? nullptr : entries_of(*before);
        if (entries != nullptr) object["metadata"].as_object().insert_or_assign(managed_fields_key, *entries);
        return;
    }
    cap_update_managers(managers);
    write_managers(object, std::move(managers));
}

}  // namespace services::kube::schema
