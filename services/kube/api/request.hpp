// What a URL asks for (request.RequestInfo): /api/v1/... and /apis/GROUP/VERSION/... become a kind, a namespace, a name and
// a verb. Paths of no group version this server has are none of this page's.
#pragma once

#include <optional>

#include "services/kube/api/api.hpp"

namespace services::kube::api {

struct Target {
    std::string group, version, resource, subresource, name_space, name, subpath;
    std::string verb;
    const kinds::Kind* kind = nullptr;  // null: this group version has no such resource
};

// Nothing when the path is no resource's: /healthz, /apis, /api/v1. `subpath` stays percent-encoded.
std::optional<Target> target_of(const http::Request& request);
// The group version exists, whether or not it has the resource.
bool serves_group_version(std::string_view group, std::string_view version);

// The verb is among those of the kind or its subresource, and the URL has the shape that the verb wants: StatusError 404
// for a subresource or a shape that does not exist, 405 for another method.
void check_target(const Target& target, std::string_view method);

// Query options that every verb shares, with the real texts. `options`: "CreateOptions", as the error names them.
struct WriteOptions {
    bool is_dry_run = false;
    std::string field_manager;
    std::string field_validation;  // "Strict", "Warn", "Ignore"; "" = Warn
    bool is_forced = false;        // apply alone
};
WriteOptions write_options(const http::Request& request, std::string_view options, bool is_apply = false);

// strconv.ParseInt's rule for an option; nothing when absent. StatusError 400.
std::optional<std::int64_t> integer_option(const http::Request& request, std::string_view name);
// metav1's bool of a query: present and neither "false" nor "0".
bool flag_option(const http::Request& request, std::string_view name);

}  // namespace services::kube::api
