#include "services/kube/api/admission.hpp"

#include "hal/base/bytes.hpp"
#include "services/kube/api/objects.hpp"
#include "services/kube/api/status.hpp"
#include "services/kube/api/write.hpp"
#include "services/kube/kinds/pod_admission.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::api {
namespace {

const kinds::Kind& core_kind(std::string_view plural) {
    const auto* kind = kinds::find("", "v1", plural);
    HAL_REQUIRE(kind != nullptr);
    return *kind;
}

bool is_service(const kinds::Kind& kind) { return kind.gvk.group.empty() && kind.plural == "services"; }

// NamespaceLifecycle. Objects that only report on access are made anywhere.
Task<> admit_namespace(Api& api, const ResourceRequest& request, const kinds::Kind& kind, const json::object& object) {
    const auto& namespaces = core_kind("namespaces");
    const auto found = co_await find_object(api, namespaces, "", request.name_space);
    if (!found) throw StatusError(not_found(namespaces, request.name_space));
    if (!kubeclient::is_deleting(found->object)) co_return;
    auto status = forbidden(kind, kubeclient::name_of(object),
                            "unable to create new content in namespace " + request.name_space + " because it is being terminated");
    (*status.details)["causes"] = json::array{json::object{{"reason", "NamespaceTerminating"},
                                                           {"message", "namespace " + request.name_space + " is being terminated"},
                                                           {"field", "metadata.namespace"}}};
    throw StatusError(std::move(status));
}

Task<> admit_new_pod(Api& api, const ResourceRequest& request, const kinds::Kind& kind, json::object& pod) {
    if (const auto why = kinds::pod_refusal(pod); !why.empty()) throw StatusError(forbidden(kind, kubeclient::name_of(pod), why));
    const std::string account(kinds::service_account_of(pod));
    const auto found = co_await find_object(api, core_kind("serviceaccounts"), request.name_space, account);
    // A mirror pod runs without one; every other pod waits until its account is there, as the real plugin has it.
    const bool is_mirror = !kubeclient::annotation(pod, "kubernetes.io/config.mirror").empty();
    if (!found && !is_mirror)
        throw StatusError(forbidden(kind, kubeclient::name_of(pod),
                                    "error looking up service account " + request.name_space + "/" + account + ": serviceaccount \"" + account +
                                        "\" not found"));
    kinds::admit_pod(pod, random_suffix(), found ? &found->object : nullptr);
}

}  // namespace

std::string random_suffix() {
    constexpr std::string_view alphabet = "bcdfghjklmnpqrstvwxz2456789";
    std::string out;
    for (const unsigned char byte : hal::random_bytes(5)) out += alphabet[byte % alphabet.size()];
    return out;
}

Task<> admit_create(Api& api, const ResourceRequest& request, const kinds::Kind& kind, json::object& object) {
    if (kind.is_namespaced) co_await admit_namespace(api, request, kind, object);
    if (kind.gvk.group.empty() && kind.plural == "pods") co_await admit_new_pod(api, request, kind, object);
}

Addresses::Reservation reserve_for_create(Api& api, const ResourceRequest& request, const kinds::Kind& kind, json::object& object) {
    return is_service(kind) ? api.addresses.allocate_create(object, request.is_dry_run) : Addresses::Reservation();
}

Addresses::Reservation reserve_for_update(Api& api, const ResourceRequest& request, const kinds::Kind& kind, json::object& object,
                                          const json::object& before) {
    const bool is_spec = is_service(kind) && request.subresource.empty();
    return is_spec ? api.addresses.allocate_update(object, before, request.is_dry_run) : Addresses::Reservation();
}

void release(Api& api, const kinds::Kind& kind, const json::object& object) {
    if (is_service(kind)) api.addresses.release(object);
}

}  // namespace services::kube::api
