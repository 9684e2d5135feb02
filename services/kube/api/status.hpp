// metav1.Status: what every failure is answered with, and the real server's texts for the failures that all kinds share
// (apimachinery api/errors). Inside this folder a failure is thrown as StatusError; server.cpp, the edge, writes it out.
#pragma once

#include <boost/json/object.hpp>

#include <exception>
#include <optional>
#include <string>
#include <string_view>

#include "hal/base/error.hpp"
#include "services/http/message.hpp"
#include "services/kube/kinds/kind.hpp"

namespace services::kube::api {

namespace json = boost::json;

struct Status {
    unsigned code = 500;
    std::string reason;    // "NotFound"; "" is left out
    std::string message;
    std::optional<json::object> details;  // name, group, kind, uid, causes, retryAfterSeconds
    // A list that expired goes on here (trap 6); "" is left out.
    std::string continue_token;
};

class StatusError : public std::exception {
public:
    explicit StatusError(Status value) : status(std::move(value)) {}
    const char* what() const noexcept override { return status.message.c_str(); }
    Status status;
};

json::object status_object(const Status& status);  // kind and apiVersion included
http::Response status_response(const Status& status);
// Success of a delete: details name, group, kind, uid.
http::Response success_response(json::object details);

// "deployments.apps", as messages and the store name a resource.
std::string resource_of(const kinds::Kind& kind);

// All throw nothing: `throw StatusError(not_found(...))`.
Status not_found(const kinds::Kind& kind, std::string_view name);
Status already_exists(const kinds::Kind& kind, std::string_view name);
Status conflict(const kinds::Kind& kind, std::string_view name, std::string_view why);
Status forbidden(const kinds::Kind& kind, std::string_view name, std::string_view why);  // `pods "x" is forbidden: why`
Status invalid(const kinds::Kind& kind, std::string_view name, const kinds::Causes& causes);
Status invalid(const schema::GroupVersionKind& gvk, std::string_view name, const kinds::Causes& causes);
Status bad_request(std::string message);
Status unauthorized();
Status method_not_allowed();  // without a kind: the path knows other methods
Status unsupported_body();        // 415 of a body that is no object
Status unsupported_patch();       // 415 of a patch
Status not_acceptable(std::string_view offered);
Status too_many_requests(std::string message, unsigned retry_after_s);
Status unknown_path();  // 404 `the server could not find the requested resource`
Status expired(std::string message);
Status internal_error(std::string_view why);
Status too_large(std::string message);
Status revision_too_large(std::int64_t asked, std::int64_t current);  // 504
// What the store and other modules threw.
Status status_of(const hal::Error& error);

}  // namespace services::kube::api
