#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "hal/base/error.hpp"
#include "services/discovery/zone.hpp"

namespace services::discovery {

namespace json = boost::json;

namespace {

json::object ports_json(const std::map<std::string, std::uint16_t>& ports) {
    json::object result;
    for (const auto& [name, port] : ports) result[name] = port;
    return result;
}

std::map<std::string, std::uint16_t> ports_from(const json::value& value) {
    std::map<std::string, std::uint16_t> result;
    for (const auto& [name, port] : value.as_object()) result[std::string(name)] = port.to_number<std::uint16_t>();
    return result;
}

}  // namespace

std::string Zone::snapshot() const {
    json::object services;
    for (const auto& [key, names] : services_) {
        json::object slices;
        for (const auto& [slice, endpoints] : names.slices) {
            json::array list;
            for (const auto& one : endpoints)
                list.push_back(json::object{{"ip", one.ip}, {"hostname", one.hostname}, {"ports", ports_json(one.ports)}});
            slices[slice] = std::move(list);
        }
        json::array ips;
        for (const auto& ip : names.cluster_ips) ips.push_back(json::string(ip));
        services[key.first + "/" + key.second] = json::object{{"ips", std::move(ips)},
                                                              {"external", names.external_name},
                                                              {"ports", ports_json(names.ports)},
                                                              {"slices", std::move(slices)}};
    }
    return json::serialize(json::object{{"version", 1}, {"services", std::move(services)}}) + "\n";
}

void Zone::restore(const std::string& text) {
    std::map<Key, ServiceNames> restored;
    try {
        const auto value = json::parse(text);
        for (const auto& [key, one] : value.at("services").as_object()) {
            const std::string full(key);
            const auto slash = full.find('/');
            if (slash == std::string::npos || restored.size() >= services_max) continue;
            ServiceNames names;
            for (const auto& ip : one.at("ips").as_array()) names.cluster_ips.emplace_back(ip.as_string());
            names.external_name = one.at("external").as_string();
            names.ports = ports_from(one.at("ports"));
            for (const auto& [slice, list] : one.at("slices").as_object()) {
                auto& endpoints = names.slices[std::string(slice)];
                for (const auto& endpoint : list.as_array())
                    endpoints.push_back({std::string(endpoint.at("ip").as_string()),
                                         std::string(endpoint.at("hostname").as_string()), ports_from(endpoint.at("ports"))});
            }
            restored[{full.substr(0, slash), full.substr(slash + 1)}] = std::move(names);
        }
    } catch (const std::exception&) {
        throw hal::Error(hal::Code::corrupt, "the zone's snapshot cannot be read");
    }
    services_ = std::move(restored);
}

}  // namespace services::discovery
