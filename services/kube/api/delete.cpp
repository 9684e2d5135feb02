#include "services/kube/api/delete.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <format>

#include "services/kube/api/admission.hpp"
#include "services/kube/api/decode.hpp"
#include "services/kube/api/list.hpp"
#include "services/kube/api/request.hpp"
#include "services/kube/api/status.hpp"
#include "services/kube/api/write.hpp"
#include "services/kube/kinds/report.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::api {
namespace {

using kubeclient::array_at;
using kubeclient::number;
using kubeclient::object_at;
using kubeclient::text;

constexpr std::string_view orphan_finalizer = "orphan";
constexpr std::string_view foreground_finalizer = "foregroundDeletion";
constexpr unsigned attempts_max = 10;  // with other writers in between

// Kinds whose deletion answers the object; the others answer a Status.
bool answers_object(const kinds::Kind& kind) {
    constexpr auto plurals = std::to_array<std::string_view>({"namespaces", "pods", "services", "serviceaccounts", "resourcequotas",
                                                              "persistentvolumes", "persistentvolumeclaims", "podtemplates"});
    return kind.gvk.group.empty() && std::ranges::contains(plurals, kind.plural);
}

bool is_pod(const kinds::Kind& kind) { return kind.gvk.group.empty() && kind.plural == "pods"; }
bool is_namespace(const kinds::Kind& kind) { return kind.gvk.group.empty() && kind.plural == "namespaces"; }

bool contains(const json::array& list, std::string_view text) {
    return std::ranges::any_of(list, [&](const json::value& one) { return kubeclient::as_text(one) == text; });
}

void set_finalizers(json::object& object, json::array finalizers) {
    auto& metadata = metadata_of(object);
    if (finalizers.empty()) metadata.erase("finalizers");
    else metadata["finalizers"] = std::move(finalizers);
}

// deletionFinalizersForGarbageCollection: what the propagation policy asks for. True when the list changed.
bool apply_propagation(const kinds::Kind& kind, json::object& object, const DeleteOptions& options) {
    const auto& old = array_at(object, "metadata.finalizers");
    bool orphan = contains(old, orphan_finalizer), foreground = contains(old, foreground_finalizer);
    if (kind.plural == "events") {
        orphan = foreground = false;
    } else if (options.orphan_dependents) {
        orphan = *options.orphan_dependents;
        foreground = false;
    } else if (!options.propagation.empty()) {
        orphan = options.propagation == "Orphan";
        foreground = options.propagation == "Foreground";
    } else if (orphan) {
        foreground = false;
    }
    json::array kept;
    for (const auto& one : old)
        if (const auto name = kubeclient::as_text(one); name != orphan_finalizer && name != foreground_finalizer) kept.push_back(one);
    if (orphan) kept.emplace_back(orphan_finalizer);
    if (foreground) kept.emplace_back(foreground_finalizer);
    const bool is_changed = orphan != contains(old, orphan_finalizer) || foreground != contains(old, foreground_finalizer);
    if (is_changed) set_finalizers(object, std::move(kept));
    return is_changed;
}

void raise_generation(json::object& object) {
    if (const auto generation = number(object, "metadata.generation"); generation > 0) metadata_of(object)["generation"] = generation + 1;
}

void mark_as_deleting(json::object& object, hal::WallTime now) {
    auto& metadata = metadata_of(object);
    const auto old = std::string(text(metadata, "deletionTimestamp"));
    if (old.empty()) raise_generation(object);
    if (old.empty() || hal::parse_rfc3339(old) > now) metadata["deletionTimestamp"] = hal::rfc3339(now);
    metadata["deletionGracePeriodSeconds"] = 0;
}

void check_preconditions(const kinds::Kind& kind, const json::object& object, const DeleteOptions& options) {
    const auto name = kubeclient::name_of(object);
    const auto uid = text(object, "metadata.uid"), revision = text(object, "metadata.resourceVersion");
    const auto fail = [&](const std::string& why) {
        auto status = conflict(kind, name, why);
        if (!is_namespace(kind)) {  // the registry names the kind here, not the resource
            const auto qualified = kind.gvk.group.empty() ? kind.gvk.kind : kind.gvk.kind + "." + kind.gvk.group;
            status.message = std::format("Operation cannot be fulfilled on {} \"{}\": {}", qualified, name, why);
            (*status.details)["kind"] = kind.gvk.kind;
        }
        throw StatusError(std::move(status));
    };
    if (!options.uid.empty() && options.uid != uid)
        fail(is_namespace(kind) ? std::format("Precondition failed: UID in precondition: {}, UID in object meta: {}", options.uid, uid)
                                : std::format("the UID in the precondition ({}) does not match the UID in record ({}). The object might have been "
                                              "deleted and then recreated", options.uid, uid));
    if (!options.revision.empty() && options.revision != revision)
        fail(is_namespace(kind)
                 ? std::format("Precondition failed: ResourceVersion in precondition: {}, ResourceVersion in object meta: {}", options.revision, revision)
                 : std::format("the ResourceVersion in the precondition ({}) does not match the ResourceVersion in record ({}). The object might have "
                               "been modified", options.revision, revision));
}

enum class Step { none, update, erase };

// What one request does to a pod's grace period. `update`: the kubelet ends it and deletes with grace 0.
Step shorten_grace(json::object& pod, const DeleteOptions& options, hal::WallTime now) {
    auto& metadata = metadata_of(pod);
    auto period = options.grace_seconds.value_or(number(pod, "spec.terminationGracePeriodSeconds"));
    const auto phase = text(pod, "status.phase");
    if (metadata.contains("deletionTimestamp")) {
        const auto running = number(metadata, "deletionGracePeriodSeconds");
        if (running == 0) return Step::erase;
        if (!options.grace_seconds || period >= running) return Step::none;
        auto end = hal::parse_rfc3339(std::string(text(metadata, "deletionTimestamp"))) - std::chrono::seconds(running) + std::chrono::seconds(period);
        // Never into the past; and who asked for grace leaves the last word to the kubelet.
        if (end < now) {
            end = now;
            if (period != 0) period = 1;
        }
        metadata["deletionTimestamp"] = hal::rfc3339(end);
        metadata["deletionGracePeriodSeconds"] = period;
        return period == 0 ? Step::erase : Step::update;
    }
    if (text(pod, "spec.nodeName").empty() || phase == "Failed" || phase == "Succeeded") period = 0;
    if (period < 0) period = 1;
    metadata["deletionTimestamp"] = hal::rfc3339(now + std::chrono::seconds(period));
    metadata["deletionGracePeriodSeconds"] = period;
    raise_generation(pod);
    return period == 0 ? Step::erase : Step::update;
}

// The first deletion of a namespace only begins its end; the second one needs the namespace controller to be done.
Step end_namespace(json::object& object, const DeleteOptions& options, const kinds::Kind& kind, hal::WallTime now) {
    if (!kubeclient::is_deleting(object)) {
        metadata_of(object)["deletionTimestamp"] = hal::rfc3339(now);
        kubeclient::make_object(object, "status")["phase"] = "Terminating";
        apply_propagation(kind, object, options);
        return Step::update;
    }
    return array_at(object, "spec.finalizers").empty() ? Step::erase : Step::none;
}

Step step_of(const kinds::Kind& kind, json::object& object, const DeleteOptions& options, hal::WallTime now) {
    if (is_namespace(kind)) {
        const auto step = end_namespace(object, options, kind, now);
        if (step != Step::erase || array_at(object, "metadata.finalizers").empty()) return step;
        return Step::none;
    }
    auto step = Step::erase;
    if (is_pod(kind)) step = shorten_grace(object, options, now);
    if (step == Step::none) return step;
    apply_propagation(kind, object, options);
    if (array_at(object, "metadata.finalizers").empty()) return step;
    if (step == Step::erase) mark_as_deleting(object, now);
    return Step::update;
}

json::object details_of(const kinds::Kind& kind, const json::object& object) {
    json::object details{{"name", kubeclient::name_of(object)}};
    if (!kind.gvk.group.empty()) details["group"] = kind.gvk.group;
    details["kind"] = kind.plural;
    details["uid"] = kubeclient::uid_of(object);
    return details;
}

}  // namespace

bool ends_by_update(const kinds::Kind& kind, const json::object& object, const json::object& before) {
    if (!kubeclient::is_deleting(object) || !array_at(object, "metadata.finalizers").empty()) return false;
    if (is_namespace(kind)) return array_at(object, "spec.finalizers").empty();
    // One that had none before waits for its grace period to end, not for a finalizer.
    if (array_at(before, "metadata.finalizers").empty()) return false;
    return number(object, "metadata.deletionGracePeriodSeconds") == 0;
}

Task<json::object> erase_object(Api& api, const ResourceRequest& request, const kinds::Kind& kind, json::object object, store::Revision expected) {
    if (request.is_dry_run) co_return object;
    const std::string name_space(kubeclient::namespace_of(object)), name(kubeclient::name_of(object));
    std::optional<Status> failure;
    try {
        co_await api.store.erase(
            key_of(kind, name_space, name),
            [&](store::Revision revision) {
                auto last = object;
                metadata_of(last)["resourceVersion"] = std::to_string(revision);
                return json::serialize(kind.to_stored ? kind.to_stored(last) : last);
            },
            expected, kind.is_relaxed ? store::Durability::relaxed : store::Durability::durable);
    } catch (const hal::Error& error) {
        if (error.code() == hal::Code::not_found) failure = not_found(kind, name);
        else if (error.code() == hal::Code::conflict)
            failure = conflict(kind, name, "the object has been modified; please apply your changes to the latest version and try again");
        else throw;
    }
    if (failure) throw StatusError(*std::move(failure));
    release(api, kind, object);
    co_return object;
}

DeleteOptions delete_options(ResourceRequest& request) {
    DeleteOptions out;
    kinds::Report report;
    json::object body;
    if (!request.http.body.empty()) body = decode_body(request, {"meta.k8s.io", "v1", "DeleteOptions"});
    const auto options = write_options(request.http, "DeleteOptions");
    request.is_dry_run = options.is_dry_run;
    for (const auto& one : array_at(body, "dryRun")) {
        if (one != "All") report.not_supported(kinds::Path("dryRun"), array_at(body, "dryRun"), {"All"});
        request.is_dry_run = true;
    }
    if (const auto* seconds = body.if_contains("gracePeriodSeconds"); seconds && seconds->is_int64()) out.grace_seconds = seconds->get_int64();
    else if (body.empty()) out.grace_seconds = integer_option(request.http, "gracePeriodSeconds");
    if (const auto* orphan = body.if_contains("orphanDependents"); orphan && orphan->is_bool()) out.orphan_dependents = orphan->get_bool();
    else if (body.empty() && request.http.query_value("orphanDependents")) out.orphan_dependents = flag_option(request.http, "orphanDependents");
    out.propagation = text(body, "propagationPolicy");
    if (body.empty()) out.propagation = request.query("propagationPolicy");
    out.uid = text(body, "preconditions.uid");
    out.revision = text(body, "preconditions.resourceVersion");
    const kinds::Path path("propagationPolicy");
    if (!out.propagation.empty() && out.orphan_dependents)
        report.invalid(path, out.propagation, "orphanDependents and deletionPropagation cannot be both set");
    else if (!out.propagation.empty() && out.propagation != "Foreground" && out.propagation != "Background" && out.propagation != "Orphan")
        report.not_supported(path, out.propagation, {"Foreground", "Background", "Orphan", "nil"});
    if (!report.is_empty()) throw StatusError(invalid(schema::GroupVersionKind{"meta.k8s.io", "v1", "DeleteOptions"}, "", report.take()));
    if (out.grace_seconds && *out.grace_seconds < 0) out.grace_seconds = 1;
    return out;
}

Task<Removed> remove_object(Api& api, ResourceRequest& request, const kinds::Kind& kind, std::string name_space, std::string name,
                            DeleteOptions options) {
    for (unsigned attempt = 1;; ++attempt) {
        auto before = co_await load_object(api, kind, name_space, name);
        check_preconditions(kind, before.object, options);
        auto object = before.object;
        const auto step = step_of(kind, object, options, api.clock.wall());
        if (step == Step::none) co_return Removed{std::move(before.object), false};
        try {
            // A pod's grace period is written down before the pod goes, so that watchers see how it ended.
            if (step == Step::erase && object != before.object && !request.is_dry_run) {
                object = co_await store_object(api, request, kind, std::move(object), before.revision);
                before.revision = std::stoll(std::string(text(object, "metadata.resourceVersion")));
            }
            if (step == Step::erase) co_return Removed{co_await erase_object(api, request, kind, std::move(object), before.revision), true};
            co_return Removed{co_await store_object(api, request, kind, std::move(object), before.revision), false};
        } catch (const StatusError& failure) {
            if (failure.status.reason != "Conflict" || attempt == attempts_max) throw;
        }
    }
}

Task<http::Response> remove(Api& api, ResourceRequest& request) {
    const auto options = delete_options(request);
    const auto& kind = *request.kind;
    if (is_namespace(kind))  // NamespaceLifecycle
        for (const std::string_view kept : {"default", "kube-system", "kube-public"})
            if (request.name == kept) throw StatusError(forbidden(kind, kept, "this namespace may not be deleted"));
    auto removed = co_await remove_object(api, request, kind, request.name_space, request.name, options);
    if (removed.is_gone && !answers_object(kind)) co_return success_response(details_of(kind, removed.object));
    const bool is_accepted = !removed.is_gone && options.orphan_dependents && !*options.orphan_dependents;
    co_return object_response(api, request, is_accepted ? 202 : 200, kind.gvk, std::move(removed.object));
}

Task<http::Response> remove_collection(Api& api, ResourceRequest& request) {
    const auto options = delete_options(request);
    const auto& kind = *request.kind;
    auto lister = lister_of(api, request);
    json::array items;
    do {
        for (auto& item : co_await lister.next()) {
            auto object = item.object ? *std::move(item.object) : read_value(kind, *item.record.value);
            try {
                co_await remove_object(api, request, kind, item.record.key.name_space, item.record.key.name, options);
            } catch (const StatusError& failure) {
                if (failure.status.reason != "NotFound") throw;  // somebody else was faster
            }
            items.push_back(std::move(object));
        }
    } while (!lister.is_done());
    json::object list{{"kind", kind.list_kind}, {"apiVersion", kind.gvk.api_version()}, {"metadata", list_metadata(lister)}, {"items", std::move(items)}};
    co_return http::json_response(200, json::serialize(list) + "\n");
}

}  // namespace services::kube::api
