#include "services/discovery/zone.hpp"

#include <algorithm>
#include <functional>
#include <iterator>

#include "services/kubeclient/object.hpp"

namespace services::discovery {

namespace kc = kubeclient;
namespace dns = codec::dns;
namespace json = boost::json;

namespace {

std::vector<std::string> labels_of(std::string_view name) {
    std::vector<std::string> labels;
    while (!name.empty()) {
        const auto dot = name.find('.');
        labels.emplace_back(name.substr(0, dot));
        name.remove_prefix(dot == std::string_view::npos ? name.size() : dot + 1);
    }
    return labels;
}

std::string dashed(std::string ip) {
    std::ranges::replace(ip, '.', '-');
    std::ranges::replace(ip, ':', '-');
    return ip;
}

std::string host_of(const Endpoint& endpoint) {
    return endpoint.hostname.empty() ? dashed(endpoint.ip) : endpoint.hostname;
}

std::map<std::string, std::uint16_t> ports_of(const json::array& ports) {
    std::map<std::string, std::uint16_t> result;
    for (const auto& value : ports) {
        const auto& port = kc::as_object(value);
        result[std::string(kc::text(port, "name")) + "/" + dns::lowered(kc::text(port, "protocol", "TCP"))] =
            static_cast<std::uint16_t>(kc::number(port, "port"));
    }
    return result;
}

bool same(const ServiceNames& a, const ServiceNames& b) {
    return a.cluster_ips == b.cluster_ips && a.external_name == b.external_name && a.ports == b.ports;
}
bool same(const std::vector<Endpoint>& a, const std::vector<Endpoint>& b) {
    return std::ranges::equal(a, b, [](const Endpoint& x, const Endpoint& y) {
        return x.ip == y.ip && x.hostname == y.hostname && x.ports == y.ports;
    });
}

}  // namespace

bool Zone::put_service(const json::object& service) {
    const Key key{kc::namespace_of(service), kc::name_of(service)};
    if (!services_.contains(key) && services_.size() >= services_max) return false;
    ServiceNames names;
    if (kc::text(service, "spec.type") == "ExternalName") {
        names.external_name = kc::text(service, "spec.externalName");
    } else {
        for (const auto& ip : kc::array_at(service, "spec.clusterIPs"))
            if (kc::as_text(ip) != "None") names.cluster_ips.emplace_back(kc::as_text(ip));
        const auto only = kc::text(service, "spec.clusterIP");
        if (names.cluster_ips.empty() && !only.empty() && only != "None") names.cluster_ips.emplace_back(only);
    }
    names.ports = ports_of(kc::array_at(service, "spec.ports"));
    const auto [it, is_new] = services_.try_emplace(key);
    if (!is_new && same(it->second, names)) return false;
    names.slices = std::move(it->second.slices);
    it->second = std::move(names);
    return true;
}

bool Zone::remove_service(const json::object& service) {
    return services_.erase({std::string(kc::namespace_of(service)), std::string(kc::name_of(service))}) != 0;
}

bool Zone::put_slice(const json::object& slice) {
    const Key key{kc::namespace_of(slice), kc::label(slice, "kubernetes.io/service-name")};
    if (key.second.empty() || (!services_.contains(key) && services_.size() >= services_max)) return false;
    std::vector<Endpoint> endpoints;
    const auto ports = ports_of(kc::array_at(slice, "ports"));
    for (const auto& value : kc::array_at(slice, "endpoints")) {
        const auto& one = kc::as_object(value);
        if (!kc::flag(one, "conditions.ready", true)) continue;
        for (const auto& ip : kc::array_at(one, "addresses"))
            endpoints.push_back({std::string(kc::as_text(ip)), std::string(kc::text(one, "hostname")), ports});
    }
    // A slice may come before its Service: kept in a nameless entry that answers nothing until then.
    auto& now = services_[key].slices[std::string(kc::name_of(slice))];
    if (same(now, endpoints)) return false;
    now = std::move(endpoints);
    return true;
}

bool Zone::remove_slice(const json::object& slice) {
    const auto it = services_.find({std::string(kc::namespace_of(slice)), std::string(kc::label(slice, "kubernetes.io/service-name"))});
    return it != services_.end() && it->second.slices.erase(std::string(kc::name_of(slice))) != 0;
}

bool Zone::keep_services(const std::set<std::string>& keys) {
    return std::erase_if(services_, [&](const auto& one) { return !keys.contains(one.first.first + "/" + one.first.second); }) != 0;
}

bool Zone::is_namespace(const std::string& name) const {
    const auto it = services_.lower_bound({name, ""});
    return it != services_.end() && it->first.first == name;
}

std::string Zone::reverse(const std::string& ip) const {
    for (const auto& [key, service] : services_) {
        const auto base = key.second + "." + key.first + ".svc." + domain_;
        if (std::ranges::contains(service.cluster_ips, ip)) return base;
        if (!service.cluster_ips.empty()) continue;
        for (const auto& [slice, endpoints] : service.slices)
            for (const auto& one : endpoints)
                if (one.ip == ip) return host_of(one) + "." + base;
    }
    return "";
}

// One question on its way through the tree: `exists` tells NODATA from NXDOMAIN.
struct Zone::Lookup {
    const Zone& zone;
    const dns::Question& question;
    dns::Message& reply;
    bool exists = false;

    bool wants(std::uint16_t type) const { return question.type == type || question.type == dns::ANY; }
    void add(std::string owner, std::uint16_t type, std::optional<std::string> rdata, bool is_additional = false) {
        auto& into = is_additional ? reply.additionals : reply.answers;
        if (rdata && into.size() < answers_max) into.push_back({std::move(owner), type, 1, zone.ttl_, std::move(*rdata)});
    }
    void address(const std::string& owner, const std::string& ip, bool is_additional = false) {
        const auto rdata = dns::address_rdata(ip);
        const auto type = rdata.size() == 16 ? dns::AAAA : dns::A;
        if (!rdata.empty() && (is_additional || wants(type))) add(owner, type, rdata, is_additional);
    }
    void service(const std::string& base, const ServiceNames& names, const std::vector<std::string>& inner);
    void srv(const std::string& base, const ServiceNames& names, const std::string& name, const std::string& protocol);
};

void Zone::Lookup::srv(const std::string& base, const ServiceNames& names, const std::string& name, const std::string& protocol) {
    const auto port_key = name + "/" + protocol;
    const auto one = [&](const std::string& target, std::uint16_t port, const std::string& ip) {
        exists = true;
        if (!wants(dns::SRV)) return;
        add(question.name, dns::SRV, dns::srv_rdata(0, 100, port, target));
        address(target, ip, true);
    };
    if (!names.cluster_ips.empty()) {
        if (const auto it = names.ports.find(port_key); it != names.ports.end()) one(base, it->second, names.cluster_ips.front());
        return;
    }
    for (const auto& [slice, endpoints] : names.slices)
        for (const auto& endpoint : endpoints)
            if (const auto it = endpoint.ports.find(port_key); it != endpoint.ports.end())
                one(host_of(endpoint) + "." + base, it->second, endpoint.ip);
}

void Zone::Lookup::service(const std::string& base, const ServiceNames& names, const std::vector<std::string>& inner) {
    const bool is_headless = names.cluster_ips.empty();
    if (inner.size() == 2 && inner[0].starts_with('_') && inner[1].starts_with('_'))
        return srv(base, names, inner[0].substr(1), inner[1].substr(1));
    if (inner.size() > 1 || (inner.size() == 1 && !is_headless)) return;
    if (inner.empty()) {
        exists = true;
        if (!names.external_name.empty()) return add(question.name, dns::CNAME, dns::name_rdata(names.external_name));
        for (const auto& ip : names.cluster_ips) address(question.name, ip);
        if (question.type == dns::SRV)
            for (const auto& [key, port] : names.ports) srv(base, names, key.substr(0, key.find('/')), key.substr(key.find('/') + 1));
    }
    if (!is_headless) return;
    std::set<std::string> told;
    bool any = false;
    for (const auto& [slice, endpoints] : names.slices) {
        for (const auto& endpoint : endpoints) {
            any = true;
            if (!inner.empty() && inner[0] != host_of(endpoint)) continue;
            exists = true;
            if (told.insert(endpoint.ip).second) address(question.name, endpoint.ip);
        }
    }
    // A headless Service without endpoints has no name at all (as the real one answers).
    if (inner.empty() && !any) exists = false;
}

bool Zone::answer(const dns::Question& question, dns::Message& reply, std::uint32_t turn) const {
    const auto name = dns::lowered(question.name);
    if (const auto ip = dns::reverse_address(name); !ip.empty()) {
        const auto target = reverse(ip);
        if (target.empty()) return false;
        reply.is_authoritative = true;
        if (question.type == dns::PTR || question.type == dns::ANY)
            reply.answers.push_back({question.name, dns::PTR, 1, ttl_, dns::name_rdata(target).value_or("")});
        return true;
    }
    if (name != domain_ && !name.ends_with("." + domain_)) return false;
    auto labels = labels_of(name.size() == domain_.size() ? std::string() : name.substr(0, name.size() - domain_.size() - 1));
    Lookup lookup{*this, question, reply};
    reply.is_authoritative = true;
    const auto soa = dns::soa_rdata({"ns.dns." + domain_, "hostmaster." + domain_, 1, 7200, 1800, 86'400, ttl_}).value_or("");
    if (labels.empty()) {
        lookup.exists = true;
        if (lookup.wants(dns::SOA)) lookup.add(question.name, dns::SOA, soa);
        if (lookup.wants(dns::NS)) lookup.add(question.name, dns::NS, dns::name_rdata("ns.dns." + domain_));
    } else if (labels.size() == 1 && labels[0] == "dns-version") {
        lookup.exists = true;
        if (lookup.wants(dns::TXT)) lookup.add(question.name, dns::TXT, std::string("\x05") + "1.1.0");
    } else if (labels.back() == "svc") {
        labels.pop_back();
        if (labels.empty()) {
            lookup.exists = true;
        } else if (labels.size() == 1) {
            lookup.exists = is_namespace(labels[0]);
        } else {
            const Key key{labels.back(), labels[labels.size() - 2]};
            labels.resize(labels.size() - 2);
            if (const auto it = services_.find(key); it != services_.end())
                lookup.service(key.second + "." + key.first + ".svc." + domain_, it->second, labels);
        }
    } else if (labels.back() == "pod") {
        labels.pop_back();
        lookup.exists = labels.empty() || (labels.size() == 1 && is_namespace(labels[0]));
        if (labels.size() == 2 && is_namespace(labels[1])) {
            auto v4 = labels[0], v6 = labels[0];
            std::ranges::replace(v4, '-', '.');
            std::ranges::replace(v6, '-', ':');
            for (const auto& ip : {v4, v6}) {
                if (dns::address_rdata(ip).empty()) continue;
                lookup.exists = true;
                lookup.address(question.name, ip);
            }
        }
    }
    if (reply.answers.size() > 1)
        std::ranges::rotate(reply.answers, reply.answers.begin() + static_cast<std::ptrdiff_t>(turn % reply.answers.size()));
    if (!lookup.exists) reply.rcode = dns::Rcode::name_error;
    if (reply.answers.empty()) reply.authorities.push_back({domain_, dns::SOA, 1, ttl_, soa});
    return true;
}

}  // namespace services::discovery
