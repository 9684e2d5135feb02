#include "services/kubelet/pods/pod_files.hpp"

#include <algorithm>
#include <format>
#include <sstream>

#include "services/kubeclient/object.hpp"

namespace services::kubelet::pods {

namespace kc = kubeclient;

namespace {

constexpr std::size_t host_name_bytes_max = 63;
constexpr std::size_t name_servers_max = 3;
constexpr std::size_t search_domains_max = 32;

struct Resolver {
    std::vector<std::string> servers, searches, options;
};

Resolver read_resolver(std::string_view text) {
    Resolver resolver;
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string key, word;
        words >> key;
        if (key == "search" || key == "domain") resolver.searches.clear();
        while (words >> word) {
            if (key == "nameserver") resolver.servers.push_back(word);
            if (key == "search" || key == "domain") resolver.searches.push_back(word);
            if (key == "options") resolver.options.push_back(word);
        }
    }
    return resolver;
}

void append_new(std::vector<std::string>& to, std::string word) {
    if (std::ranges::find(to, word) == to.end()) to.push_back(std::move(word));
}

void apply_dns_config(Resolver& resolver, const json::object& config) {
    for (const auto& one : kc::array_at(config, "nameservers")) append_new(resolver.servers, std::string(kc::as_text(one)));
    for (const auto& one : kc::array_at(config, "searches")) append_new(resolver.searches, std::string(kc::as_text(one)));
    for (const auto& one : kc::array_at(config, "options")) {
        const auto name = std::string(kc::text(one.as_object(), "name"));
        const auto* value = one.as_object().if_contains("value");
        std::erase_if(resolver.options, [&](const std::string& have) { return have == name || have.starts_with(name + ":"); });
        resolver.options.push_back(value && value->is_string() ? name + ":" + std::string(value->as_string()) : name);
    }
}

std::string joined(std::string_view key, const std::vector<std::string>& words) {
    if (words.empty()) return "";
    std::string line(key);
    for (const auto& word : words) line += " " + word;
    return line + "\n";
}

}  // namespace

std::string host_name_of(const json::object& pod, std::string_view node_name) {
    if (const auto set = kc::text(pod, "spec.hostnameOverride"); !set.empty()) return std::string(set);
    if (kc::flag(pod, "spec.hostNetwork")) return std::string(node_name);
    std::string name(kc::text(pod, "spec.hostname", kc::name_of(pod)));
    name.resize(std::min(name.size(), host_name_bytes_max));
    while (!name.empty() && (name.back() == '-' || name.back() == '.')) name.pop_back();
    return name;
}

std::string full_name_of(const json::object& pod, std::string_view domain) {
    const auto sub = kc::text(pod, "spec.subdomain");
    if (sub.empty()) return "";
    return std::format("{}.{}.{}.svc.{}", host_name_of(pod, ""), sub, kc::namespace_of(pod), domain);
}

std::string hosts_file(const json::object& pod, const std::vector<std::string>& addresses, std::string_view node_name,
                       std::string_view domain, std::string_view host_file) {
    std::string text;
    if (kc::flag(pod, "spec.hostNetwork")) {
        text = "# Kubernetes-managed hosts file (host network).\n" + std::string(host_file);
        if (!text.ends_with('\n')) text += '\n';
    } else {
        text =
            "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
            "fe00::\tip6-localnet\nfe00::\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n";
        const auto full = full_name_of(pod, domain);
        for (const auto& address : addresses)
            text += address + "\t" + (full.empty() ? "" : full + "\t") + host_name_of(pod, node_name) + "\n";
    }
    const auto& aliases = kc::array_at(pod, "spec.hostAliases");
    if (!aliases.empty()) text += "\n# Entries added by HostAliases.\n";
    for (const auto& alias : aliases) {
        text += kc::text(alias.as_object(), "ip");
        for (const auto& name : kc::array_at(alias.as_object(), "hostnames")) text += "\t" + std::string(kc::as_text(name));
        text += "\n";
    }
    return text;
}

std::string resolv_conf(const json::object& pod, const ClusterNames& names, std::string_view host_file) {
    auto policy = kc::text(pod, "spec.dnsPolicy", "ClusterFirst");
    if (policy == "ClusterFirst" && kc::flag(pod, "spec.hostNetwork")) policy = "Default";
    Resolver resolver;
    if (policy != "None") resolver = read_resolver(host_file);
    if (policy == "ClusterFirst" || policy == "ClusterFirstWithHostNet") {
        std::vector<std::string> searches{std::format("{}.svc.{}", kc::namespace_of(pod), names.domain), "svc." + names.domain, names.domain};
        for (const auto& one : resolver.searches) append_new(searches, one);
        resolver = {{names.dns_address}, std::move(searches), {"ndots:5"}};
    }
    apply_dns_config(resolver, kc::object_at(pod, "spec.dnsConfig"));
    resolver.servers.resize(std::min(resolver.servers.size(), name_servers_max));
    resolver.searches.resize(std::min(resolver.searches.size(), search_domains_max));
    std::string text = joined("search", resolver.searches);
    for (const auto& server : resolver.servers) text += "nameserver " + server + "\n";
    return text + joined("options", resolver.options);
}

}  // namespace services::kubelet::pods
