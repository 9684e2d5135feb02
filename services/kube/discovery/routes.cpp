#include "services/kube/discovery/routes.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cctype>
#include <optional>

#include "hal/base/bytes.hpp"
#include "hal/net/certificates.hpp"
#include "services/kube/discovery/documents.hpp"
#include "services/kube/discovery/openapi_v2.hpp"
#include "services/kube/schema/schema.hpp"

namespace services::kube::discovery {
namespace {

namespace json = boost::json;
using hal::async::Task;

constexpr std::string_view git_version = "v1.37.2+k3s1";
constexpr std::string_view plain_json = "application/json";

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
    return text;
}

// Cuts the next part off `rest`.
std::string_view next_part(std::string_view& rest, char separator) {
    const auto end = std::min(rest.find(separator), rest.size());
    const auto part = trimmed(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return part;
}

// One clause of Accept: "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList".
struct Clause {
    std::string_view media, group, version, as;
};
Clause parse_clause(std::string_view text) {
    Clause clause{next_part(text, ';'), {}, {}, {}};
    while (!text.empty()) {
        const auto parameter = next_part(text, ';');
        if (parameter.starts_with("g=")) clause.group = parameter.substr(2);
        if (parameter.starts_with("v=")) clause.version = parameter.substr(2);
        if (parameter.starts_with("as=")) clause.as = parameter.substr(3);
    }
    return clause;
}

// The form of the first clause that can be served: "" is the plain document, "v2" and "v2beta1" the aggregated ones.
// Clauses go in order; one with an unknown `as` is passed over. Nothing: 406.
std::optional<std::string_view> wanted_form(const http::Headers& headers, bool can_aggregate) {
    const auto* accept = headers.find("Accept");
    if (accept == nullptr || trimmed(*accept).empty()) return "";
    std::string_view rest = *accept;
    while (!rest.empty()) {
        const auto clause = parse_clause(next_part(rest, ','));
        if (clause.media != plain_json && clause.media != "application/*" && clause.media != "*/*") continue;
        if (clause.as.empty()) return "";
        const bool is_aggregated = clause.as == "APIGroupDiscoveryList" && clause.group == "apidiscovery.k8s.io";
        if (!can_aggregate || !is_aggregated) continue;
        if (clause.version == "v2") return "v2";
        if (clause.version == "v2beta1") return "v2beta1";
    }
    return std::nullopt;
}

http::Response json_text(unsigned status, std::string body) {
    auto response = http::json_response(status, std::move(body));
    response.headers.set("Content-Type", std::string(plain_json));
    response.headers.set("Cache-Control", "no-cache, private");
    return response;
}

http::Response failure(unsigned code, std::string_view reason, std::string_view message, bool has_details) {
    json::object status{{"kind", "Status"}, {"apiVersion", "v1"}, {"metadata", json::object{}}, {"status", "Failure"}, {"message", message}, {"reason", reason}};
    if (has_details) status["details"] = json::object{};
    status["code"] = code;
    return json_text(code, json::serialize(status));
}

http::Response not_acceptable() {
    return failure(406, "NotAcceptable",
                   "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf", false);
}
http::Response unknown_resource() { return failure(404, "NotFound", "the server could not find the requested resource", true); }
http::Response unknown_path() {
    auto response = http::text_response(404, "404 page not found\n");
    response.headers.set("X-Content-Type-Options", "nosniff");
    response.headers.set("Cache-Control", "no-cache, private");
    return response;
}

// If-None-Match (RFC 9110 13.1.2): a list of tags, or "*"; weak tags compare as strong ones.
bool is_known(const http::Headers& headers, std::string_view etag) {
    std::string_view rest;
    if (const auto* field = headers.find("If-None-Match")) rest = *field;
    while (!rest.empty()) {
        auto tag = next_part(rest, ',');
        if (tag.starts_with("W/")) tag.remove_prefix(2);
        if (tag == etag || tag == "*") return true;
    }
    return false;
}

http::Response tagged(const http::Headers& asked, std::string etag, const std::string& content_type) {
    http::Response response;
    response.status = is_known(asked, etag) ? 304 : 200;
    response.headers.set("Content-Type", content_type);
    response.headers.set("Cache-Control", "public");
    response.headers.set("Vary", "Accept");
    response.headers.set("ETag", std::move(etag));
    return response;
}

http::Response aggregated_response(const http::Request& request, bool is_core, std::string_view version) {
    auto document = aggregated(is_core, version);
    auto etag = hal::hex(hal::net::sha256(document));
    std::ranges::transform(etag, etag.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    auto response = tagged(request.headers, "\"" + etag + "\"",
                           "application/json;g=apidiscovery.k8s.io;v=" + std::string(version) + ";as=APIGroupDiscoveryList");
    if (response.status == 200) response.body = std::move(document);
    return response;
}

Task<http::Response> root(http::Request request, bool is_core) {
    const auto form = wanted_form(request.headers, true);
    if (!form) co_return not_acceptable();
    if (!form->empty()) co_return aggregated_response(request, is_core, *form);
    co_return json_text(200, is_core ? api_versions(request.peer.local.to_string()) : group_list());
}

Task<http::Response> serve_core(http::Request request) { return root(std::move(request), true); }
Task<http::Response> serve_groups(http::Request request) { return root(std::move(request), false); }

Task<http::Response> serve_group(http::Request request) {
    if (!wanted_form(request.headers, false)) co_return not_acceptable();
    auto document = group_document(request.captures["group"]);
    co_return document.empty() ? unknown_path() : json_text(200, std::move(document));
}

Task<http::Response> serve_resources(http::Request request) {
    if (!wanted_form(request.headers, false)) co_return not_acceptable();
    const auto group = request.captures["group"];
    auto document = resource_list(group, request.captures["version"]);
    if (!document.empty()) co_return json_text(200, std::move(document));
    co_return group.empty() || !group_document(group).empty() ? unknown_resource() : unknown_path();
}

Task<http::Response> serve_paths(http::Request) { co_return json_text(200, path_list()); }

Task<http::Response> serve_version(http::Request) {
    co_return json_text(200, json::serialize(json::object{{"major", "1"},
                                                          {"minor", "37"},
                                                          {"emulationMajor", "1"},
                                                          {"emulationMinor", "37"},
                                                          {"minCompatibilityMajor", "1"},
                                                          {"minCompatibilityMinor", "36"},
                                                          {"gitVersion", git_version},
                                                          {"gitCommit", ""},
                                                          {"gitTreeState", "clean"},
                                                          {"buildDate", "1970-01-01T00:00:00Z"},
                                                          {"goVersion", "none"},
                                                          {"compiler", "clang"},
#ifdef __aarch64__
                                                          {"platform", "linux/arm64"}}));
#else
                                                          {"platform", "linux/amd64"}}));
#endif
}

Task<http::Response> serve_openapi_index(http::Request request) {
    auto index = schema::openapi_index();
    auto response = tagged(request.headers, "\"" + hal::hex(hal::net::sha256(index)) + "\"", std::string(plain_json));
    if (response.status == 200) response.body = std::move(index);
    co_return response;
}

bool takes_gzip(const http::Headers& headers) {
    const auto* field = headers.find("Accept-Encoding");
    return field != nullptr && field->find("gzip") != std::string::npos && field->find("gzip;q=0") == std::string::npos;
}

// A document under its hash never changes, so clients keep it; under a hash that is no longer right they are sent on.
Task<http::Response> serve_openapi_document(http::Request request) {
    const auto path = request.captures["path"];
    const auto hash = std::string(schema::openapi_hash(path));
    if (hash.empty()) co_return unknown_path();
    if (const auto* asked = request.query_value("hash"); asked != nullptr && *asked != hash) {
        http::Response moved;
        moved.status = 301;
        moved.headers.set("Location", "/openapi/v3/" + path + "?hash=" + hash);
        co_return moved;
    }
    auto response = tagged(request.headers, "\"" + hash + "\"", std::string(plain_json));
    if (request.query_value("hash") != nullptr) response.headers.set("Cache-Control", "public, immutable");
    response.headers.set("Vary", "Accept, Accept-Encoding");
    if (response.status != 200) co_return response;
    if (takes_gzip(request.headers)) {
        response.headers.set("Content-Encoding", "gzip");
        response.body = schema::openapi_gzip(path);
    } else {
        response.body = schema::openapi_document(path);
    }
    co_return response;
}

// Whoever asks for v2 is an old kubectl, which takes protobuf and gzip; JSON is refused, as newer clients ask for v3 first.
Task<http::Response> serve_openapi_v2(http::Request request) {
    const auto accept = request.headers.get("Accept");
    if (!accept.contains(openapi_v2_media_prefix) && !accept.contains("*/*"))
        co_return failure(406, "NotAcceptable", "only the following media types are accepted: " + std::string(openapi_v2_media_type), false);
    if (!takes_gzip(request.headers)) co_return failure(406, "NotAcceptable", "only the following content encodings are served: gzip", false);
    auto response = tagged(request.headers, "\"" + std::string(openapi_v2_hash()) + "\"", std::string(openapi_v2_media_type));
    if (response.status != 200) co_return response;
    response.headers.set("Content-Encoding", "gzip");
    response.body = openapi_v2_gzip();
    co_return response;
}

}  // namespace

void add_routes(http::Router& router) {
    struct Row {
        std::string_view pattern;
        Task<http::Response> (*handler)(http::Request);
    };
    constexpr Row rows[] = {
        {"/", serve_paths},
        {"/api", serve_core},
        {"/api/{version}", serve_resources},
        {"/apis", serve_groups},
        {"/apis/{group}", serve_group},
        {"/apis/{group}/{version}", serve_resources},
        {"/version", serve_version},
        {"/openapi/v2", serve_openapi_v2},
        {"/openapi/v3", serve_openapi_index},
        {"/openapi/v3/{path...}", serve_openapi_document},
    };
    for (const auto& row : rows) router.add("GET", std::string(row.pattern), row.handler);
}

}  // namespace services::kube::discovery
