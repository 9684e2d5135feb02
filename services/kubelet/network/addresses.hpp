// Which pod has which address. Pure state with a text form; the owner writes that down before an address is used.
//
// The file, addresses.json, one line: {"version":1,"last":7,"pods":{"UID":{"ip":"10.42.0.7","ports":[["TCP",8080,80,""]]}}}
// An address is given again only after all others of the range were: what spoke to the old pod meets nobody.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "services/kubelet/network/pod_network.hpp"

namespace services::kubelet::network {

class AddressBook {
public:
    struct Pod {
        std::uint32_t number = 0;  // the address is range + number
        std::vector<HostPort> ports;
    };
    // `range` is IPv4 in CIDR form; network, gateway (the first) and broadcast address are never given. Throws
    // Error{invalid}.
    explicit AddressBook(const std::string& range);
    // Takes over what text() said. Throws Error{corrupt}; entries outside the range are left out.
    void load(const std::string& text);
    [[nodiscard]] std::string text() const;

    // The pod's address, given out now if it has none. Throws Error{exhausted}.
    const Pod& give(const std::string& uid, std::vector<HostPort> ports);
    void release(const std::string& uid);
    [[nodiscard]] const Pod* find(const std::string& uid) const;
    [[nodiscard]] const std::map<std::string, Pod>& pods() const { return pods_; }
    [[nodiscard]] std::string ip(std::uint32_t number) const;
    [[nodiscard]] std::string gateway() const { return ip(1); }
    // Rises with each change of what text() says.
    [[nodiscard]] std::uint64_t generation() const { return generation_; }

private:
    std::uint32_t network_ = 0;
    std::uint32_t size_ = 0;
    std::uint32_t last_ = 1;
    std::uint64_t generation_ = 1;
    std::map<std::string, Pod> pods_;
    std::map<std::uint32_t, std::string> taken_;
};

}  // namespace services::kubelet::network
