#include "services/kube/api/decode.hpp"

#include <algorithm>
#include <format>

#include "hal/base/bytes.hpp"
#include "services/kube/api/objects.hpp"
#include "services/kube/api/request.hpp"
#include "services/kube/api/status.hpp"
#include "services/kube/kinds/report.hpp"

namespace services::kube::api {
namespace {

using schema::GroupVersionKind;

constexpr std::size_t summary_bytes_max = 30;

// What a body looks like, for the message that it is no object.
std::string summary_of(std::string_view body) {
    if (body.empty()) return "<empty>";
    const bool is_cut = body.size() > summary_bytes_max;
    const auto shown = body.substr(0, summary_bytes_max);
    return (body.front() == '{' ? std::string(shown) : hal::hex(shown)) + (is_cut ? " ..." : "");
}

// The Go package of a group's internal types: core.ConfigMap, apps.Deployment.
std::string internal_name(const GroupVersionKind& gvk) {
    const auto package = gvk.group.empty() || gvk.group == "events.k8s.io" ? std::string("core") : gvk.group.substr(0, gvk.group.find('.'));
    return package + "." + gvk.kind;
}

std::string cannot_handle(const GroupVersionKind& found, const GroupVersionKind& wanted, std::string_view why) {
    return std::format("{} in version {} cannot be handled as a {}: {}", found.kind, kinds::go_quoted(found.version), wanted.kind, why);
}

std::string unrecognized(const GroupVersionKind& wanted, std::string_view why, std::string_view body) {
    return std::format("the object provided is unrecognized (must be of type {}): {} ({})", wanted.kind, why, summary_of(body));
}

// kind and apiVersion of a parsed body; what it does not say is as wanted.
GroupVersionKind kind_of(const json::value& value, const GroupVersionKind& wanted, std::string_view body) {
    constexpr std::string_view prefix = "couldn't get version/kind; json parse error: ";
    if (value.is_null()) return wanted;
    if (!value.is_object()) {
        throw StatusError(bad_request(unrecognized(
            wanted,
            std::format("{}json: cannot unmarshal {} into Go value of type struct {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; "
                        "Kind string \"json:\\\"kind,omitempty\\\"\" }}",
                        prefix, json_type(value)),
            body)));
    }
    auto gvk = wanted;
    const auto text = [&](std::string_view name) -> std::string {
        const auto* member = value.get_object().if_contains(name);
        if (!member || member->is_null()) return {};
        if (member->is_string()) return std::string(member->get_string());
        throw StatusError(bad_request(unrecognized(
            wanted, std::format("{}json: cannot unmarshal {} into Go struct field .{} of type string", prefix, json_type(*member), name), body)));
    };
    if (auto kind = text("kind"); !kind.empty()) gvk.kind = std::move(kind);
    if (auto version = text("apiVersion"); !version.empty()) {
        const auto slash = version.find('/');
        if (slash == std::string::npos) {
            gvk.group.clear();
            gvk.version = std::move(version);
        } else if (version.find('/', slash + 1) != std::string::npos) {
            throw StatusError(bad_request(unrecognized(wanted, "unexpected GroupVersion string: " + version, body)));
        } else {
            gvk.group = version.substr(0, slash);
            gvk.version = version.substr(slash + 1);
        }
    }
    // Delete options are one type in every group and version: clients name the group they delete from, or v1.
    if (gvk.kind == "DeleteOptions" && wanted.kind == gvk.kind) return wanted;
    return gvk;
}

// Options (DeleteOptions ...) are known in every group version alike.
bool is_wanted(const GroupVersionKind& found, const GroupVersionKind& wanted) {
    return found == wanted || (wanted.group == "meta.k8s.io" && found.kind == wanted.kind);
}

// The body is of another kind than this URL takes, or does not decode as it: says which.
[[noreturn]] void refuse(const GroupVersionKind& found, const GroupVersionKind& wanted, std::string_view decode_failure) {
    if (is_wanted(found, wanted)) throw StatusError(bad_request(cannot_handle(found, wanted, decode_failure)));
    const auto* type = schema::type_of(found);
    if (!type)
        throw StatusError(bad_request(cannot_handle(
            found, wanted, std::format("no kind {} is registered for version {} in scheme \"pkg/runtime/scheme.go:111\"", kinds::go_quoted(found.kind),
                                       kinds::go_quoted(found.api_version())))));
    throw StatusError(bad_request(
        cannot_handle(found, wanted, std::format("converting ({}) to ({}): unknown conversion", type->go_name(), internal_name(wanted)))));
}

schema::Decoded decode_text(const GroupVersionKind& wanted, const schema::Type& type, std::string_view body, bool is_yaml) {
    auto decoded = is_yaml ? schema::decode_yaml(type, body) : schema::decode_json(type, body);
    if (decoded) {
        // The usual case: what it says of itself is read from what was decoded.
        const auto found = kind_of(decoded->object, wanted, body);
        if (is_wanted(found, wanted)) return *std::move(decoded);
        refuse(found, wanted, "");
    }
    const auto parsed = is_yaml ? schema::parse_yaml(body) : schema::parse_json(body);
    if (!parsed) {
        throw StatusError(bad_request(unrecognized(wanted, "couldn't get version/kind; json parse error: " + parsed.error().message, body)));
    }
    const auto found = kind_of(*parsed, wanted, body);
    if (parsed->is_null()) return {};
    refuse(found, wanted, decoded.error().message);
}

schema::Decoded decode_envelope(const GroupVersionKind& wanted, const schema::Type& type, std::string_view body) {
    const auto envelope = schema::open_envelope(body);
    if (!envelope) throw StatusError(bad_request(unrecognized(wanted, envelope.error().message, body)));
    auto found = envelope->kind;
    if (found.kind.empty()) found.kind = wanted.kind;
    if (found.version.empty()) found = {wanted.group, wanted.version, found.kind};
    if (found.kind == "DeleteOptions" && wanted.kind == found.kind) found = wanted;  // one type in every group and version
    if (!is_wanted(found, wanted)) refuse(found, wanted, "");
    auto decoded = schema::decode_protobuf(type, envelope->raw);
    if (!decoded) refuse(found, wanted, decoded.error().message);
    return *std::move(decoded);
}

}  // namespace

std::string_view json_type(const json::value& value) {
    if (value.is_array()) return "array";
    if (value.is_object()) return "object";
    if (value.is_string()) return "string";
    return value.is_bool() ? "bool" : "number";
}

std::string media_type(const http::Request& request) {
    auto type = request.headers.get("Content-Type");
    type.resize(std::min(type.size(), type.find(';')));
    while (type.ends_with(' ')) type.pop_back();
    return type;
}

void meet_strict_errors(const std::vector<std::string>& errors, std::string_view field_validation, const std::string& prefix,
                        std::vector<std::string>& warnings) {
    if (errors.empty() || field_validation == "Ignore") return;
    if (field_validation != "Strict") {
        warnings.insert(warnings.end(), errors.begin(), errors.end());
        return;
    }
    std::string joined;
    for (const auto& error : errors) joined += (joined.empty() ? "" : ", ") + error;
    throw StatusError(bad_request(prefix + "strict decoding error: " + joined));
}

json::object decode_body(ResourceRequest& request, const GroupVersionKind& gvk) {
    const auto* type = schema::type_of(gvk);
    if (!type) throw StatusError(internal_error("no schema of " + gvk.api_version() + " " + gvk.kind));
    const auto media = media_type(request.http);
    schema::Decoded decoded;
    if (media.empty() || media == "application/json") decoded = decode_text(gvk, *type, request.http.body, false);
    else if (media == "application/yaml") decoded = decode_text(gvk, *type, request.http.body, true);
    else if (media == "application/vnd.kubernetes.protobuf") decoded = decode_envelope(gvk, *type, request.http.body);
    else throw StatusError(unsupported_body());
    meet_strict_errors(decoded.strict_errors, request.query("fieldValidation"), cannot_handle(gvk, gvk, ""), request.warnings);
    decoded.object.erase("kind");
    decoded.object.erase("apiVersion");
    return std::move(decoded.object);
}

json::object decode_object(const GroupVersionKind& gvk, std::string_view text, std::string_view field_validation,
                           std::vector<std::string>& warnings, const std::function<std::string()>& shown) {
    const auto refuse_patch = [&](const std::string& why) {
        kinds::Report report;
        report.invalid(kinds::Path("patch"), json::value(shown()), why);
        throw StatusError(invalid(GroupVersionKind{}, "", report.take()));
    };
    const auto* type = schema::type_of(gvk);
    if (!type) throw StatusError(internal_error("no schema of " + gvk.api_version() + " " + gvk.kind));
    auto decoded = schema::decode_json(*type, text);
    if (!decoded) refuse_patch(decoded.error().message);
    if (field_validation == "Strict" && !decoded->strict_errors.empty()) {
        std::string joined;
        for (const auto& error : decoded->strict_errors) joined += (joined.empty() ? "" : ", ") + error;
        refuse_patch("strict decoding error: " + joined);
    }
    meet_strict_errors(decoded->strict_errors, field_validation, "", warnings);
    decoded->object.erase("kind");
    decoded->object.erase("apiVersion");
    return std::move(decoded->object);
}

}  // namespace services::kube::api
