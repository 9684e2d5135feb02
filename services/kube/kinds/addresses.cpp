// parse_address and parse_network: Go's lenient readers (ParseIPSloppy, ParseCIDRSloppy) and its canonical text.
#include "services/kube/kinds/names.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <format>

namespace services::kube::kinds {
namespace {

using Bytes = std::array<std::uint8_t, 16>;

// Digits only, no sign; false when there are none or the value passes `most`.
bool read_number(std::string_view text, int base, unsigned most, unsigned& value) {
    if (text.empty() || text.front() == '-') return false;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    return error == std::errc{} && end == text.data() + text.size() && value <= most;
}

bool read_ipv4(std::string_view text, std::uint8_t* out, bool& has_leading_zeros) {
    for (int i = 0; i < 4; ++i) {
        const auto dot = i < 3 ? text.find('.') : text.size();
        if (dot == std::string_view::npos) return false;
        const auto octet = text.substr(0, dot);
        unsigned value = 0;
        if (!read_number(octet, 10, 255, value)) return false;
        if (octet.size() > 1 && octet.front() == '0') has_leading_zeros = true;
        out[i] = static_cast<std::uint8_t>(value);
        text.remove_prefix(std::min(text.size(), dot + 1));
    }
    return true;
}

bool read_ipv6(std::string_view text, Bytes& out, bool& has_leading_zeros) {
    std::size_t filled = 0;
    std::size_t gap = out.size() + 1;  // where "::" stands
    if (text.starts_with("::")) {
        gap = 0;
        text.remove_prefix(2);
    }
    while (!text.empty()) {
        if (filled > 14) return false;
        const auto group = text.substr(0, text.find(':'));
        if (group.contains('.')) {
            if (filled > 12 || group.size() != text.size() || !read_ipv4(group, &out[filled], has_leading_zeros)) return false;
            filled += 4;
            text = {};
            break;
        }
        unsigned value = 0;
        if (!read_number(group, 16, 0xffff, value)) return false;
        if (group.size() > 4) has_leading_zeros = true;
        out[filled++] = static_cast<std::uint8_t>(value >> 8U);
        out[filled++] = static_cast<std::uint8_t>(value & 0xffU);
        text.remove_prefix(group.size());
        if (text.empty()) break;
        text.remove_prefix(1);
        if (text.empty()) return false;
        if (text.front() != ':') continue;
        if (gap <= out.size()) return false;
        gap = filled;
        text.remove_prefix(1);
    }
    if (gap > out.size()) return filled == out.size();
    if (filled == out.size()) return false;
    const auto tail = filled - gap;
    std::memmove(&out[out.size() - tail], &out[gap], tail);
    std::fill(out.begin() + static_cast<std::ptrdiff_t>(gap), out.end() - static_cast<std::ptrdiff_t>(tail), std::uint8_t{0});
    return true;
}

std::string ipv4_text(const std::uint8_t* bytes) { return std::format("{}.{}.{}.{}", bytes[0], bytes[1], bytes[2], bytes[3]); }

// RFC 5952: the first longest run of two or more zero groups becomes "::".
std::string ipv6_text(const std::uint8_t* bytes) {
    std::array<unsigned, 8> groups{};
    for (std::size_t i = 0; i < 8; ++i) groups[i] = (static_cast<unsigned>(bytes[2 * i]) << 8U) | bytes[2 * i + 1];
    std::size_t best = 8, best_length = 1;
    for (std::size_t i = 0; i < 8; ++i) {
        std::size_t end = i;
        while (end < 8 && groups[end] == 0) ++end;
        if (end - i > best_length) {
            best = i;
            best_length = end - i;
        }
    }
    std::string out;
    for (std::size_t i = 0; i < 8; ++i) {
        if (i == best) {
            out += "::";
            i += best_length - 1;
            continue;
        }
        if (!out.empty() && !out.ends_with(':')) out += ':';
        out += std::format("{:x}", groups[i]);
    }
    return out;
}

void write_canonical(Address& address) { address.canonical = address.is_ipv6 ? ipv6_text(address.bytes) : ipv4_text(address.bytes + 12); }

}  // namespace

std::optional<Address> parse_address(std::string_view text) {
    Address address;
    Bytes bytes{};
    if (text.contains(':')) {
        if (!read_ipv6(text, bytes, address.has_leading_zeros)) return std::nullopt;
        constexpr Bytes mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
        address.is_mapped = std::equal(bytes.begin(), bytes.begin() + 12, mapped.begin());
        address.is_ipv6 = !address.is_mapped;
    } else if (!read_ipv4(text, &bytes[12], address.has_leading_zeros)) {
        return std::nullopt;
    }
    std::ranges::copy(bytes, address.bytes);
    write_canonical(address);
    return address;
}

std::optional<Network> parse_network(std::string_view text) {
    const auto slash = text.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    const auto address = parse_address(text.substr(0, slash));
    const auto bits = text.substr(slash + 1);
    unsigned prefix = 0;
    // A mapped address counts its prefix from the IPv6 side, as it is written.
    const unsigned width = text.substr(0, slash).contains(':') ? 128 : 32;
    if (!address || !read_number(bits, 10, width, prefix)) return std::nullopt;
    Network network;
    network.address = *address;
    network.has_leading_zeros = address->has_leading_zeros || (bits.size() > 1 && bits.front() == '0');
    network.prefix_bits = static_cast<int>(prefix);
    Address base = *address;
    const unsigned kept = width == 32 ? prefix + 96 : prefix;
    for (unsigned bit = kept; bit < 128; ++bit) {
        auto& byte = base.bytes[bit / 8];
        const auto mask = static_cast<std::uint8_t>(0x80U >> (bit % 8));
        if ((byte & mask) != 0) network.has_host_bits = true;
        byte = static_cast<std::uint8_t>(byte & ~mask);
    }
    write_canonical(base);
    const unsigned shown = base.is_mapped ? (prefix >= 96 ? prefix - 96 : 0) : prefix;
    network.canonical = std::format("{}/{}", base.canonical, shown);
    return network;
}

}  // namespace services::kube::kinds
