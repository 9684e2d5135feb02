#include "services/kubelet/network/addresses.hpp"

#include <arpa/inet.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

#include "hal/base/error.hpp"

namespace services::kubelet::network {

namespace json = boost::json;
using hal::Code;
using hal::Error;

namespace {

bool same_ports(const std::vector<HostPort>& a, const std::vector<HostPort>& b) {
    return std::ranges::equal(a, b, [](const HostPort& x, const HostPort& y) {
        return x.protocol == y.protocol && x.host_port == y.host_port && x.container_port == y.container_port &&
               x.host_ip == y.host_ip;
    });
}

std::optional<std::uint32_t> parse_ip(const std::string& text) {
    in_addr raw{};
    if (::inet_pton(AF_INET, text.c_str(), &raw) != 1) return std::nullopt;
    return ntohl(raw.s_addr);
}

}  // namespace

AddressBook::AddressBook(const std::string& range) {
    const auto slash = range.find('/');
    const auto base = parse_ip(range.substr(0, slash));
    const int bits = slash == std::string::npos ? 0 : std::atoi(range.c_str() + slash + 1);
    if (!base || bits < 8 || bits > 29) throw Error(Code::invalid, "pod range \"" + range + "\" is not IPv4 with 8 to 29 bits");
    size_ = std::uint32_t{1} << (32 - bits);
    network_ = *base & ~(size_ - 1);
}

std::string AddressBook::ip(std::uint32_t number) const {
    in_addr raw{htonl(network_ + number)};
    char text[INET_ADDRSTRLEN] = "";
    ::inet_ntop(AF_INET, &raw, text, sizeof text);
    return text;
}

void AddressBook::load(const std::string& text) {
    boost::system::error_code failure;
    const auto value = json::parse(text, failure);
    const auto* object = failure ? nullptr : value.if_object();
    const auto* pods = object && object->contains("pods") ? object->at("pods").if_object() : nullptr;
    if (!pods) throw Error(Code::corrupt, "addresses.json does not hold pod addresses");
    try {
        for (const auto& [uid, one] : *pods) {
            const auto address = parse_ip(std::string(one.at("ip").as_string()));
            if (!address || *address <= network_ + 1 || *address >= network_ + size_ - 1) continue;
            Pod pod{*address - network_, {}};
            for (const auto& port : one.at("ports").as_array())
                pod.ports.push_back({std::string(port.at(0).as_string()), port.at(1).to_number<std::uint16_t>(),
                                     port.at(2).to_number<std::uint16_t>(), std::string(port.at(3).as_string())});
            if (taken_.emplace(pod.number, uid).second) pods_[uid] = std::move(pod);
        }
        last_ = object->at("last").to_number<std::uint32_t>() % size_;
    } catch (const std::exception&) {
        throw Error(Code::corrupt, "addresses.json has an entry that cannot be read");
    }
}

std::string AddressBook::text() const {
    json::object pods;
    for (const auto& [uid, pod] : pods_) {
        json::array ports;
        for (const auto& port : pod.ports)
            ports.push_back(json::array{port.protocol, port.host_port, port.container_port, port.host_ip});
        pods[uid] = json::object{{"ip", ip(pod.number)}, {"ports", std::move(ports)}};
    }
    return json::serialize(json::object{{"version", 1}, {"last", last_}, {"pods", std::move(pods)}}) + "\n";
}

const AddressBook::Pod& AddressBook::give(const std::string& uid, std::vector<HostPort> ports) {
    if (const auto it = pods_.find(uid); it != pods_.end()) {
        if (!same_ports(it->second.ports, ports)) {
            it->second.ports = std::move(ports);
            ++generation_;
        }
        return it->second;
    }
    for (std::uint32_t step = 1; step <= size_; ++step) {
        const std::uint32_t number = (last_ + step) % size_;
        if (number < 2 || number == size_ - 1 || taken_.contains(number)) continue;
        last_ = number;
        taken_.emplace(number, uid);
        ++generation_;
        return pods_[uid] = {number, std::move(ports)};
    }
    throw Error(Code::exhausted, "no pod address is left: " + std::to_string(pods_.size()) + " are in use");
}

void AddressBook::release(const std::string& uid) {
    const auto it = pods_.find(uid);
    if (it == pods_.end()) return;
    taken_.erase(it->second.number);
    pods_.erase(it);
    ++generation_;
}

const AddressBook::Pod* AddressBook::find(const std::string& uid) const {
    const auto it = pods_.find(uid);
    return it == pods_.end() ? nullptr : &it->second;
}

}  // namespace services::kubelet::network
