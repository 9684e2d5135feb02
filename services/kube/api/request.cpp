#include "services/kube/api/request.hpp"

#include <algorithm>
#include <charconv>
#include <format>
#include <ranges>

#include "services/kube/api/status.hpp"
#include "services/kube/api/subresources.hpp"
#include "services/kube/kinds/report.hpp"

namespace services::kube::api {
namespace {

constexpr std::size_t field_manager_bytes_max = 128;

std::vector<std::string_view> segments_of(std::string_view path) {
    std::vector<std::string_view> out;
    for (const auto part : std::views::split(path, '/'))
        if (!part.empty()) out.emplace_back(part.begin(), part.end());
    return out;
}

bool has_verb(std::string_view verbs, std::string_view verb) {
    for (const auto one : std::views::split(verbs, ','))
        if (std::string_view(one.begin(), one.end()) == verb) return true;
    return false;
}

std::string verb_of(const http::Request& request, const Target& target) {
    if (request.method == "POST") return "create";
    if (request.method == "PUT") return "update";
    if (request.method == "PATCH") return "patch";
    if (request.method == "DELETE") return target.name.empty() ? "deletecollection" : "delete";
    if (request.method != "GET" && request.method != "HEAD") return {};
    if (!target.name.empty()) return "get";
    return flag_option(request, "watch") ? "watch" : "list";
}

}  // namespace

std::optional<Target> target_of(const http::Request& request) {
    // The subpath of a proxied request must stay as it was sent, so segments are cut before they are decoded.
    const auto raw_path = std::string_view(request.target).substr(0, request.target.find('?'));
    auto parts = segments_of(raw_path);
    Target target;
    std::size_t at = 0;
    if (parts.size() >= 3 && parts[0] == "api") {
        target.version = parts[1];
        at = 2;
    } else if (parts.size() >= 4 && parts[0] == "apis") {
        target.group = parts[1];
        target.version = parts[2];
        at = 3;
    } else {
        return std::nullopt;
    }
    bool is_old_watch = false;
    if (parts[at] == "watch" && parts.size() > at + 1) {  // /api/v1/watch/..., deprecated since 1.11 and still served
        is_old_watch = true;
        ++at;
    }
    const auto decoded = [](std::string_view part) { return http::percent_decode(part, false).value_or(std::string(part)); };
    if (parts[at] == "namespaces" && parts.size() > at + 1) {
        // /namespaces/NAME[/status|finalize] is the Namespace itself; anything longer lies in it.
        const bool is_itself = parts.size() == at + 2 || (parts.size() == at + 3 && (parts[at + 2] == "status" || parts[at + 2] == "finalize"));
        target.name_space = decoded(parts[at + 1]);
        if (!is_itself) at += 2;
    }
    target.resource = decoded(parts[at]);
    if (parts.size() > at + 1) target.name = decoded(parts[at + 1]);
    if (parts.size() > at + 2) target.subresource = decoded(parts[at + 2]);
    if (parts.size() > at + 3) target.subpath = raw_path.substr(static_cast<std::size_t>(parts[at + 2].data() + parts[at + 2].size() - raw_path.data()));
    else if (!target.subresource.empty() && raw_path.ends_with('/')) target.subpath = "/";
    target.kind = kinds::find(target.group, target.version, target.resource);
    target.verb = verb_of(request, target);
    if (is_old_watch && target.verb != "create") target.verb = "watch";
    return target;
}

bool serves_group_version(std::string_view group, std::string_view version) {
    return std::ranges::any_of(kinds::all(), [&](const kinds::Kind& kind) { return kind.gvk.group == group && kind.gvk.version == version; });
}

void check_target(const Target& target, std::string_view method) {
    const auto& kind = *target.kind;
    const bool is_known_method = method == "GET" || method == "POST" || method == "PUT" || method == "PATCH" || method == "DELETE";
    // A namespaced object has no place outside a namespace, but its list has.
    if (!target.name.empty() && kind.is_namespaced && target.name_space.empty() && target.verb != "watch") throw StatusError(unknown_path());
    if (!kind.is_namespaced && !target.name_space.empty() && kind.plural != "namespaces") throw StatusError(unknown_path());
    if (!target.subresource.empty()) {
        const auto found = std::ranges::find(kind.subresources, target.subresource, &kinds::Subresource::name);
        if (found == kind.subresources.end()) throw StatusError(unknown_path());
        if (!target.subpath.empty() && !is_streamed(target.subresource)) throw StatusError(unknown_path());
        if (!is_known_method || !has_verb(found->verbs, target.verb)) throw StatusError(method_not_allowed());
        return;
    }
    const bool is_on_collection = target.name.empty();
    const bool fits = target.verb == "create"                                        ? is_on_collection
                      : target.verb == "update" || target.verb == "patch"            ? !is_on_collection
                                                                                     : true;
    const bool is_across_namespaces = is_on_collection && kind.is_namespaced && target.name_space.empty();
    const bool is_write_across = is_across_namespaces && target.verb != "list" && target.verb != "watch";
    if (!is_known_method || !fits || is_write_across || !has_verb(kind.verbs, target.verb)) throw StatusError(method_not_allowed());
}

std::optional<std::int64_t> integer_option(const http::Request& request, std::string_view name) {
    const auto* text = request.query_value(name);
    if (!text || text->empty()) return std::nullopt;
    std::int64_t value = 0;
    const auto [end, failure] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (failure == std::errc::result_out_of_range)
        throw StatusError(bad_request(std::format("strconv.ParseInt: parsing {}: value out of range", kinds::go_quoted(*text))));
    if (failure != std::errc() || end != text->data() + text->size())
        throw StatusError(bad_request(std::format("strconv.ParseInt: parsing {}: invalid syntax", kinds::go_quoted(*text))));
    return value;
}

bool flag_option(const http::Request& request, std::string_view name) {
    const auto* text = request.query_value(name);
    if (!text) return false;
    std::string lower = *text;
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return lower != "false" && lower != "0";
}

WriteOptions write_options(const http::Request& request, std::string_view options, bool is_apply) {
    WriteOptions out;
    kinds::Report report;
    json::array dry_run;
    for (const auto& [name, value] : request.query)
        if (name == "dryRun") dry_run.emplace_back(value);
    bool all_known = true;
    for (const auto& one : dry_run) all_known &= one == "All";
    if (!all_known) report.not_supported(kinds::Path("dryRun"), dry_run, {"All"});
    out.is_dry_run = !dry_run.empty();
    if (const auto* manager = request.query_value("fieldManager")) out.field_manager = *manager;
    out.is_forced = flag_option(request, "force");
    if (!is_apply && options == "PatchOptions" && request.query_value("force"))
        report.forbidden(kinds::Path("force"), "may not be specified for non-apply patch");
    if (is_apply && out.field_manager.empty()) report.required(kinds::Path("fieldManager"), "is required for apply patch");
    if (out.field_manager.size() > field_manager_bytes_max)
        report.too_long(kinds::Path("fieldManager"), field_manager_bytes_max);
    for (const unsigned char c : out.field_manager)
        if (c < 0x20 || c == 0x7f) {
            report.invalid(kinds::Path("fieldManager"), out.field_manager, "should only contain printable characters");
            break;
        }
    if (const auto* validation = request.query_value("fieldValidation")) out.field_validation = *validation;
    if (!out.field_validation.empty() && out.field_validation != "Strict" && out.field_validation != "Warn" && out.field_validation != "Ignore")
        report.not_supported(kinds::Path("fieldValidation"), out.field_validation, {"Ignore", "Warn", "Strict", ""});
    if (!report.is_empty()) throw StatusError(invalid(schema::GroupVersionKind{"meta.k8s.io", "v1", std::string(options)}, "", report.take()));
    return out;
}

}  // namespace services::kube::api
