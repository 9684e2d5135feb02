#include "services/kube/kinds/service_addresses.hpp"

#include <algorithm>
#include <format>

#include "services/kube/kinds/names.hpp"
#include "services/kubeclient/object.hpp"

namespace services::kube::kinds {

void check_address(Report& report, const Path& path, std::string_view text, const json::array& kept) {
    if (std::ranges::any_of(kept, [&](const auto& value) { return kubeclient::as_text(value) == text; })) return;
    const auto address = parse_address(text);
    if (!address)
        return report.invalid(path, json::value(text), "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
    if (address->has_leading_zeros) report.invalid(path, json::value(text), "must not have leading 0s");
    if (address->is_mapped) report.invalid(path, json::value(text), "must not be an IPv4-mapped IPv6 address");
}

void check_network(Report& report, const Path& path, std::string_view text) {
    const auto network = parse_network(text);
    if (!network) {
        report.invalid(path, json::value(text), "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
    } else if (network->has_leading_zeros || network->address.has_leading_zeros) {
        report.invalid(path, json::value(text), "must not have leading 0s in IP or prefix length");
    } else if (network->address.is_mapped) {
        report.invalid(path, json::value(text), "must not have an IPv4-mapped IPv6 address");
    } else if (network->has_host_bits) {
        report.invalid(path, json::value(text), "must not have bits set beyond the prefix length");
    }
}

void check_endpoint_address(Report& report, const Path& path, std::string_view text) {
    const auto address = parse_address(text);
    if (!address) return;
    const auto refuse = [&](std::string_view why) { report.invalid(path, json::value(text), why); };
    const auto& bytes = address->bytes;
    if (address->is_ipv6) {
        const bool is_zero_but_last = std::ranges::all_of(bytes, bytes + 15, [](auto byte) { return byte == 0; });
        if (is_zero_but_last && bytes[15] == 0) refuse(std::format("may not be unspecified ({})", text));
        if (is_zero_but_last && bytes[15] == 1) refuse("may not be in the loopback range (127.0.0.0/8, ::1/128)");
        if (bytes[0] == 0xfe && (bytes[1] & 0xc0U) == 0x80) refuse("may not be in the link-local range (169.254.0.0/16, fe80::/10)");
        if (bytes[0] == 0xff && (bytes[1] & 0x0fU) == 2) refuse("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
        return;
    }
    const auto* octets = bytes + 12;
    if (std::ranges::all_of(octets, octets + 4, [](auto byte) { return byte == 0; }))
        refuse(std::format("may not be unspecified ({})", text));
    if (octets[0] == 127) refuse("may not be in the loopback range (127.0.0.0/8, ::1/128)");
    if (octets[0] == 169 && octets[1] == 254) refuse("may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    if (octets[0] == 224 && octets[1] == 0 && octets[2] == 0)
        refuse("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
}

bool is_ipv6_address(std::string_view text) {
    const auto address = parse_address(text);
    return address && address->is_ipv6;
}

bool is_dual_stack(const json::array& addresses) {
    const auto sixes = std::ranges::count_if(addresses, [](const auto& value) { return is_ipv6_address(kubeclient::as_text(value)); });
    return sixes > 0 && static_cast<std::size_t>(sixes) < addresses.size();
}

std::vector<std::string> address_warnings(const Path& path, std::string_view text) {
    const auto address = parse_address(text);
    if (!address) return {};
    if (address->has_leading_zeros || address->is_mapped)
        return {std::format("{}: non-standard IP address {} is invalid: use {}", path.text(), go_quoted(text),
                            go_quoted(address->canonical))};
    if (address->is_ipv6 && address->canonical != text)
        return {std::format("{}: IPv6 address {} should be in RFC 5952 canonical format ({})", path.text(), go_quoted(text),
                            go_quoted(address->canonical))};
    return {};
}

std::vector<std::string> network_warnings(const Path& path, std::string_view text) {
    const auto network = parse_network(text);
    if (!network) return {};
    std::vector<std::string> out;
    if (network->has_host_bits)
        out.push_back(std::format("{}: CIDR value {} is ambiguous in this context (should be {} or {}?)", path.text(), go_quoted(text),
                                  go_quoted(network->canonical),
                                  go_quoted(std::format("{}/{}", network->address.canonical, network->address.is_ipv6 ? 128 : 32))));
    if (network->has_leading_zeros || network->address.has_leading_zeros || network->address.is_mapped)
        out.push_back(std::format("{}: non-standard CIDR value {} is invalid: use {}", path.text(), go_quoted(text),
                                  go_quoted(network->canonical)));
    else if (out.empty() && network->address.is_ipv6 && network->canonical != text)
        out.push_back(std::format("{}: IPv6 CIDR value {} should be in RFC 5952 canonical format ({})", path.text(), go_quoted(text),
                                  go_quoted(network->canonical)));
    return out;
}

}  // namespace services::kube::kinds
