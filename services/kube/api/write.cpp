#include "services/kube/api/write.hpp"

#include <algorithm>
#include <array>
#include <format>

#include "hal/base/bytes.hpp"
#include "services/kube/api/admission.hpp"
#include "services/kube/api/delete.hpp"
#include "services/kube/api/request.hpp"
#include "services/kube/api/status.hpp"
#include "services/kube/kinds/report.hpp"
#include "services/kube/schema/managed_fields.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::api {
namespace {

using kubeclient::array_at;
using kubeclient::object_at;
using kubeclient::text;

constexpr std::size_t generated_suffix_characters = 5;
constexpr std::size_t generated_name_max = 63;
constexpr unsigned generate_attempts_max = 8;  // of a generateName that meets a taken name
constexpr unsigned modify_attempts_max = 10;

void throw_if_invalid(const kinds::Kind& kind, const json::object& object, const kinds::Causes& causes) {
    if (!causes.empty()) throw StatusError(invalid(kind, kubeclient::name_of(object), causes));
}

void append(kinds::Causes& causes, kinds::Causes more) { std::ranges::move(more, std::back_inserter(causes)); }

// rest.BeforeCreate up to the strategy.
void fill_new_metadata(const Api& api, const ResourceRequest& request, const kinds::Kind& kind, json::object& object) {
    auto& metadata = metadata_of(object);
    for (const auto* name : {"deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"}) metadata.erase(name);
    const auto prefix = std::string(text(metadata, "generateName"));
    if (text(metadata, "name").empty() && !prefix.empty())
        metadata["name"] = prefix.substr(0, generated_name_max - generated_suffix_characters) + random_suffix();
    if (kind.is_namespaced) metadata["namespace"] = request.name_space;
    metadata["uid"] = hal::random_uuid();
    metadata["creationTimestamp"] = hal::rfc3339(api.clock.wall());
}

// What the body says of itself fits the URL (rest.EnsureObjectNamespaceMatchesRequestNamespace, create and update handlers).
void check_place(const ResourceRequest& request, const kinds::Kind& kind, json::object& object) {
    auto& metadata = metadata_of(object);
    const auto name_space = text(metadata, "namespace");
    if (!kind.is_namespaced) {
        if (!name_space.empty()) throw StatusError(bad_request("namespace not allowed on this type"));
        return;
    }
    if (!name_space.empty() && name_space != request.name_space)
        throw StatusError(bad_request("the namespace of the provided object does not match the namespace sent on the request"));
    metadata["namespace"] = request.name_space;
}

void check_revision(const kinds::Kind& kind, const json::object& object, const Stored& before) {
    const auto name = kubeclient::name_of(before.object);
    const auto uid = text(object, "metadata.uid"), old_uid = text(before.object, "metadata.uid");
    const auto revision = text(object, "metadata.resourceVersion");
    if (!uid.empty() && uid != old_uid)
        throw StatusError(conflict(kind, name,
                                   std::format("StorageError: invalid object, Code: 4, Key: /registry/{}/{}{}, ResourceVersion: 0, AdditionalErrorMsg: "
                                               "Precondition failed: UID in precondition: {}, UID in object meta: {}",
                                               kind.plural, kind.is_namespaced ? std::string(kubeclient::namespace_of(before.object)) + "/" : "", name,
                                               uid, old_uid)));
    if (revision.empty() || revision == "0") {
        // The one strategy that does not allow an unconditional update.
        if (kind.plural == "leases") {
            kinds::Report report;
            report.invalid(kinds::Path("metadata.resourceVersion"), 0, "must be specified for an update");
            throw StatusError(invalid(kind, name, report.take()));
        }
        return;
    }
    if (!std::ranges::all_of(revision, [](char c) { return c >= '0' && c <= '9'; })) {
        kinds::Report report;
        report.invalid(kinds::Path("metadata.resourceVersion"), revision, std::format("strconv.ParseUint: parsing \"{}\": invalid syntax", revision));
        throw StatusError(bad_request("invalid resource version: " + report.take().front().message));
    }
    if (revision != text(before.object, "metadata.resourceVersion"))
        throw StatusError(conflict(kind, name, "the object has been modified; please apply your changes to the latest version and try again"));
}

// The strategies with AllowCreateOnUpdate: a PUT makes what is not there.
bool is_made_by_update(const kinds::Kind& kind) {
    constexpr auto plurals = std::to_array<std::string_view>({"endpoints", "events", "leases", "services"});
    return std::ranges::contains(plurals, kind.plural);
}

// rest.BeforeUpdate: what an update never changes.
void carry_over_metadata(json::object& object, const json::object& before) {
    auto& metadata = metadata_of(object);
    const auto& old = object_at(before, "metadata");
    const auto keep = [&](const char* name, bool only_if_missing) {
        if (only_if_missing && metadata.contains(name)) return;
        if (const auto* value = old.if_contains(name)) metadata[name] = *value;
        else if (!only_if_missing) metadata.erase(name);
    };
    keep("generation", false);
    keep("creationTimestamp", false);
    keep("uid", true);
    keep("namespace", true);
    if (old.contains("deletionTimestamp")) keep("deletionTimestamp", false);
    keep("deletionGracePeriodSeconds", true);
    metadata["resourceVersion"] = text(old, "resourceVersion");
    metadata.erase("selfLink");
}

// A write of the status takes nothing but status and metadata; any other leaves the status alone.
void keep_other_part(const ResourceRequest& request, const kinds::Kind& kind, json::object& object, const json::object& before) {
    const bool is_status = request.subresource == "status";
    const auto restore = [&](std::string_view name) {
        if (const auto* old = before.if_contains(name)) object[name] = *old;
        else object.erase(name);
    };
    if (!is_status) {
        if (kind.has_status) restore("status");
        return;
    }
    std::vector<std::string> names;
    for (const auto& member : object) names.emplace_back(member.key());
    for (const auto& member : before) names.emplace_back(member.key());
    for (const auto& name : names)
        if (name != "metadata" && name != "status") restore(name);
}

// Only times of managedFields differ: then nothing was changed, and the older times stay.
bool is_same(const json::object& object, const json::object& before) {
    if (object == before) return true;
    const auto timeless = [](const json::object& one) {
        auto copy = one;
        if (auto* metadata = copy.if_contains("metadata"); metadata && metadata->is_object())
            if (auto* fields = metadata->get_object().if_contains("managedFields"); fields && fields->is_array())
                for (auto& entry : fields->get_array())
                    if (entry.is_object()) entry.get_object().erase("time");
        return copy;
    };
    return timeless(object) == timeless(before);
}

}  // namespace

schema::Tracking tracking_of(const Api& api, const ResourceRequest& request, const kinds::Kind& kind) {
    schema::Tracking tracking;
    tracking.manager = schema::manager_of(request.field_manager, request.http.headers.get("User-Agent"));
    tracking.subresource = request.subresource;
    tracking.time = hal::rfc3339(api.clock.wall());
    tracking.api_version = kind.gvk.api_version();
    tracking.has_status = kind.has_status;
    return tracking;
}

json::object& metadata_of(json::object& object) {
    auto& value = object["metadata"];
    if (!value.is_object()) value.emplace_object();
    return value.get_object();
}

void apply_defaults(const kinds::Kind& kind, json::object& object) {
    if (const auto* type = schema::type_of(kind.gvk)) schema::apply_schema_defaults(*type, object);
    if (kind.apply_defaults) kind.apply_defaults(object);
}

Task<json::object> create_object(Api& api, ResourceRequest& request, const kinds::Kind& kind, json::object object) {
    const auto* type = schema::type_of(kind.gvk);
    if (!type) throw StatusError(internal_error("no schema of this kind"));
    apply_defaults(kind, object);
    check_place(request, kind, object);
    if (!request.is_dry_run && !text(object, "metadata.resourceVersion").empty())
        throw StatusError(internal_error("resourceVersion should not be set on objects to be created"));
    // An apply brought its own.
    if (request.http.method != "PATCH") schema::track_update(*type, object, nullptr, tracking_of(api, request, kind));
    co_await admit_create(api, request, kind, object);
    const bool is_generated = text(object, "metadata.name").empty();
    for (unsigned attempt = 1;; ++attempt) {
        auto candidate = object;
        fill_new_metadata(api, request, kind, candidate);
        if (kind.prepare_create) kind.prepare_create(candidate);
        auto causes = kinds::validate_metadata(kind, candidate);
        if (kind.validate) append(causes, kind.validate(candidate));
        throw_if_invalid(kind, candidate, causes);
        if (kind.warnings && attempt == 1)
            for (auto& warning : kind.warnings(candidate)) request.warnings.push_back(std::move(warning));
        auto reservation = reserve_for_create(api, request, kind, candidate);
        std::optional<Status> taken;
        try {
            candidate = co_await store_object(api, request, kind, std::move(candidate), 0);
            reservation.commit();
        } catch (const StatusError& failure) {
            if (!is_generated || failure.status.reason != "AlreadyExists" || attempt == generate_attempts_max) throw;
            taken = failure.status;
        }
        if (!taken) co_return candidate;
    }
}

Task<json::object> update_object(Api& api, ResourceRequest& request, const kinds::Kind& kind, Stored before, json::object object, bool is_applied) {
    const auto* type = schema::type_of(kind.gvk);
    if (!type) throw StatusError(internal_error("no schema of this kind"));
    apply_defaults(kind, object);
    check_revision(kind, object, before);
    if (!is_applied) schema::track_update(*type, object, &before.object, tracking_of(api, request, kind));
    const bool is_status = request.subresource == "status";
    carry_over_metadata(object, before.object);
    keep_other_part(request, kind, object, before.object);
    const auto* row = kind.find_subresource(request.subresource);
    const auto* part = row && row->is_part() ? row : nullptr;
    if (is_status) {
        if (kind.prepare_status) kind.prepare_status(object, before.object);
    } else if (part) {
        part->prepare(object, before.object);
    } else if (kind.prepare_update) {
        kind.prepare_update(object, before.object);
    }
    schema::normalise(*type, object);
    auto causes = kinds::validate_metadata_update(kind, object, before.object);
    if (is_status) {
        if (kind.validate_status) append(causes, kind.validate_status(object, before.object));
    } else if (part) {
        if (part->validate) append(causes, part->validate(object, before.object));
    } else if (kind.validate_update) {
        append(causes, kind.validate_update(object, before.object));
    }
    throw_if_invalid(kind, object, causes);
    if (!is_status && kind.update_warnings)
        for (auto& warning : kind.update_warnings(object, before.object)) request.warnings.push_back(std::move(warning));
    else if (!is_status && kind.warnings)
        for (auto& warning : kind.warnings(object)) request.warnings.push_back(std::move(warning));
    auto reservation = reserve_for_update(api, request, kind, object, before.object);
    if (is_same(object, before.object)) co_return before.object;
    if (ends_by_update(kind, object, before.object)) co_return co_await erase_object(api, request, kind, std::move(object), before.revision);
    const bool is_chatter = kind.is_heartbeat && kind.is_heartbeat(object, before.object);
    object = co_await store_object(api, request, kind, std::move(object), before.revision, is_chatter);
    reservation.commit();
    co_return object;
}

Task<http::Response> create(Api& api, ResourceRequest& request) {
    const auto options = write_options(request.http, "CreateOptions");
    request.is_dry_run = options.is_dry_run;
    request.field_manager = options.field_manager;
    auto object = decode_body(request, request.kind->gvk);
    object = co_await create_object(api, request, *request.kind, std::move(object));
    co_return object_response(api, request, 201, request.kind->gvk, std::move(object));
}

Task<http::Response> update(Api& api, ResourceRequest& request) {
    const auto options = write_options(request.http, "UpdateOptions");
    request.is_dry_run = options.is_dry_run;
    request.field_manager = options.field_manager;
    const auto& kind = *request.kind;
    auto object = decode_body(request, kind.gvk);
    const auto name = text(object, "metadata.name");
    if (name.empty()) throw StatusError(bad_request("name must be provided"));  // as meta accessors say it
    if (name != request.name)
        throw StatusError(bad_request(std::format("the name of the object ({}) does not match the name on the URL ({})", name, request.name)));
    check_place(request, kind, object);
    auto before = co_await find_object(api, kind, request.name_space, request.name);
    if (!before) {
        if (!is_made_by_update(kind) || !text(object, "metadata.resourceVersion").empty()) throw StatusError(not_found(kind, request.name));
        object = co_await create_object(api, request, kind, std::move(object));
        co_return object_response(api, request, 201, kind.gvk, std::move(object));
    }
    object = co_await update_object(api, request, kind, *std::move(before), std::move(object));
    co_return object_response(api, request, 200, kind.gvk, std::move(object));
}

Task<json::object> modify_object(Api& api, ResourceRequest& request, const kinds::Kind& kind, std::string name_space, std::string name,
                                 Change change) {
    for (unsigned attempt = 1;; ++attempt) {
        auto before = co_await load_object(api, kind, name_space, name);
        auto object = before.object;
        metadata_of(object).erase("resourceVersion");
        change(object);
        const bool is_conditional = !text(object, "metadata.resourceVersion").empty();
        if (!is_conditional) metadata_of(object)["resourceVersion"] = text(before.object, "metadata.resourceVersion");
        try {
            co_return co_await update_object(api, request, kind, std::move(before), std::move(object));
        } catch (const StatusError& failure) {
            if (is_conditional || failure.status.reason != "Conflict" || attempt == modify_attempts_max) throw;
        }
    }
}

}  // namespace services::kube::api
