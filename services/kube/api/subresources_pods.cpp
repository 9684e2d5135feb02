// pods/binding, bindings and pods/eviction; namespaces/finalize.
#include <boost/json/object.hpp>

#include "services/kube/api/delete.hpp"
#include "services/kube/api/objects.hpp"
#include "services/kube/api/status.hpp"
#include "services/kube/api/subresources_table.hpp"
#include "services/kube/api/write.hpp"
#include "services/kube/kinds/report.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::api {
namespace {

using kubeclient::text;

const schema::GroupVersionKind binding_kind{"", "v1", "Binding"};
const schema::GroupVersionKind eviction_kind{"policy", "v1", "Eviction"};

void require_name(const json::object& body, const std::string& name, std::string_view what) {
    if (kubeclient::name_of(body) != name)
        throw StatusError(bad_request("name in URL does not match name in " + std::string(what) + " object"));
}

// The real server forgets to make these an Invalid Status; clients see 500 with the bare texts.
void check_binding(const json::object& binding) {
    kinds::Report report;
    const auto kind = text(binding, "target.kind");
    if (!kind.empty() && kind != "Node") report.not_supported(kinds::Path("target.kind"), kind, {"Node", "<empty>"});
    if (text(binding, "target.name").empty()) report.required(kinds::Path("target.name"));
    const auto causes = report.take();
    if (causes.empty()) return;
    std::string joined;
    for (const auto& cause : causes) joined += (joined.empty() ? "" : ", ") + cause.field + ": " + cause.message;
    throw StatusError(Status{500, "", causes.size() == 1 ? joined : "[" + joined + "]", {}, ""});
}

Status binding_conflict(const std::string& pod, const std::string& why) {
    return {409, "Conflict", "Operation cannot be fulfilled on pods/binding \"" + pod + "\": " + why, json::object{{"name", pod}, {"kind", "pods/binding"}}, ""};
}

void set_pod_condition(json::object& pod, json::object condition, hal::WallTime now) {
    auto& conditions = kubeclient::make_object(pod, "status")["conditions"];
    if (!conditions.is_array()) conditions = json::array{};
    kubeclient::set_condition(conditions.get_array(), std::move(condition), now);
}

void assign(json::object& pod, const json::object& binding, hal::WallTime now) {
    const std::string name(kubeclient::name_of(pod));
    const auto refuse = [&](const std::string& why) { throw StatusError(binding_conflict(name, why)); };
    const std::string uid(text(binding, "metadata.uid")), revision(text(binding, "metadata.resourceVersion"));
    if (!uid.empty() && uid != kubeclient::uid_of(pod))
        refuse("Precondition failed: UID in precondition: " + uid + ", UID in object meta: " + std::string(kubeclient::uid_of(pod)));
    if (!revision.empty() && revision != text(pod, "metadata.resourceVersion"))
        refuse("Precondition failed: ResourceVersion in precondition: " + revision + ", ResourceVersion in object meta: " +
               std::string(text(pod, "metadata.resourceVersion")));
    if (kubeclient::is_deleting(pod)) refuse("pod " + name + " is being deleted, cannot be assigned to a host");
    if (const auto node = text(pod, "spec.nodeName"); !node.empty()) refuse("pod " + name + " is already assigned to node \"" + std::string(node) + "\"");
    if (!kubeclient::array_at(pod, "spec.schedulingGates").empty()) refuse("pod " + name + " has non-empty .spec.schedulingGates");

    pod["spec"].as_object()["nodeName"] = text(binding, "target.name");
    for (const auto* map : {"annotations", "labels"})
        for (const auto& [key, value] : kubeclient::object_at(binding, std::string("metadata.") + map))
            kubeclient::make_object(pod, std::string("metadata.") + map)[key] = value;
    kubeclient::make_object(pod, "status").erase("nominatedNodeName");
    set_pod_condition(pod, {{"type", "PodScheduled"}, {"status", "True"}, {"lastProbeTime", nullptr}}, now);
}

// The pod says why it goes, so that its owner does not count it as failed.
void mark_evicted(const kinds::Kind& kind, const DeleteOptions& options, json::object& pod, hal::WallTime now) {
    const std::string uid(kubeclient::uid_of(pod)), revision(text(pod, "metadata.resourceVersion"));
    if (!options.uid.empty() && options.uid != uid)
        throw StatusError(conflict(kind, kubeclient::name_of(pod), "Precondition failed: UID in precondition: " + options.uid + ", UID in object meta: " + uid));
    if (!options.revision.empty() && options.revision != revision)
        throw StatusError(conflict(kind, kubeclient::name_of(pod),
                                   "Precondition failed: ResourceVersion in precondition: " + options.revision + ", ResourceVersion in object meta: " + revision));
    set_pod_condition(pod,
                      {{"type", "DisruptionTarget"},
                       {"status", "True"},
                       {"lastProbeTime", nullptr},
                       {"reason", "EvictionByEvictionAPI"},
                       {"message", "Eviction API: evicting"}},
                      now);
}

Task<http::Response> bind(Api& api, ResourceRequest& request, json::object binding) {
    check_binding(binding);
    const auto name = std::string(kubeclient::name_of(binding));
    const auto now = api.clock.wall();
    co_await change_stored(api, request, core_kind("pods"), request.name_space, name,
                           [&binding, now](json::object& pod) { assign(pod, binding, now); });
    co_return created_status();
}

}  // namespace

Task<http::Response> bind_pod(Api& api, ResourceRequest& request) {
    auto binding = decode_created(request, binding_kind);
    require_name(binding, request.name, "Binding");
    co_return co_await bind(api, request, std::move(binding));
}

Task<http::Response> create_binding(Api& api, ResourceRequest& request) {
    auto binding = decode_created(request, binding_kind);
    co_return co_await bind(api, request, std::move(binding));
}

// There are no disruption budgets here yet, so an eviction is a delete with the options that it carries.
Task<http::Response> evict_pod(Api& api, ResourceRequest& request) {
    const auto eviction = decode_created(request, eviction_kind);
    require_name(eviction, request.name, "Eviction");
    DeleteOptions options;
    if (const auto* grace = kubeclient::field(eviction, "deleteOptions.gracePeriodSeconds"); grace != nullptr && grace->is_int64())
        options.grace_seconds = grace->get_int64();
    options.uid = text(eviction, "deleteOptions.preconditions.uid");
    options.revision = text(eviction, "deleteOptions.preconditions.resourceVersion");
    options.propagation = text(eviction, "deleteOptions.propagationPolicy");
    for (const auto& dry_run : kubeclient::array_at(eviction, "deleteOptions.dryRun"))
        if (kubeclient::as_text(dry_run) == "All") request.is_dry_run = true;
    if (!request.is_dry_run) {
        co_await change_stored(api, request, *request.kind, request.name_space, request.name,
                               [&options, &request, now = api.clock.wall()](json::object& pod) { mark_evicted(*request.kind, options, pod, now); });
        options.revision.clear();  // it held; the mark itself moved it
    }
    co_await remove_object(api, request, *request.kind, request.name_space, request.name, std::move(options));
    co_return created_status();
}

// Only spec.finalizers is taken; the last one gone, a namespace that is being deleted is gone too.
Task<http::Response> finalize_namespace(Api& api, ResourceRequest& request) {
    const auto& kind = *request.kind;
    take_options(request, "UpdateOptions");
    const auto body = decode_body(request, kind.gvk);
    if (const auto name = kubeclient::name_of(body); name != request.name)
        throw StatusError(bad_request("the name of the object (" + std::string(name) + ") does not match the name on the URL (" + request.name + ")"));
    const std::string revision(text(body, "metadata.resourceVersion"));
    const auto finalizers = kubeclient::array_at(body, "spec.finalizers");
    const auto change = [&](json::object& object) {
        if (!revision.empty() && revision != text(object, "metadata.resourceVersion"))
            throw StatusError(conflict(kind, request.name, "the object has been modified; please apply your changes to the latest version and try again"));
        const auto before = object;
        auto& spec = kubeclient::make_object(object, "spec");
        if (finalizers.empty()) spec.erase("finalizers");
        else spec["finalizers"] = finalizers;
        schema::track_update(*schema::type_of(kind.gvk), object, &before, tracking_of(api, request, kind));
    };
    auto stored = co_await load_object(api, kind, "", request.name);
    const bool is_last = finalizers.empty() && kubeclient::is_deleting(stored.object) && kubeclient::array_at(stored.object, "metadata.finalizers").empty();
    json::object written;
    if (is_last) {
        change(stored.object);
        written = co_await erase_object(api, request, kind, std::move(stored.object), stored.revision);
    } else {
        written = co_await change_stored(api, request, kind, "", request.name, change);
    }
    co_return object_response(api, request, 200, kind.gvk, std::move(written));
}

}  // namespace services::kube::api
