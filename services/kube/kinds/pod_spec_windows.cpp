// What a PodSpec says for Windows nodes, and what the operating system that it names rules out.
#include <algorithm>
#include <array>
#include <format>
#include <string>

#include "services/kube/kinds/names.hpp"
#include "services/kube/kinds/pod_spec_checks.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {

namespace {

using kubeclient::as_text;
using kubeclient::field;
using kubeclient::flag;
using kubeclient::object_at;
using kubeclient::text;

constexpr std::size_t credential_spec_bytes_max = 64 * 1024, domain_max = 256, user_max = 104;

bool is_alnum(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

bool is_netbios_domain(std::string_view domain) {
    return !domain.empty() && domain.size() <= 15 && domain.front() != '.' && domain.find_first_of(R"(\/:*?"<>|)") == std::string_view::npos;
}

bool is_dns_domain(std::string_view domain) {
    while (true) {
        const auto dot = domain.find('.');
        const auto label = domain.substr(0, dot);
        if (label.empty() || label.size() > 63 || !is_alnum(label.front()) || !is_alnum(label.back())) return false;
        if (!std::ranges::all_of(label, [](char c) { return is_alnum(c) || c == '-'; })) return false;
        if (dot == std::string_view::npos) return true;
        domain.remove_prefix(dot + 1);
    }
}

void check_user_name(Report& report, const Path& path, const json::value& value) {
    const auto name = as_text(value);
    const auto refuse = [&](std::string_view why) { report.invalid(path, value, std::format("runAsUserName{}", why)); };
    if (name.empty()) return refuse(" cannot be an empty string");
    if (std::ranges::any_of(name, [](char c) { return std::iscntrl(static_cast<unsigned char>(c)) != 0; }))
        return refuse(" cannot contain control characters");
    if (std::ranges::count(name, '\\') > 1) return refuse(" cannot contain more than one backslash");
    const auto slash = name.find('\\');
    const bool has_domain = slash != std::string_view::npos;
    const auto domain = has_domain ? name.substr(0, slash) : std::string_view();
    const auto user = has_domain ? name.substr(slash + 1) : name;
    if (domain.size() >= domain_max) refuse(std::format("'s Domain length must be under {} characters", domain_max));
    if (has_domain && !is_netbios_domain(domain) && !is_dns_domain(domain))
        refuse("'s Domain doesn't match the NetBios nor the DNS format");
    if (user.empty()) refuse("'s User cannot be empty");
    else if (user.size() > user_max) refuse(std::format("'s User length must not be longer than {} characters", user_max));
    if (!user.empty() && user.find_first_not_of(". ") == std::string_view::npos)
        refuse("'s User cannot contain only periods or spaces");
    if (user.find_first_of(R"("/\:;|=,+*?<>@[])") != std::string_view::npos)
        refuse(R"('s User cannot contain the following characters: "/\:;|=,+*?<>@[])");
}

void check_linux(PodSpecCheck& check, const Path& path) {
    const auto check_one = [&](const json::object& owner, const Path& owner_path) {
        if (field(owner, "securityContext.windowsOptions") != nullptr)
            check.report.forbidden(owner_path.child("securityContext").child("windowsOptions"),
                                   "windows options cannot be set for a linux pod");
    };
    check_one(check.spec, path);
    visit_containers(check.spec, path, check_one);
}

void check_windows(PodSpecCheck& check, const Path& path) {
    const auto refuse_set = [&](const json::object& holder, const Path& holder_path, std::span<const std::string_view> names) {
        for (const auto name : names)
            if (field(holder, name) != nullptr) check.report.forbidden(holder_path.child(name), "cannot be set for a windows pod");
    };
    static constexpr auto of_pod = std::to_array<std::string_view>(
        {"appArmorProfile", "seLinuxOptions", "seccompProfile", "fsGroup", "fsGroupChangePolicy", "sysctls", "runAsUser",
         "runAsGroup", "supplementalGroups", "supplementalGroupsPolicy", "seLinuxChangePolicy"});
    refuse_set(object_at(check.spec, "securityContext"), path.child("securityContext"), of_pod);
    for (const auto* name : {"hostUsers", "hostPID", "hostIPC", "shareProcessNamespace"}) {
        const bool is_switch = name == std::string_view("hostPID") || name == std::string_view("hostIPC");
        if (is_switch ? flag(check.spec, name) : field(check.spec, name) != nullptr)
            check.report.forbidden(path.child(name), "cannot be set for a windows pod");
    }
    static constexpr auto of_container = std::to_array<std::string_view>(
        {"appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem", "privileged",
         "allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup"});
    visit_containers(check.spec, path, [&](const json::object& container, const Path& container_path) {
        refuse_set(object_at(container, "securityContext"), container_path.child("securityContext"), of_container);
    });
}

}  // namespace

void check_windows_options(Report& report, const Path& path, const json::object& security_context) {
    const auto& options = object_at(security_context, "windowsOptions");
    if (const auto* name = field(options, "gmsaCredentialSpecName"))
        report.invalid(path.child("gmsaCredentialSpecName"), *name, check_dns1123_subdomain(as_text(*name)));
    if (const auto* spec = field(options, "gmsaCredentialSpec")) {
        if (as_text(*spec).empty())
            report.invalid(path.child("gmsaCredentialSpec"), *spec, "gmsaCredentialSpec cannot be an empty string");
        else if (as_text(*spec).size() > credential_spec_bytes_max)
            report.invalid(path.child("gmsaCredentialSpec"), *spec, "gmsaCredentialSpec size must be under 64 KiB");
    }
    if (const auto* user = field(options, "runAsUserName")) check_user_name(report, path.child("runAsUserName"), *user);
}

void check_host_process(PodSpecCheck& check, const Path& path) {
    constexpr std::string_view option = "securityContext.windowsOptions.hostProcess";
    const auto* of_pod = field(check.spec, option);
    std::size_t containers = 0, host_processes = 0;
    visit_containers(check.spec, path, [&](const json::object& container, const Path& container_path) {
        ++containers;
        const auto* own = field(container, option);
        if (of_pod != nullptr && own != nullptr && *of_pod != *own)
            check.report.invalid(
                container_path.child("securityContext").child("windowsOptions").child("hostProcess"), *own,
                std::format("pod hostProcess value must be identical if both are specified, was {}", flag(check.spec, option)));
        if (own != nullptr ? flag(container, option) : flag(check.spec, option)) ++host_processes;
    });
    if (host_processes == 0) return;
    if (host_processes != containers)
        check.report.invalid(path, "", "If pod contains any hostProcess containers then all containers must be HostProcess containers");
    if (!flag(check.spec, "hostNetwork"))
        check.report.invalid(path.child("hostNetwork"), false, "hostNetwork must be true if pod contains any hostProcess containers");
}

void check_operating_system(PodSpecCheck& check, const Path& path) {
    if (field(check.spec, "os") == nullptr) return;
    const auto name = text(check.spec, "os.name");
    if (name.empty()) check.report.required(path.child("os").child("name"));
    else if (name == "linux") check_linux(check, path);
    else if (name == "windows") check_windows(check, path);
    else check.report.not_supported(path.child("os"), json::value(name), {"linux", "windows"});
}

}  // namespace services::kube::kinds
