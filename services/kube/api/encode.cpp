// object_response: one object in the form that its client accepts.
#include <boost/json/serialize.hpp>

#include <format>

#include "services/kube/api/negotiate.hpp"
#include "services/kube/api/objects.hpp"
#include "services/kube/api/table.hpp"

namespace services::kube::api {

http::Response object_response(const Api& api, const ResourceRequest& request, unsigned code, const schema::GroupVersionKind& gvk, json::object object) {
    const auto accepted = negotiate(request.http, false);
    if (accepted.form == Accepted::Form::table) {
        const auto* kind = kinds::find_kind(gvk);
        const auto shape = kind ? table_shape(*kind) : table_shape(*request.kind);
        const TableForm form{accepted.version, included(request.query("includeObject"))};
        return http::json_response(code, table_of(shape, form, gvk, object, api.clock.wall()) + "\n");
    }
    if (accepted.form == Accepted::Form::partial) return http::json_response(code, partial_of(object, accepted.version) + "\n");
    const auto text = json::serialize(object);
    return http::text_response(code,
                               std::format("{{\"kind\":\"{}\",\"apiVersion\":\"{}\"{}{}\n", gvk.kind, gvk.api_version(), object.empty() ? "" : ",",
                                           std::string_view(text).substr(1)),
                               media_of(accepted));
}

}  // namespace services::kube::api
