// Security contexts of pods and containers, and the seccomp and AppArmor annotations of older times.
#include <algorithm>
#include <array>
#include <format>
#include <string>

#include "services/kube/kinds/names.hpp"
#include "services/kube/kinds/pod_spec_checks.hpp"
#include "services/kube/kinds/pod_spec_go_form.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {

namespace {

using kubeclient::array_at;
using kubeclient::as_object;
using kubeclient::as_text;
using kubeclient::field;
using kubeclient::flag;
using kubeclient::number;
using kubeclient::object_at;
using kubeclient::text;

constexpr std::size_t sysctl_name_max = 253, apparmor_profile_max = 4095;
constexpr std::string_view seccomp_pod_key = "seccomp.security.alpha.kubernetes.io/pod";
constexpr std::string_view seccomp_container_prefix = "container.seccomp.security.alpha.kubernetes.io/";
constexpr std::string_view apparmor_prefix = "container.apparmor.security.beta.kubernetes.io/";

void check_ids(Report& report, const Path& path, const json::object& context, std::initializer_list<std::string_view> names) {
    for (const auto name : names)
        if (const auto* id = field(context, name)) report.invalid(path.child(name), *id, check_user_id(number(context, name)));
}

void check_seccomp(Report& report, const Path& path, const json::object& context) {
    if (field(context, "seccompProfile") == nullptr) return;
    const auto& profile = object_at(context, "seccompProfile");
    const auto type = text(profile, "type");
    const auto* local = field(profile, "localhostProfile");
    if (type.empty()) report.required(path.child("type"), "type is required when seccompProfile is set");
    else if (type != "Localhost" && type != "RuntimeDefault" && type != "Unconfined")
        report.not_supported(path.child("type"), json::value(type), {"Localhost", "RuntimeDefault", "Unconfined"});
    if (type != "Localhost") {
        if (local != nullptr)
            report.invalid(path.child("localhostProfile"), go_form("SeccompProfile", profile),
                           "can only be set when seccomp type is Localhost");
    } else if (local == nullptr) {
        report.required(path.child("localhostProfile"), "must be set when seccomp type is Localhost");
    } else {
        check_descending_path(report, path.child("localhostProfile"), as_text(*local));
    }
}

void check_apparmor(Report& report, const Path& path, const json::object& context) {
    if (field(context, "appArmorProfile") == nullptr) return;
    const auto& profile = object_at(context, "appArmorProfile");
    const auto type = text(profile, "type");
    const auto* local = field(profile, "localhostProfile");
    const auto local_path = path.child("localhostProfile");
    if (type == "Localhost") {
        if (local == nullptr) return report.required(local_path, "must be set when AppArmor type is Localhost");
        constexpr std::string_view blanks = " \t\n\v\f\r";
        const auto name = as_text(*local);
        if (!name.empty() && (blanks.contains(name.front()) || blanks.contains(name.back())))
            report.invalid(local_path, *local, "must not be padded with whitespace");
        else if (name.empty()) report.required(local_path, "must be set when AppArmor type is Localhost");
        if (name.size() > apparmor_profile_max) report.too_long(local_path, apparmor_profile_max);
    } else if (type == "RuntimeDefault" || type == "Unconfined") {
        if (local != nullptr) report.invalid(local_path, *local, "can only be set when AppArmor type is Localhost");
    } else if (type.empty()) {
        report.required(path.child("type"), "type is required when appArmorProfile is set");
    } else {
        report.not_supported(path.child("type"), json::value(type), {"Localhost", "RuntimeDefault", "Unconfined"});
    }
}

// ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$
bool is_sysctl_name(std::string_view name) {
    if (name.empty() || name.size() > sysctl_name_max) return false;
    const auto is_edge = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
    while (true) {
        const auto end = name.find_first_of("./");
        const auto segment = name.substr(0, end);
        if (segment.empty() || !is_edge(segment.front()) || !is_edge(segment.back())) return false;
        if (!std::ranges::all_of(segment, [&](char c) { return is_edge(c) || c == '-' || c == '_'; })) return false;
        if (end == std::string_view::npos) return true;
        name.remove_prefix(end + 1);
    }
}

enum class HostSpace : std::uint8_t { none, net, ipc };

// Which kernel namespace a sysctl belongs to, of those that a pod can share with its host.
HostSpace space_of(std::string_view sysctl) {
    std::string name(sysctl);
    // Either separator may be used; the first one tells which.
    if (const auto first = name.find_first_of("./"); first != std::string::npos && name[first] == '/')
        std::ranges::transform(name, name.begin(), [](char c) { return c == '/' ? '.' : c == '.' ? '/' : c; });
    static constexpr auto ipc = std::to_array<std::string_view>(
        {"kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced", "kernel.shm",
         "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.msg"});
    if (std::ranges::contains(ipc, name) || name.starts_with("fs.mqueue.")) return HostSpace::ipc;
    return name.starts_with("net.") ? HostSpace::net : HostSpace::none;
}

void check_sysctls(PodSpecCheck& check, const Path& path, const json::array& sysctls) {
    std::set<std::string_view> names;
    std::size_t at = 0;
    for (const auto& element : sysctls) {
        const auto name_path = path.index(at++).child("name");
        const auto name = text(as_object(element), "name");
        if (name.empty()) check.report.required(name_path);
        else if (!is_sysctl_name(name))
            check.report.invalid(name_path, json::value(name),
                                 R"(must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$)");
        else if (names.contains(name)) check.report.duplicate(name_path, json::value(name));
        const auto space = space_of(name);
        if (space == HostSpace::net && flag(check.spec, "hostNetwork"))
            check.report.invalid(name_path, json::value(name), "may not be specified when 'hostNetwork' is true");
        else if (space == HostSpace::ipc && flag(check.spec, "hostIPC"))
            check.report.invalid(name_path, json::value(name), "may not be specified when 'hostIPC' is true");
        names.insert(name);
    }
}

void check_choice(Report& report, const Path& path, const json::object& context, std::string_view name,
                  std::initializer_list<std::string_view> choices) {
    if (const auto* value = field(context, name); value != nullptr && !std::ranges::contains(choices, as_text(*value)))
        report.not_supported(path.child(name), *value, choices);
}

// Whether an annotation says what a profile field says; what differs is named below `path`.
void check_agreement(Report& report, const Path& path, std::string_view annotation, const json::object& profile,
                     std::string_view what, std::initializer_list<std::string_view> defaults) {
    const auto type = text(profile, "type");
    const auto differ = [&](std::string_view name, std::string_view aspect) {
        report.forbidden(path.child(name), std::format("{} {} in annotation and field must match", what, aspect));
    };
    if (type == "Unconfined") {
        if (annotation != "unconfined") differ("type", "type");
    } else if (type == "RuntimeDefault") {
        if (!std::ranges::contains(defaults, annotation)) differ("type", "type");
    } else if (type == "Localhost") {
        if (!annotation.starts_with("localhost/")) differ("type", "type");
        else if (annotation.substr(10) != text(profile, "localhostProfile") || field(profile, "localhostProfile") == nullptr)
            differ("localhostProfile", "profile");
    }
}

void check_seccomp_annotation(Report& report, const Path& path, std::string_view profile) {
    if (profile == "runtime/default" || profile == "docker/default" || profile == "unconfined") return;
    if (profile.starts_with("localhost/")) check_descending_path(report, path, profile.substr(10));
    else report.invalid(path, json::value(profile), "must be a valid seccomp profile");
}

std::string_view key_view(const json::key_value_pair& member) { return {member.key().data(), member.key().size()}; }

}  // namespace

void check_container_security(PodSpecCheck& check, const Path& path, const json::object& container) {
    if (field(container, "securityContext") == nullptr) return;
    auto& report = check.report;
    const auto& context = object_at(container, "securityContext");
    check_ids(report, path, context, {"runAsUser", "runAsGroup"});
    if (const auto* mount = field(context, "procMount")) {
        check_choice(report, path, context, "procMount", {"Default", "Unmasked"});
        if (check.has_host_users && as_text(*mount) == "Unmasked")
            report.invalid(path.child("procMount"), *mount, "`hostUsers` must be false to use `Unmasked`");
    }
    check_seccomp(report, path.child("seccompProfile"), context);
    if (field(context, "allowPrivilegeEscalation") != nullptr && !flag(context, "allowPrivilegeEscalation")) {
        if (flag(context, "privileged"))
            report.invalid(path, go_form("SecurityContext", context),
                           "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
        for (const auto& capability : array_at(context, "capabilities.add"))
            if (as_text(capability) == "CAP_SYS_ADMIN")
                report.invalid(path, go_form("SecurityContext", context),
                               "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN");
    }
    check_windows_options(report, path.child("windowsOptions"), context);
    check_apparmor(report, path.child("appArmorProfile"), context);
}

void check_pod_security(PodSpecCheck& check, const Path& path) {
    auto& report = check.report;
    const auto& context = object_at(check.spec, "securityContext");
    check_ids(report, path, context, {"fsGroup", "runAsUser", "runAsGroup"});
    std::size_t at = 0;
    for (const auto& group : array_at(context, "supplementalGroups"))
        report.invalid(path.child("supplementalGroups").index(at++), group,
                       check_user_id(group.is_int64() ? group.get_int64() : 0));
    check_sysctls(check, path.child("sysctls"), array_at(context, "sysctls"));
    check_choice(report, path, context, "fsGroupChangePolicy", {"Always", "OnRootMismatch"});
    check_seccomp(report, path.child("seccompProfile"), context);
    check_windows_options(report, path.child("windowsOptions"), context);
    check_apparmor(report, path.child("appArmorProfile"), context);
    check_choice(report, path, context, "supplementalGroupsPolicy", {"Merge", "Strict"});
    check_choice(report, path, context, "seLinuxChangePolicy", {"MountOption", "Recursive"});
}

void check_security_annotations(Report& report, const Path& path, const json::object& annotations, const json::object& spec) {
    if (const auto* profile = annotations.if_contains(seccomp_pod_key))
        check_seccomp_annotation(report, path.child(seccomp_pod_key), as_text(*profile));
    for (const auto& member : annotations)
        if (const auto key = key_view(member); key.starts_with(seccomp_container_prefix))
            check_seccomp_annotation(report, path.child(key), as_text(member.value()));
    for (const auto& member : annotations) {
        const auto key = key_view(member);
        if (!key.starts_with(apparmor_prefix)) continue;
        const auto name = key.substr(apparmor_prefix.size()), profile = as_text(member.value());
        bool is_there = false;
        visit_containers(spec, Path(), [&](const json::object& container, const Path&) { is_there |= text(container, "name") == name; });
        if (!is_there) report.invalid(path.key(key), json::value(name), "container not found");
        if (!profile.empty() && profile != "runtime/default" && profile != "unconfined" && !profile.starts_with("localhost/"))
            report.invalid(path.key(key), json::value(profile), std::format("invalid AppArmor profile name: {}", go_quoted(profile)));
    }
}

std::optional<json::object> apparmor_profile_of(std::string_view annotation) {
    if (annotation == "unconfined") return json::object{{"type", "Unconfined"}};
    if (annotation == "runtime/default") return json::object{{"type", "RuntimeDefault"}};
    if (!annotation.starts_with("localhost/") || annotation.size() == 10) return std::nullopt;
    return json::object{{"type", "Localhost"}, {"localhostProfile", annotation.substr(10)}};
}

void check_seccomp_agreement(Report& report, const Path& spec_path, const json::object& annotations, const json::object& spec) {
    const auto check_one = [&](const Path& path, std::string_view key, const json::object& context) {
        const auto* annotation = annotations.if_contains(key);
        if (annotation == nullptr || field(context, "seccompProfile") == nullptr) return;
        check_agreement(report, path.child("securityContext").child("seccompProfile"), as_text(*annotation),
                        object_at(context, "seccompProfile"), "seccomp", {"runtime/default", "docker/default"});
    };
    check_one(spec_path, seccomp_pod_key, object_at(spec, "securityContext"));
    visit_containers(spec, spec_path, [&](const json::object& container, const Path& path) {
        check_one(path, std::format("{}{}", seccomp_container_prefix, text(container, "name")),
                  object_at(container, "securityContext"));
    });
}

void check_apparmor_agreement(Report& report, const Path& spec_path, const json::object& annotations, const json::object& spec) {
    if (text(spec, "os.name") == "windows") return;
    visit_containers(spec, spec_path, [&](const json::object& container, const Path& path) {
        const auto* annotation = annotations.if_contains(std::format("{}{}", apparmor_prefix, text(container, "name")));
        const auto* profile = field(container, "securityContext.appArmorProfile");
        if (profile == nullptr) profile = field(spec, "securityContext.appArmorProfile");
        if (annotation == nullptr || profile == nullptr) return;
        check_agreement(report, path.child("securityContext").child("appArmorProfile"), as_text(*annotation),
                        as_object(*profile), "apparmor", {"runtime/default"});
    });
}

}  // namespace services::kube::kinds
