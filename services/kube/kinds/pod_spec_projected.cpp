// Files that volumes project: keys to paths, downward API files, and the sources of a projected volume.
#include <algorithm>
#include <array>
#include <format>
#include <ranges>
#include <string>

#include "services/kube/kinds/labels.hpp"
#include "services/kube/kinds/names.hpp"
#include "services/kube/kinds/pod_spec_checks.hpp"
#include "services/kube/kinds/pod_spec_go_form.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {

namespace {

using kubeclient::array_at;
using kubeclient::as_object;
using kubeclient::field;
using kubeclient::number;
using kubeclient::object_at;
using kubeclient::text;

constexpr std::int64_t token_seconds_min = 600, token_seconds_max = std::int64_t{1} << 32;
constexpr std::int64_t certificate_seconds_min = 3600, certificate_seconds_max = 91 * 86400, kubernetes_certificate_seconds_max = 86400;

// Paths of all sources of one volume: each may be written by one source.
class Paths {
public:
    Paths(Report& report, const Path& volume) : report_(report), volume_(volume) {}
    // `shown`: what the cause shows when the path is taken.
    void take(std::string_view path, std::string_view shown) {
        if (!taken_.emplace(path).second) report_.invalid(volume_, json::value(shown), "conflicting duplicate paths");
    }

private:
    Report& report_;
    const Path& volume_;
    std::set<std::string_view> taken_;
};

void check_object_files(Report& report, const Path& path, const json::object& source, Paths& paths) {
    const auto name = text(source, "name");
    if (name.empty()) report.required(path.child("name"));
    std::size_t at = 0;
    for (const auto& item : array_at(source, "items")) {
        check_key_to_path(report, path.child("items").index(at++), as_object(item));
        if (const auto file = text(as_object(item), "path"); !file.empty()) paths.take(file, name);
    }
}

// `volume`: faults of the token's path are reported there.
void check_token(Report& report, const Path& volume, const Path& path, const json::object& token) {
    if (const auto* seconds = field(token, "expirationSeconds"); seconds == nullptr) {
        report.required(path.child("expirationSeconds"));
    } else {
        if (number(token, "expirationSeconds") < token_seconds_min)
            report.invalid(path.child("expirationSeconds"), *seconds, "may not specify a duration less than 10 minutes");
        if (number(token, "expirationSeconds") > token_seconds_max)
            report.invalid(path.child("expirationSeconds"), *seconds, "may not specify a duration larger than 2^32 seconds");
    }
    if (text(token, "path").empty()) report.required(volume.child("path"));
    else check_local_path(report, volume.child("path"), text(token, "path"));
    check_user(report, path.child("user"), token, "user");
}

void check_signer_name(Report& report, const Path& path, std::string_view name) {
    if (name.empty()) return report.required(path);
    const auto slash = name.find('/');
    if (slash == std::string_view::npos || name.find('/', slash + 1) != std::string_view::npos)
        return report.invalid(path, json::value(name),
                              "must be a fully qualified domain and path of the form 'example.com/signer-name'");
    const auto domain = name.substr(0, slash), rest = name.substr(slash + 1);
    if (domain.size() > 253) report.too_long(path, 253);
    // The first label with faults is enough: those of the next would read alike.
    const auto check_labels = [&](std::string_view segment, Messages (*check_label)(std::string_view)) {
        for (const auto part : std::views::split(segment, '.')) {
            const std::string_view label(part);
            const auto faults = check_label(label);
            for (const auto& fault : faults)
                report.invalid(path, json::value(segment), std::format("validating label {}: {}", go_quoted(label), fault));
            if (!faults.empty()) break;
        }
    };
    check_labels(domain, check_dns1123_label);
    if (!domain.contains('.'))
        report.invalid(path, json::value(domain), "should be a domain with at least two segments separated by dots");
    check_labels(rest, check_dns1123_subdomain);
    constexpr std::size_t name_bytes_max = 253 + 253 + 63 + 1 + 1;
    if (name.size() > name_bytes_max) report.too_long(path, name_bytes_max);
}

Messages check_trust_bundle_name(std::string_view name) {
    const auto colon = name.rfind(':');
    return colon == std::string_view::npos ? check_dns1123_subdomain(name) : check_dns1123_subdomain(name.substr(colon + 1));
}

void check_trust_bundle(Report& report, const Path& path, const json::object& bundle, Paths& paths) {
    const auto* name = field(bundle, "name");
    const auto* signer = field(bundle, "signerName");
    if (name != nullptr && signer != nullptr) {
        report.invalid(path, go_form("ClusterTrustBundleProjection", bundle), "only one of name and signerName may be used");
    } else if (name != nullptr) {
        const auto value = text(bundle, "name");
        if (value.empty()) report.required(path.child("name"), "must be a valid object name");
        for (const auto& fault : check_trust_bundle_name(value))
            report.invalid(path.child("name"), *name, std::format("not a valid clustertrustbundlename: {}", fault));
        if (const auto* selector = field(bundle, "labelSelector"))
            report.invalid(path.child("labelSelector"), *selector, "labelSelector must be unset if name is specified");
    } else if (signer != nullptr) {
        if (text(bundle, "signerName").empty()) report.required(path.child("signerName"), "must be a valid signer name");
        check_signer_name(report, path.child("signerName"), text(bundle, "signerName"));
        check_label_selector(report, path.child("labelSelector"), field(bundle, "labelSelector"));
    } else {
        report.required(path, "either name or signerName must be specified");
    }
    const auto file = text(bundle, "path");
    if (file.empty()) report.required(path.child("path"));
    check_user(report, path.child("user"), bundle, "user");
    check_local_path(report, path.child("path"), file);
    paths.take(file, file);
}

void check_pod_certificate(Report& report, const Path& path, const json::object& certificate, Paths& paths) {
    const auto signer = text(certificate, "signerName");
    check_signer_name(report, path.child("signerName"), signer);
    check_user(report, path.child("user"), certificate, "user");
    static constexpr auto types =
        std::to_array<std::string_view>({"RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"});
    if (const auto type = text(certificate, "keyType"); !std::ranges::contains(types, type))
        report.not_supported(path.child("keyType"), json::value(type), types);
    if (const auto* most = field(certificate, "maxExpirationSeconds")) {
        const auto seconds = number(certificate, "maxExpirationSeconds");
        if (seconds < certificate_seconds_min)
            report.invalid(path.child("maxExpirationSeconds"), *most, "if provided, maxExpirationSeconds must be >= 3600");
        const bool is_kubernetes = ("." + std::string(signer.substr(0, signer.find('/')))).ends_with(".kubernetes.io");
        const auto limit = is_kubernetes ? kubernetes_certificate_seconds_max : certificate_seconds_max;
        if (seconds > limit)
            report.invalid(path.child("maxExpirationSeconds"), *most,
                           std::format("if provided, maxExpirationSeconds must be <= {}", limit));
    }
    bool has_path = false;
    for (const auto* name : {"credentialBundlePath", "keyPath", "certificateChainPath"}) {
        const auto file = text(certificate, name);
        if (file.empty()) continue;
        has_path = true;
        check_local_path(report, path.child(name), file);
        paths.take(file, file);
    }
    if (!has_path) report.required(path, "specify at least one of credentialBundlePath, keyPath, and certificateChainPath");
}

void check_projection(PodSpecCheck& check, const Path& volume, const Path& path, const json::object& source, Paths& paths) {
    int count = 0;
    for (const auto* name : {"secret", "configMap"}) {
        if (field(source, name) == nullptr) continue;
        ++count;
        check_object_files(check.report, path.child(name), object_at(source, name), paths);
    }
    if (field(source, "downwardAPI") != nullptr) {
        ++count;
        for (const auto& file : array_at(source, "downwardAPI.items")) {
            check_downward_file(check.report, path.child("downwardAPI"), as_object(file));
            if (const auto where = text(as_object(file), "path"); !where.empty()) paths.take(where, where);
        }
    }
    if (field(source, "serviceAccountToken") != nullptr) {
        ++count;
        check_token(check.report, volume, path.child("serviceAccountToken"), object_at(source, "serviceAccountToken"));
    }
    if (field(source, "clusterTrustBundle") != nullptr) {
        ++count;
        check_trust_bundle(check.report, path.child("clusterTrustBundle"), object_at(source, "clusterTrustBundle"), paths);
    }
    if (field(source, "podCertificate") != nullptr) {
        ++count;
        check_pod_certificate(check.report, path.child("podCertificate"), object_at(source, "podCertificate"), paths);
    }
    if (count > 1) check.report.forbidden(path, "may not specify more than 1 volume type per source");
}

}  // namespace

void check_mode(Report& report, const Path& path, const json::object& holder, std::string_view name) {
    if (const auto mode = number(holder, name); mode > 0777 || mode < 0)
        report.invalid(path.child(name), mode, "must be a number between 0 and 0777 (octal), both inclusive");
}

void check_user(Report& report, const Path& path, const json::object& holder, std::string_view name) {
    if (const auto* user = field(holder, name)) report.invalid(path, *user, check_user_id(number(holder, name)));
}

void check_no_backsteps(Report& report, const Path& path, std::string_view where) {
    for (const auto part : std::views::split(where, '/'))
        if (std::string_view(part) == "..") return report.invalid(path, json::value(where), "must not contain '..'");
}

void check_descending_path(Report& report, const Path& path, std::string_view where) {
    if (where.starts_with('/')) report.invalid(path, json::value(where), "must be a relative path");
    check_no_backsteps(report, path, where);
}

void check_local_path(Report& report, const Path& path, std::string_view where) {
    check_descending_path(report, path, where);
    if (where.starts_with("..") && !where.starts_with("../"))
        report.invalid(path, json::value(where), "must not start with '..'");
}

void check_key_to_path(Report& report, const Path& path, const json::object& item) {
    for (const auto* name : {"key", "path"})
        if (text(item, name).empty()) report.required(path.child(name));
    check_local_path(report, path.child("path"), text(item, "path"));
    check_mode(report, path, item, "mode");
    check_user(report, path.child("user"), item, "user");
}

void check_downward_file(Report& report, const Path& path, const json::object& file) {
    if (text(file, "path").empty()) report.required(path.child("path"));
    check_local_path(report, path.child("path"), text(file, "path"));
    const bool has_resource = field(file, "resourceFieldRef") != nullptr;
    if (field(file, "fieldRef") != nullptr) {
        check_field_selector(report, path.child("fieldRef"), object_at(file, "fieldRef"), true);
        if (has_resource)
            report.invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously");
    } else if (has_resource) {
        check_resource_selector(report, path.child("resourceFieldRef"), object_at(file, "resourceFieldRef"), true);
    } else {
        report.required(path, "one of fieldRef and resourceFieldRef is required");
    }
    check_mode(report, path, file, "mode");
    check_user(report, path.child("user"), file, "user");
}

void check_projected(PodSpecCheck& check, const Path& path, const json::object& projected) {
    check_mode(check.report, path, projected, "defaultMode");
    check_user(check.report, path.child("defaultUser"), projected, "defaultUser");
    Paths paths(check.report, path);
    std::size_t at = 0;
    for (const auto& source : array_at(projected, "sources"))
        check_projection(check, path, path.child("sources").index(at++), as_object(source), paths);
}

}  // namespace services::kube::kinds
